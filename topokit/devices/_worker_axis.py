"""The axis of a mesh along which workers share one training."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from topokit._checks import check_instance

WORKERS = "workers"


def checked_axis(axis: str) -> str:
    """The name of an axis, or a ValueError."""
    check_instance("axis", axis, str, f"the name of an axis of a mesh, such as {WORKERS!r}")
    return axis


def count_workers(axis: str) -> int:
    """How many workers there are, for a program that each of them runs with values of its own.

    Raises:
        ValueError: If there is no such axis, or JAX itself sums the gradients over it.
    """
    try:
        number = lax.axis_index(axis)
    except NameError as error:
        raise ValueError(
            f"gradients are reduced over the axis {axis!r} of a mesh; reduce them inside "
            f"jax.shard_map with make_mesh({axis}=...), or name another axis"
        ) from error
    if jax.typeof(number).manual_axis_type.varying:
        raise ValueError(
            "under jax.shard_map(..., check_vma=True) the gradients of shared weights are summed "
            "already, in full; give it check_vma=False"
        )
    return lax.axis_size(axis)


def largest_of_all(sizes: Float[Array, " n"], axis: str) -> Float[Array, " n"]:
    """The largest over workers: infinite where one has no number, whose times 0 is none again.

    A maximum over devices passes over what is no number.
    """
    return lax.pmax(jnp.where(jnp.isfinite(sizes), sizes, jnp.inf), axis)
