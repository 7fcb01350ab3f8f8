"""Arrays of real numbers, told apart from lists of such, which JAX does not take for arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from topokit._records import brief


def check_real_array(name: str, value: Any, *, axes: int | None = None) -> None:
    """Refuse what is no array of real numbers, of so many axes if that is given."""
    real = isinstance(value, np.ndarray | jax.Array) and (
        jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)
    )
    if not real or axes not in (None, value.ndim):
        said = "" if axes is None else f" with {axes} axes"
        raise ValueError(
            f"{name} must be an array of real numbers{said}, as jax.numpy.asarray makes of a list; "
            f"given {brief(value)}"
        )
