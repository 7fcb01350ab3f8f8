"""How evenly the control of a topology is spread, and what takes it from whom.

The deviation of the canonical K is the wiring's own: no K of the same loss is more even. It has
three causes, told apart by three averages of K, each finer than the one before: over all pairs;
over those that a path joins and those that none does; over the pairs of each output. The squares of
the steps from one to the next, and from the last to K itself, add up to the variance.
"""

import numpy as np
from jaxtyping import Bool, Float

from topokit._limits import TooLargeError
from topokit._records import Record
from topokit.layers import Layers
from topokit.scores.control import controllability

# K counts as even up to this deviation, relative to its mean: the paper calls the K of its Clos and
# butterfly networks smooth, and by plain descent theirs have deviations of up to a hundredth.
EVEN = 0.01

WORST = 5


class Pair(Record):
    """An entry of K.

    Attributes:
        input: The input.
        output: The output.
        control: The entry.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.torus((4, 2), 2))
        >>> worst = found.fairness.worst[0]
        >>> round(worst.control, 2), round(found.fairness.mean, 2)
        (0.86, 0.75)
    """

    input: int
    output: int
    control: float


class Fairness(Record):
    """How evenly the canonical K serves inputs, outputs and pairs.

    Attributes:
        total: Sum of K, at least 0.
        mean: Mean of K over all pairs.
        deviation: Standard deviation of K: the structural part, which no choice of ratios avoids.
        from_reach: Share of the variance that pairs without a path make, beside the others. This
            and the next two add up to 1, or are 0 where K is even.
        from_outputs: Share that outputs make whose pairs have more, or less, than others'.
        from_inputs: Share that inputs make, within the pairs of each output.
        plain_deviation: Standard deviation of the paper's K, by plain descent: what it has beyond
            `deviation` is the solver's. None where that was not asked for or would not fit.
        input_totals: Sums of the rows of K.
        output_totals: Sums of its columns, each at most `n_in - 1`.
        worst: Of the pairs that a path joins, the five with the least entries, least first.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.butterfly(8, 6))
        >>> round(found.fairness.deviation, 3), round(found.fairness.total, 3)
        (0.0, 48.0)

    See Also:
        `topokit.controllability`, the K that it takes apart.
    """

    total: float
    mean: float
    deviation: float
    from_reach: float
    from_outputs: float
    from_inputs: float
    plain_deviation: float | None
    input_totals: Float[np.ndarray, " n_in"]
    output_totals: Float[np.ndarray, " n_out"]
    worst: tuple[Pair, ...]


def find_fairness(
    layers: Layers,
    reached: Bool[np.ndarray, "n_in n_out"],
    K: Float[np.ndarray, "n_in n_out"] | None,
    *,
    descend: bool,
) -> Fairness | None:
    """Take K apart, if it is not known the canonical one; None where that is beyond its limit."""
    try:
        K = controllability(layers).K if K is None else K
    except TooLargeError:
        return None
    return Fairness(
        float(K.sum()),
        float(K.mean()),
        float(K.std()),
        *variance_shares(K, reached),
        _plain_deviation(layers) if descend else None,
        K.sum(axis=1),
        K.sum(axis=0),
        _worst(K, reached),
    )


def variance_shares(
    K: Float[np.ndarray, "n_in n_out"], reached: Bool[np.ndarray, "n_in n_out"]
) -> tuple[float, float, float]:
    """The shares of the variance of K by what makes them: reach, outputs, inputs."""
    apart = K[~reached].mean() if not reached.all() else 0.0
    by_reach = np.where(reached, K[reached].mean(), apart)
    columns = np.sum(K, axis=0, where=reached) / reached.sum(axis=0)
    by_output = np.where(reached, columns, apart)
    steps = by_reach - K.mean(), by_output - by_reach, K - by_output
    squares = np.array([np.mean(step**2) for step in steps])
    reach, outputs, inputs = squares / (squares.sum() or 1.0)
    return float(reach), float(outputs), float(inputs)


def _plain_deviation(layers: Layers) -> float | None:
    try:
        return float(controllability(layers, fairness=False).K.std())
    except TooLargeError:
        return None


def _worst(
    K: Float[np.ndarray, "n_in n_out"], reached: Bool[np.ndarray, "n_in n_out"]
) -> tuple[Pair, ...]:
    places = np.flatnonzero(reached)
    least = places[np.argsort(K.ravel()[places], kind="stable")[:WORST]]
    pairs = zip(*np.unravel_index(least, K.shape), strict=True)
    return tuple(Pair(int(i), int(o), float(K[i, o])) for i, o in pairs)
