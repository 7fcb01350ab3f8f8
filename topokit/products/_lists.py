"""A layer as lists of edges (ELL): every receiver sums over its senders' rows.

Receivers of similar fan-in share a bucket, padded to the largest fan-in in it, so that a few
neurons of high degree do not pad all others. The sum runs over slots, `CHUNK` at a time in a loop
that compilers cannot fuse with what follows; with few columns or few senders it runs receiver by
receiver instead.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Num

# Slots added up in one pass over the receivers, columns from which on that is the faster loop if
# there are as many slots, and the numbers gathered at a time in the other one. Measured on one core
# of a CPU (analyses/benchmarks/layers.py).
CHUNK, MANY_COLUMNS, GATHERED = 4, 24, 2**16

# Every group is compiled on its own: receivers of low fan-in join those of higher fan-in if their
# slots are then no more than this share of all edges.
JOINED = 0.25


class Bucket(NamedTuple):
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


class Direction(NamedTuple):
    """One reading of a layer: all receivers with their senders.

    Attributes:
        buckets: The receivers that have senders.
        places: Place of each receiver among the rows of all buckets, one past the last where it has
            no sender; None where they are in order.
    """

    buckets: tuple[Bucket, ...]
    places: Int[Array, " receivers"] | None


class Lists(NamedTuple):
    """A layer read forward and backward.

    Attributes:
        ahead: Receivers with their senders.
        behind: Senders with their receivers.
        slots: Slot of each edge among those of all buckets of `ahead`; None where they agree.
    """

    ahead: Direction
    behind: Direction
    slots: Int[Array, " edges"] | None


def make_lists(
    shape: tuple[int, int],
    senders: Int[np.ndarray, " edges"],
    receivers: Int[np.ndarray, " edges"],
) -> Lists:
    """Bring edges that are sorted by receiver into lists; O(E log E), at most twice as many slots.

    Args:
        shape: Numbers of senders and receivers.
        senders: Sender of each edge.
        receivers: Receiver of each edge, ascending.
    """
    numbers = np.arange(senders.size)
    order = np.argsort(senders, kind="stable")
    ahead = _direction(shape[1], receivers, senders, numbers)
    behind = _direction(shape[0], senders[order], receivers[order], order)
    if len(ahead.buckets) == 1 and ahead.buckets[0].edges is None:
        return Lists(ahead, behind, None)
    edges = [numbers if b.edges is None else np.asarray(b.edges) for b in ahead.buckets]
    flat = np.concatenate([e.ravel() for e in edges])
    return Lists(ahead, behind, _indices(np.argsort(flat, kind="stable")[: senders.size]))


def gather_sum(
    direction: Direction, weights: Num[Array, " edges"], x: Num[Array, "n_in columns"]
) -> Num[Array, "n_out columns"]:
    """For each receiver the sum over its edges of the weight times the sender's row."""
    padded = jnp.append(weights, jnp.zeros_like(weights[:1]))
    each = [weights if b.edges is None else padded[b.edges] for b in direction.buckets]
    rows = [_bucket_sum(b, w, x) for b, w in zip(direction.buckets, each, strict=True)]
    if direction.places is None:
        return rows[0]
    return jnp.concatenate([*rows, jnp.zeros_like(rows[0][:1])])[direction.places]


def edge_products(
    layer: Lists, x: Num[Array, "n_in columns"], y: Num[Array, "n_out columns"]
) -> Num[Array, " edges"]:
    """For each edge the scalar product of its sender's row and its receiver's."""
    products = jnp.concatenate([_bucket_products(b, x, y).ravel() for b in layer.ahead.buckets])
    return products if layer.slots is None else products[layer.slots]


def _bucket_sum(bucket: Bucket, weights: Array, x: Array) -> Array:
    index = bucket.senders
    values = weights.reshape(index.shape)
    if x.shape[1] < MANY_COLUMNS or index.shape[1] < CHUNK:
        return _by_rows(lambda row: _dot(row[0], x[row[1]]), (values, index), index.shape[1], x)
    spare = -index.shape[1] % CHUNK
    padded = [jnp.pad(a, ((0, 0), (0, spare))) for a in (values, index)]
    first, second = (a.T.reshape(-1, CHUNK, len(index)) for a in padded)

    def step(total: Array, chunk: tuple[Array, Array]) -> tuple[Array, None]:
        terms = (w[:, None] * x[senders] for w, senders in zip(*chunk, strict=True))
        return total + sum(terms), None

    return lax.scan(step, jnp.zeros((len(index), x.shape[1]), x.dtype), (first, second))[0]


def _bucket_products(bucket: Bucket, x: Array, y: Array) -> Array:
    rows = y if bucket.receivers is None else y[bucket.receivers]
    index = bucket.senders
    return _by_rows(lambda row: _dot(x[row[1]], row[0]), (rows, index), index.shape[1], x)


def _by_rows(compute, rows: tuple[Array, Array], fan_in: int, x: Array) -> Array:
    """Row by row, as many at a time as keep the gathered senders in the cache."""
    size = max(1, min(len(rows[0]), GATHERED // (fan_in * x.shape[1])))
    return lax.map(compute, rows, batch_size=size)


def _dot(a: Array, b: Array) -> Array:
    return jnp.dot(a, b, precision="highest")


def _direction(n: int, receivers: np.ndarray, senders: np.ndarray, edges: np.ndarray) -> Direction:
    """Group receivers of similar fan-in."""
    fan_in = np.bincount(receivers, minlength=n)
    starts = np.cumsum(fan_in) - fan_in
    groups = _similar(fan_in)
    buckets = tuple(_bucket(rows, starts[rows], fan_in[rows], senders, edges) for rows in groups)
    order = np.concatenate(groups)
    if len(buckets) == 1 and order.size == n:
        return Direction((buckets[0]._replace(receivers=None),), None)
    places = np.full(n, order.size)
    places[order] = np.arange(order.size)
    return Direction(buckets, _indices(places))


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


def _bucket(
    rows: np.ndarray, starts: np.ndarray, fan_in: np.ndarray, senders: np.ndarray, edges: np.ndarray
) -> Bucket:
    slots = np.arange(fan_in.max())
    used = slots < fan_in[:, None]
    index = np.where(used, starts[:, None] + slots, 0)
    numbers = np.where(used, edges[index], edges.size)
    same = np.array_equal(numbers.ravel(), np.arange(edges.size))
    return Bucket(
        _indices(np.where(used, senders[index], 0)),
        None if same else _indices(numbers),
        _indices(rows),
    )


def _indices(array: np.ndarray) -> Array:
    return jnp.asarray(array, jnp.int32)
