"""What lies on a path from an input to an output, and what leads to what.

A neuron is fed if an input reaches it, and heard if it reaches an output; it lies on a path if it
is both, and so does an edge between two such neurons.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool

from topokit._limits import check_memory
from topokit.layers._bits import Bits, from_bits, to_bits
from topokit.layers._carry import ANY, BITS, backward, forward
from topokit.layers._recipe import Layers, remembered

LIMIT = 2**34


@remembered
def fed_neurons(layers: Layers) -> tuple[Bool[np.ndarray, " _width"], ...]:
    """For each layer of neurons, which an input reaches; cost O(E)."""
    return tuple(forward(layers, np.ones(layers.n_in, bool), algebra=ANY))


@remembered
def live_neurons(layers: Layers) -> tuple[Bool[np.ndarray, " _width"], ...]:
    """For each layer of neurons, which lie on a path from an input to an output; cost O(E)."""
    heard = backward(layers, np.ones(layers.n_out, bool), algebra=ANY)
    return tuple(a & b for a, b in zip(fed_neurons(layers), heard, strict=True))


@remembered
def live_edges(layers: Layers) -> tuple[Bool[np.ndarray, " _edges"], ...]:
    """For each layer, the edges that lie on a path from an input to an output; cost O(E)."""
    rows = zip(pairwise(live_neurons(layers)), layers.senders, layers.receivers, strict=True)
    return tuple(before[s] & behind[r] for (before, behind), s, r in rows)


@remembered
def live_weights(layers: Layers) -> tuple[Bool[np.ndarray, " _edges"], ...]:
    """For each layer, the trainable edges among `live_edges`."""
    return tuple(on & free for on, free in zip(live_edges(layers), layers.trainable, strict=True))


def ancestor_bits(layers: Layers) -> list[Bits]:
    """For each layer of neurons, the inputs that reach each, as bits; cost O(n_in E / 64)."""
    _check_reach(layers, layers.n_in)
    return list(forward(layers, to_bits(np.eye(layers.n_in, dtype=bool)), algebra=BITS))


def descendant_bits(layers: Layers) -> list[Bits]:
    """For each layer of neurons, the outputs that each reaches, as bits; cost O(n_out E / 64)."""
    _check_reach(layers, layers.n_out)
    return backward(layers, to_bits(np.eye(layers.n_out, dtype=bool)), algebra=BITS)


def ancestors(layers: Layers) -> list[Bool[np.ndarray, "_width _n_in"]]:
    """For each layer of neurons, which inputs reach which neuron; cost O(n_in E / 64)."""
    _check_reach(layers, layers.n_in, flags=True)
    return [from_bits(bits, layers.n_in) for bits in ancestor_bits(layers)]


def descendants(layers: Layers) -> list[Bool[np.ndarray, "_width _n_out"]]:
    """For each layer of neurons, which outputs each neuron reaches; cost O(n_out E / 64)."""
    _check_reach(layers, layers.n_out, flags=True)
    return [from_bits(bits, layers.n_out) for bits in descendant_bits(layers)]


def _check_reach(layers: Layers, ends: int, *, flags: bool = False) -> None:
    """Refuse sets of so many ends that cannot fit: the unit matrix, and a bit or a byte each."""
    neurons = sum(layers.widths)
    check_memory(
        "who reaches whom",
        ends**2 + neurons * (ends // 8 + 8) + flags * neurons * ends,
        LIMIT,
        "topokit.structure counts without it",
    )
