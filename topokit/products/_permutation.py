"""Weights and rows brought into another order, with gradients that gather instead of scatter."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


@jax.custom_vjp
def arranged(
    weights: Float[Array, "edges *batch"], edges: Int[Array, "*shape"], slots: Int[Array, " edges"]
) -> Float[Array, "..."]:
    """The weight of each slot, `(*shape, *batch)`; 0 in a slot whose edge is one past the last.

    Args:
        weights: One weight an edge.
        edges: Edge of each slot.
        slots: Slot of each edge, counted through `shape`.
    """
    del slots
    return jnp.concatenate([weights, jnp.zeros_like(weights[:1])])[edges]


def _forward(weights: Array, edges: Array, slots: Array) -> tuple[Array, tuple[Array, Array]]:
    return arranged(weights, edges, slots), (edges, slots)


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, None, None]:
    edges, slots = saved
    return gradient.reshape(-1, *gradient.shape[edges.ndim :])[slots], None, None


arranged.defvjp(_forward, _backward)


@jax.custom_vjp
def permuted(
    rows: Float[Array, "rows *rest"], order: Int[Array, " rows"], inverse: Int[Array, " rows"]
) -> Float[Array, "rows *rest"]:
    """`rows[order]`, where `inverse` undoes `order`."""
    del inverse
    return rows[order]


permuted.defvjp(
    lambda rows, order, inverse: (rows[order], inverse),
    lambda inverse, gradient: (gradient[inverse], None, None),
)
