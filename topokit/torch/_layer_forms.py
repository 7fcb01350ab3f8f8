"""Which form a layer takes in PyTorch: complete blocks, a list of edges, or a matrix with zeros.

Each is a module without parameters, from the weights of all edges, in the order of `Layers`, and
the rows of the senders `(n_in, columns)` to those of the receivers.
"""

import math

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from jaxtyping import Float, Int
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from topokit.layers import Layers, complete_blocks, in_bundles, out_bundles
from topokit.torch._edge_sums import EdgeTables, contract
from topokit.torch._index_arrays import IndexArrays

# Measured on one core of a CPU (analyses/benchmarks/torch_layers.py): edges of a block from which
# on a batched product is faster than a list, and density from which on a filled matrix is.
BLOCK_EDGES, FILLED_DENSITY = 64, 0.5

Ends = tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]


class EdgeList(IndexArrays):
    """A layer as a list of edges, read by receivers and back by senders."""

    ends: Tensor
    senders: Tensor
    back_ends: Tensor
    receivers: Tensor
    order: Tensor

    def __init__(self, layers: Layers, number: int) -> None:
        """Read both tables off the recipe."""
        super().__init__()
        ahead, back = in_bundles(layers)[number], out_bundles(layers)[number]
        tables = {"ends": ahead.bounds, "senders": ahead.tails, "back_ends": back.bounds}
        tables |= {"receivers": back.tails, "order": np.asarray(back.order)}
        self.keep(**{name: table.astype(np.int32) for name, table in tables.items()})

    def forward(
        self, w: Float[Tensor, " edges"], x: Float[Tensor, "n_in columns"]
    ) -> Float[Tensor, "n_out columns"]:
        """Sums of the senders' rows."""
        tables = self.ends, self.senders, self.back_ends, self.receivers, self.order
        return contract("y", w, x, EdgeTables(*tables))


class CompleteBlocks(IndexArrays):
    """A layer that falls into equal blocks: one batched product of small dense matrices."""

    def __init__(self, senders: np.ndarray, receivers: np.ndarray) -> None:
        """From the senders and the receivers of each block."""
        super().__init__()
        self.sent, self.received = Places(senders), Places(receivers)

    def forward(
        self, w: Float[Tensor, " edges"], x: Float[Tensor, "n_in columns"]
    ) -> Float[Tensor, "n_out columns"]:
        """Block by block."""
        n_out = self.received.n_neurons
        matrices = self.received.apart(w.reshape(n_out, w.shape[0] // n_out))
        return self.received.together(torch.bmm(matrices, self.sent.apart(x)))


class Places(IndexArrays):
    """Which rows belong to which block.

    Mostly each block has every `stride`-th row of a stretch, so that blocks are another view of the
    rows; else rows are gathered.
    """

    order: Tensor
    inverse: Tensor

    def __init__(self, members: Int[np.ndarray, "blocks size"]) -> None:
        """From the members of each block, ascending."""
        super().__init__()
        self.blocks, self.size = members.shape
        self.n_neurons = members.size
        self.stride = int(members[0, 1] - members[0, 0]) if self.size > 1 else 1
        self.regular = bool(np.array_equal(members, _every(self.stride, members)))
        if not self.regular:
            order = members.ravel()
            self.keep(order=order, inverse=np.argsort(order))

    def apart(self, rows: Float[Tensor, "neurons columns"]) -> Float[Tensor, "blocks size columns"]:
        """The rows of each block."""
        shape = self.blocks, self.size, rows.shape[1]
        if not self.regular:
            return rows.index_select(0, self.order).reshape(shape)
        parts = self.blocks // self.stride, self.size, self.stride, rows.shape[1]
        return rows.reshape(parts).transpose(1, 2).reshape(shape)

    def together(
        self, rows: Float[Tensor, "blocks size columns"]
    ) -> Float[Tensor, "neurons columns"]:
        """The rows of all blocks in the order of the neurons."""
        shape = self.n_neurons, rows.shape[2]
        if not self.regular:
            return rows.reshape(shape).index_select(0, self.inverse)
        parts = self.blocks // self.stride, self.stride, self.size, rows.shape[2]
        return rows.reshape(parts).transpose(1, 2).reshape(shape)


class FilledMatrix(IndexArrays):
    """A layer filled up with zeros while it is multiplied."""

    entries: Tensor

    def __init__(self, layers: Layers, number: int) -> None:
        """Find the place of each edge in the matrix `(n_out, n_in)`."""
        super().__init__()
        n_in, n_out = layers.widths[number : number + 2]
        self.shape = n_out, n_in
        self.keep(entries=layers.receivers[number] * n_in + layers.senders[number])

    def forward(
        self, w: Float[Tensor, " edges"], x: Float[Tensor, "n_in columns"]
    ) -> Float[Tensor, "n_out columns"]:
        """One product of matrices."""
        blank = torch.zeros(math.prod(self.shape), dtype=w.dtype, device=w.device)
        return blank.scatter_(0, self.entries, w).reshape(self.shape) @ x


def _every(stride: int, members: Int[np.ndarray, "blocks size"]) -> np.ndarray:
    """The members of as many blocks that have every `stride`-th of a stretch, if it comes out."""
    blocks, size = members.shape
    if blocks % stride:
        return members[:0]
    parts = np.arange(members.size).reshape(blocks // stride, size, stride)
    return parts.swapaxes(1, 2).reshape(blocks, size)


def choose_form(layers: Layers, number: int) -> nn.Module:
    """The form that was fastest where it was measured; cost O(E log E)."""
    shape = layers.widths[number : number + 2]
    senders, receivers = layers.senders[number], layers.receivers[number]
    blocks = complete_blocks(senders, receivers, *shape)
    if blocks is not None and senders.size >= BLOCK_EDGES * len(blocks[0]):
        return CompleteBlocks(*blocks)
    if senders.size >= FILLED_DENSITY * math.prod(shape):
        return FilledMatrix(layers, number)
    return EdgeList(layers, number)
