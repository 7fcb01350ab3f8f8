"""How far apart neurons are, if signals could walk along edges both ways.

Along its edges' direction a layered network has one distance from inputs to outputs: its depth. The
average path length of graph theory therefore reads the network as an undirected graph of neurons.
Searches from 64 neurons at a time share a machine word: the neurons that they have reached after
one more step are the bitwise or of what their neighbors had reached.
"""

import networkx as nx
import numpy as np
from jaxtyping import Int, UInt64

from topokit.layers import Layers, numbered_edges, to_layers

WORDS_AT_ONCE = 2**20


def average_path_length(topology: nx.DiGraph | Layers) -> float:
    """Mean number of edges on the shortest walk between two neurons; at least 1.

    Exact, over all pairs of different neurons in any layers. Edges are walked both ways; constant
    edges count. Pairs that no walk joins are left out, and so are neurons without edges. On a
    connected graph this is `networkx.average_shortest_path_length` of the undirected topology.

    Source: Watts and Strogatz (1998). Of neural networks, You, Leskovec, He and Xie (2020,
    arXiv:2007.06559) find the best accuracy at a middling length, not at the least; their graph has
    nodes that stay the same from layer to layer, which most topologies here lack. This is of single
    neurons in all layers, the multipartite graph of Cunegatti, Farina, Bucur and Iacca (2024,
    arXiv:2305.16886), so that depth lengthens it.

    Cost O(diameter * neurons * E / 64), in blocks of neurons, so that memory stays near that
    of the recipe, or of 16 MiB where that is more.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.average_path_length(tk.topologies.dense(2, 2)), 3)
        1.333

    See Also:
        `rivals`, which holds it.
    """
    layers = to_layers(topology)
    senders, receivers = numbered_edges(layers)
    tails, heads = np.concatenate([senders, receivers]), np.concatenate([receivers, senders])
    order = np.argsort(heads, kind="stable")
    tails, heads = tails[order], heads[order]
    neurons = sum(layers.widths)
    words = min(max(1, WORDS_AT_ONCE // tails.size), -(-neurons // 64))
    distance, pairs = 0, 0
    for first in range(0, neurons, 64 * words):
        start = _one_bit_each(first, words, neurons)
        found = _search(start, tails, heads)
        distance, pairs = distance + found[0], pairs + found[1]
    return distance / pairs


def _one_bit_each(first: int, words: int, neurons: int) -> UInt64[np.ndarray, "neurons words"]:
    """Neurons `first`, `first + 1`, ... each hold one bit of their own, the others none."""
    held = np.zeros((neurons, words), np.uint64)
    number = np.arange(min(64 * words, neurons - first))
    held[first + number, number // 64] = np.uint64(1) << (number % 64).astype(np.uint64)
    return held


def _search(
    new: UInt64[np.ndarray, "neurons words"],
    tails: Int[np.ndarray, " edges"],
    heads: Int[np.ndarray, " edges"],
) -> tuple[int, int]:
    """Sum of the distances from the neurons whose bits `new` holds, and how many there are."""
    reached, distance, pairs, steps = new.copy(), 0, 0, 0
    while new.any():
        steps += 1
        moving = np.asarray(new.any(axis=1))[tails]
        starts = np.flatnonzero(np.diff(heads[moving], prepend=-1))
        brought = np.bitwise_or.reduceat(new[tails[moving]], starts, axis=0)
        neurons = heads[moving][starts]
        new = np.zeros_like(new)
        new[neurons] = brought & ~reached[neurons]
        reached |= new
        found = int(np.bitwise_count(new).sum(dtype=np.int64))
        distance, pairs = distance + steps * found, pairs + found
    return distance, pairs
