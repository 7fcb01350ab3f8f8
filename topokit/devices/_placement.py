"""Where the weights of a cascade stand on a mesh of devices, and how signals go through it.

A placement is pure functions. Weights are given, and come back, as one array for each layer of
edges, by receiver and then by sender: as `topokit.networks.SparseLinear` stores them. On the
devices each weight stands in one place, where its gradient appears too; only signals are sent.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from topokit._records import brief, one_line
from topokit.devices._device_mesh import check_devices
from topokit.devices._ring import as_they_come

Weights = tuple[Float[Array, "..."], ...]
Signals = Float[Array, "..."]


class Placement(NamedTuple):
    """A cascade of sparse layers on a mesh of devices, without a bias, as pure functions.

    Attributes:
        mesh: The devices.
        place: From one array of weights for each layer of edges, by receiver and then by sender,
            to arrays on the devices: what is differentiated and optimized.
        collect: The way back, as numpy arrays; gradients come back the same way.
        enter: From a batch of inputs, `(batch, n_in)`, to signals on the devices.
        apply: From placed weights and signals to the signals of the outputs, which are what a next
            layer takes that is placed the same way. Differentiate it and compile it as any function
            of JAX: `jax.jit(jax.grad(...))`.
        leave: From signals to outputs, `(batch, n_out)`.

    Examples:
        >>> from topokit import devices
        >>> devices.Placement._fields
        ('mesh', 'place', 'collect', 'enter', 'apply', 'leave')

    See Also:
        `clos_on_torus`, `butterfly_on_hypercube` and `dense_on_ring`, which return it.
    """

    mesh: Mesh
    place: Callable[[Sequence[Any]], Weights]
    collect: Callable[[Weights], list[np.ndarray]]
    enter: Callable[[Any], Signals]
    apply: Callable[[Weights, Signals], Signals]
    leave: Callable[[Signals], Float[Array, "batch n_out"]]

    __repr__ = one_line


class LayerPlan(NamedTuple):
    """How the weights of a layer become an array on the devices.

    Attributes:
        shape: The axes into which they fall, by receiver and then by sender.
        order: The order in which these axes stand on the devices.
        spec: Along which axes of the mesh they are cut.
        ring: The axis, as it stands on the devices, that is cut along the ring in which signals go
            round; the first axis, of blocks of senders, is then in the order in which these come by
            (`topokit.devices._ring`).
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    spec: PartitionSpec
    ring: int | None = None


def make_placement(
    mesh: Mesh,
    plans: Sequence[LayerPlan],
    through: Callable[[Weights, Signals], Signals],
    *,
    ends: tuple[tuple[int, ...], tuple[int, ...]],
    spec: PartitionSpec,
) -> Placement:
    """Make a placement of what one device does.

    Args:
        mesh: The devices.
        plans: Of each layer of edges.
        through: What a device does with its parts of weights and signals.
        ends: Axes into which inputs and outputs fall.
        spec: How signals are cut, `batch` first, at both ends.
    """
    check_devices(mesh.devices.ravel())
    apply = jax.shard_map(
        through, mesh=mesh, in_specs=(tuple(p.spec for p in plans), spec), out_specs=spec
    )
    return Placement(
        mesh,
        lambda weights: _place(weights, mesh, plans),
        lambda weights: _collect(weights, plans),
        lambda x: _enter(x, NamedSharding(mesh, spec), ends[0]),
        apply,
        lambda signals: _leave(signals, ends),
    )


def _place(weights: Any, mesh: Mesh, plans: Sequence[LayerPlan]) -> Weights:
    sizes, arrays = [prod(plan.shape) for plan in plans], _arrays(weights)
    if [np.shape(w) for w in arrays] != [(size,) for size in sizes]:
        raise ValueError(
            f"weights must be an array for each layer of edges, of the sizes {sizes}; given "
            f"{_said(weights)}. Those of a SparseLinear are [layer.weight for layer in "
            "linear.layers]"
        )
    return tuple(
        jax.device_put(_on_devices(w, plan), NamedSharding(mesh, plan.spec))
        for w, plan in zip(map(np.asarray, arrays), plans, strict=True)
    )


def _collect(weights: Any, plans: Sequence[LayerPlan]) -> list[np.ndarray]:
    shapes = [tuple(plan.shape[axis] for axis in plan.order) for plan in plans]
    if [np.shape(w) for w in _arrays(weights)] != shapes:
        raise ValueError(
            f"weights must be those that place put on the devices, of the shapes {shapes}; given "
            f"{_said(weights)}"
        )
    return [_edges(w, plan) for w, plan in zip(weights, plans, strict=True)]


def _on_devices(weights: np.ndarray, plan: LayerPlan) -> np.ndarray:
    blocks = weights.reshape(plan.shape).transpose(plan.order)
    return blocks if plan.ring is None else as_they_come(blocks, plan.ring)


def _edges(weights: Float[Array, "..."], plan: LayerPlan) -> np.ndarray:
    blocks = np.asarray(weights)
    blocks = blocks if plan.ring is None else as_they_come(blocks, plan.ring)
    return blocks.transpose(np.argsort(plan.order)).ravel()


def _enter(x: Any, sharding: NamedSharding, shape: tuple[int, ...]) -> Signals:
    inputs = _array(x)
    if np.ndim(inputs) != 2 or inputs.shape[1] != prod(shape):
        given = brief(x) if inputs is None else inputs.shape
        raise ValueError(
            f"inputs must be a batch of numbers, of the shape (batch, {prod(shape)}); given {given}"
        )
    return jax.device_put(inputs.reshape(len(inputs), *shape), sharding)


def _leave(signals: Any, ends: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    if not isinstance(signals, jax.Array | np.ndarray) or signals.shape[1:] not in ends:
        shapes = " or ".join(f"(batch, {', '.join(map(str, end))})" for end in dict.fromkeys(ends))
        raise ValueError(
            f"signals must be those that enter or apply gives, of the shape {shapes}; given "
            f"{brief(signals)}"
        )
    return signals.reshape(len(signals), -1)


def _arrays(values: Any) -> list[Any]:
    """Arrays of numbers, None for what is none; none at all of what is no list."""
    listed = isinstance(values, Sequence) or np.ndim(values)
    return [_array(value) for value in values] if listed else []


def _array(value: Any) -> Any:
    """Numbers or truth values as an array, or None."""
    try:
        array = value if isinstance(value, jax.Array) else np.asarray(value)
    except ValueError:  # of rows of different lengths
        return None
    known = jnp.issubdtype(array.dtype, jnp.number) or array.dtype == bool
    return array if known else None


def _said(weights: Any) -> str:
    """What an error tells of weights: their shapes where they are arrays."""
    arrays = _arrays(weights)
    known = arrays and all(array is not None for array in arrays)
    return f"shapes {[array.shape for array in arrays]}" if known else brief(weights)


def check_fits(said: str, size: int, parts: int, over: str) -> None:
    """Refuse what cannot be cut into equal parts."""
    if size % parts:
        raise ValueError(
            f"{said} must be a multiple of {parts}, the devices along {over!r}, so that each takes "
            f"as many; given {size}"
        )


def check_axes(mesh: Any, number: int, example: str) -> None:
    """Refuse what is no mesh with so many axes."""
    if not isinstance(mesh, Mesh) or len(mesh.axis_names) != number:
        given = f"axes {mesh.axis_names}" if isinstance(mesh, Mesh) else f"a {type(mesh).__name__}"
        raise ValueError(
            f"mesh must be one of {number} ax{'i' if number == 1 else 'e'}s, such as "
            f"topokit.devices.make_mesh({example}); given {given}"
        )
