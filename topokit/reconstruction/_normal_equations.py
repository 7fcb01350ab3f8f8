"""Least squares for one layer: the product is linear in its weights, all other layers given.

Let `P` be the product of the layers before (rows: inputs), `Q` that of the layers after, `W_O` the
target. Edge `(u, v)` adds `w p_u q_v` to the product, so that the normal equations are

    N[(u, v), (u', v')] = (P^T P)[u, u'] (Q Q^T)[v, v'],   r[(u, v)] = (P^T (W_O - P X Q) Q^T)[u, v]

for the correction `d` of the weights `X`. Nothing of the size of `W_O` times the edges is needed:
`P`, `S = W_O Q^T` and both Gram matrices pass from layer to layer at O(width * edges). `N` has no
entry between edges whose senders share no ancestor, or whose receivers share no descendant, and so
falls into blocks. In a butterfly of depth log2(n), and in Monarch, each holds a single edge; there
only the diagonals of the Gram matrices are kept, which pass through squared weights.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from topokit.layers import Layers, ancestors, descendants, padded_table

# Relative to the largest diagonal entry of a block; what it adds damps a step and moves no optimum.
RIDGE = 4.0

# Slots up to which a sum over slots is written out, which is faster; beyond, it compiles too long.
UNROLLED = 8


class LayerEdges(NamedTuple):
    """One layer for both directions, and its blocks of edges.

    Arrays over edges have one more place than there are edges. It holds no edge, and unused slots
    of the tables point at it; its weight is 0.

    Attributes:
        senders: Sender of each edge.
        receivers: Receiver of each edge.
        fan_in: The in-edges of each receiver.
        fan_out: The out-edges of each sender.
        blocks: The trainable edges of each block of the normal equations.
    """

    senders: Int[Array, " places"]
    receivers: Int[Array, " places"]
    fan_in: Int[Array, "n_out slots_in"]
    fan_out: Int[Array, "n_in slots_out"]
    blocks: Int[Array, "n_blocks size"]


class Side(NamedTuple):
    """What one layer must know of all layers on one side of it, neurons first.

    Attributes:
        product: `P^T` before a layer, `(W_O Q^T)^T` after it.
        gram: `P^T P` before it, `Q Q^T` after it; their diagonals where `N` is diagonal.
    """

    product: Float[Array, "neurons n_in *batch"]
    gram: Float[Array, "neurons *neurons_batch"]


def wire(layers: Layers) -> list[LayerEdges]:
    """The wiring of every layer; cost O(width^2 n) a layer for the blocks."""
    before, after = ancestors(layers), descendants(layers)
    result = []
    for layer, (senders, receivers, trainable) in enumerate(
        zip(layers.senders, layers.receivers, layers.trainable, strict=True)
    ):
        n_in, n_out = layers.widths[layer : layer + 2]
        block = _related(before[layer])[senders] * n_out + _related(after[layer + 1])[receivers]
        free, edges = np.flatnonzero(trainable), np.arange(senders.size)
        tables = (
            np.append(senders, 0),
            np.append(receivers, 0),
            padded_table(receivers, edges, blank=edges.size, n_owners=n_out),
            padded_table(senders, edges, blank=edges.size, n_owners=n_in),
            padded_table(np.unique(block[free], return_inverse=True)[1], free, blank=edges.size),
        )
        result.append(LayerEdges(*(jax.device_put(t.astype(np.int32)) for t in tables)))
    return result


def is_diagonal(wirings: list[LayerEdges]) -> bool:
    """True where each edge is a block of its own, if all edges are trainable."""
    return all(wiring.blocks.shape[1] == 1 for wiring in wirings)


def forward(side: Side, wiring: LayerEdges, weights: Float[Array, "places *batch"]) -> Side:
    """From before a layer to after it."""
    return _pass(side, weights, wiring.fan_in, wiring.senders)


def backward(side: Side, wiring: LayerEdges, weights: Float[Array, "places *batch"]) -> Side:
    """From after a layer to before it."""
    return _pass(side, weights, wiring.fan_out, wiring.receivers)


def improve(
    before: Side, after: Side, wiring: LayerEdges, weights: Float[Array, "places *batch"]
) -> Float[Array, "places *batch"]:
    """The weights with those of trainable edges at their least squares; no block gets worse."""
    residual = _residual(before, after, wiring, weights)
    step = _solve(before, after, wiring, residual[wiring.blocks])
    return weights.at[wiring.blocks].add(step).at[-1].set(0.0)


def _pass(side: Side, weights: Array, table: Array, origin: Array) -> Side:
    product = _spread(side.product, weights, table, origin)
    if _is_diagonal(side):
        return Side(product, _spread(side.gram[:, None], weights**2, table, origin)[:, 0])
    half = _spread(side.gram, weights, table, origin)
    return Side(product, _spread(half.swapaxes(0, 1), weights, table, origin))


def _is_diagonal(side: Side) -> bool:
    return side.gram.ndim < side.product.ndim


def _spread(x: Array, weights: Array, table: Array, origin: Array) -> Array:
    """`Y[v] = sum over the edges of v of weight * X[other end]`."""
    slot = partial(_slot, x, weights, origin)
    if table.shape[1] <= UNROLLED:
        return sum(map(slot, table.T[1:]), start=slot(table[:, 0]))
    blank = jnp.zeros((table.shape[0], *x.shape[1:]), x.dtype)
    return lax.scan(lambda y, edges: (y + slot(edges), None), blank, table.T)[0]


def _slot(x: Array, weights: Array, origin: Array, edges: Array) -> Array:
    """One edge of every neuron: `weight * X[other end]`."""
    return weights[edges][:, None] * x[origin[edges]]


def _residual(before: Side, after: Side, wiring: LayerEdges, weights: Array) -> Array:
    """`r` for every edge, and a number of no meaning one past the end."""
    wanted = _at_edges(before.product, after.product, wiring)
    if _is_diagonal(before):
        return wanted - weights * before.gram[wiring.senders] * after.gram[wiring.receivers]
    passed = _spread(before.gram, weights, wiring.fan_in, wiring.senders).swapaxes(0, 1)
    return wanted - _at_edges(passed, after.gram, wiring)


def _at_edges(x: Array, y: Array, wiring: LayerEdges) -> Array:
    """`x[u] . y[v]` for every edge `(u, v)`."""
    table = wiring.fan_in.T
    slot = partial(_slot_product, x, y, wiring.senders)
    few = table.shape[0] <= UNROLLED
    found = jnp.stack([slot(edges) for edges in table]) if few else lax.map(slot, table)
    return jnp.zeros((wiring.senders.size, *x.shape[2:]), x.dtype).at[table].set(found)


def _slot_product(x: Array, y: Array, senders: Array, edges: Array) -> Array:
    """One edge of every receiver `v`: `x[u] . y[v]`."""
    return (x[senders[edges]] * y).sum(axis=1)


def _solve(before: Side, after: Side, wiring: LayerEdges, r: Array) -> Array:
    """`d` with `N d = r` block by block, 0 where that would not lower the loss."""
    u, v = wiring.senders[wiring.blocks], wiring.receivers[wiring.blocks]
    if wiring.blocks.shape[1] == 1:
        diagonal = _diagonal(before)[u] * _diagonal(after)[v]
        return jnp.where(diagonal > 0, r / diagonal, 0.0)
    used = wiring.blocks < wiring.senders.size - 1
    pairs = used[:, :, None] & used[:, None]
    normal = before.gram[u[:, :, None], u[:, None]] * after.gram[v[:, :, None], v[:, None]]
    normal = normal.reshape(*pairs.shape, -1).transpose(3, 0, 1, 2) * pairs
    r = r.reshape(*used.shape, -1).transpose(2, 0, 1) * used
    return (
        _damped_solve(normal, r).transpose(1, 2, 0).reshape(*used.shape, *before.product.shape[2:])
    )


def _diagonal(side: Side) -> Array:
    every = jnp.arange(side.gram.shape[0])
    return side.gram if _is_diagonal(side) else side.gram[every, every]


def _damped_solve(
    normal: Float[Array, "batch blocks size size"], r: Float[Array, "batch blocks size"]
) -> Float[Array, "batch blocks size"]:
    largest = jnp.diagonal(normal, axis1=2, axis2=3).max(axis=2)[..., None, None]
    ridge = RIDGE * jnp.finfo(r.dtype).eps * largest + jnp.where(largest > 0, 0.0, 1.0)
    damped = normal + ridge * jnp.eye(r.shape[2])[None, None]
    step = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(damped), True), r[..., None])[..., 0]
    gain = (step * (2 * r - jnp.einsum("bnij,bnj->bni", normal, step))).sum(axis=2)
    return jnp.where(gain[..., None] > 0, step, 0.0)


def _related(reach: Bool[np.ndarray, "neurons _n"]) -> Int[np.ndarray, " neurons"]:
    """A number for each neuron, the same for those that share an ancestor (or descendant)."""
    shared = reach.astype(np.float32) @ reach.T.astype(np.float32) > 0
    return connected_components(shared)[1]
