"""A layer as dense matrices, multiplied as such: complete bipartite blocks, or one with zeros.

A layer of Clos, Monarch or low rank falls into blocks in which every sender feeds every receiver;
each is a small dense matrix, and together they are one batched matrix product. A layer of high
density is faster as a single dense matrix with zeros than as lists of edges.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num

from topokit.products._column_plan import Step
from topokit.products._slot_tables import indices


class Blocks(NamedTuple):
    """A layer that falls into equal complete blocks, in which every sender feeds every receiver.

    Attributes:
        senders: Senders of each block, ascending.
        receivers: Receivers of each block, ascending.
        sent: Place of each sender in the blocks; None where they are in order.
        received: Place of each receiver in the blocks; None where they are in order.
    """

    senders: Int[Array, "blocks fan_in"]
    receivers: Int[Array, "blocks fan_out"]
    sent: Int[Array, " n_in"] | None
    received: Int[Array, " n_out"] | None

    @property
    def entries(self) -> int:
        """Edges of a block."""
        return self.senders.shape[1] * self.receivers.shape[1]

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.senders.size

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.receivers.size

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return self.senders.size * self.receivers.shape[-1]

    def receive(
        self, w: Num[Array, "edges *batch"], x: Num[Array, "n_in columns *batch"]
    ) -> Num[Array, "n_out columns *batch"]:
        """The receivers' rows from the senders'."""
        rows = _taken(x, self.senders, self.sent)
        return _given(_einsum("goi...,gic...->goc...", self._matrices(w), rows), self.received)

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers."""
        rows = _taken(y, self.receivers, self.received)
        return _given(_einsum("goi...,goc...->gic...", self._matrices(w), rows), self.sent)

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        before, after = _taken(x, self.senders, self.sent), _taken(y, self.receivers, self.received)
        products = _einsum("goc...,gic...->goi...", after, before)
        # Gathered even from their own places: for a single column the product is so cheap to a
        # compiler that it would be done again for each of its readers.
        places = self.receivers.reshape(-1) if self.received is None else self.received
        rows = _given(products, places)
        return rows.reshape(-1, *rows.shape[2:])

    def _matrices(self, w: Array) -> Num[Array, "blocks fan_out fan_in *batch"]:
        rows = w.reshape(self.receivers.size, self.senders.shape[1], *w.shape[1:])
        return _taken(rows, self.receivers, self.received)


class Dense(NamedTuple):
    """A layer filled up with zeros while it is multiplied.

    Attributes:
        entries: Place of each edge in the matrix `(n_out, n_in)`, row by row.
        senders: One entry for each sender.
        receivers: One entry for each receiver.
    """

    entries: Int[Array, " edges"]
    senders: Int[Array, " n_in"]
    receivers: Int[Array, " n_out"]

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.senders.size

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.receivers.size

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return self.entries.size

    def receive(
        self, w: Num[Array, "edges *batch"], x: Num[Array, "n_in columns *batch"]
    ) -> Num[Array, "n_out columns *batch"]:
        """The receivers' rows from the senders'."""
        return _einsum("oi...,ic...->oc...", self._matrix(w), x)

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers."""
        return _einsum("oi...,oc...->ic...", self._matrix(w), y)

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        products = _einsum("oc...,ic...->oi...", y, x)
        return products.reshape(-1, *products.shape[2:])[self.entries]

    def _matrix(self, w: Array) -> Num[Array, "n_out n_in *batch"]:
        blank = jnp.zeros((self.n_out * self.n_in, *w.shape[1:]), w.dtype)
        filled = blank.at[self.entries].set(w, unique_indices=True)
        return filled.reshape(self.n_out, self.n_in, *w.shape[1:])


def find_blocks(step: Step) -> Blocks | None:
    """The blocks of a step, or None where it does not fall into equal ones; O(E log E)."""
    fan_in = step.edges.size // step.n_receivers
    counts = np.bincount(step.receivers, minlength=step.n_receivers)
    if step.parts > 1 or (counts != fan_in).any():
        return None
    rows = step.senders.reshape(step.n_receivers, fan_in)
    senders, block = np.unique(rows, axis=0, return_inverse=True)
    sizes = np.bincount(block.ravel())
    disjoint = np.array_equal(np.sort(senders, axis=None), np.arange(step.n_senders))
    if not disjoint or (sizes != sizes[0]).any():
        return None
    receivers = np.argsort(block.ravel(), kind="stable").reshape(len(senders), -1)
    both = senders, receivers
    return Blocks(*map(indices, both), *map(_places, both))


def fill(step: Step) -> Dense:
    """One matrix with an entry for every pair; needs a step of one part; O(senders * receivers)."""
    entries = np.empty(step.edges.size, int)
    entries[step.edges] = step.receivers * step.n_senders + step.senders
    neurons = np.arange(step.n_senders), np.arange(step.n_receivers)
    return Dense(*map(indices, (entries, *neurons)))


def _places(members: Int[np.ndarray, "blocks size"]) -> Int[Array, " neurons"] | None:
    """Where each neuron stands among the members of all blocks."""
    order = members.ravel()
    return None if (order == np.arange(order.size)).all() else indices(np.argsort(order))


def _taken(rows: Array, members: Array, places: Array | None) -> Num[Array, "blocks size *rest"]:
    """Block by block."""
    return rows.reshape(*members.shape, *rows.shape[1:]) if places is None else rows[members]


def _given(rows: Array, places: Array | None) -> Num[Array, "neurons *rest"]:
    """In the order of the neurons."""
    flat = rows.reshape(-1, *rows.shape[2:])
    return flat if places is None else flat[places]


def _einsum(formula: str, a: Array, b: Array) -> Array:
    return jnp.einsum(formula, a, b, precision="highest")
