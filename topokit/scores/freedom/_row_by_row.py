"""A proof that all columns that are left are independent, by probes of single rows.

A probe of one row of the end-to-end matrix sees, of the edges that are left, those to which paths
lead from that input, or from one of the inputs that hold pivots of the last layer. The latter are
the *common* edges. All others are eliminated input by input, each with the few that its row sees,
and only the common ones need a large matrix in the end. In three layers of a random network they
are a third, and in one of blocks hardly any.

Probes of rows do not stand for all probes: they prove columns independent, and never dependent.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers import ANY, Layers, forward
from topokit.scores.freedom._end_elimination import AT_ONCE, Ends, Readers, columns_of, read_probes
from topokit.scores.freedom._rank_mod_p import (
    PRIME,
    TERMS,
    clear,
    eliminate,
    halves,
    settle,
    to_residues,
    twice,
)

Numbers = Int[np.ndarray, " _edges"]

# How many rows see an edge, if so many do; and how many probes there are for each common edge, in
# rows that see some, and then in all rows.
ROWS, PROBES, MORE = 4, 1.1, 2.0

# Operations, as those of an elimination count, of an entry that changes with small blocks.
OF_SMALL = 10


class Sight(NamedTuple):
    """Which edges that are left, in recipe order, the probes see.

    Attributes:
        common: Whether all probes see an edge.
        by_row: To which edges paths lead from which inputs: 1, else 0.
    """

    common: Bool[np.ndarray, " kept"]
    by_row: Float[np.ndarray, "kept n_in"]

    @property
    def n_probes(self) -> float:
        """How many probes the proof takes, about."""
        return len(self.common) + PROBES * float(self.common.sum())

    @property
    def work(self) -> float:
        """How many operations it takes beside reading them, about."""
        n_common, seen = int(self.common.sum()), float(self.by_row[~self.common].sum(axis=0).max())
        return OF_SMALL * len(self.by_row) * seen * (seen + n_common) + n_common**3 / 2


def see(layers: Layers, ends: Ends) -> Sight:
    """What probes of rows see."""
    reached = forward(layers, np.eye(layers.n_in, dtype=bool), algebra=ANY)
    rows = zip(reached, layers.senders, ends.kept, strict=False)
    by_row = np.concatenate([near[senders[kept]] for near, senders, kept in rows])
    common = np.asarray(by_row[:, ends.last.places].any(axis=1))
    return Sight(common, by_row.astype(np.float32))


def all_independent(layers: Layers, ends: Ends, readers: Readers, sight: Sight) -> bool:
    """Whether probes of rows prove it."""
    rng, common = np.random.default_rng(3), np.flatnonzero(sight.common)
    own = np.flatnonzero(~sight.common)
    order, small = np.concatenate([own, common]), _SmallBlocks(own.size)
    sees = sight.by_row[own]

    def reduce(row: int, n_probes: int) -> Float[np.ndarray, "left common"]:
        v = to_residues(rng.integers(0, PRIME, (layers.n_out, n_probes)))
        return small.reduce(_read_row(layers, ends, readers, row, v)[:, order])

    able = np.ones(layers.n_in, bool)
    able[ends.last.places] = False
    while small.todo.any():
        gain = small.todo.astype(np.float32) @ sees * able
        row = int(gain.argmax())
        if not gain[row]:
            return False
        reduce(row, int(gain[row]))
        able[row] = False
    # Mostly rows that see common edges tell them apart, and sometimes only the others do.
    rest = [np.zeros((0, common.size))]
    for edges, probes in ((common, PROBES), (order, MORE)):
        for row, share in _shares(sight.by_row[edges], ends.last.places):
            rest.append(reduce(row, int(np.ceil(probes * common.size * share))))
        if eliminate(np.concatenate(rest)) == common.size:
            return True
    return False


def _read_row(
    layers: Layers, ends: Ends, readers: Readers, row: int, v: Float[np.ndarray, "n_out probes"]
) -> Float[np.ndarray, "probes kept"]:
    """Products of probes of one row with the edges that are left."""
    u = (np.arange(layers.n_in) == row)[:, None] * 1.0
    columns = columns_of(layers, ends, readers, row)
    parts = np.split(v, range(AT_ONCE, v.shape[1], AT_ONCE), axis=1)
    found = [read_probes(layers, ends, readers, u, v, columns=columns).T for v in parts]
    return np.concatenate(found)


def _shares(
    by_row: Float[np.ndarray, "edges n_in"], without: Int[np.ndarray, " places"]
) -> list[tuple[int, float]]:
    """Rows that see every edge several times, if that can be, and their shares of all edges."""
    able, rows = np.ones(by_row.shape[1], bool), []
    able[without] = False
    times_seen = np.zeros(len(by_row), np.float32)
    while (gain := (times_seen < ROWS).astype(np.float32) @ by_row * able).any():
        rows.append(int(gain.argmax()))
        able[rows[-1]] = False
        times_seen += by_row[:, rows[-1]]
    seen = by_row[:, rows]
    each = (seen / np.maximum(times_seen, 1)[:, None]).sum(axis=0)
    return list(zip(rows, (each / max(each.sum(), 1)).tolist(), strict=True))


class _Block(NamedTuple):
    """Pivots, at most `TERMS`, and `twice` what to take for one: of some others, then of common."""

    pivots: Numbers
    others: Numbers
    change: Float[np.ndarray, "twice others_and_common"]


class _SmallBlocks:
    """The elimination of all edges but the common ones, which come last in what it is given."""

    def __init__(self, n_own: int) -> None:
        self.todo = np.ones(n_own, bool)
        self._blocks: list[_Block] = []

    def reduce(self, products: Float[np.ndarray, "probes kept"]) -> np.ndarray:
        """Eliminate edges that have pivots and give them to others; what common ones then are."""
        own, common = products[:, : self.todo.size], products[:, self.todo.size :]
        for block in self._blocks:
            part = own[:, block.pivots]
            if part.any():
                change = settle(halves(part) @ block.change)
                own[:, block.others] = settle(own[:, block.others] - change[:, : block.others.size])
                common -= change[:, block.others.size :]
        seen = np.flatnonzero(self.todo & own.any(axis=0))
        matrix = np.hstack([own[:, seen], settle(common)])
        rows, columns = clear(matrix, seen.size)
        self._keep(matrix[rows], seen, columns)
        return np.delete(matrix, rows, axis=0)[:, seen.size :]

    def _keep(
        self, rows: Float[np.ndarray, "pivots columns"], seen: Numbers, columns: Numbers
    ) -> None:
        """Keep the rows of pivots at these columns, of which the first are the edges seen."""
        others = np.delete(np.arange(rows.shape[1]), columns)
        left = np.delete(seen, columns)
        for part in np.split(np.arange(columns.size), range(TERMS, columns.size, TERMS)):
            if part.size:
                change = twice(rows[np.ix_(part, others)])
                self._blocks.append(_Block(seen[columns[part]], left, change))
        self.todo[seen[columns]] = False
