"""Degrees of freedom and leverage by random probes, for networks whose Jacobian fits no memory.

The rank of a projector is its trace, and `z^T P z` has it as its mean if the entries of `z` are
random signs (Hutchinson). What is random in it comes from the off-diagonal entries of `P`, so the
probes are put where little is missing. If the columns, less those known to be idle, are no more
than the entries of the end-to-end matrix, they are probes of the weights: `z` less its projection
on the Jacobian's rows and on the idle directions. Otherwise they are probes of the matrix. A
network that wastes nothing, or that sets every entry, is then counted with little variance.
"""

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csc_array

from topokit._checks import check_count, check_real
from topokit._limits import TooLargeError, check_memory
from topokit._records import Record
from topokit.layers import Layers, ancestors, to_layers
from topokit.scores.counts import bandwidth
from topokit.scores.freedom._degrees_of_freedom import count_quickly
from topokit.scores.freedom._isometric_weights import flat_weights
from topokit.scores.freedom._jacobian_operator import jacobian_operator, linearize, precision
from topokit.scores.freedom._lsqr_projection import Projection, little_of_all, project
from topokit.scores.freedom._scale_invariances import idle_directions, with_idle
from topokit.scores.freedom._spanning_edges import count_spanning
from topokit.scores.freedom._weight_scale import draw_to_scale

LIMIT = 2**33
WHOLE = 0.5  # a count is an integer

# Of an estimate where a count takes too long.
SAMPLES, STEPS = 2, 100


class FreedomEstimate(Record):
    """What probes say of the degrees of freedom.

    Attributes:
        degrees_of_freedom: The estimate, no integer.
        standard_error: Of the mean over the probes; it knows nothing of `drift`. Over a few probes
            it is rough itself: twice it is no bound where `n_samples` is 4.
        drift: What the second half of the steps added, in degrees of freedom, on average; 0 where
            the steps came to an end of themselves. The estimate falls short of the truth by what
            further steps would add, mostly less than this, but singular values near zero can
            hide beyond.
        steps: The most steps that a probe took.
        converged: Whether all probes stopped by `tolerance` and not by `max_steps`.
        bound: What the count cannot pass: the trainable edges less the scales of neurons, the pairs
            that paths join, or what matrices of the bandwidth's rank have.
        at_bound: Whether the estimate is the bound within its error: twice `standard_error` and
            `drift`. It is the bound then in all likelihood.

    Examples:
        >>> import topokit as tk
        >>> found = tk.scores.estimate_freedom(tk.topologies.butterfly(16), n_samples=2)
        >>> round(found.degrees_of_freedom), found.converged
        (80, True)
        >>> found.bound, found.at_bound
        (80, True)

    See Also:
        `estimate_freedom`, which returns it.
    """

    degrees_of_freedom: float
    standard_error: float
    drift: float
    steps: int
    converged: bool
    bound: int
    at_bound: bool

    @property
    def error(self) -> float:
        """Twice the standard error, and the drift: what the estimate may be off by."""
        return 2 * self.standard_error + self.drift


class LeverageEstimate(Record):
    """What probes say of the leverage map H; its single entries would be all noise.

    Attributes:
        inputs: Mean leverage of each input's entries: the share of its row that is controlled.
        outputs: Mean leverage of each output's entries.
        inputs_error: Standard error of `inputs`.
        outputs_error: Standard error of `outputs`.
        mean_square_shortfall: Unbiased estimate of `mean((1 - H)^2)` over all entries: 0 where all
            are controlled, 1 where none is. `predicted_loss` takes this mean for two trainable
            edges on a path, and a greater exponent for more.
        drift: Share of the matrix that the second half of the steps added, on average.
        steps: The most steps that a probe took.
        converged: Whether all probes stopped by `tolerance` and not by `max_steps`.

    Examples:
        >>> import topokit as tk
        >>> found = tk.scores.estimate_leverage(tk.topologies.dense(8, 8), n_samples=2)
        >>> bool(abs(found.mean_square_shortfall) < 1e-6), found.converged
        (True, True)

    See Also:
        `estimate_leverage`, which returns it.
    """

    inputs: Float[np.ndarray, " n_in"]
    outputs: Float[np.ndarray, " n_out"]
    inputs_error: Float[np.ndarray, " n_in"]
    outputs_error: Float[np.ndarray, " n_out"]
    mean_square_shortfall: float
    drift: float
    steps: int
    converged: bool


