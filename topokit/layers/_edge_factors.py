"""The end-to-end matrix, and how it moves with each weight: its Jacobian, in factors.

How `W_d` moves with the weight of edge `(u, v)` is a matrix of rank one: column `u` of the product
of the layers before it times row `v` of the product of the layers behind it. Two thin arrays, one
row for each edge, thus hold the whole Jacobian of `n_in * n_out` rows.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from topokit.layers._carry import NUMBERS, Algebra, at_outputs, backward, forward
from topokit.layers._recipe import Layers
from topokit.layers._scaled import as_scaled, scaled


def end_to_end_matrix(
    layers: Layers, weights: Sequence[Float[np.ndarray, " _edges"]]
) -> Float[np.ndarray, "n_in n_out"]:
    """The product of all layers, given the weight of every edge; cost O(n_in E)."""
    last = at_outputs(layers, np.eye(layers.n_in), weights, algebra=NUMBERS)
    return last.T


def edge_factors(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    keep: Sequence[Bool[np.ndarray, " _edges"]],
    *,
    algebra: Algebra = NUMBERS,
    settle: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[Shaped[np.ndarray, "kept n_in"], Shaped[np.ndarray, "kept n_out"]]:
    """The two factors of the Jacobian's column of every edge that `keep` names, in recipe order.

    Each is correct up to a factor common to the layer if `settle` changes the scale; cost
    O((n_in + n_out) E).
    """
    first, last = (np.eye(n, dtype=weights[0].dtype) for n in (layers.n_in, layers.n_out))
    before = forward(layers, first, weights, algebra=algebra, settle=settle)
    behind = backward(layers, last, weights, algebra=algebra, settle=settle)[1:]
    senders, receivers = _ends(layers, keep)
    return (
        np.concatenate([held[s] for held, s in zip(before, senders, strict=False)]),
        np.concatenate([held[r] for held, r in zip(behind, receivers, strict=True)]),
    )


def scaled_edge_factors(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    keep: Sequence[Bool[np.ndarray, " _edges"]],
) -> tuple[
    Float[np.ndarray, "kept n_in"], Float[np.ndarray, "kept n_out"], Int[np.ndarray, " kept"]
]:
    """`edge_factors` for weights of any size: what is left to multiply is 2 to the third part.

    The greatest magnitude of each factor is in [1/2, 1), or 0.
    """
    rules = {"weights": weights, "algebra": scaled()}
    before = forward(layers, as_scaled(np.eye(layers.n_in)), **rules)
    behind = backward(layers, as_scaled(np.eye(layers.n_out)), **rules)[1:]
    senders, receivers = _ends(layers, keep)
    one = [(held.numbers[s], held.powers[s]) for held, s in zip(before, senders, strict=False)]
    other = [(held.numbers[r], held.powers[r]) for held, r in zip(behind, receivers, strict=True)]
    (a, left), (b, right) = (map(np.concatenate, zip(*f, strict=True)) for f in (one, other))
    return a, b, left + right


def _ends(
    layers: Layers, keep: Sequence[Bool[np.ndarray, " _edges"]]
) -> tuple[list[Int[np.ndarray, " _kept"]], list[Int[np.ndarray, " _kept"]]]:
    """Senders and receivers of the edges that `keep` names."""
    senders, receivers = (
        [ends[kept] for ends, kept in zip(column, keep, strict=True)]
        for column in (layers.senders, layers.receivers)
    )
    return senders, receivers
