"""A layer as dense blocks, multiplied as such: complete bipartite pieces, or one masked matrix.

A layer of Clos, Monarch or low rank falls into pieces in which every sender feeds every receiver;
each is a small dense matrix, and together they are one batched matrix product. A layer of high
density is faster as a single dense matrix with zeros than as lists of edges.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from topokit.products._column_plan import Step
from topokit.products._permutation import arranged, permuted


class Order(NamedTuple):
    """A permutation of rows and its inverse."""

    order: Int[Array, " rows"]
    inverse: Int[Array, " rows"]


class Blocks(NamedTuple):
    """A layer as equal dense blocks, each with its own senders and receivers.

    Attributes:
        edges: Edge of each entry; one past the last where there is none.
        slots: Entry of each edge.
        senders: The order that brings senders side by side; None where they are.
        receivers: The order that brings receivers back into theirs; None where they are.
    """

    edges: Int[Array, "blocks size fan_in"]
    slots: Int[Array, " edges"]
    senders: Order | None
    receivers: Order | None


def make_dense(step: Step) -> Blocks:
    """One block with an entry for every pair; needs a step of one part; O(senders * receivers)."""
    edges = np.full((1, step.n_receivers, step.n_senders), step.edges.size)
    edges[0, step.receivers, step.senders] = step.edges
    slots = np.empty(step.edges.size, int)
    slots[step.edges] = step.receivers * step.n_senders + step.senders
    return Blocks(_indices(edges), _indices(slots), None, None)


def make_blocks(step: Step) -> Blocks | None:
    """The blocks of a step, or None where it does not fall into equal ones; O(E log E)."""
    fan_in = step.edges.size // step.n_receivers
    counts = np.bincount(step.receivers, minlength=step.n_receivers)
    if step.parts > 1 or (counts != fan_in).any():
        return None
    inputs = step.senders.reshape(step.n_receivers, fan_in)
    sets, block = np.unique(inputs, axis=0, return_inverse=True)
    sizes = np.bincount(block.ravel())
    if (sizes != sizes[0]).any() or np.bincount(sets.ravel()).max() > 1:
        return None
    if sets.size != step.n_senders:
        return None
    order = np.argsort(block.ravel(), kind="stable")
    edges = step.edges.reshape(step.n_receivers, fan_in)[order]
    slots = np.argsort(edges.ravel())
    return Blocks(
        _indices(edges.reshape(len(sets), -1, fan_in)),
        _indices(slots),
        _order(sets.ravel()),
        _order(np.argsort(order)),
    )


def multiply_blocks(
    layer: Blocks, weights: Float[Array, "edges *batch"], x: Array
) -> Float[Array, "n_out columns *batch"]:
    """Rows of the receivers from those of the senders, `(n_in, columns, *batch)`."""
    blocks, size, fan_in = layer.edges.shape
    dense = arranged(weights, layer.edges, layer.slots)
    rows = x if layer.senders is None else permuted(x, *layer.senders)
    rows = rows.reshape(blocks, fan_in, *x.shape[1:])
    y = jnp.einsum("gok...,gkc...->goc...", dense, rows, precision="highest")
    y = y.reshape(blocks * size, *x.shape[1:])
    return y if layer.receivers is None else permuted(y, *layer.receivers)


def _order(order: np.ndarray) -> Order | None:
    if (order == np.arange(order.size)).all():
        return None
    return Order(_indices(order), _indices(np.argsort(order)))


def _indices(array: np.ndarray) -> Array:
    return jax.device_put(np.asarray(array, np.int32))
