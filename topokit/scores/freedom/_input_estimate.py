"""The predicted loss over inputs that vary together, from some components of each output.

What an output does not see is lost exactly, as in `_input_loss`. Of the rest each component
counts in proportion to its variance, and so a few are drawn for each output, in even steps along
the sum of the variances: their mean is that of all, without bias. Leverage of one component at one
output is `|L^-1 q|^2`, with `q` what the columns of the Jacobian have there, and `L` the factor of
the scalar products of columns: no array has both all pairs and all columns.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf  # pyright: ignore[reportAttributeAccessIssue]

from topokit._inputs import Components
from topokit._limits import check_memory
from topokit._one_thread import one_thread
from topokit.layers import Layers, ancestors, scaled_edge_factors
from topokit.scores.freedom._input_loss import LEAST_VARIANCE, refuse_stretched, seen_components
from topokit.scores.freedom._leverage import unit_rows
from topokit.scores.freedom._spanning_edges import count_spanning, spanning_edges
from topokit.scores.freedom._weight_scale import draw_to_scale

LIMIT = 2**31

# Outputs that are looked at, components of each, and of all.
OUTPUTS, EACH, ALL = 256, 4, 1024

# Draws of weights, the fewest of small networks, which differ more by them, and of large ones.
FEWEST, MOST = {False: 8, True: 2}, 16
LARGE = 2**14

# The squared length, of columns of length 1, below which what others leave of one is rounding.
ROUNDING = 1e-10

# The loss below which errors are no longer taken relative to it, and what rounding may leave.
LITTLE, LEAST_ERROR = 0.01, 1e-8


class Drawn(NamedTuple):
    """Components drawn for an output.

    Attributes:
        output: Which.
        axes: The components that were drawn.
        seen: The share of all variance that the output sees.
    """

    output: int
    axes: Float[np.ndarray, "n_in each"]
    seen: float


def check_input_estimate(layers: Layers) -> None:
    """Refuse what would take too much memory; cost that of counting edges."""
    columns = count_spanning(layers)
    drawn = _each(layers) * min(OUTPUTS, layers.n_out)
    check_memory(
        "an estimate of the predicted loss over inputs",
        8 * (3 * columns**2 + 3 * drawn * (columns + layers.n_in) + 6 * layers.n_in**2),
        LIMIT,
        "leave inputs= out",
    )


def estimate_over_inputs(
    layers: Layers,
    inputs: Components,
    exponent: float,
    *,
    n_samples: int | None,
    seed: int,
    accuracy: float,
) -> tuple[float, float]:
    """The mean over draws of weights, and its standard error.

    Cost: for each draw O(m^3) for the m columns, as a Cholesky factorization, and O(n_in^3) for
    each kind of output by the inputs that it sees; memory O(m^2).
    """
    raised = inputs._replace(variances=inputs.variances + LEAST_VARIANCE)
    refuse_stretched(layers)
    with one_thread():
        found = [_draw(layers, raised, exponent, seed)]
        value, variance = found[0]
        noise = variance / (accuracy * max(value, LITTLE)) ** 2
        fewest = FEWEST[layers.n_in * layers.n_out >= LARGE]
        wanted = min(max(ceil(noise), fewest), MOST) if n_samples is None else n_samples
        found += [_draw(layers, raised, exponent, seed + more) for more in range(1, wanted)]
    values, variances = np.array(found).T
    between = float(values.var(ddof=1)) if wanted > 1 else 0.0
    error = float(np.sqrt(max(variances.mean(), between) / wanted))
    return float(values.mean()), max(error, LEAST_ERROR)


def _each(layers: Layers) -> int:
    """Components of each output: the more, the fewer outputs there are."""
    return max(EACH, ALL // min(OUTPUTS, layers.n_out))


def _draw(layers: Layers, inputs: Components, exponent: float, seed: int) -> tuple[float, float]:
    """What is left at one draw of weights, and the variance of that by what is drawn."""
    drawn = _components(layers, inputs, np.random.default_rng([seed, 1]))
    weights = draw_to_scale(layers, np.random.default_rng(seed))
    a, b, _ = scaled_edge_factors(layers, weights, spanning_edges(layers))
    a, b = unit_rows(a @ inputs.root.T), unit_rows(b)
    left = (1 - _shares(a, b, drawn)) ** exponent
    seen = np.array([one.seen for one in drawn])
    values = 1 - seen + seen * left.mean(axis=1)
    # Of all outputs only what is drawn within each is random; even steps make that less than this.
    within = np.mean((seen**2) * left.var(axis=1, ddof=1) / left.shape[1])
    spread = within if len(drawn) == layers.n_out else values.var(ddof=1)
    return float(values.mean()), float(spread / len(drawn))


def _components(layers: Layers, inputs: Components, rng: np.random.Generator) -> list[Drawn]:
    """Components of some outputs, each as often as its share of the variance says."""
    chosen, each = np.sort(rng.permutation(layers.n_out)[:OUTPUTS]), _each(layers)
    reach = ancestors(layers)[-1][chosen].astype(bool)
    patterns, which = np.unique(reach, axis=0, return_inverse=True)
    found = []
    for number, pattern in enumerate(patterns):
        variances, axes = seen_components(inputs.root[:, pattern], inputs.variances)
        sums = np.cumsum(np.maximum(variances, 0.0))
        for output in chosen[which.ravel() == number].tolist():
            steps = (np.arange(each) + rng.random()) / each
            places = np.searchsorted(sums, steps * sums[-1]) if len(sums) else []
            picked = axes[:, places] if len(sums) else np.zeros((len(axes), each))
            share = sums[-1] / inputs.variances.sum() if len(sums) else 0.0
            found.append(Drawn(output, picked, float(share)))
    return found


def _shares(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], drawn: list[Drawn]
) -> Float[np.ndarray, "outputs each"]:
    """The leverage of each component that was drawn."""
    products = a @ a.T
    products *= b @ b.T
    lower, order, rank, _ = dpstrf(products.T, lower=1, tol=ROUNDING, overwrite_a=1)
    order = order[:rank] - 1
    outputs = np.repeat([one.output for one in drawn], drawn[0].axes.shape[1])
    columns = a[order] @ np.concatenate([one.axes for one in drawn], axis=1)
    columns *= b[np.ix_(order, outputs)]
    factor = lower[:rank, :rank]
    solved = solve_triangular(factor, columns, lower=True, overwrite_b=True, check_finite=False)
    return np.minimum(np.einsum("kp,kp->p", solved, solved), 1.0).reshape(len(drawn), -1)
