"""Which constraints each edge can settle, without listing them.

The constraints of an edge are a rectangle: the inputs above its sender times the outputs below its
receiver. Both sets are rows of bits, 64 to a word, carried along the layers. Edges with equal
rectangles are merged into one group, which can settle as many constraints as it has edges.

Constraint (i, o) is the cell `i n_out + o` of the end-to-end matrix.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt64

from topokit.layers import Layers, each_layer

word = np.dtype("<u8")
Bits = UInt64[np.ndarray, "_rows _words"]
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


class GroupedEdges(NamedTuple):
    """One layer's edges, sorted by sender; `group` is -1 where the edge is constant."""

    senders: Numbers
    receivers: Numbers
    group: Numbers


class Rectangles(NamedTuple):
    """The groups of a network's trainable edges.

    Attributes:
        group: Group of each trainable edge, in recipe order.
        edges: Number of edges of each group.
        above: For each group, which set of inputs is above it.
        below: For each group, which set of outputs is below it.
        inputs: Distinct sets of inputs.
        outputs: Distinct sets of outputs.
        wirings: Edges of each layer, constant ones included.
        descendants: For each layer of neurons, the outputs that each neuron reaches.
        n_out: Number of outputs.
    """

    group: Numbers
    edges: Numbers
    above: Numbers
    below: Numbers
    inputs: Sets
    outputs: Sets
    wirings: list[GroupedEdges]
    descendants: list[Bits]
    n_out: int

    @property
    def areas(self) -> Numbers:
        """Number of constraints in the rectangle of each group."""
        return self.inputs.sizes[self.above] * self.outputs.sizes[self.below]


def merge_edges(layers: Layers) -> Rectangles:
    """Find the rectangles of all trainable edges; cost O(E (n_in + n_out) / 64 + E log E)."""
    descendants = _descendants(layers)
    above, inputs = _distinct(_ancestors(layers)[:-1])
    below, outputs = _distinct(descendants[1:])
    rows = zip(above, below, each_layer(layers), strict=True)
    n_below = outputs.sizes.size
    pairs = np.concatenate([a[s[free]] * n_below + b[r[free]] for a, b, (s, r, free, _) in rows])
    pair, group, edges = np.unique(pairs, return_inverse=True, return_counts=True)
    sides = np.divmod(pair, n_below)
    wirings = _wirings(layers, group)
    return Rectangles(group, edges, *sides, inputs, outputs, wirings, descendants, layers.n_out)


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


def spread(bits: Bits, tails: Numbers, heads: Numbers, width: int) -> Bits:
    """Union of the tails' rows at each head; `heads` ascend."""
    result = np.zeros((width, bits.shape[1]), word)
    starts = np.flatnonzero(np.diff(heads, prepend=-1))
    result[heads[starts]] = np.bitwise_or.reduceat(bits[tails], starts, axis=0)
    return result


def to_bits(flags: Bool[np.ndarray, "_rows _n"]) -> Bits:
    """Pack each row into words, filled up with zeros."""
    packed = np.packbits(flags, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % word.itemsize))).view(word)


def from_bits(bits: Bits, n: int) -> Bool[np.ndarray, "_rows {n}"]:
    """The flags again, `n` in each row."""
    return np.unpackbits(bits.view(np.uint8), axis=1, count=n, bitorder="little").view(bool)


def has_bit(bits: Bits, row: Numbers, number: Numbers) -> Bool[np.ndarray, " _numbers"]:
    """Whether each row holds the number beside it."""
    return (bits.view(np.uint8)[row, number >> 3] >> (number & 7) & 1).astype(bool)


def _ancestors(layers: Layers) -> list[Bits]:
    """For each layer of neurons, the inputs that reach each neuron."""
    reach = [to_bits(np.eye(layers.n_in, dtype=bool))]
    rows = zip(layers.widths[1:], layers.senders, layers.receivers, strict=True)
    for width, senders, receivers in rows:
        reach.append(spread(reach[-1], senders, receivers, width))
    return reach


def _descendants(layers: Layers) -> list[Bits]:
    """For each layer of neurons, the outputs that each neuron reaches."""
    reach = [to_bits(np.eye(layers.n_out, dtype=bool))]
    rows = zip(layers.widths, layers.senders, layers.receivers, strict=False)
    for width, senders, receivers in reversed(list(rows)):
        order = np.argsort(senders, kind="stable")
        reach.append(spread(reach[-1], receivers[order], senders[order], width))
    return reach[::-1]


def _wirings(layers: Layers, group: Numbers) -> list[GroupedEdges]:
    """The edges by sender, with their groups."""
    wirings, ends = [], np.cumsum([free.sum() for free in layers.trainable])
    for own, (senders, receivers, free, _) in zip(
        np.split(group, ends[:-1]), each_layer(layers), strict=True
    ):
        of_edge = np.full(senders.size, -1)
        of_edge[free] = own
        order = np.argsort(senders, kind="stable")
        wirings.append(GroupedEdges(senders[order], receivers[order], of_edge[order]))
    return wirings


def _distinct(reach: list[Bits]) -> tuple[list[Numbers], Sets]:
    """Number the distinct rows of all layers; for each layer, which of them its neurons have."""
    numbers: dict[bytes, int] = {}
    of_layers = [
        np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in bits])
        for bits in reach
    ]
    bits = np.frombuffer(b"".join(numbers), word).reshape(len(numbers), -1)
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
        bits = bits >> shift.astype(word)
        number = number + shift
    return number