def estimate_freedom(
    topology: nx.DiGraph | Layers,
    *,
    n_samples: int = 4,
    tolerance: float = 1e-3,
    max_steps: int = 1000,
    seed: int = 0,
) -> FreedomEstimate:
    """Estimate `degrees_of_freedom` without a matrix.

    Every probe draws weights of its own, at which layers are nearly isometric so that few steps
    reach small singular values. All errors but that of sampling lower the estimate: too few steps,
    and weights at which the rank is not the generic one.

    Cost: for each probe and step about five products of all layers with a matrix,
    O((n_in + n_out) E); memory for what all neurons hold and some matrices, O(n_in neurons).

    Args:
        topology: A graph or a recipe.
        n_samples: How many random vectors; at least 2, for the standard error.
        tolerance: A probe stops once the second half of its steps added less than this share of
            what all of them found.
        max_steps: Steps after which it stops anyway.
        seed: For weights and probes.

    Raises:
        ValueError: If an argument is out of range, or more than 8 GiB would be needed.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.random_regular([32] * 4, 4, seed=0)
        >>> found = tk.scores.estimate_freedom(graph, n_samples=2)
        >>> round(found.degrees_of_freedom / tk.degrees_of_freedom(graph), 1)
        1.0

    See Also:
        `topokit.degrees_of_freedom`, exact, for networks whose matrix fits memory.
    """
    layers = to_layers(topology)
    _check(layers, n_samples, tolerance, max_steps, seed)
    rng = np.random.default_rng(seed)
    joined = ancestors(layers)[-1].ravel()
    counts, found = zip(
        *(_count(layers, joined, rng, tolerance, max_steps) for _ in range(n_samples)), strict=True
    )
    mean, error = _mean_and_error(list(counts))
    drift, bound = float(np.mean([p.drift for p in found])), freedom_bound(layers)
    return FreedomEstimate(
        float(mean),
        float(error),
        drift,
        max(p.steps for p in found),
        all(p.settled for p in found),
        bound,
        bool(abs(bound - mean) <= max(2 * error + drift, WHOLE)),
    )


def freedom_bound(layers: Layers) -> int:
    """What the degrees of freedom cannot pass, whatever the weights; cost that of `bandwidth`."""
    rank = bandwidth(layers)
    of_rank = rank * (layers.n_in + layers.n_out - rank)
    return min(count_spanning(layers), int(ancestors(layers)[-1].sum()), of_rank)


