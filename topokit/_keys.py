"""Random keys: JAX's at the door, numpy's generator behind it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def generator(key: Array | None) -> np.random.Generator:
    """The numpy generator that a JAX key determines; `jax.random.key(0)` if there is none.

    Starting points are drawn by numpy, for compiling JAX's generators takes seconds for each shape.
    """
    if key is None:
        key = jax.random.key(0)
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return np.random.default_rng(np.asarray(data).ravel())
