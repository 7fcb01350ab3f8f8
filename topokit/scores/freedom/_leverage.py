"""Leverage: which entries of the end-to-end matrix the degrees of freedom fall on.

Near given weights the network can move `W_d` within the column space of its Jacobian. The diagonal
of the projector on that space says, for each entry, how much of an error there it could remove:
1 if the entry is free of all others, 0 if nothing can move it.
"""

from collections.abc import Sequence
from math import prod

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.linalg import qr, solve_triangular
from scipy.linalg.lapack import dpstrf, dtrcon  # pyright: ignore[reportAttributeAccessIssue]

from topokit._checks import check_count
from topokit._limits import check_memory
from topokit._one_thread import one_thread
from topokit.layers import (
    Layers,
    mantissas,
    numbered_edges,
    scaled_edge_factors,
    split_by_layer,
    to_layers,
    weights_with_powers,
)
from topokit.scores.freedom._balanced_constants import moderate, neuron_scales
from topokit.scores.freedom._degrees_of_freedom import degrees_of_freedom
from topokit.scores.freedom._graded_leverage import graded_basis
from topokit.scores.freedom._spanning_edges import count_spanning, spanning_edges
from topokit.scores.freedom._weight_scale import draw_to_scale

LIMIT = 2**31

# The least reciprocal condition number with which a Cholesky factor, whose errors grow with its
# square, is as good as a QR factorization: of 1e-5 come errors of 1e-9 at most.
WELL_CONDITIONED = 1e-5

# The same of a triangle of a QR factorization: of 1e-8 come errors of 1e-8.
CLEAR = 1e-8


def leverage(
    topology: nx.DiGraph | Layers, *, n_samples: int = 8, seed: int = 0
) -> Float[np.ndarray, "n_in n_out"]:
    """The share of each entry of the end-to-end matrix that the weights control.

    Entry `(i, o)` lies in [0, 1]; the entries sum to `degrees_of_freedom`. It is the diagonal of
    the projector on the columns of `dW_d/dw`, averaged over weights drawn as for training, and the
    exact counterpart of a controllability matrix K. If a target's entries are independent and of
    one variance, `1 - H` is the share that no small change of the weights removes; from it comes
    `topokit.predicted_loss`.

    The basis comes from a pivoted factorization of the columns, scaled to one length, and is cut at
    the exact rank; where that rank equals the number of entries, all are 1 and nothing is drawn.
    It is the Cholesky factorization of their scalar products where these are well-conditioned, the
    QR factorization elsewhere.

    Constants may be of any size where they stretch inputs, outputs, or neurons between two layers
    of constants. Where they let columns differ by less than rounding, floats tell which of the
    entries that share these columns is free no more: the sum is right all the same.

    Cost: `n_samples` factorizations of an `n_in * n_out` by m matrix, O(n_in n_out m^2), with m the
    trainable edges less the hidden neurons. `estimate_leverage` goes further.

    Args:
        topology: A graph or a recipe.
        n_samples: How many random weights to average over.
        seed: For the weights, which follow sparse Xavier: uniform in [-r, r] with
            `r = sqrt(6 / (fan_in + fan_out))` of the edge's receiver and sender (NeuroFabric,
            equation 2, with true fans for irregular layers). Beside constants all are multiplied
            by one number, with which the entries of the end-to-end matrix are as large as those
            of a unit Gaussian target.

    Raises:
        ValueError: If `n_samples` is no positive integer, `seed` is negative, or the factorization
            would take more than 2 GiB.

    Examples:
        >>> import topokit as tk
        >>> shares = tk.leverage(tk.topologies.low_rank(6, 6, 2))
        >>> shares.shape, round(float(shares.sum()), 6)
        ((6, 6), 20.0)
        >>> tk.leverage(tk.topologies.butterfly(4, 1)).round(6).tolist()
        [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]

    See Also:
        `predicted_loss`, what follows for training; `topokit.scores.soft_leverage`, for short
        steps; `topokit.scores.estimate_leverage`, for large networks.
    """
    layers = to_layers(topology)
    n_samples, seed = check_count("n_samples", n_samples), check_count("seed", seed, least=0)
    check_leverage(layers)  # before the rank is counted
    return leverage_of_rank(layers, degrees_of_freedom(layers), n_samples=n_samples, seed=seed)


def leverage_of_rank(
    layers: Layers, rank: int, *, n_samples: int = 8, seed: int = 0
) -> Float[np.ndarray, "n_in n_out"]:
    """`leverage` where the degrees of freedom are known."""
    check_leverage(layers)
    shape = (layers.n_in, layers.n_out)
    if layers.depth == 1:
        return _own_entries(layers)
    if rank == 0:
        return np.zeros(shape)
    if rank == prod(shape):
        return np.ones(shape)
    keep, even = spanning_edges(layers), moderate(layers)
    rng = np.random.default_rng(seed)
    total = np.zeros(prod(shape))
    # Threads gain little on matrices of this size, and lose much where cores are busy.
    with one_thread():
        for _ in range(n_samples):
            weights = draw_to_scale(layers, rng)
            a, b, _ = scaled_edge_factors(layers, weights, keep)
            found, clear = _projector_diagonal(a, b, rank)
            if not (even or clear):
                graded = _graded_diagonal(layers, weights, keep, rank)
                found = found if graded is None else graded
            total += found
    return np.minimum(total / n_samples, 1.0).reshape(shape)


