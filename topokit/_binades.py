"""Units in which squares neither overflow nor vanish: powers of two, which change no digit."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


@jax.jit
def unit_of(sizes: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The power of two at or below each size; 1 of 0, and of what is no finite number."""
    sizes = lax.stop_gradient(sizes)
    _, power = jnp.frexp(sizes)
    finite = jnp.isfinite(sizes) & (sizes > 0)
    return jnp.where(finite, jnp.ldexp(jnp.ones_like(sizes), power - 1), 1)
