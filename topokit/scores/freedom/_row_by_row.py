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
    clear,
    eliminate,
    multiply,
    settle,
    to_residues,
)

Numbers = Int[np.ndarray, " _edges"]

# How many rows see an edge, if so many do; and how many probes there are for each common edge, in
# rows that see some, and then in all rows.
ROWS, PROBES, MORE = 4, 1.1, 2.0


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
        return 2 * len(self.by_row) * seen * (seen + n_common) + n_common**3 / 2


class _Block(NamedTuple):
    """Edges with pivots, and what others are taken for one of them."""

    pivots: Numbers
    others: Numbers
    change: Float[np.ndarray, "others pivots"]


def see(layers: Layers, ends: Ends) -> Sight:
    """What probes of rows see."""
    reached = forward(layers, np.eye(layers.n_in, dtype=bool), algebra=ANY)
    rows = zip(reached, layers.senders, ends.kept, strict=False)
    by_row = np.concatenate([near[senders[kept]] for near, senders, kept in rows])
    common = by_row[:, ends.last.places].any(axis=1)
    return Sight(common, by_row.astype(np.float32))


def all_independent(layers: Layers, ends: Ends, readers: Readers, sight: Sight) -> bool:
    """Whether probes of rows prove it."""
    rng, blocks, rest = np.random.default_rng(3), [], []
    common, todo = np.flatnonzero(sight.common), ~sight.common

    def reduce(row: int, n_probes: int) -> Float[np.ndarray, "left common"]:
        v = to_residues(rng.integers(0, PRIME, (layers.n_out, n_probes)))
        products = _read_row(layers, ends, readers, row, v)
        block, left = _reduce(products, blocks, todo, common)
        blocks.append(block)
        todo[block.pivots] = False
        return left

    able = np.ones(layers.n_in, bool)
    able[ends.last.places] = False
    while todo.any():
        gain = todo.astype(np.float32) @ sight.by_row * able
        row = int(gain.argmax())
        if not gain[row]:
            return False
        reduce(row, int(gain[row]))
        able[row] = False
    # Mostly rows that see common edges tell them apart, and sometimes only the others do.
    for edges, probes in ((common, PROBES), (np.arange(todo.size), MORE)):
        for row, share in _shares(sight.by_row[edges], ends.last.places):
            rest.append(reduce(row, int(np.ceil(probes * common.size * share))))
        if eliminate(np.concatenate([np.zeros((0, common.size)), *rest])) == common.size:
            return True
    return False


def _read_row(
    layers: Layers, ends: Ends, readers: Readers, row: int, v: Float[np.ndarray, "n_out probes"]
) -> Float[np.ndarray, "kept probes"]:
    """Products of the edges that are left with probes of one row."""
    u = (np.arange(layers.n_in) == row)[:, None] * 1.0
    columns = columns_of(layers, ends, readers, row)
    parts = np.split(v, range(AT_ONCE, v.shape[1], AT_ONCE), axis=1)
    return np.hstack([read_probes(layers, ends, readers, u, v, columns=columns) for v in parts])


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


def _reduce(
    products: Float[np.ndarray, "kept probes"],
    blocks: list[_Block],
    todo: Bool[np.ndarray, " kept"],
    common: Numbers,
) -> tuple[_Block, Float[np.ndarray, "left common"]]:
    """Eliminate the edges of earlier blocks, then those to do; what is left of the common ones."""
    for block in blocks:
        part = products[block.pivots]
        if part.any():
            products[block.others] = settle(products[block.others] - multiply(block.change, part))
    open_ = np.flatnonzero(todo & products.any(axis=1))
    edges = np.concatenate([open_, common])
    matrix = np.ascontiguousarray(products[edges].T)
    rows, columns = clear(matrix, open_.size)
    others = np.delete(np.arange(edges.size), columns)
    change = matrix[np.ix_(rows, others)].T
    left = np.delete(matrix, rows, axis=0)[:, open_.size :]
    return _Block(edges[columns], edges[others], np.ascontiguousarray(change)), left
