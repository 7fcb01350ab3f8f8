"""A dense layer over a ring of devices: inputs circle, weights and outputs stay.

Each device of a ring holds a block of the inputs and makes a block of the outputs. In `p` steps the
blocks go round: a device adds what the block at hand contributes, and sends the block to its next
neighbor, for which neither waits. That is an all-gather of the inputs in `p - 1` steps.
Differentiated it is a reduce-scatter the other way: sums of gradients go to the previous neighbor,
each to the device whose inputs they are of; gradients of weights are made where the weights are, of
blocks that came by before. Each device keeps its weights in the order in which blocks come by, its
own first, so that a step reads one block of them where it lies.
"""

from collections.abc import Callable

import numpy as np
from jax import lax
from jaxtyping import Array, Float

Block = Float[Array, "..."]


def around(
    x: Block, weights: Float[Array, "p ..."], axis: str, multiply: Callable[[Block, Block], Block]
) -> Block:
    """Send blocks of inputs around the ring along an axis of the mesh; make a block of outputs.

    Args:
        x: The block of inputs that this device has.
        weights: From the block of each device of the ring to the outputs here, as they come by.
        axis: The axis of the mesh.
        multiply: What a block of inputs, with its weights, contributes to the outputs.
    """
    p = len(weights)
    following = [(here, (here + 1) % p) for here in range(p)]
    total = multiply(x, weights[0])
    for step in range(1, p):
        x = lax.ppermute(x, axis, following)
        total = total + multiply(x, weights[step])
    return total


def as_they_come(weights: np.ndarray, cut: int) -> np.ndarray:
    """Sort the blocks of each device of a ring as they come by: its own, the previous one's, ...

    Applied twice, it changes nothing.

    Args:
        weights: From the block of each device of the ring, `(p, ...)`, to the outputs of all.
        cut: The axis of the outputs, of which each device has an equal part.
    """
    p = len(weights)
    parts = np.split(weights, p, cut)
    return np.concatenate([w[(own - np.arange(p)) % p] for own, w in enumerate(parts)], cut)
