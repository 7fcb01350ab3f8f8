"""Which columns of the Jacobian are left once those of the end layers are eliminated by blocks.

They are those of the edges between, and of edges into outputs that hold pivots of the first layer.
Of these, the edges of a forest can be set to anything by scaling hidden neurons whose weights are
all free (`_spanning_edges`): their columns depend on the others, and are left out.
"""

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from topokit.layers import Layers, live_weights, numbered_edges, split_by_layer
from topokit.scores.freedom._spanning_edges import free_neurons


def remaining_edges(
    layers: Layers, entangled: Int[np.ndarray, " places"]
) -> list[Int[np.ndarray, " _kept"]]:
    """For each layer, the edges that are left if these outputs hold the first layer's pivots."""
    first, *others = live_weights(layers)
    left = [np.zeros_like(first), *others]
    left[-1] = left[-1] & np.isin(layers.receivers[-1], entangled)
    chosen = np.concatenate(left)
    chosen[_forest(layers, np.flatnonzero(chosen))] = False
    return [np.flatnonzero(kept) for kept in split_by_layer(layers, chosen)]


def _forest(layers: Layers, edges: Int[np.ndarray, " edges"]) -> Int[np.ndarray, " trees"]:
    """Of these edges a spanning forest, all neurons that cannot be scaled being one."""
    free = np.concatenate(free_neurons(layers))
    number = np.where(free, np.arange(free.size) + 1, 0)
    ends = np.sort([number[neurons[edges]] for neurons in numbered_edges(layers)], axis=0)
    edges, ends = edges[ends[0] != ends[1]], ends[:, ends[0] != ends[1]]
    pairs, firsts = np.unique(ends, axis=1, return_index=True)
    graph = csr_array((firsts + 1.0, tuple(pairs)), (free.size + 1,) * 2)
    return edges[minimum_spanning_tree(graph).data.astype(int) - 1]
