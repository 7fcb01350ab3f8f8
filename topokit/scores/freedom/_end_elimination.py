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

from topokit.layers import ANY, Layers, backward, forward, live_weights, push, residues
from topokit.scores.freedom._end_pivots import EndPivots, find_pivots, pivot_work
from topokit.scores.freedom._rank_mod_p import PRIME, settle, times
from topokit.scores.freedom._remaining_edges import remaining_edges
from topokit.scores.freedom._sparse_residues import SparseResidues
from topokit.scores.freedom._strip import (
    Passage,
    Strip,
    count_pairs,
    find_needs,
    lay_strip,
)

FIELD = residues(PRIME)
AT_ONCE = 64  # probes, so that what they hold stays near

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


class Columns(NamedTuple):
    """The strip of columns that is set right, or the part of it that concerns some inputs.

    Attributes:
        strip: From the inputs on.
        rows: Of each of its first pairs, the row of the first layer's solutions.
        owners: Its input.
        corner: What the last pairs of the strip of rows add to them.
    """

    strip: Strip
    rows: Numbers
    owners: Numbers
    corner: SparseResidues


class Readers(NamedTuple):
    """Sparse matrices that make of probes their products with the edges that are left.

    Attributes:
        onward: Each layer, from its senders to its receivers.
        back: The same from the receivers to the senders.
        first: The solutions of the first layer's pivots.
        last: Those of the last layer's.
        rows: The strip of rows that is set right, from the outputs back.
        passages: What a strip of columns passes.
        needs: What is read of it.
        columns: All of it.
    """

    onward: list[SparseResidues]
    back: list[SparseResidues]
    first: SparseResidues
    last: SparseResidues
    rows: Strip
    passages: list[Passage]
    needs: list[Bool[np.ndarray, "_width places"]]
    columns: Columns

    @property
    def n_entries(self) -> int:
        """How many entries all these matrices have."""
        matrices = [*self.onward, *self.back, self.first, self.last, self.columns.corner]
        strips = self.rows.n_entries + self.columns.strip.n_entries
        return strips + sum(matrix.n_entries for matrix in matrices)


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
    passages, rows = _pass_columns(layers, weights, ends), _lay_rows(layers, weights, ends)
    nothing = np.zeros((layers.widths[-2], ends.first.places.size), bool)
    needs = find_needs(passages, nothing)
    everything = np.arange(ends.first.owners.size)
    return Readers(
        [SparseResidues(r, s, w, shape) for r, s, w, shape in edges[:-1]],
        [SparseResidues(s, r, w, (shape[1], shape[0])) for r, s, w, shape in edges[1:]],
        SparseResidues(*ends.first.solution, (ends.first.n_rows, layers.widths[1])),
        SparseResidues(*ends.last.solution, (ends.last.n_rows, layers.widths[-2])),
        rows,
        passages,
        needs,
        _lay_columns(layers, ends, rows, passages, needs, everything),
    )


def columns_of(layers: Layers, ends: Ends, readers: Readers, row: int) -> Columns:
    """The part of the strip of columns that probes of a single row need."""
    owners = ends.first.owners
    pivots = np.flatnonzero(np.isin(owners, ends.last.places) | (owners == row))
    return _lay_columns(layers, ends, readers.rows, readers.passages, readers.needs, pivots)


def read_probes(
    layers: Layers,
    ends: Ends,
    readers: Readers,
    u: Float[np.ndarray, "n_in _probes_or_1"],
    v: Float[np.ndarray, "n_out probes"],
    *,
    columns: Columns | None = None,
) -> Float[np.ndarray, "kept probes"]:
    """Products of the edges that are left with the probes `u v^T`, set right at the pivots.

    One `u` may stand for all; if it is of a single row, its `columns` are enough.
    """
    columns = readers.columns if columns is None else columns
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
    rest = times(u[columns.owners], (readers.first @ behind[0])[columns.rows])
    _take_away(found, columns.strip, settle(rest - columns.corner @ wrong))
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


def _pass_columns(layers: Layers, weights: Weights, ends: Ends) -> list[Passage]:
    """What the columns that hold pivots of the first layer pass."""
    own = _own(layers.n_out, ends.first.places).astype(int)
    values = backward(layers, own, weights, algebra=FIELD)[1:]
    rows = zip(layers.senders, layers.receivers, weights, ends.kept, values, strict=True)
    return [Passage(*row) for row in rows]


def _lay_columns(
    layers: Layers,
    ends: Ends,
    rows: Strip,
    passages: list[Passage],
    needs: list[Bool[np.ndarray, "_width places"]],
    pivots: Numbers,
) -> Columns:
    """The strip of columns that begins at these pivots of the first layer."""
    owners, solved = ends.first.owners[pivots], ends.first.rows[pivots]
    start = _pairs(layers.n_in, ends.first.places, owners, ends.first.columns[pivots])
    corner = _corner(layers, ends, rows, owners, solved)
    return Columns(lay_strip(start, passages, needs), solved, owners, corner)


def _lay_rows(layers: Layers, weights: Weights, ends: Ends) -> Strip:
    """The strip of the rows that hold pivots of the last layer."""
    own = _own(layers.n_in, ends.last.places).astype(int)
    *values, _ = forward(layers, own, weights, algebra=FIELD)
    rows = zip(layers.receivers, layers.senders, weights, ends.kept, values, strict=True)
    passages = [Passage(*row) for row in rows][::-1]
    start = _pairs(layers.n_out, ends.last.places, ends.last.owners, ends.last.columns)
    return lay_strip(start, passages, find_needs(passages, push(layers, 0, own > 0, algebra=ANY)))


def _own(n: int, places: Numbers) -> Bool[np.ndarray, "n places"]:
    """Where each of the places is, of so many neurons."""
    return np.arange(n)[:, None] == places


def _pairs(
    n: int, places: Numbers, owners: Numbers, columns: Numbers
) -> Bool[np.ndarray, "n places"]:
    """At which pairs of an owner and a place there are pivots."""
    result = np.zeros((n, places.size), bool)
    result[owners, columns] = True
    return result


def _corner(
    layers: Layers, ends: Ends, strip: Strip, owners: Numbers, solved: Numbers
) -> SparseResidues:
    """From the last pairs of the strip of rows to pivots of the first layer in these rows."""
    rows, beside, values = ends.first.solution
    column_of = np.full(layers.n_in, -1)
    column_of[ends.last.places] = np.arange(ends.last.places.size)
    found = np.flatnonzero(column_of[owners] >= 0)
    starts = np.searchsorted(rows, np.arange(ends.first.n_rows + 1))
    first, size = starts[solved[found]], np.diff(starts)[solved[found]]
    pivot = np.repeat(found, size)
    entry = np.arange(pivot.size) + np.repeat(first - (np.cumsum(size) - size), size)
    pair = strip.pairs[beside[entry], column_of[owners[pivot]]]
    some = pair >= 0
    shape = owners.size, count_pairs(strip.pairs)
    return SparseResidues(pivot[some], pair[some], values[entry][some], shape)
