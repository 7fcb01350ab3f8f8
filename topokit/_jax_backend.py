"""What kind of device JAX computes on, if on any: `JAX_PLATFORMS` may ask for what is not there."""

import os

import jax

# What JAX raises where it has no device: the last two if told of one kind alone, the very last
# where Python leaves assertions out.
NO_DEVICE = (RuntimeError, AssertionError, AttributeError)


def jax_backend() -> str | None:
    """Such as "cpu" or "gpu"; None where JAX finds none of the kinds that it was told to take."""
    try:
        return jax.default_backend()
    except NO_DEVICE:
        return None


def missing_backend() -> str | None:
    """What is wrong where there is none, and the cure; None where there is one."""
    if jax_backend() is not None:
        return None
    told = os.environ.get("JAX_PLATFORMS", "")
    return f"JAX finds no device as JAX_PLATFORMS={told} asks for it; unset that variable"
