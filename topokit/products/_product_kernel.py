"""A layer as a sum of gathered rows, slot by slot, unrolled: the form for the rows of a product.

    Y[v] = sum over slots j of w[v, j] * X[senders[v, j]].

Rows are contiguous, with the batch at the end, so that the sum runs at the speed of the cache. The
gradient of a weight is a scalar product of two rows; with a batch at the end it is added up by
halves, which compilers turn into vector instructions where they would not for a reduction. Rows of
a product have few senders: the loops of `topokit.products._signal_kernel` take 1.6 to 7.7 times as
long for a step of descent (n from 1,024 to 32). Measured on one core of a CPU.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Num

from topokit.products._column_plan import Step
from topokit.products._slot_tables import Reading, Table, Tables, make_tables

# Columns down to which rows are folded where there is no batch: the width of vector instructions.
LANES = 16


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
        multiply = self._by_batch if x.ndim > 2 else self._by_lanes
        return self.tables.by_edge([multiply(t, x, y) for t in self.tables.ahead.tables])

    def _sum(self, reading: Reading, w: Array, x: Array) -> Array:
        return reading.joined(
            self._fenced(partial(_slot_sum, values, table, x))
            for table, values in reading.with_weights(w)
        )

    def _by_batch(self, table: Table, x: Array, y: Array) -> Num[Array, "rows fan_in *batch"]:
        def products() -> Array:
            rows = table.rows(y)
            slots = [_folded(rows * x[senders], 1)[:, 0] for senders in table.senders.T]
            return jnp.stack(slots, axis=1)

        return self._fenced(products)

    def _by_lanes(self, table: Table, x: Array, y: Array) -> Num[Array, "rows fan_in"]:
        def lanes(senders: Array) -> Array:
            return _folded(table.rows(y) * x[senders], LANES)

        folded = [self._fenced(partial(lanes, senders)) for senders in table.senders.T]
        ones = jnp.ones(folded[0].shape[1], y.dtype)
        return jnp.stack([self._fenced(partial(jnp.matmul, part, ones)) for part in folded], axis=1)

    def _fenced(self, compute):
        """Evaluate where the compiler cannot fuse it with what comes before or after.

        XLA on a CPU fuses one gather-sum into the next and then evaluates each value once for each
        reader, fan-out times a layer. A branch whose outcome is known only at run time stops it.
        """
        if self.true is None:
            return compute()
        blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(compute))
        return lax.cond(self.true, compute, lambda: blank)


def unroll(step: Step) -> Unrolled:
    """A step as sums of gathered rows, kept apart from its neighbors on a CPU; O(E log E)."""
    on_cpu = jax.default_backend() == "cpu"
    return Unrolled(make_tables(step), jax.device_put(np.asarray(True)) if on_cpu else None)


def _slot_sum(weights: Array, table: Table, x: Array) -> Num[Array, "rows columns *batch"]:
    """`sum over j of weights[:, j] * x[senders[:, j]]`, row by row."""
    slots = range(table.senders.shape[1])
    terms = (weights[:, slot, None] * x[table.senders[:, slot]] for slot in slots)
    return sum(terms)  # type: ignore[return-value]


def _folded(
    terms: Num[Array, "rows columns *batch"], lanes: int
) -> Num[Array, "rows lanes *batch"]:
    """Columns added up by halves until no more than `lanes` are left."""
    while (columns := terms.shape[1]) > lanes:
        half = columns // 2
        rest = terms[:, 2 * half :]
        terms = terms[:, :half] + terms[:, half : 2 * half]
        if columns % 2:
            terms = terms.at[:, :1].add(rest)
    return terms
