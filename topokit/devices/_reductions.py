"""Means of gradients over workers: exactly, in half the bits, and in a quarter of them.

They are transformations as optax chains them, to begin an optimizer with, inside `jax.shard_map`:
in goes what a worker found, out comes the same for all.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from topokit.devices._sums import mean_encoded
from topokit.devices._worker_axis import WORKERS, checked_axis, count_workers, largest_of_all

LEVELS = 127  # of either sign, in eight bits


class Reduction(optax.GradientTransformation):
    """A transformation after which gradients are the same on all devices.

    It is one of optax, `Reduction(init, update)`, and says of itself that its updates do not differ
    over the workers, which nothing else can tell and a shared training relies on. Make one to put
    something before the exchange, such as clipping at each worker.

    Examples:
        >>> import optax
        >>> from topokit import devices
        >>> clipped = optax.chain(optax.clip(1.0), devices.averaged())
        >>> isinstance(devices.Reduction(*clipped), optax.GradientTransformation)
        True

    See Also:
        `averaged`, `averaged_bfloat16`, `averaged_int8` and `terngrad`, which return one.
    """

    __slots__ = ()


def averaged(*, axis: str = WORKERS) -> Reduction:
    """The mean of the gradients of all workers, in full precision.

    Args:
        axis: The axis of the mesh along which the workers lie.

    Returns:
        A transformation to begin an optimizer with, inside `jax.shard_map(..., check_vma=False)`.

    Raises:
        ValueError: If the axis is no name; at `update` outside of such a `jax.shard_map`.

    Examples:
        >>> import optax
        >>> from topokit import devices
        >>> optimizer = optax.chain(devices.averaged(), optax.sgd(0.1))
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `terngrad`, of which a twentieth is sent.
    """
    return Reduction(optax.init_empty_state, partial(_average, checked_axis(axis)))


def averaged_bfloat16(*, axis: str = WORKERS) -> Reduction:
    """The mean of gradients that are rounded to `bfloat16` to be sent, and so is their mean.

    Each worker adds up one part of the array in single precision, so that the sum of many is
    rounded once.

    Args:
        axis: As in `averaged`.

    Examples:
        >>> import optax
        >>> from topokit import devices
        >>> optimizer = optax.chain(devices.averaged_bfloat16(), optax.sgd(0.1))
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `averaged`, in full precision; `averaged_int8`, in half as many bits.
    """
    return Reduction(optax.init_empty_state, partial(_average_bfloat16, checked_axis(axis)))


def averaged_int8(*, axis: str = WORKERS) -> Reduction:
    """The mean of gradients that are rounded to 255 levels to be sent, and so is their mean.

    The levels of an array are equally far apart, from minus to plus the largest size that an entry
    has at any worker.

    Args:
        axis: As in `averaged`.

    Examples:
        >>> import optax
        >>> from topokit import devices
        >>> optimizer = optax.chain(devices.averaged_int8(), optax.sgd(0.1))
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `averaged`, in full precision; `terngrad`, at three levels, and without bias.
    """
    return Reduction(optax.init_empty_state, partial(_average_int8, checked_axis(axis)))


def _average(axis: str, updates: PyTree, state: Any, params: Any = None) -> tuple[PyTree, Any]:
    del params
    count_workers(axis)
    return lax.pmean(updates, axis), state


def _average_bfloat16(
    axis: str, updates: PyTree, state: Any, params: Any = None
) -> tuple[PyTree, Any]:
    del params
    count_workers(axis)
    values, as_tree = ravel_pytree(updates)
    return as_tree(mean_encoded(values, _halved, partial(_whole, values.dtype), axis)), state


def _average_int8(axis: str, updates: PyTree, state: Any, params: Any = None) -> tuple[PyTree, Any]:
    del params
    count_workers(axis)
    kinds = [array.dtype for array in jax.tree.leaves(updates)]
    # Levels of numbers of 16 bits are too small for these.
    updates = jax.tree.map(lambda a: a.astype(jnp.promote_types(a.dtype, jnp.float32)), updates)
    largest = [jnp.abs(array).max(initial=0) for array in jax.tree.leaves(updates)]
    units = largest_of_all(jnp.stack(largest), axis) / LEVELS if largest else jnp.zeros(0)
    safe = jnp.where(units == 0, 1, units)
    in_units = jax.tree.map(jnp.divide, updates, _like(updates, safe))
    values, as_tree = ravel_pytree(in_units)
    mean = mean_encoded(values, _rounded, lambda sent: sent.astype(values.dtype), axis)
    means = jax.tree.map(jnp.multiply, as_tree(mean), _like(updates, units))
    leaves, form = jax.tree.flatten(means)
    found = [
        mean.astype(kind) if jnp.issubdtype(kind, jnp.floating) else mean
        for mean, kind in zip(leaves, kinds, strict=True)
    ]
    return jax.tree.unflatten(form, found), state


def _like(tree: PyTree, numbers: Float[Array, " arrays"]) -> PyTree:
    """One number for each array of a tree, of its type."""
    leaves, form = jax.tree.flatten(tree)
    return jax.tree.unflatten(
        form, [n.astype(a.dtype) for a, n in zip(leaves, numbers, strict=True)]
    )


def _halved(values: Float[Array, "..."]) -> Array:
    """The bits of `bfloat16`: by themselves, because XLA sends them in full on a CPU."""
    return lax.bitcast_convert_type(values.astype(jnp.bfloat16), jnp.uint16)


def _whole(dtype: Any, sent: Array) -> Float[Array, "..."]:
    return lax.bitcast_convert_type(sent, jnp.bfloat16).astype(dtype)


def _rounded(values: Float[Array, "..."]) -> Array:
    return jnp.round(values).astype(jnp.int8)
