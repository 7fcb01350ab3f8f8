"""The Jacobian of the end-to-end matrix by its trainable weights, in factors.

How `W_d` moves with the weight of edge `(u, v)` is a matrix of rank one: column `u` of the product
of the layers before it times row `v` of the product of the layers behind it. Two thin arrays, one
row for each edge, thus hold the whole Jacobian of `n_in * n_out` rows.

Not every edge needs its column. One that lies on no path has none. And a hidden neuron whose
weights are all free can have its in-edges scaled up and its out-edges down without a change of
`W_d`, so that one of its in-edges depends on its other edges (and, layer by layer from the last,
only on edges that stay): without it the columns span the same space.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Shaped

from topokit.layers import Layers, Settle, backward, forward, live_edges


def spanning_edges(layers: Layers) -> list[Bool[np.ndarray, " _edges"]]:
    """For each layer, the trainable edges whose columns span those of all; cost O(E)."""
    live = live_edges(layers)
    keep = [on & free for on, free in zip(live, layers.trainable, strict=True)]
    for layer, free in enumerate(free_neurons(layers, live)):
        places = np.flatnonzero(live[layer])
        neurons, firsts = np.unique(layers.receivers[layer][places], return_index=True)
        keep[layer][places[firsts[free[neurons]]]] = False
    return keep


def free_neurons(
    layers: Layers, live: Sequence[Bool[np.ndarray, " _edges"]]
) -> list[Bool[np.ndarray, " _width"]]:
    """For each hidden layer, the neurons none of whose live edges is constant; cost O(E)."""
    result = []
    for before, behind in pairwise(range(layers.depth)):
        free = np.ones(layers.widths[behind], bool)
        free[layers.receivers[before][live[before] & ~layers.trainable[before]]] = False
        free[layers.senders[behind][live[behind] & ~layers.trainable[behind]]] = False
        result.append(free)
    return result


def edge_factors(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    keep: Sequence[Bool[np.ndarray, " _edges"]],
    *,
    settle: Settle,
) -> tuple[Shaped[np.ndarray, "kept n_in"], Shaped[np.ndarray, "kept n_out"]]:
    """The two factors of the Jacobian's column of every edge that `keep` names, in recipe order.

    Each is correct up to a factor common to the layer if `settle` changes the scale; cost
    O((n_in + n_out) E).
    """
    kind = weights[0].dtype
    before = list(forward(layers, weights, np.eye(layers.n_in, dtype=kind), settle=settle))
    behind = backward(layers, weights, np.eye(layers.n_out, dtype=kind), settle=settle)
    rows = list(zip(layers.senders, layers.receivers, keep, strict=True))
    return (
        np.concatenate([b[s[k]] for b, (s, _, k) in zip(before, rows, strict=False)]),
        np.concatenate([b[r[k]] for b, (_, r, k) in zip(behind[1:], rows, strict=True)]),
    )
