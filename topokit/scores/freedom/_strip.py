"""What a few columns or rows of the end-to-end matrix carry, through the layers, to its edges.

A strip holds values at pairs of an input and one of a few chosen outputs (or, from behind, of an
output and a chosen input). Layers carry them on from pair to pair, the place being kept, and an
edge reads of the pairs at its near end what its far end sends to their places. Pairs that nothing
reads are left out, so that in local networks hardly any are left.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from topokit.scores.freedom._sparse_residues import SparseResidues

Numbers = Int[np.ndarray, " _numbers"]
Pairs = Int[np.ndarray, "_width places"]
Held = Bool[np.ndarray, "_width places"]


class Passage(NamedTuple):
    """A layer of edges as a strip passes it.

    Attributes:
        tails: The near end of each edge.
        heads: Its far end.
        weights: Its weight.
        reading: Which edges read.
        values: What neurons of the far end send to the places.
    """

    tails: Numbers
    heads: Numbers
    weights: Numbers
    reading: Numbers
    values: Pairs


class Strip(NamedTuple):
    """For each layer the matrix that its edges read with, and the one that carries to the next.

    `pairs` numbers the pairs of the last neurons that are reached; -1 where there is none.
    """

    reads: list[SparseResidues]
    steps: list[SparseResidues]
    pairs: Pairs

    @property
    def n_entries(self) -> int:
        """How many entries its matrices have."""
        return sum(matrix.n_entries for matrix in self.reads + self.steps)


def find_needs(passages: Sequence[Passage], last: Held) -> list[Held]:
    """For each layer but the last, the pairs at its far end that are read from there on.

    `last` are those at the near end of the last layer that something else reads.
    """
    needs: list[Held] = []
    for before, layer in reversed(list(pairwise(passages))):
        need = last.copy() if not needs else np.zeros(before.values.shape, bool)
        if needs:
            _mark(need, layer.tails, needs[0][layer.heads])
        _mark(need, layer.tails[layer.reading], layer.values[layer.heads[layer.reading]])
        needs.insert(0, need)
    return needs


def lay_strip(start: Held, passages: Sequence[Passage], needs: Sequence[Held]) -> Strip:
    """The strip that begins at these pairs; the last passage is read, but not passed."""
    pairs, reads, steps = _number(start), [], []
    for number, layer in enumerate(passages):
        reads.append(_read(pairs, layer))
        if number < len(needs):
            matrix, pairs = _step(pairs, layer, needs[number])
            steps.append(matrix)
    return Strip(reads, steps, pairs)


def count_pairs(pairs: Pairs) -> int:
    """How many pairs are numbered."""
    return int(pairs.max(initial=-1)) + 1


def _mark(held: Held, neurons: Numbers, wanted: np.ndarray) -> None:
    """Mark the pairs of the neurons with the places where their rows are not zero."""
    rows, places = np.nonzero(wanted)
    held[neurons[rows], places] = True


def _hold(pairs: Pairs) -> Bool[np.ndarray, " _width"]:
    """Which neurons have a pair."""
    return np.asarray((pairs >= 0).any(axis=1))


def _number(held: Held) -> Pairs:
    numbers = np.full(held.shape, -1)
    numbers[held] = np.arange(np.count_nonzero(held))
    return numbers


def _read(pairs: Pairs, layer: Passage) -> SparseResidues:
    holding = _hold(pairs)[layer.tails[layer.reading]]
    edges = layer.reading[holding]
    near, far = pairs[layer.tails[edges]], layer.values[layer.heads[edges]]
    found, places = np.nonzero((near >= 0) & (far != 0))
    rows, shape = np.flatnonzero(holding)[found], (layer.reading.size, count_pairs(pairs))
    return SparseResidues(rows, near[found, places], far[found, places], shape)


def _step(pairs: Pairs, layer: Passage, need: Held) -> tuple[SparseResidues, Pairs]:
    """The layer from pairs to pairs, and the numbers of those behind it."""
    edges = np.flatnonzero(_hold(pairs)[layer.tails])
    passed = (pairs[layer.tails[edges]] >= 0) & need[layer.heads[edges]]
    held = np.zeros(need.shape, bool)
    _mark(held, layer.heads[edges], passed)
    behind = _number(held)
    found, places = np.nonzero(passed)
    edges = edges[found]
    rows, columns = behind[layer.heads[edges], places], pairs[layer.tails[edges], places]
    shape = count_pairs(behind), count_pairs(pairs)
    return SparseResidues(rows, columns, layer.weights[edges], shape), behind
