"""The edges of a layer in tables (ELL): slots of every receiver for its senders, and back.

Receivers of similar fan-in share a table, padded to the largest fan-in in it, so that a few neurons
of high degree do not pad all others. A layer is read ahead, by receivers, and behind, by senders:
in both directions rows are gathered, and nothing is scattered.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num

from topokit.products._column_plan import Step

# Every table is compiled on its own: receivers of low fan-in join those of higher fan-in if their
# slots are then no more than this share of all edges.
JOINED = 0.25


class Table(NamedTuple):
    """Receivers of similar fan-in.

    Attributes:
        senders: Sender of each slot; 0 in an unused one.
        edges: Edge of each slot, one past the last in an unused one; None where slots are the
            edges in their order.
        receivers: The receivers; None where they are all in their order.
    """

    senders: Int[Array, "rows fan_in"]
    edges: Int[Array, "rows fan_in"] | None
    receivers: Int[Array, " rows"] | None

    def rows(self, y: Num[Array, "n_out *rest"]) -> Num[Array, "rows *rest"]:
        """The rows of the receivers in the table."""
        return y if self.receivers is None else rows_at(y, self.receivers)


class Reading(NamedTuple):
    """A layer in one direction: all receivers with their senders.

    Attributes:
        tables: The receivers that have senders.
        places: Place of each receiver among the rows of all tables, one past the last where it has
            no sender; None where they are in order.
    """

    tables: tuple[Table, ...]
    places: Int[Array, " receivers"] | None

    @property
    def n_receivers(self) -> int:
        """Number of receivers."""
        return self.tables[0].senders.shape[0] if self.places is None else self.places.size

    def with_weights(
        self, weights: Num[Array, "edges *batch"]
    ) -> Iterator[tuple[Table, Num[Array, "_rows _fan_in *batch"]]]:
        """Each table with the weights of its slots, 0 in an unused one."""
        if sum(table.senders.size for table in self.tables) > len(weights):
            weights = jnp.concatenate([weights, jnp.zeros_like(weights[:1])])
        for table in self.tables:
            shape = *table.senders.shape, *weights.shape[1:]
            edges = table.edges
            yield table, weights.reshape(shape) if edges is None else rows_at(weights, edges)

    def joined(
        self, rows: Iterable[Num[Array, "_rows columns *batch"]]
    ) -> Num[Array, "receivers columns *batch"]:
        """Rows of all tables in the order of the receivers."""
        rows = list(rows)
        if self.places is None:
            return rows[0]
        return rows_at(jnp.concatenate([*rows, jnp.zeros_like(rows[0][:1])]), self.places)


class Tables(NamedTuple):
    """A layer read in both directions.

    Attributes:
        ahead: Receivers with their senders.
        behind: Senders with their receivers.
        slots: Slot of each edge among those of all tables of `ahead`; None where they agree.
    """

    ahead: Reading
    behind: Reading
    slots: Int[Array, " edges"] | None

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.behind.n_receivers

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.ahead.n_receivers

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return (self.ahead.tables[0].senders if self.slots is None else self.slots).size

    def by_edge(
        self, products: Iterable[Num[Array, "_rows _fan_in *batch"]]
    ) -> Num[Array, "edges *batch"]:
        """One number an edge from one a slot of each table of `ahead`."""
        flat = jnp.concatenate([p.reshape(-1, *p.shape[2:]) for p in products])
        return flat if self.slots is None else rows_at(flat, self.slots)


def make_tables(step: Step, *, one: float = 1.0) -> Tables:
    """Bring the edges of a step into tables; O(E log E).

    Args:
        step: The step.
        one: How many slots for each edge may be given to have a single table; beyond, there are at
            most twice as many slots as edges.
    """
    back = np.argsort(step.senders, kind="stable")
    ends = step.receivers, step.senders, step.edges
    ahead = _reading(step.n_receivers * step.parts, *ends, one)
    receivers, senders, edges = (end[back] for end in ends)
    behind = _reading(step.n_senders, senders, receivers, edges, one)
    if len(ahead.tables) == 1 and ahead.tables[0].edges is None:
        return Tables(ahead, behind, None)
    numbers = np.arange(step.edges.size)
    edges = [numbers if t.edges is None else np.asarray(t.edges) for t in ahead.tables]
    flat = np.concatenate([e.ravel() for e in edges])
    return Tables(ahead, behind, indices(np.argsort(flat, kind="stable")[: step.edges.size]))


def rows_at(x: Num[Array, "rows *rest"], places: Int[Array, "*places"]) -> Num[Array, "..."]:
    """The rows of `x` at places that are known to be there: no code is compiled to check them."""
    return x.at[places].get(mode="promise_in_bounds", wrap_negative_indices=False)


def indices(array: np.ndarray) -> Array:
    """On the device, without a program of its size, which `jnp.asarray` would compile."""
    return jax.device_put(array.astype(np.int32))


def _reading(
    n: int, receivers: np.ndarray, senders: np.ndarray, edges: np.ndarray, one: float
) -> Reading:
    """Tables of edges that are sorted by receiver."""
    fan_in = np.bincount(receivers, minlength=n)
    starts = np.cumsum(fan_in) - fan_in
    fed = np.flatnonzero(fan_in)
    groups = [fed] if fed.size * fan_in.max() <= one * edges.size else _similar(fan_in)
    tables = tuple(_table(rows, starts[rows], fan_in[rows], senders, edges) for rows in groups)
    order = np.concatenate(groups)
    if len(tables) == 1 and order.size == n:
        return Reading((tables[0]._replace(receivers=None),), None)
    places = np.full(n, order.size)
    places[order] = np.arange(order.size)
    return Reading(tables, indices(places))


def _similar(fan_in: Int[np.ndarray, " receivers"]) -> list[Int[np.ndarray, " _rows"]]:
    """Receivers whose fan-ins have the same next power of two, small groups joined to the next."""
    level = np.where(fan_in > 0, np.ceil(np.log2(np.maximum(fan_in, 1))), -1)
    groups, waiting = [], np.array([], int)
    for k in np.unique(level[level >= 0]):
        rows = np.flatnonzero(level == k)
        if waiting.size and waiting.size * fan_in[rows].max() > JOINED * fan_in.sum():
            groups.append(waiting)
            waiting = rows
        else:
            waiting = np.sort(np.append(waiting, rows))
    return [*groups, waiting]


def _table(
    rows: np.ndarray, starts: np.ndarray, fan_in: np.ndarray, senders: np.ndarray, edges: np.ndarray
) -> Table:
    # `padded_table` for a group: the rows begin where `starts` says, which spares finding them.
    slots = np.arange(fan_in.max())
    used = slots < fan_in[:, None]
    index = np.where(used, starts[:, None] + slots, 0)
    numbers = np.where(used, edges[index], edges.size)
    same = np.array_equal(numbers.ravel(), np.arange(edges.size))
    return Table(
        indices(np.where(used, senders[index], 0)),
        None if same else indices(numbers),
        indices(rows),
    )