def _graded_diagonal(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    keep: Sequence[Bool[np.ndarray, " _edges"]],
    rank: int,
) -> Float[np.ndarray, " pairs"] | None:
    """The diagonal where constants stretch inputs and outputs; None where floats do not tell it."""
    numbers, powers = map(np.concatenate, zip(*map(mantissas, weights), strict=True))
    scales = neuron_scales(layers, powers, numbers != 0)
    senders, receivers = numbered_edges(layers)
    near = weights_with_powers(numbers, powers + scales[senders] - scales[receivers])
    a, b, _ = scaled_edge_factors(layers, split_by_layer(layers, near), keep)
    stretched = scales[None, -layers.n_out :] - scales[: layers.n_in, None]
    basis = graded_basis(_columns(a, b), stretched.ravel(), rank)
    return None if basis is None else _lengths_of_rows(np.asarray(qr(basis, mode="economic")[0]))


def _own_entries(layers: Layers) -> Float[np.ndarray, "n_in n_out"]:
    """Leverage of a single layer: each trainable edge is an entry, and free of all others."""
    result = np.zeros((layers.n_in, layers.n_out))
    result[layers.senders[0], layers.receivers[0]] = layers.trainable[0]
    return result


def check_leverage(layers: Layers) -> None:
    """Refuse what `leverage` would take too much memory for."""
    columns = 1 if layers.depth == 1 else count_spanning(layers)
    check_memory(
        "leverage",
        16 * layers.n_in * layers.n_out * columns,
        LIMIT,
        "topokit.scores.estimate_leverage sums it up in far less",
    )


def _projector_diagonal(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], rank: int
) -> tuple[Float[np.ndarray, " pairs"], bool]:
    """Diagonal of the projector on the first `rank` pivoted columns a_e b_e^T.

    And whether these are clear of each other: as many as the rank then span all.
    """
    a, b = unit_rows(a), unit_rows(b)
    found = _by_cholesky(a, b, rank) if len(a) <= a.shape[1] * b.shape[1] else None
    return _by_qr(a, b, rank) if found is None else (found, True)


def _by_cholesky(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], rank: int
) -> Float[np.ndarray, " pairs"] | None:
    """It as `|L^-1 row|^2`, L the factor of the columns' scalar products; None if ill-conditioned.

    These are the scalar products of `a` times those of `b`: it takes less than half the time.
    """
    products = a @ a.T
    products *= b @ b.T
    lower, order, _, _ = dpstrf(products.T, lower=1, overwrite_a=1)
    lower, order = lower[:rank, :rank], order[:rank] - 1
    if not dtrcon(lower, uplo="L")[0] >= WELL_CONDITIONED:
        return None
    rows = _columns(a[order], b[order])
    solved = solve_triangular(lower, rows.T, lower=True, overwrite_b=True, check_finite=False)
    return np.einsum("kp,kp->p", solved, solved)


def _by_qr(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], rank: int
) -> tuple[Float[np.ndarray, " pairs"], bool]:
    """It from an orthonormal basis."""
    basis, clear = column_basis(a, b, rank)
    return _lengths_of_rows(basis), clear


def column_basis(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"], rank: int
) -> tuple[Float[np.ndarray, "pairs rank"], bool]:
    """An orthonormal basis of the first `rank` pivoted columns a_e b_e^T, and if they are clear."""
    # Columns known to be independent span their space in any order; only others need the pivots.
    factors = qr(_columns(a, b), overwrite_a=True, mode="economic", pivoting=rank < len(a))
    basis, upper = (np.asarray(factor)[:, :rank] for factor in factors[:2])
    return basis, bool(dtrcon(upper[:rank])[0] >= CLEAR)


def _lengths_of_rows(basis: Float[np.ndarray, "pairs rank"]) -> Float[np.ndarray, " pairs"]:
    """Squares of lengths."""
    return np.einsum("pk,pk->p", basis, basis)


def _columns(
    a: Float[np.ndarray, "kept n_in"], b: Float[np.ndarray, "kept n_out"]
) -> Float[np.ndarray, "pairs kept"]:
    """The columns a_e b_e^T."""
    one, other = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    return (one[:, None] * other).reshape(-1, len(a))


def unit_rows(values: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m n"]:
    """Scale each row to length 1; rows of zeros (constants that cancel) stay zero."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
