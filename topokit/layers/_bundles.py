"""The edges of a layer bundled by the neuron at which they meet: its receivers, or its senders."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit.layers._recipe import Layers, remembered

Numbers = Int[np.ndarray, " _numbers"]


class Bundles(NamedTuple):
    """The edges of one layer, those that meet at one neuron side by side.

    Attributes:
        width: How many neurons there are to come from.
        tails: The neuron that each edge comes from.
        heads: The neuron at which each edge meets others, ascending.
        bounds: Where the bundle of each neuron begins, and at last where all end.
        met: The neurons at which edges meet; None where they meet at all of them.
        starts: Where the bundles of these begin.
        order: The place of each edge in the recipe; None where they lie in that order.
    """

    width: int
    tails: Numbers
    heads: Numbers
    bounds: Numbers
    met: Numbers | None
    starts: Numbers
    order: Numbers | None

    @property
    def sizes(self) -> Numbers:
        """How many edges meet at each neuron."""
        return np.diff(self.bounds)


@remembered
def in_bundles(layers: Layers) -> tuple[Bundles, ...]:
    """For each layer, its edges as they meet at the receivers: in the recipe's order."""
    return _bundle(
        layers, lambda s, r, before, after: Bundles(before, s, r, *_meet(r, after), None)
    )


@remembered
def out_bundles(layers: Layers) -> tuple[Bundles, ...]:
    """For each layer, its edges as they meet at the senders; cost O(E log E)."""
    return _bundle(layers, _turned)


def in_degrees(layers: Layers) -> list[Numbers]:
    """Fan-in of every neuron, the inputs' zeros left out: one array for each layer of edges."""
    return [bundles.sizes for bundles in in_bundles(layers)]


def out_degrees(layers: Layers) -> list[Numbers]:
    """Fan-out of every neuron, the outputs' zeros left out: one array for each layer of edges."""
    rows = zip(layers.senders, layers.widths, strict=False)
    return [np.bincount(senders, minlength=width) for senders, width in rows]


def _bundle(layers: Layers, bundle: Callable[..., Bundles]) -> tuple[Bundles, ...]:
    """One for each layer; layers of the same arrays share it."""
    found: dict[tuple, Bundles] = {}
    result = []
    rows = zip(layers.senders, layers.receivers, pairwise(layers.widths), strict=True)
    for senders, receivers, shape in rows:
        key = id(senders), id(receivers), shape
        if key not in found:
            found[key] = bundle(senders, receivers, *shape)
        result.append(found[key])
    return tuple(result)


def _turned(senders: Numbers, receivers: Numbers, before: int, after: int) -> Bundles:
    order = np.argsort(senders, kind="stable")
    heads = senders[order]
    return Bundles(after, receivers[order], heads, *_meet(heads, before), order)


def _meet(heads: Numbers, width: int) -> tuple[Numbers, Numbers | None, Numbers]:
    """Bounds of the bundles of all neurons; those at which edges meet, and where theirs begin."""
    sizes = np.bincount(heads, minlength=width)
    bounds = np.zeros(width + 1, np.int64)
    np.add.accumulate(sizes, out=bounds[1:])
    if np.count_nonzero(sizes) == width:
        return bounds, None, bounds[:-1]
    met = np.flatnonzero(sizes)
    return bounds, met, bounds[met]
