"""The algebra of one layer: edges as a pair of arrays `(senders, receivers)`.

Every regular family is a few of these operations. The Kronecker product is the one that names
structure: `kron(identity(r), complete(a, b))` is `r` routers side by side, and
`kron(complete(a, b), w)` joins each of `a` copies of the senders of `w` to each of `b` copies of
its receivers.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Int

from topokit.layers import Layers, make_layers

Edges: TypeAlias = tuple[Int[np.ndarray, " _edges"], Int[np.ndarray, " _edges"]]


def complete(n_senders: int, n_receivers: int) -> Edges:
    """Every sender feeds every receiver: the mask of ones."""
    senders, receivers = np.indices((n_senders, n_receivers)).reshape(2, -1)
    return senders, receivers


def identity(n: int) -> Edges:
    """Sender `i` feeds receiver `i`: the unit mask."""
    return np.arange(n), np.arange(n)


def out_lists(receivers: Int[np.ndarray, "n_senders fan_out"]) -> Edges:
    """Row `i` lists the receivers of sender `i`."""
    return np.repeat(np.arange(len(receivers)), receivers.shape[1]), receivers.ravel()


def in_lists(senders: Int[np.ndarray, "n_receivers fan_in"]) -> Edges:
    """Row `j` lists the senders of receiver `j`."""
    receivers, senders = out_lists(senders)
    return senders, receivers


def kron(outer: Edges, inner: Edges, shape: tuple[int, int]) -> Edges:
    """The edges of the Kronecker product of two masks; `shape` is that of the inner one."""
    senders, receivers = (
        (a[:, None] * width + b).ravel() for a, b, width in zip(outer, inner, shape, strict=True)
    )
    return senders, receivers


def groups(senders: Sequence[np.ndarray], receivers: Sequence[np.ndarray]) -> Edges:
    """Every sender of a group feeds every receiver of the group beside it: blocks of ones."""
    grids = [np.meshgrid(*pair, indexing="ij") for pair in zip(senders, receivers, strict=True)]
    starts, ends = (
        np.concatenate([grid.ravel() for grid in side]) for side in zip(*grids, strict=True)
    )
    return starts, ends


def stack(widths: Sequence[int], layers: Sequence[Edges]) -> Layers:
    """Layers of trainable edges, one upon the other, sorted and checked."""
    senders, receivers = zip(*layers, strict=True)
    return make_layers(widths, senders, receivers)
