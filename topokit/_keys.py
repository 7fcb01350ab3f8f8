"""Random keys: JAX's at the door, numpy's generator behind it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from topokit._checks import check_key


def generator(key: Array | int | None) -> np.random.Generator:
    """The numpy generator that a JAX key, or the seed of one, determines; 0 if there is none.

    Starting points are drawn by numpy, for compiling JAX's generators takes seconds for each shape.
    """
    check_key(key)
    found = key if isinstance(key, jax.Array | np.ndarray) else jax.random.key(int(key or 0))
    data = jax.random.key_data(found) if jnp.issubdtype(found.dtype, jax.dtypes.prng_key) else found
    return np.random.default_rng(np.asarray(data).ravel())
