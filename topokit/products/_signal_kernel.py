"""A layer as a sum of gathered rows, in loops: the form for signals.

The sum runs over slots, a chunk at a time in a loop that compilers cannot fuse with what follows;
with few columns or few senders it runs receiver by receiver instead. With many senders that takes
two thirds of the time of sums that are unrolled (`topokit.products._product_kernel`), and what is
compiled does not grow with their number. Measured on one core of a CPU; a GPU wants larger loops.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, Num

from topokit.products._column_plan import Step
from topokit.products._device_kind import on_cpu
from topokit.products._slot_tables import Reading, Table, Tables, make_tables

# Columns where their number is a symbol, as `jax.export` has it for batches of any size.
ANY_COLUMNS = 128


class LoopSizes(NamedTuple):
    """How much a pass of a loop does.

    Attributes:
        chunk: Slots added up in one pass over the receivers.
        many_columns: Columns from which on that is the faster loop if there are as many slots.
        gathered: Numbers gathered at a time in the other loop, row by row.
    """

    chunk: int
    many_columns: int
    gathered: int


# Measured on one core of a CPU, to whose cache they fit (analyses/benchmarks/layers.py and
# challenge.py), and on a GPU, for which each pass is a program to start (on_gpu.py there).
ON_CPU, ON_GPU = LoopSizes(4, 24, 2**16), LoopSizes(32, 24, 2**26)


def loop_sizes() -> LoopSizes:
    """Those for the device that computes."""
    return ON_CPU if on_cpu() else ON_GPU


class Looped(NamedTuple):
    """A layer as sums of gathered rows.

    Attributes:
        tables: Senders of each receiver, and back.
    """

    tables: Tables

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
        """The receivers' signals from the senders'."""
        return _sum(self.tables.ahead, w, x)

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers."""
        return _sum(self.tables.behind, w, y)

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        return self.tables.by_edge([_products(t, x, y) for t in self.tables.ahead.tables])


def loop(step: Step) -> Looped:
    """A step as sums of gathered rows in loops; O(E log E)."""
    return Looped(make_tables(step))


def sum_rows(
    table: Int[Array, "receivers fan_in"],
    x: Num[Array, "senders columns *batch"],
    weights: Num[Array, "receivers fan_in *batch"] | None = None,
) -> Num[Array, "receivers columns *batch"]:
    """For each receiver the sum of its senders' rows; cost O(receivers * fan_in * columns).

    Args:
        table: Senders of each receiver, of which one may occur several times.
        x: Signals of the senders.
        weights: The weight of each sender; None where all are 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> from topokit import products
        >>> table = jnp.array([[0, 1], [1, 2]])
        >>> products.sum_rows(table, jnp.array([[1.0], [2.0], [4.0]]))[:, 0].tolist()
        [3.0, 6.0]

    See Also:
        `apply_layer`, with weights.
    """
    most = loop_sizes().chunk
    chunk = next(size for size in range(most, 0, -1) if table.shape[1] % size == 0)
    slots = (table,) if weights is None else (table, weights)
    by_slot = (jnp.moveaxis(a, 1, 0) for a in slots)
    chunks = tuple(a.reshape(-1, chunk, *a.shape[1:]) for a in by_slot)

    def term(senders: Array, *w: Array) -> Array:
        return w[0][:, None] * x[senders] if w else x[senders]

    def step(total: Array, chunk: tuple[Array, ...]) -> tuple[Array, None]:
        return total + sum(term(*slot) for slot in zip(*chunk, strict=True)), None

    return lax.scan(step, jnp.zeros((len(table), *x.shape[1:]), x.dtype), chunks)[0]


def _sum(reading: Reading, weights: Array, x: Array) -> Array:
    return reading.joined(_table_sum(t, w, x) for t, w in reading.with_weights(weights))


def _table_sum(table: Table, weights: Array, x: Array) -> Array:
    fan_in, sizes = table.senders.shape[1], loop_sizes()
    if _numbers(x.shape[1:2]) >= sizes.many_columns and fan_in >= sizes.chunk:
        spare = (0, 0), (0, -fan_in % sizes.chunk)
        batch = ((0, 0),) * (weights.ndim - 2)
        return sum_rows(jnp.pad(table.senders, spare), x, jnp.pad(weights, (*spare, *batch)))
    rows = weights, table.senders
    return _by_rows(lambda row: _einsum("k...,kc...->c...", row[0], x[row[1]]), rows, fan_in, x)


def _products(table: Table, x: Array, y: Array) -> Num[Array, "rows fan_in *batch"]:
    rows = table.rows(y), table.senders
    fan_in = table.senders.shape[1]
    return _by_rows(lambda row: _einsum("kc...,c...->k...", x[row[1]], row[0]), rows, fan_in, x)


def _by_rows(compute, rows: tuple[Array, Array], fan_in: int, x: Array) -> Array:
    """Row by row, as many at a time as the device gathers well: on a CPU, in its cache."""
    numbers = fan_in * _numbers(x.shape[1:])
    size = max(1, min(len(rows[0]), loop_sizes().gathered // numbers))
    return lax.map(compute, rows, batch_size=size)


def _numbers(shape: tuple[Any, ...]) -> int:
    """How many numbers a row has, or would have if its symbols were usual ones."""
    return math.prod(size if isinstance(size, int) else ANY_COLUMNS for size in shape)


def _einsum(formula: str, a: Array, b: Array) -> Array:
    return jnp.einsum(formula, a, b, precision="highest")
