"""Soft leverage: which entries of the end-to-end matrix are easy to move.

Leverage asks what the weights can remove at all, however far they have to go. Here going far has a
price: an error `G` of the end-to-end matrix is met by the weight changes `x` that minimize

    |G - J x|^2 + price |x|^2,

a ridge regression, each change measured in the standard deviation of its weight. An entry that many
paths serve is cheap to set and an entry with one path dear, though both may be free.

Prices are relative, and so only sizes relative to the largest column of `J` matter; those of the
constants, and of products of many of them, may lie beyond the range of floats. What a neuron holds
is therefore carried in a unit of its own, and columns are put on one scale in the end.
"""

import networkx as nx
import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import cholesky, solve_triangular

from topokit._checks import check_count, check_real
from topokit._limits import check_memory
from topokit._one_thread import one_thread
from topokit.layers import (
    Layers,
    live_edges,
    live_weights,
    scaled_edge_factors,
    to_layers,
    xavier_radii,
)

LIMIT = 2**31
LEAST_SOFTNESS = 1e-9


def soft_leverage(
    topology: nx.DiGraph | Layers, *, softness: float = 0.03, n_samples: int = 8, seed: int = 0
) -> Float[np.ndarray, "n_in n_out"]:
    """The share of an error in each entry that a short step of the weights removes.

    Entry `(i, o)` lies in [0, 1); it is 0 where no path joins the pair or constants alone do. It is
    the diagonal of `J (J^T J + softness s I)^-1 J^T`, averaged over weights, where `J = dW_d/dw`
    with each column times the standard deviation of its weight, and `s` is the mean over all
    entries of the squared lengths of the rows of `J`.

    The entries sum to no more than `degrees_of_freedom`. As `softness` goes to 0 this is the
    leverage at these weights; as it grows it becomes proportional to the squared lengths, that is,
    on average, to the numbers of paths where all weights are free and fans are equal. In between it
    orders wirings of equal degrees of freedom: as with `leverage`, `mean((1 - H)^2)` is lower for
    the better ones. That number is for comparisons and predicts no loss: it is above that of
    `leverage`, the more so the deeper the network.

    Weights have the magnitude `r / sqrt(3)` that sparse Xavier weights have on average (as a root
    of a mean of squares) and a random sign: a path is then as strong as its fans say and not as
    chance will have it, which is why fewer draws do than for `leverage`. In small dense blocks
    signs often cancel where generic weights would not, and the entries then sum to less than they
    could.

    Cost: `n_samples` Cholesky factorizations, O(m^2 (m + n_in n_out)) each, with m the trainable
    edges that lie on a path.

    Args:
        topology: A graph or a recipe.
        softness: The price of a step; the order of wirings hardly depends on it between 0.01
            and 0.1.
        n_samples: How many random signs to average over.
        seed: For the signs.

    Raises:
        ValueError: If `softness` is less than 1e-9 or not finite, `n_samples` is no positive
            integer, `seed` is negative, or more than 2 GiB would be needed.

    Examples:
        >>> import topokit as tk
        >>> shares = tk.scores.soft_leverage(tk.topologies.butterfly(8))
        >>> shares.shape, bool((0 <= shares).all() and (shares <= 1).all())
        ((8, 8), True)

    See Also:
        `topokit.leverage`, for steps of any length.
    """
    layers = to_layers(topology)
    softness = check_real("softness", softness, least=LEAST_SOFTNESS, most=1e9)
    n_samples, seed = check_count("n_samples", n_samples), check_count("seed", seed, least=0)
    shape = (layers.n_in, layers.n_out)
    keep = live_weights(layers)
    kept = sum(int(k.sum()) for k in keep)
    check_memory(
        "soft_leverage",
        16 * kept * (kept + layers.n_in * layers.n_out),
        LIMIT,
        "topokit.scores.estimate_leverage is the nearest score that takes far less",
    )
    if kept == 0:
        return np.zeros(shape)
    deviations = [radii / np.sqrt(3) for radii in xavier_radii(layers)]
    unit = np.concatenate([d[k] for d, k in zip(deviations, keep, strict=True)])
    rng = np.random.default_rng(seed)
    total = np.zeros(shape)
    with one_thread():
        for _ in range(n_samples):
            weights = _draw_signs(layers, deviations, rng)
            a, b, powers = scaled_edge_factors(layers, weights, keep)
            a, b = _leveled(unit[:, None] * a, b, powers)
            total += _ridge_diagonal(a, b, softness).reshape(shape)
    return total / n_samples


def _draw_signs(
    layers: Layers, deviations: list[Float[np.ndarray, " _edges"]], rng: np.random.Generator
) -> list[Float[np.ndarray, " _edges"]]:
    """Weights of fixed magnitude and random sign, constants as they are, and 0 on no path."""
    rows = zip(deviations, layers.trainable, layers.constant, strict=True)
    drawn = [np.where(free, d * rng.choice([-1.0, 1.0], d.size), c) for d, free, c in rows]
    return [np.where(on, w, 0.0) for on, w in zip(live_edges(layers), drawn, strict=True)]


def _leveled(
    a: Float[np.ndarray, "kept n_in"],
    b: Float[np.ndarray, "kept n_out"],
    powers: Int[np.ndarray, " kept"],
) -> tuple[Float[np.ndarray, "kept n_in"], Float[np.ndarray, "kept n_out"]]:
    """The factors on one scale, on which the largest columns are near 1."""
    return np.ldexp(a, (powers - powers.max())[:, None]), b


def _ridge_diagonal(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], softness: float
) -> Float[np.ndarray, " pairs"]:
    """Diagonal of J (J^T J + softness s I)^-1 J^T, with columns a_e b_e^T."""
    gram = (a @ a.T) * (b @ b.T)
    price = softness * np.trace(gram) / (a.shape[1] * b.shape[1])
    if price == 0:  # constants that cancel leave nothing to move
        return np.zeros(a.shape[1] * b.shape[1])
    gram[np.diag_indices_from(gram)] += price
    columns = np.einsum("ei,eo->eio", a, b).reshape(len(a), -1)
    shares = solve_triangular(cholesky(gram, lower=True), columns, lower=True, overwrite_b=True)
    return np.einsum("ep,ep->p", shares, shares)
