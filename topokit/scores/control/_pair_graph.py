"""Who reaches whom as a graph: its nodes are pairs of a kind of inputs and a neuron it reaches.

An edge between neurons is one between their pairs for each kind of inputs that reaches its sender:
the way that this kind's control goes. Where few inputs reach a neuron there are few pairs.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit.layers import places_within
from topokit.scores.control._control_network import ControlNetwork


class PairGraph(NamedTuple):
    """Pairs numbered through by neuron, then by kind of inputs.

    Attributes:
        neuron: The neuron of each pair.
        column: Its kind of inputs.
        layers: For each layer, its pairs.
        senders: For each layer but the last, the sending pairs of the edges behind it, ascending.
        receivers: Their receiving pairs.
    """

    neuron: Int[np.ndarray, " pairs"]
    column: Int[np.ndarray, " pairs"]
    layers: tuple[slice, ...]
    senders: tuple[Int[np.ndarray, " _edges"], ...]
    receivers: tuple[Int[np.ndarray, " _edges"], ...]


def count_pairs(network: ControlNetwork) -> tuple[int, int]:
    """How many pairs there are, and edges between them; cost O(kinds of inputs * neurons)."""
    each = network.reach.sum(axis=1)
    return int(each.sum()), int(each[network.senders].sum())


def make_pairs(network: ControlNetwork) -> PairGraph:
    """Write pairs and their edges down, in 32 bits; cost O(kinds of inputs * neurons + edges)."""
    neuron, column = (ends.astype(np.int32) for ends in np.nonzero(network.reach))
    starts = np.append(0, np.cumsum(network.reach.sum(axis=1)))
    layers = tuple(slice(*starts[[s.start, s.stop]].tolist()) for s in network.layers)
    fan_out = np.bincount(network.senders, minlength=network.gain.size)
    first_edge = np.cumsum(fan_out) - fan_out
    senders, receivers = [], []
    for pairs, behind in zip(layers, network.layers[1:], strict=False):
        sent = np.repeat(np.arange(pairs.start, pairs.stop), fan_out[neuron[pairs]])
        edge = first_edge[neuron[sent]] + places_within(sent)
        # Pairs of the next layer up to each place of the table of who reaches whom.
        counted = np.cumsum(network.reach[behind], dtype=np.int32).reshape(-1, network.inputs.size)
        heads = network.receivers[edge] - behind.start
        receivers.append(counted[heads, column[sent]] + np.int32(starts[behind.start] - 1))
        senders.append(sent.astype(np.int32))
    return PairGraph(neuron, column, layers, tuple(senders), tuple(receivers))
