"""A layer as a sum of gathered rows, slot by slot, unrolled: the form for the rows of a product.

    Y[v] = sum over slots j of w[v, j] * X[senders[v, j]].

Rows are contiguous, with the batch at the end, so that the sum runs at the speed of the cache. The
gradient of a weight is a scalar product of two rows; with a batch at the end it is added up by
halves, which compilers turn into vector instructions where they would not for a reduction. Rows of
a product have few senders: the loops of `topokit.products._signal_kernel` take 1.6 to 7.7 times as
long for a step of descent (n from 1,024 to 32). Measured on one core of a CPU.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Num

from topokit.products._column_plan import Step
from topokit.products._device_kind import on_cpu
from topokit.products._slot_tables import Reading, Table, Tables, make_tables, rows_at

# Columns down to which rows are folded where there is no batch: the width of vector instructions.
LANES = 16

# Slots for each edge up to which all receivers share a table. With more tables a layer takes as
# long or longer for a step, and several times as long to compile.
ONE_TABLE = 2.5


class Unrolled(NamedTuple):
    """A layer as sums of gathered rows.

    Attributes:
        tables: Senders of each receiver, and back.
        true: The value true, unknown to the compiler, where layers are to be kept apart.
    """

    tables: Tables
    true: Bool[Array, ""] | None

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.tables.n_in

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.tables.n_out

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return self.tables.n_edges

    def receive(
        self, w: Num[Array, "edges *batch"], x: Num[Array, "n_in columns *batch"]
    ) -> Num[Array, "n_out columns *batch"]:
        """The receivers' rows from the senders'."""
        return self._sum(self.tables.ahead, w, x)

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers."""
        return self._sum(self.tables.behind, w, y)

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        return self.tables.by_edge([self._products(t, x, y) for t in self.tables.ahead.tables])

    def _sum(self, reading: Reading, w: Array, x: Array) -> Array:
        return reading.joined(
            self._fenced(
                partial(_slot_sum, values, table, x), (len(table.senders), *x.shape[1:]), x
            )
            for table, values in reading.with_weights(w)
        )

    def _products(self, table: Table, x: Array, y: Array) -> Num[Array, "rows fan_in *batch"]:
        """The products of all slots at once: one after the other they would compile for long."""
        rows, fan_in = table.senders.shape
        slots, batch = rows * fan_in, x.shape[2:]
        if batch:
            sums = self._fenced(lambda: _folded(_terms(table, x, y), 1)[:, 0], (slots, *batch), x)
        else:
            left = _columns_left(x.shape[1], LANES)
            lanes = self._fenced(lambda: _folded(_terms(table, x, y), LANES), (slots, left), x)
            ones = jnp.ones(left, y.dtype)
            sums = self._fenced(partial(jnp.matmul, lanes, ones), (slots,), x)
        return sums.reshape(rows, fan_in, *batch)

    def _fenced(self, compute: Callable[[], Array], shape: tuple[int, ...], like: Array) -> Array:
        """Evaluate where the compiler cannot fuse it with what comes before or after.

        XLA on a CPU fuses one gather-sum into the next and then evaluates each value once for each
        reader, fan-out times a layer. A branch whose outcome is known only at run time stops it.
        The branch that is never taken gives back `like`, an array of the same type that is there,
        if it has the shape: zeros are code, too. The shape is told, for to find it takes as long
        as to trace.
        """
        if self.true is None:
            return compute()
        spare = like if like.shape == shape else jnp.zeros(shape, like.dtype)
        return lax.cond(self.true, compute, lambda: spare)


def unroll(step: Step) -> Unrolled:
    """A step as sums of gathered rows, kept apart from its neighbors on a CPU; O(E log E)."""
    true = jax.device_put(np.asarray(True)) if on_cpu() else None
    return Unrolled(make_tables(step, one=ONE_TABLE), true)


def _slot_sum(weights: Array, table: Table, x: Array) -> Num[Array, "rows columns *batch"]:
    """`sum over j of weights[:, j] * x[senders[:, j]]`, row by row."""
    slots = range(table.senders.shape[1])
    terms = (weights[:, slot, None] * rows_at(x, table.senders[:, slot]) for slot in slots)
    return sum(terms)  # type: ignore[return-value]


def _terms(table: Table, x: Array, y: Array) -> Num[Array, "slots columns *batch"]:
    """The products of the two rows of every slot, number by number.

    An axis of one slot is left away: with it a butterfly of 1,024 takes 1.2 times as long a step.
    """
    if table.senders.shape[1] == 1:
        return table.rows(y) * rows_at(x, table.senders[:, 0])
    terms = table.rows(y)[:, None] * rows_at(x, table.senders)
    return terms.reshape(table.senders.size, *terms.shape[2:])


def _folded(
    terms: Num[Array, "rows columns *batch"], lanes: int
) -> Num[Array, "rows lanes *batch"]:
    """Columns added up by halves until no more than `lanes` are left: `_columns_left`."""
    while (columns := terms.shape[1]) > lanes:
        half = columns // 2
        rest = terms[:, 2 * half :]
        terms = terms[:, :half] + terms[:, half : 2 * half]
        if columns % 2:
            terms = terms.at[:, :1].add(rest)
    return terms


def _columns_left(columns: int, lanes: int) -> int:
    """How many columns `_folded` leaves."""
    while columns > lanes:
        columns //= 2
    return columns
