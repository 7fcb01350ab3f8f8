"""What a few columns or rows of the end-to-end matrix carry, through the layers, to its edges.

A strip holds values at pairs of an input and one of a few chosen outputs (or, from behind, of an
output and a chosen input). Layers carry them on from pair to pair, the place being kept, and an
edge reads of the pairs at its near end what its far end sends to their places. Pairs without a path
to their place are left out, so that in local networks hardly any are left.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from topokit.scores.freedom._sparse_residues import SparseResidues

Numbers = Int[np.ndarray, " _numbers"]


class Passage(NamedTuple):
    """A layer of edges as a strip passes it.

    Attributes:
        tails: The near end of each edge.
        heads: Its far end.
        weights: Its weight.
        reading: Which edges read.
        reach: Which places a path joins to each neuron of the far end.
        values: What these send to the places.
    """

    tails: Numbers
    heads: Numbers
    weights: Numbers
    reading: Numbers
    reach: Bool[np.ndarray, "_width places"]
    values: Int[np.ndarray, "_width places"]


class Strip(NamedTuple):
    """For each layer the matrix that its edges read with, and the one that carries to the next.

    `pairs` numbers the pairs of the last neurons that are reached; -1 where there is none.
    """

    reads: list[SparseResidues]
    steps: list[SparseResidues]
    pairs: Int[np.ndarray, "_width places"]


def lay_strip(start: Bool[np.ndarray, "_width places"], passages: list[Passage]) -> Strip:
    """The strip that begins at these pairs; the last passage is read, but not passed."""
    pairs, reads, steps = _number(start), [], []
    for number, layer in enumerate(passages):
        reads.append(_read(pairs, layer))
        if number < len(passages) - 1:
            matrix, pairs = _step(pairs, layer)
            steps.append(matrix)
    return Strip(reads, steps, pairs)


def count_pairs(pairs: Int[np.ndarray, "width places"]) -> int:
    """How many pairs are numbered."""
    return int(pairs.max(initial=-1)) + 1


def _number(held: Bool[np.ndarray, "width places"]) -> Int[np.ndarray, "width places"]:
    numbers = np.full(held.shape, -1)
    numbers[held] = np.arange(np.count_nonzero(held))
    return numbers


def _read(pairs: Int[np.ndarray, "_width places"], layer: Passage) -> SparseResidues:
    near, far = pairs[layer.tails[layer.reading]], layer.values[layer.heads[layer.reading]]
    edges, places = np.nonzero((near >= 0) & (far != 0))
    shape = layer.reading.size, count_pairs(pairs)
    return SparseResidues(edges, near[edges, places], far[edges, places], shape)


def _step(
    pairs: Int[np.ndarray, "_width places"], layer: Passage
) -> tuple[SparseResidues, Int[np.ndarray, "_next places"]]:
    """The layer from pairs to pairs, and the numbers of those behind it."""
    passed = (pairs[layer.tails] >= 0) & layer.reach[layer.heads]
    held = np.zeros(layer.reach.shape, bool)
    edges, places = np.nonzero(passed)
    held[layer.heads[edges], places] = True
    behind = _number(held)
    rows, columns = behind[layer.heads[edges], places], pairs[layer.tails[edges], places]
    shape = count_pairs(behind), count_pairs(pairs)
    return SparseResidues(rows, columns, layer.weights[edges], shape), behind
