"""Neurons numbered through all layers, and the flow network in which each lets so much through."""

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array

from topokit.layers._recipe import Layers

Numbers = Int[np.ndarray, " _numbers"]

# More than any neuron lets through, and far from the limit of 32 bits, in which scipy counts.
ENDLESS = 2**30


def first_numbers(layers: Layers) -> Int[np.ndarray, " widths_and_1"]:
    """The number of the first neuron of each layer, and at last how many neurons there are."""
    return np.append(0, np.cumsum(layers.widths))


def numbered_edges(layers: Layers) -> tuple[Numbers, Numbers]:
    """The sender and the receiver of every edge in recipe order, neurons numbered through."""
    first = first_numbers(layers).tolist()
    rows = list(zip(first, first[1:], layers.senders, layers.receivers, strict=False))
    senders, receivers = ([a + s for a, _, s, _ in rows], [b + r for _, b, _, r in rows])
    return np.concatenate(senders), np.concatenate(receivers)


def split_flow(
    senders: Numbers, receivers: Numbers, *, room: Numbers, entering: Numbers, leaving: Numbers
) -> csr_array:
    """The capacities of a flow that is limited at its neurons, not at its edges.

    Of `n` neurons, `v` is an arc `v -> n + v` of capacity `room[v]`: it comes in at `v` and goes
    out at `n + v`. The source is `2 n`, the sink `2 n + 1`. Cost O(E log E).

    Args:
        senders: The sender of each edge, over which any amount may flow.
        receivers: Its receiver.
        room: How much each neuron lets through.
        entering: How much each neuron may take from the source.
        leaving: How much each neuron may give to the sink.
    """
    n = room.size
    first, last = np.flatnonzero(entering), np.flatnonzero(leaving)
    arcs = [
        (np.arange(n), n + np.arange(n), room),
        (n + senders, receivers, np.full(senders.size, ENDLESS)),
        (np.full(first.size, 2 * n), first, entering[first]),
        (n + last, np.full(last.size, 2 * n + 1), leaving[last]),
    ]
    tails, heads, capacities = (np.concatenate(column) for column in zip(*arcs, strict=True))
    return csr_array((capacities.astype(np.int32), (tails, heads)), shape=(2 * n + 2,) * 2)


def disjoint_flow(layers: Layers) -> csr_array:
    """`split_flow` from the inputs to the outputs whose units share no neuron."""
    ones = np.ones(sum(layers.widths), np.int64)
    neurons = np.arange(ones.size)
    inputs, outputs = neurons < layers.n_in, neurons >= ones.size - layers.n_out
    ends = {"entering": ENDLESS * inputs, "leaving": ENDLESS * outputs}
    return split_flow(*numbered_edges(layers), room=ones, **ends)
