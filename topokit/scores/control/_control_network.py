"""A network as control sees it: neurons that add some, hold some and pass it on.

Inputs hold no control (NeuroFabric, equation (10)), so they and the edges from them go: of these,
only what a neuron may add, and whose, is left. Inputs that feed the same neurons are of one kind;
whatever is fair treats them alike, so that one of them stands for all.
"""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float, Int

from topokit._limits import check_memory
from topokit.layers import (
    Layers,
    ancestors,
    first_numbers,
    keep_edges,
    live_edges,
    numbered_edges,
    to_layers,
)
from topokit.scores.control._neuron_limits import count_gains, count_room

LIMIT = 2**34

# Bytes for each neuron and kind of inputs, while the layers that they reach are put together.
BYTES = 2


class ControlNetwork(NamedTuple):
    """Neurons behind the inputs, numbered through layer by layer, outputs last.

    Attributes:
        kind: The kind of each input.
        inputs: How many inputs there are of each kind.
        layers: For each layer of neurons, their numbers.
        gain: What each neuron may add: `Neurons.gain`.
        room: What each neuron can hold: `Neurons.room`.
        reach: The kinds of inputs that reach each neuron.
        senders: The sender of each edge, ascending.
        receivers: The receiver of each edge.
    """

    kind: Int[np.ndarray, " n_in"]
    inputs: Int[np.ndarray, " kinds"]
    layers: tuple[slice, ...]
    gain: Float[np.ndarray, " neurons"]
    room: Float[np.ndarray, " neurons"]
    reach: Bool[np.ndarray, "neurons kinds"]
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.kind.size

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.outputs.stop - self.outputs.start

    @property
    def outputs(self) -> slice:
        """The last neurons."""
        return self.layers[-1]


def make_network(topology: nx.DiGraph | Layers) -> ControlNetwork:
    """Number the neurons behind the inputs through; cost O(E log E + kinds E)."""
    layers = to_layers(topology)
    layers = keep_edges(layers, live_edges(layers))
    kind, inputs = _kinds_of_inputs(layers)
    check_memory(
        "controllability",
        BYTES * inputs.size * sum(layers.widths[1:]),
        LIMIT,
        "topokit.structure counts what has no need of who reaches whom",
    )
    reach = ancestors(_one_of_each(layers, kind))[1:]
    starts = (first_numbers(layers)[1:] - layers.n_in).tolist()
    behind = slice(layers.senders[0].size, None)
    sent, received = (ends[behind] - layers.n_in for ends in numbered_edges(layers))
    order = np.argsort(sent, kind="stable")
    return ControlNetwork(
        kind,
        inputs,
        tuple(slice(a, b) for a, b in pairwise(starts)),
        np.concatenate(count_gains(layers)).astype(float),
        np.concatenate([count_room(rows, inputs) for rows in reach]).astype(float),
        np.concatenate(reach),
        sent[order],
        received[order],
    )


def _kinds_of_inputs(
    layers: Layers,
) -> tuple[Int[np.ndarray, " n_in"], Int[np.ndarray, " kinds"]]:
    """Number the inputs by the set of neurons that they feed, and count each kind.

    A set is told by the sum of a random number for each neuron: that two sets have one sum has a
    chance of 2^-64.
    """
    code = np.random.default_rng(0).integers(2**64, size=layers.widths[1], dtype=np.uint64)
    fed = np.zeros(layers.n_in, np.uint64)
    np.add.at(fed, layers.senders[0], code[layers.receivers[0]])
    _, kind, inputs = np.unique(fed, return_inverse=True, return_counts=True)
    return kind.ravel(), inputs


def _one_of_each(layers: Layers, kind: Int[np.ndarray, " n_in"]) -> Layers:
    """The network with one input of each kind."""
    every = [np.ones(senders.size, bool) for senders in layers.senders[1:]]
    first = np.isin(layers.senders[0], np.unique(kind, return_index=True)[1])
    some = keep_edges(layers, [first, *every])
    fed = (kind[some.senders[0]], *some.senders[1:])
    return replace(some, widths=(int(kind.max()) + 1, *layers.widths[1:]), senders=fed)
