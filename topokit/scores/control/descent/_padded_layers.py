"""The wiring in padded gather form: what the descent reads, as plain arrays.

Every neuron has `fan_out` out-slots and `fan_in` in-slots, and an edge joins one of each, so that
each in-slot gathers from its out-slot. An empty in-slot reads beyond the end, where a gather that
fills finds zeros; an empty out-slot is sent nothing.

Consecutive layers of similar shape are padded to one shape and stacked, so that 36 equal layers
compile as one. The first layer of edges carries nothing, since inputs hold no control (10): of it
only the neurons that it feeds are kept.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from topokit.layers import Layers, in_degrees, keep_edges, live_edges, out_degrees, places_within
from topokit.scores.control._neuron_limits import Neurons, count_neurons

# Layers are stacked while that takes at most this many times the slots that they take apart.
PADDING = 2


class PaddedLayer(NamedTuple):
    """A stack of layers of edges, padded to one shape, with the neurons that they feed.

    Attributes:
        arrive: For each in-slot the out-slot that feeds it, `sender * fan_out + slot`.
        exists: Which out-slots are edges.
        neurons: The receivers.
    """

    arrive: Int[Any, "layers receivers fan_in"]
    exists: Bool[Any, "layers senders fan_out"]
    neurons: Neurons


class PaddedLayers(NamedTuple):
    """A network: the first layer of neurons, then stages from there to the outputs."""

    first: Neurons
    stages: tuple[PaddedLayer, ...]


class _Shape(NamedTuple):
    senders: int
    fan_out: int
    receivers: int
    fan_in: int

    @property
    def slots(self) -> int:
        return self.senders * self.fan_out + self.receivers * self.fan_in


def make_wiring(layers: Layers) -> PaddedLayers:
    """Lay a network out in gather form; cost O(E log E + n_in E)."""
    layers = keep_edges(layers, live_edges(layers))
    first, *neurons = count_neurons(layers)
    edges = list(zip(layers.senders, layers.receivers, strict=True))[1:]
    widths = layers.widths[1:]
    fans = zip(out_degrees(layers)[1:], in_degrees(layers)[1:], strict=True)
    shapes = [
        _Shape(before, int(fan_out.max()), after, int(fan_in.max()))
        for (before, after), (fan_out, fan_in) in zip(pairwise(widths), fans, strict=True)
    ]
    stages = [
        _stage(_common(shapes[run]), edges[run], neurons[run], layers.n_in) for run in _runs(shapes)
    ]
    return PaddedLayers(first, tuple(stages))


def _common(shapes: list[_Shape]) -> _Shape:
    """A shape that holds each of several layers; a stack of them needs one width throughout."""
    if len(shapes) == 1:
        return shapes[0]
    width = max(max(s.senders, s.receivers) for s in shapes)
    return _Shape(width, max(s.fan_out for s in shapes), width, max(s.fan_in for s in shapes))


def _runs(shapes: list[_Shape]) -> list[slice]:
    """Cut the layers into stacks, each as long as its padding stays bearable."""
    runs, start = [], 0
    for end in range(1, len(shapes) + 1):
        longer = shapes[start : end + 1]
        padded, apart = len(longer) * _common(longer).slots, sum(s.slots for s in longer)
        if end == len(shapes) or padded > PADDING * apart:
            runs.append(slice(start, end))
            start = end
    return runs


def _stage(
    shape: _Shape, edges: list[tuple[np.ndarray, np.ndarray]], neurons: list[Neurons], n_in: int
) -> PaddedLayer:
    depth, nowhere = len(edges), np.iinfo(np.int32).max
    arrive = np.full((depth, shape.receivers, shape.fan_in), nowhere, np.int32)
    exists = np.zeros((depth, shape.senders, shape.fan_out), bool)
    gain, room = np.zeros((2, depth, shape.receivers), np.float32)
    reach = np.zeros((depth, shape.receivers, n_in), bool)
    for layer, ((senders, receivers), row) in enumerate(zip(edges, neurons, strict=True)):
        out_slot, in_slot = places_within(senders), places_within(receivers)
        arrive[layer, receivers, in_slot] = senders * shape.fan_out + out_slot
        exists[layer, senders, out_slot] = True
        for padded, exact in zip((gain, room, reach), row, strict=True):
            padded[layer, : len(exact)] = exact
    return PaddedLayer(arrive, exists, Neurons(gain, room, reach))
