"""Pairs of an input and a neuron that play the same part, by color refinement over pairs.

Two pairs are alike if their neurons are, and as many inputs stand behind them, and equally many
edges lead to pairs of each kind before and behind them; two neurons, if they are of one kind and
equally many pairs of each kind are theirs. With such kinds the whole program of flows loses nothing
if all flows of a kind of edges between pairs, all that is added, and all of K, are the same: take
any flows, and put in place of each the mean of its kind. At a pair, what goes out to pairs of a
kind is then their number times a mean; so what the pairs of a kind send, receive and add in all
stays as it was, and is the same for each of them: no pair holds more than it has. For the same
reason no neuron adds or holds more than it may, for each of a kind has the mean of what they had.
Totals of outputs of a kind are equal (`least_totals`) and stay. The sum of squares gets no greater,
for it is convex. So the canonical K, which is unique, is the same for all pairs of a kind.

Colors are random numbers, so that two sets of them might have one sum; `_merged_pairs` compares
what has come of it, and merges nothing that is not alike.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt64

from topokit.scores.control._control_network import ControlNetwork
from topokit.scores.control._pair_graph import PairGraph

Colors = UInt64[np.ndarray, " _colors"]
Numbers = Int[np.ndarray, " _numbers"]
# Factors that spread a number over 64 bits (Steele, Lea and Flood, "Fast splittable pseudorandom
# number generators", 2014).
FACTORS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


class PairKinds(NamedTuple):
    """Kinds of pairs and of neurons, numbered through layer by layer.

    Attributes:
        pair: The kind of each pair.
        neuron: The kind of each neuron.
    """

    pair: Numbers
    neuron: Numbers


def find_pair_kinds(
    network: ControlNetwork, graph: PairGraph, kinds: Numbers, *, most: int
) -> PairKinds | None:
    """Part pairs, and kinds of neurons, until nothing parts any more.

    None if pairs have more than `most` kinds. Cost: O(edges of the graph) a sweep forward and back,
    and few sweeps.
    """
    neurons = kinds.astype(np.uint64)
    pairs = _mix(neurons[graph.neuron], network.inputs.astype(np.uint64)[graph.column])
    found = 0
    while True:
        _sweep(network, graph, pairs, neurons)
        before, found = found, np.unique(pairs).size
        if found > most:
            return None
        found += np.unique(neurons).size
        if found == before:
            return PairKinds(_number(pairs, graph.layers), _number(neurons, network.layers))


def each_its_own(network: ControlNetwork, graph: PairGraph) -> PairKinds:
    """Kinds of one pair, and of one neuron, each."""
    return PairKinds(np.arange(graph.neuron.size), np.arange(network.gain.size))


def _sweep(network: ControlNetwork, graph: PairGraph, pairs: Colors, neurons: Colors) -> None:
    """Color all by what is before them, from inputs to outputs, and by what is behind, back."""
    _share(network, graph, 0, pairs, neurons)
    for layer, edges in enumerate(zip(graph.senders, graph.receivers, strict=True), 1):
        _gather(*edges, graph.layers[layer], pairs)
        _share(network, graph, layer, pairs, neurons)
    for layer, edges in reversed(list(enumerate(zip(graph.receivers, graph.senders, strict=True)))):
        _gather(*edges, graph.layers[layer], pairs)
        _share(network, graph, layer, pairs, neurons)


def _gather(givers: Numbers, takers: Numbers, taking: slice, pairs: Colors) -> None:
    """Color the pairs of a layer anew by the sum of the colors around them."""
    sums = np.zeros(taking.stop - taking.start, np.uint64)
    np.add.at(sums, takers - taking.start, pairs[givers])
    pairs[taking] = _mix(pairs[taking], sums)


def _share(
    network: ControlNetwork, graph: PairGraph, layer: int, pairs: Colors, neurons: Colors
) -> None:
    """Color the neurons of a layer by the sum of their pairs' colors, and the pairs by theirs."""
    own, rows = network.layers[layer], graph.layers[layer]
    owner = graph.neuron[rows] - own.start
    sums = np.zeros(own.stop - own.start, np.uint64)
    np.add.at(sums, owner, pairs[rows])
    neurons[own] = _mix(neurons[own], sums)
    pairs[rows] = _mix(pairs[rows], neurons[own][owner])


def _mix(colors: Colors, more: Colors) -> Colors:
    """One color for both; cost of a few products."""
    mixed = colors * FACTORS[0] + more
    mixed ^= mixed >> np.uint64(30)
    mixed *= FACTORS[1]
    mixed ^= mixed >> np.uint64(27)
    mixed *= FACTORS[0]
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _number(colors: Colors, layers: tuple[slice, ...]) -> Numbers:
    """Number colors through, layer by layer."""
    numbers, first = np.empty(colors.size, np.int64), 0
    for part in layers:
        different, numbers[part] = np.unique(colors[part], return_inverse=True)
        numbers[part] += first
        first += different.size
    return numbers