def estimate_leverage(
    topology: nx.DiGraph | Layers,
    *,
    n_samples: int = 8,
    tolerance: float = 1e-3,
    max_steps: int = 1000,
    seed: int = 0,
) -> LeverageEstimate:
    """Estimate the row means, the column means and the mean square shortfall of `leverage`.

    Every probe draws weights as for training, as `leverage` does. Deep products of these have small
    singular values that steps reach late or never, and the estimate leaves out what they would
    add: all means together, times the entries, fall short of the degrees of freedom by it, far
    beyond `drift` in the deepest networks. Compare with `estimate_freedom`, which is free to choose
    its weights.

    Cost: for each probe and step as for `estimate_freedom`, but more steps.

    Args:
        topology: A graph or a recipe.
        n_samples: How many random matrices; at least 2, for the standard errors.
        tolerance: A probe stops once the second half of its steps added less than this share of
            what all of them found.
        max_steps: Steps after which it stops anyway.
        seed: For weights and probes.

    Raises:
        ValueError: If an argument is out of range, or more than 8 GiB would be needed.

    Examples:
        >>> import topokit as tk
        >>> found = tk.scores.estimate_leverage(tk.topologies.butterfly(16), n_samples=2)
        >>> found.inputs.shape, found.outputs.shape
        ((16,), (16,))

    See Also:
        `topokit.leverage`, exact and entry by entry.
    """
    layers = to_layers(topology)
    _check(layers, n_samples, tolerance, max_steps, seed)
    rng = np.random.default_rng(seed)
    reachable = ancestors(layers)[-1].ravel()
    n_pairs, shape = reachable.size, (layers.n_out, layers.n_in)
    found, rows, columns = [], [], []
    total, squares = np.zeros(n_pairs), 0.0
    for _ in range(n_samples):
        operator = jacobian_operator(linearize(layers, draw_to_scale(layers, rng)))
        probe = reachable * rng.choice([-1.0, 1.0], n_pairs)
        enough = little_of_all(tolerance)
        found.append(project(operator, probe, enough=enough, max_steps=max_steps))
        shares = probe * found[-1].image
        total, squares = total + shares, squares + shares @ shares
        rows.append(shares.reshape(shape).mean(axis=0))
        columns.append(shares.reshape(shape).mean(axis=1))
    # Products of different probes have no noise in common.
    squared = (total @ total - squares) / (n_samples * (n_samples - 1))
    inputs, inputs_error = _mean_and_error(rows)
    outputs, outputs_error = _mean_and_error(columns)
    return LeverageEstimate(
        inputs,
        outputs,
        inputs_error,
        outputs_error,
        float(1 + (squared - 2 * total.sum() / n_samples) / n_pairs),
        float(np.mean([p.drift for p in found])) / n_pairs,
        max(p.steps for p in found),
        all(p.settled for p in found),
    )


def _count(
    layers: Layers,
    joined: Bool[np.ndarray, " pairs"],
    rng: np.random.Generator,
    tolerance: float,
    max_steps: int,
) -> tuple[float, Projection]:
    """The estimate of one probe, at weights of its own."""
    dtype = precision(layers)
    tangent = linearize(layers, flat_weights(layers, rng), dtype=dtype)
    jacobian = jacobian_operator(tangent)
    of_weights = with_idle(jacobian, csc_array(idle_directions(layers, tangent), dtype=dtype))
    n_pairs = int(joined.sum())
    n_columns = jacobian.shape[1] - (of_weights.shape[1] - jacobian.shape[0])
    if n_columns <= n_pairs:
        whole, operator = n_columns, of_weights
        probe = rng.choice([-1.0, 1.0], operator.shape[0])
    else:
        whole, operator = n_pairs, jacobian
        probe = rng.choice([-1.0, 1.0], operator.shape[0]) * joined
    enough = little_of_all(tolerance)
    found = project(operator, probe.astype(dtype), enough=enough, max_steps=max_steps)
    return whole - found.rest, found


def _mean_and_error(
    samples: list,
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The mean of what the probes found, and its standard error."""
    mean, deviation = np.mean(samples, axis=0), np.std(samples, axis=0, ddof=1)
    return np.asarray(mean), np.asarray(deviation / np.sqrt(len(samples)))


def _check(layers: Layers, n_samples: int, tolerance: float, max_steps: int, seed: int) -> None:
    check_count("n_samples", n_samples, least=2)
    check_count("max_steps", max_steps)
    check_count("seed", seed, least=0)
    check_real("tolerance", tolerance, least=0.0, most=1.0)
    held = layers.n_in * sum(layers.widths) + 12 * layers.n_in * layers.n_out
    check_memory(
        "an estimate",
        8 * (held + 16 * layers.n_edges),
        LIMIT,
        "topokit.structure counts an upper bound, the trainable edges",
    )


def freedom_and_error(layers: Layers, *, within: int) -> tuple[int | None, float | None]:
    """The degrees of freedom, and what they may be off by: 0 where they are counted.

    Args:
        layers: The recipe.
        within: Operations of an elimination up to which it is made.

    Returns:
        Both None where even an estimate is beyond its memory limit.
    """
    if (counted := count_quickly(layers, within)) is not None:
        return counted, 0.0
    try:
        found = estimate_freedom(layers, n_samples=SAMPLES, max_steps=STEPS)
    except TooLargeError:
        return None, None
    return (found.bound if found.at_bound else round(found.degrees_of_freedom)), found.error
