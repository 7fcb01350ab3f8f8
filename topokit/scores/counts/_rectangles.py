"""Which constraints each edge can settle, without listing them.

The constraints of an edge are a rectangle: the inputs above its sender times the outputs below its
receiver. Both sets are rows of bits, 64 to a word, carried along the layers. Edges with equal
rectangles are merged into one group, which can settle as many constraints as it has edges.

Constraint (i, o) is the cell `i n_out + o` of the end-to-end matrix.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit.layers import (
    WORD,
    Bits,
    Layers,
    ancestor_bits,
    descendant_bits,
    each_layer,
    split_by_size,
)

Numbers = Int[np.ndarray, " _numbers"]


class Sets(NamedTuple):
    """Distinct sets of numbers.

    Attributes:
        bits: Each set as a row of bits.
        until: How many numbers this word and all words before it hold, rows one after the other.
        sizes: How many numbers each set holds.
    """

    bits: Bits
    until: Numbers
    sizes: Numbers


class Rectangles(NamedTuple):
    """The groups of a network's trainable edges.

    Attributes:
        group: Group of each trainable edge, in recipe order.
        edges: Number of edges of each group.
        above: For each group, which set of inputs is above it.
        below: For each group, which set of outputs is below it.
        inputs: Distinct sets of inputs.
        outputs: Distinct sets of outputs.
        layers: The network.
        groups: For each layer the group of every edge, -1 where it is constant.
        descendants: For each layer of neurons, the outputs that each neuron reaches.
    """

    group: Numbers
    edges: Numbers
    above: Numbers
    below: Numbers
    inputs: Sets
    outputs: Sets
    layers: Layers
    groups: list[Numbers]
    descendants: list[Bits]

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.layers.n_out

    @property
    def areas(self) -> Numbers:
        """Number of constraints in the rectangle of each group."""
        return self.inputs.sizes[self.above] * self.outputs.sizes[self.below]


def merge_edges(layers: Layers) -> Rectangles:
    """Find the rectangles of all trainable edges; cost O(E (n_in + n_out) / 64 + E log E)."""
    descendants = descendant_bits(layers)
    above, inputs = _distinct(ancestor_bits(layers)[:-1])
    below, outputs = _distinct(descendants[1:])
    rows = zip(above, below, each_layer(layers), strict=True)
    n_below = outputs.sizes.size
    pairs = np.concatenate([a[s[free]] * n_below + b[r[free]] for a, b, (s, r, free, _) in rows])
    pair, group, edges = np.unique(pairs, return_inverse=True, return_counts=True)
    sides = np.divmod(pair, n_below)
    groups = [np.full(free.size, -1) for free in layers.trainable]
    own = split_by_size([int(free.sum()) for free in layers.trainable], group)
    for of_edge, free, numbers in zip(groups, layers.trainable, own, strict=True):
        of_edge[free] = numbers
    return Rectangles(group, edges, *sides, inputs, outputs, layers, groups, descendants)


def sample_cells(
    rectangles: Rectangles, counts: Numbers, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Draw this many constraints of each group's rectangle, all different.

    Each rectangle, row after row, is cut into as many equal parts, and gives one of each.

    Returns:
        The group and the cell of each draw, by group and then by cell.
    """
    group, part = expand(counts)
    areas, counts = rectangles.areas[group], counts[group]
    low, high = part * areas // counts, (part + 1) * areas // counts
    place = low + (rng.random(group.size) * (high - low)).astype(np.int64)
    above, below = rectangles.above[group], rectangles.below[group]
    row, column = np.divmod(place, rectangles.outputs.sizes[below])
    i, o = _select(rectangles.inputs, above, row), _select(rectangles.outputs, below, column)
    return group, i * rectangles.n_out + o


def expand(counts: Numbers) -> tuple[Numbers, Numbers]:
    """Each number k, `counts[k]` times, and beside it 0, 1, ..., `counts[k]` - 1."""
    which = np.repeat(np.arange(counts.size), counts)
    return which, np.arange(which.size) - (np.cumsum(counts) - counts)[which]


def _distinct(reach: list[Bits]) -> tuple[list[Numbers], Sets]:
    """Number the distinct rows of all layers; for each layer, which of them its neurons have."""
    numbers: dict[bytes, int] = {}
    of_layers = [
        np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in bits])
        for bits in reach
    ]
    bits = np.frombuffer(b"".join(numbers), WORD).reshape(len(numbers), -1)
    counts = np.bitwise_count(bits)
    until = np.cumsum(counts, dtype=np.int64)
    return of_layers, Sets(bits, until, counts.sum(axis=1, dtype=np.int64))


def _select(sets: Sets, which: Numbers, rank: Numbers) -> Numbers:
    """The number of this rank, from 0, in each of these sets."""
    rank = rank + (np.cumsum(sets.sizes) - sets.sizes)[which]
    place = np.searchsorted(sets.until, rank, side="right")
    bits = sets.bits.ravel()[place]
    rank = rank - sets.until[place] + np.bitwise_count(bits)
    number = place % sets.bits.shape[1] * 64
    for half in (32, 16, 8, 4, 2, 1):
        low = np.bitwise_count(bits & np.uint64(2**half - 1))
        shift = np.where(rank >= low, half, 0)
        rank = rank - np.where(rank >= low, low, 0)
        bits = bits >> shift.astype(WORD)
        number = number + shift
    return number
