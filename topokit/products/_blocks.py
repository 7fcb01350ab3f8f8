"""A layer as dense matrices, multiplied as such: complete bipartite blocks, or one with zeros.

A layer of Clos, Monarch or low rank falls into blocks in which every sender feeds every receiver;
each is a small dense matrix, and together they are one batched matrix product. A layer of high
density is faster as a single dense matrix with zeros than as lists of edges.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Num

from topokit.layers import complete_blocks
from topokit.products._block_members import Members, find_members
from topokit.products._column_plan import Step
from topokit.products._slot_tables import indices, rows_at


class Blocks(NamedTuple):
    """A layer that falls into equal complete blocks, in which every sender feeds every receiver.

    Attributes:
        senders: Senders of each block, ascending.
        receivers: Receivers of each block, ascending.
    """

    senders: Members
    receivers: Members

    @property
    def entries(self) -> int:
        """Edges of a block."""
        return self.senders.size * self.receivers.size

    @property
    def n_in(self) -> int:
        """Number of senders."""
        return self.senders.blocks * self.senders.size

    @property
    def n_out(self) -> int:
        """Number of receivers."""
        return self.receivers.blocks * self.receivers.size

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return self.n_out * self.senders.size

    def receive(
        self, w: Num[Array, "edges *batch"], x: Num[Array, "n_in columns *batch"]
    ) -> Num[Array, "n_out columns *batch"]:
        """The receivers' rows from the senders'."""
        rows = self.senders.by_block(x)
        products = _einsum("goi...,gic...->goc...", self._matrices(w), rows)
        return self.receivers.by_neuron(products)

    def send_back(
        self, w: Num[Array, "edges *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "n_in columns *batch"]:
        """What comes back to the senders from the receivers."""
        rows = self.receivers.by_block(y)
        return self.senders.by_neuron(_einsum("goi...,goc...->gic...", self._matrices(w), rows))

    def correlate(
        self, x: Num[Array, "n_in columns *batch"], y: Num[Array, "n_out columns *batch"]
    ) -> Num[Array, "edges *batch"]:
        """For each edge the scalar product of its sender's row and its receiver's."""
        before, after = self.senders.by_block(x), self.receivers.by_block(y)
        rows = self.receivers.by_neuron(_einsum("goc...,gic...->goi...", after, before))
        if x.shape[1:2] == (1,):
            # Gathered from their own places: for a single column the product is so cheap to a
            # compiler that it would be done again for each of its readers.
            rows = rows_at(rows, jnp.arange(self.n_out))
        return rows.reshape(-1, *rows.shape[2:])

    def _matrices(self, w: Array) -> Num[Array, "blocks fan_out fan_in *batch"]:
        return self.receivers.by_block(w.reshape(self.n_out, self.senders.size, *w.shape[1:]))


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
    if step.parts > 1:
        return None
    both = complete_blocks(step.senders, step.receivers, step.n_senders, step.n_receivers)
    return None if both is None else Blocks(*map(find_members, both))


def fill(step: Step) -> Dense:
    """One matrix with an entry for every pair; needs a step of one part; O(senders * receivers)."""
    entries = np.empty(step.edges.size, int)
    entries[step.edges] = step.receivers * step.n_senders + step.senders
    neurons = np.arange(step.n_senders), np.arange(step.n_receivers)
    return Dense(*map(indices, (entries, *neurons)))


def _einsum(formula: str, a: Array, b: Array) -> Array:
    return jnp.einsum(formula, a, b, precision="highest")
