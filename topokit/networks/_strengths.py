"""What may change from step to step and is at least 0: strengths of penalties, learning rates."""

from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from topokit._checks import check_real


def as_schedule(name: str, value: Any) -> optax.Schedule:
    """A function of the number of updates before this one, of a number or as it is.

    Of a function the first value is checked, where it is known; later ones are for it to get right.

    Raises:
        ValueError: If the number or the first value is no finite number of at least 0.
    """
    if not callable(value):
        return optax.constant_schedule(check_real(name, value, least=0, most=inf))
    schedule: Any = value
    try:
        with jax.ensure_compile_time_eval():
            first = schedule(jnp.zeros((), jnp.int32))
    except TypeError as error:
        raise ValueError(
            f"{name} must be a number of at least 0, or a function of the number of updates before "
            f"this one; what is given takes none: {error}"
        ) from error
    if not isinstance(first, Tracer):
        known = np.asarray(first)
        check_real(f"{name}(0)", known.item() if known.ndim == 0 else first, least=0, most=inf)
    return schedule
