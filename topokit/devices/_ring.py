"""A dense layer over a ring of devices: inputs circle, weights and outputs stay.

Each device of a ring holds a block of the inputs and makes a block of the outputs. In `p` steps the
blocks go round: a device adds what the block at hand contributes, and sends the block to its next
neighbor, for which neither waits. That is an all-gather of the inputs in `p - 1` steps.
Differentiated it is a reduce-scatter the other way: sums of gradients go to the previous neighbor,
each to the device whose inputs they are of; gradients of weights are made where the weights are, of
blocks that came by before.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Block = Float[Array, "..."]


def around(
    x: Block, weights: Float[Array, "p ..."], axis: str, multiply: Callable[[Block, Block], Block]
) -> Block:
    """Send blocks of inputs around the ring along an axis of the mesh; make a block of outputs.

    Args:
        x: The block of inputs that this device has.
        weights: From the block of each device of the ring, in their order, to the outputs here.
        axis: The axis of the mesh.
        multiply: What a block of inputs, with its weights, contributes to the outputs.
    """
    p = len(weights)
    whose = (lax.axis_index(axis) - jnp.arange(p)) % p  # whose block is here in each step
    ordered = weights.at[whose].get(unique_indices=True, mode="promise_in_bounds")
    following = [(here, (here + 1) % p) for here in range(p)]
    total = multiply(x, ordered[0])
    for step in range(1, p):
        x = lax.ppermute(x, axis, following)
        total = total + multiply(x, ordered[step])
    return total
