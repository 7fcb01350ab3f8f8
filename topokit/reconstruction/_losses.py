"""How far a product is from its target, relative to the target: 0 is exact, 1 is the zero matrix.

Both take arrays whose last axis is the batch and return one number for each of it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def squared_error(
    product: Float[Array, "n_out n_in batch"], target: Float[Array, "n_out n_in batch"]
) -> Float[Array, " batch"]:
    """Relative L2 loss, `|W_O - W_d|_F^2 / |W_O|_F^2` (NeuroFabric (3), made relative)."""
    return jnp.sum((target - product) ** 2, axis=(0, 1)) / jnp.sum(target**2, axis=(0, 1))


def absolute_error(
    product: Float[Array, "n_out n_in batch"], target: Float[Array, "n_out n_in batch"]
) -> Float[Array, " batch"]:
    """Relative L1 loss, `|W_O - W_d|_1 / |W_O|_1`: settles single entries (NeuroFabric V.A)."""
    return jnp.sum(jnp.abs(target - product), axis=(0, 1)) / jnp.sum(jnp.abs(target), axis=(0, 1))
