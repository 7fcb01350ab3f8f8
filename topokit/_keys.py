"""Random keys: JAX's at the door, numpy's generator behind it."""

from numbers import Integral
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from topokit._checks import check_count


def generator(key: Array | int | None) -> np.random.Generator:
    """The numpy generator that a JAX key, or the seed of one, determines; 0 if there is none.

    Starting points are drawn by numpy, for compiling JAX's generators takes seconds for each shape.
    """
    if key is None or isinstance(key, Integral):
        seed: Any = 0 if key is None else key
        key = jax.random.key(check_count("key", seed, least=0, most=2**63 - 1))
    if not isinstance(key, jax.Array | np.ndarray):
        raise ValueError(f"key must be a JAX random key or an integer seed; given {key!r}")
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return np.random.default_rng(np.asarray(data).ravel())
