"""The Jacobian with the columns of its end layers eliminated by blocks: what is left of the others.

The columns of the first layer act within rows of the end-to-end matrix, those of the last within
columns, and `_end_pivots` eliminates them, but for edges of the last layer into the few outputs
that hold pivots of the first, which are left with the middle ones (`_remaining_edges`). Modulo all
that is eliminated, the rank of these is that of their scalar products with matrices, *probes*, that
are orthogonal to all that is eliminated. Such a probe is any matrix of rank one, set right at the
pivots: at those of the last layer first, then at those of the first. What is set right is a strip
of few rows and one of few columns (`_strip`), so that products with all edges take about as many
operations as there are edges times rows and columns of the strips.

Matrices of rank one span all, and what makes them orthogonal is linear, so that with random ones
the rank is that of the columns but for a chance of about twice the rank times the depth by the
prime.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers import ANY, Layers, backward, forward, live_weights, residues
from topokit.scores.freedom._end_pivots import EndPivots, find_pivots, pivot_work
from topokit.scores.freedom._rank_mod_p import PRIME, settle, times
from topokit.scores.freedom._remaining_edges import remaining_edges
from topokit.scores.freedom._sparse_residues import SparseResidues
from topokit.scores.freedom._strip import Passage, Strip, count_pairs, lay_strip

FIELD = residues(PRIME)

Numbers = Int[np.ndarray, " _numbers"]
Weights = list[Int[np.ndarray, " _edges"]]


class Ends(NamedTuple):
    """The end layers, eliminated by blocks, and the edges that are left of each layer."""

    first: EndPivots
    last: EndPivots
    kept: list[Numbers]

    @property
    def rank(self) -> int:
        """How many columns are eliminated."""
        return self.first.owners.size + self.last.owners.size

    @property
    def n_places(self) -> int:
        """How many columns and rows hold their pivots."""
        return self.first.places.size + self.last.places.size

    @property
    def n_kept(self) -> int:
        """How many are left."""
        return sum(edges.size for edges in self.kept)


class Readers(NamedTuple):
    """Sparse matrices that make of probes their products with the edges that are left.

    Attributes:
        onward: Each layer, from its senders to its receivers.
        back: The same from the receivers to the senders.
        columns: The strip of columns that is set right, from the inputs on.
        rows: The strip of rows, from the outputs back.
        first: The solutions of the first layer's pivots.
        last: Those of the last layer's.
        corner: What the strip of rows adds at the pivots of the first layer.
    """

    onward: list[SparseResidues]
    back: list[SparseResidues]
    columns: Strip
    rows: Strip
    first: SparseResidues
    last: SparseResidues
    corner: SparseResidues

    @property
    def n_entries(self) -> int:
        """How many entries all these matrices have."""
        matrices = [*self.onward, *self.back, self.first, self.last, self.corner]
        for strip in (self.columns, self.rows):
            matrices += strip.reads + strip.steps
        return sum(matrix.n_entries for matrix in matrices)


def end_work(layers: Layers) -> int:
    """How many entries of blocks change while the end layers are eliminated, at most."""
    live, senders, receivers = live_weights(layers), layers.senders, layers.receivers
    first = senders[0][live[0]], receivers[0][live[0]]
    last = receivers[-1][live[-1]], senders[-1][live[-1]]
    return pivot_work(*first, layers.n_out) + pivot_work(*last, layers.n_in)


def eliminate_ends(layers: Layers, weights: Weights) -> Ends:
    """Eliminate the columns of the first and the last of two or more layers."""
    live, senders, receivers = live_weights(layers), layers.senders, layers.receivers
    values = backward(layers, np.eye(layers.n_out, dtype=int), weights, algebra=FIELD)[1]
    first = find_pivots(senders[0][live[0]], receivers[0][live[0]], values)
    alone = live[-1] & ~np.isin(receivers[-1], first.places)
    *_, values, _ = forward(layers, np.eye(layers.n_in, dtype=int), weights, algebra=FIELD)
    last = find_pivots(receivers[-1][alone], senders[-1][alone], values)
    return Ends(first, last, remaining_edges(layers, first.places))


def make_readers(layers: Layers, weights: Weights, ends: Ends) -> Readers:
    """What `read_probes` multiplies with."""
    shapes = [(after, before) for before, after in pairwise(layers.widths)]
    edges = list(zip(layers.receivers, layers.senders, weights, shapes, strict=True))
    columns, rows = _lay_columns(layers, weights, ends), _lay_rows(layers, weights, ends)
    return Readers(
        [SparseResidues(r, s, w, shape) for r, s, w, shape in edges[:-1]],
        [SparseResidues(s, r, w, shape[::-1]) for r, s, w, shape in edges[1:]],
        columns,
        rows,
        SparseResidues(*ends.first.solution, (ends.first.n_rows, layers.widths[1])),
        SparseResidues(*ends.last.solution, (ends.last.n_rows, layers.widths[-2])),
        _corner(layers, ends, rows),
    )


def read_probes(
    layers: Layers,
    ends: Ends,
    readers: Readers,
    u: Float[np.ndarray, "n_in probes"],
    v: Float[np.ndarray, "n_out probes"],
) -> Float[np.ndarray, "kept probes"]:
    """Products of the edges that are left with the probes `u v^T`, set right at the pivots."""
    ahead, behind = [u], [v]
    for onward, back in zip(readers.onward, reversed(readers.back), strict=True):
        ahead.append(onward @ ahead[-1])
        behind.insert(0, back @ behind[0])
    found = [
        times(near[senders[kept]], far[receivers[kept]])
        for near, far, senders, receivers, kept in zip(
            ahead, behind, layers.senders, layers.receivers, ends.kept, strict=True
        )
    ]
    wrong = times((readers.last @ ahead[-1])[ends.last.rows], v[ends.last.owners])
    wrong = _take_away(found[::-1], readers.rows, wrong)
    rest = times((readers.first @ behind[0])[ends.first.rows], u[ends.first.owners])
    _take_away(found, readers.columns, settle(rest - readers.corner @ wrong))
    return np.concatenate(found)


def _take_away(
    found: list[np.ndarray], strip: Strip, values: Float[np.ndarray, "_pairs probes"]
) -> Float[np.ndarray, "_last probes"]:
    """Take away what edges read of a strip, in place; what its last pairs hold."""
    for number, (part, read) in enumerate(zip(found, strip.reads, strict=True)):
        part -= read @ values
        settle(part)
        if number < len(strip.steps):
            values = strip.steps[number] @ values
    return values


def _lay_columns(layers: Layers, weights: Weights, ends: Ends) -> Strip:
    """The strip of the columns that hold pivots of the first layer."""
    start, own = _pairs(layers.n_in, ends.first), _own(layers.n_out, ends.first.places)
    reach = backward(layers, own, algebra=ANY)[1:]
    values = backward(layers, own.astype(int), weights, algebra=FIELD)[1:]
    rows = zip(layers.senders, layers.receivers, weights, ends.kept, reach, values, strict=True)
    return lay_strip(start, [Passage(*row) for row in rows])


def _lay_rows(layers: Layers, weights: Weights, ends: Ends) -> Strip:
    """The strip of the rows that hold pivots of the last layer."""
    start, own = _pairs(layers.n_out, ends.last), _own(layers.n_in, ends.last.places)
    *reach, _ = forward(layers, own, algebra=ANY)
    *values, _ = forward(layers, own.astype(int), weights, algebra=FIELD)
    rows = zip(layers.receivers, layers.senders, weights, ends.kept, reach, values, strict=True)
    return lay_strip(start, [Passage(*row) for row in rows][::-1])


def _own(n: int, places: Numbers) -> Bool[np.ndarray, "n places"]:
    """Where each of the places is, of so many neurons."""
    return np.arange(n)[:, None] == places


def _pairs(n: int, pivots: EndPivots) -> Bool[np.ndarray, "n places"]:
    """At which pairs of an owner and a place there are pivots."""
    result = np.zeros((n, pivots.places.size), bool)
    result[pivots.owners, pivots.columns] = True
    return result


def _corner(layers: Layers, ends: Ends, strip: Strip) -> SparseResidues:
    """From the last pairs of the strip of rows to the first layer's pivots in these rows."""
    rows, beside, values = ends.first.solution
    column_of = np.full(layers.n_in, -1)
    column_of[ends.last.places] = np.arange(ends.last.places.size)
    place = column_of[ends.first.owners]
    starts = np.searchsorted(rows, np.arange(ends.first.n_rows + 1))
    found = np.flatnonzero(place >= 0)
    first, size = starts[ends.first.rows[found]], np.diff(starts)[ends.first.rows[found]]
    pivot = np.repeat(found, size)
    entry = np.arange(pivot.size) + np.repeat(first - (np.cumsum(size) - size), size)
    pair = strip.pairs[beside[entry], place[pivot]]
    some = pair >= 0
    shape = place.size, count_pairs(strip.pairs)
    return SparseResidues(pivot[some], pair[some], values[entry][some], shape)
