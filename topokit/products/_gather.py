"""A layer as a sum of gathered rows (ELL): every receiver has the same number of slots for senders.

    Y[v] = sum over slots j of w[v, j] * X[senders[v, j]],

an unused slot having weight 0. Rows are contiguous, so that the sum runs at the speed of the
cache. Gradients use the transposed index: both directions only gather. The gradient of a weight is
a scalar product of two rows; with a batch at the end it is added up by halves, which compilers turn
into vector instructions where they would not for a reduction.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from topokit.products._column_plan import Step

# Columns down to which rows are folded where there is no batch: the width of vector instructions.
LANES = 16


class Gather(NamedTuple):
    """A layer in ELL form.

    Attributes:
        senders: Sender of each slot; 0 in an unused one.
        edges: Edge of each slot; one past the last in an unused one.
        receivers: Virtual receiver of each slot of the transposed layer; 0 in an unused one.
        back: Edge of each slot of the transposed layer; one past the last in an unused one.
        slots: Slot of each edge.
    """

    senders: Int[Array, "n_out parts fan_in"]
    edges: Int[Array, "n_out parts fan_in"]
    receivers: Int[Array, "n_in fan_out"]
    back: Int[Array, "n_in fan_out"]
    slots: Int[Array, " edges"]


def make_gather(step: Step) -> Gather:
    """Bring one step of a plan into ELL form; O(E + padding)."""
    n_virtual = step.n_receivers * step.parts
    ahead = _slots(step.receivers, n_virtual)
    senders = _fill(ahead, step.senders, 0)
    edges = _fill(ahead, step.edges, step.edges.size)
    slots = np.empty(step.edges.size, int)
    slots[step.edges] = ahead.receivers * ahead.fan_in + ahead.places
    order = np.argsort(step.senders, kind="stable")
    behind = _slots(step.senders[order], step.n_senders)
    receivers = _fill(behind, step.receivers[order], 0)
    back = _fill(behind, step.edges[order], step.edges.size)
    shape = (step.n_receivers, step.parts, -1)
    arrays = senders.reshape(shape), edges.reshape(shape), receivers, back, slots
    return Gather(*(jax.device_put(np.asarray(a, np.int32)) for a in arrays))


def gather_multiply(
    layer: Gather, weights: Float[Array, "edges *batch"], x: Array, true: Bool[Array, ""] | None
) -> Float[Array, "n_out columns *batch"]:
    """Rows of the receivers from those of the senders, `(n_in, columns, *batch)`."""
    y = _multiply(weights, x, layer, true)
    return y.reshape(layer.senders.shape[0], -1, *y.shape[2:])


@jax.custom_vjp
def _multiply(weights: Array, x: Array, layer: Gather, true: Array | None) -> Array:
    ahead = _arranged(weights, layer.edges)
    return fenced(true, lambda: _gather_sum(ahead, layer.senders, x))


def _forward(weights: Array, x: Array, layer: Gather, true: Array | None) -> tuple[Array, tuple]:
    return _multiply(weights, x, layer, true), (weights, x, layer, true)


def _backward(saved: tuple, dy: Array) -> tuple[Array, Array, None, None]:
    weights, x, layer, true = saved
    senders = layer.senders.reshape(dy.shape[0], -1)
    back = _arranged(weights, layer.back)

    dx = fenced(true, lambda: _gather_sum(back, layer.receivers, dy))
    dw = _row_products(dy, x, senders, true)
    return dw.reshape(-1, *dw.shape[2:])[layer.slots], dx, None, None


_multiply.defvjp(_forward, _backward)


def fenced(true: Array | None, compute):
    """Evaluate `compute()` where the compiler cannot fuse it with what comes before or after.

    XLA on a CPU fuses one gather-sum into the next and then evaluates each value once for each
    reader, fan-out times a layer. A branch whose outcome is known only at run time stops it. With
    None in place of that outcome there is no fence.
    """
    if true is None:
        return compute()
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(compute))
    return lax.cond(true, compute, lambda: blank)


def _arranged(weights: Float[Array, "edges *batch"], edges: Int[Array, "..."]) -> Array:
    """The weight of each slot, `(rows, slots, *batch)`; 0 in an unused one."""
    padded = jnp.concatenate([weights, jnp.zeros_like(weights[:1])])
    return padded[edges.reshape(-1, edges.shape[-1])]


def _gather_sum(weights: Array, index: Array, x: Array) -> Array:
    """`sum over j of weights[:, j] * x[index[:, j]]`, row by row."""
    index = index.reshape(weights.shape[:2])
    terms = (weights[:, slot, None] * x[index[:, slot]] for slot in range(index.shape[1]))
    return sum(terms)  # type: ignore[return-value]


def _row_products(
    dy: Float[Array, "n_out columns *batch"],
    x: Float[Array, "n_in columns *batch"],
    senders: Int[Array, "n_out fan_in"],
    true: Array | None,
) -> Float[Array, "n_out fan_in *batch"]:
    """For each slot the scalar product of its receiver's row and its sender's."""

    def folded(slot: int, lanes: int) -> Array:
        return _folded(dy * x[senders[:, slot]], lanes)

    slots = range(senders.shape[1])
    if dy.ndim > 2:
        return fenced(true, lambda: jnp.stack([folded(slot, 1)[:, 0] for slot in slots], axis=1))
    lanes = [fenced(true, partial(folded, slot, LANES)) for slot in slots]
    ones = jnp.ones(lanes[0].shape[1], dy.dtype)
    return jnp.stack([fenced(true, partial(jnp.matmul, part, ones)) for part in lanes], axis=1)


def _folded(
    terms: Float[Array, "rows columns *batch"], lanes: int
) -> Float[Array, "rows lanes *batch"]:
    """Columns added up by halves until no more than `lanes` are left."""
    while (columns := terms.shape[1]) > lanes:
        half = columns // 2
        rest = terms[:, 2 * half :]
        terms = terms[:, :half] + terms[:, half : 2 * half]
        if columns % 2:
            terms = terms.at[:, :1].add(rest)
    return terms


class _Slots(NamedTuple):
    receivers: np.ndarray
    places: np.ndarray
    n_receivers: int
    fan_in: int


def _slots(receivers: Int[np.ndarray, " edges"], n_receivers: int) -> _Slots:
    """For sorted receivers, the place of each edge among those of its receiver."""
    starts = np.searchsorted(receivers, np.arange(n_receivers))
    places = np.arange(receivers.size) - starts[receivers]
    return _Slots(receivers, places, n_receivers, int(places.max()) + 1)


def _fill(slots: _Slots, values: np.ndarray, unused: int) -> np.ndarray:
    result = np.full((slots.n_receivers, slots.fan_in), unused)
    result[slots.receivers, slots.places] = values
    return result
