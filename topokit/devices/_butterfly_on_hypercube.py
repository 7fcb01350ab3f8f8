"""A butterfly on a hypercube of devices: a layer changes one bit, which is one neighbor.

The upper bits of a neuron's index are its device, the lower ones its place there. A layer with a
stride within a device sends nothing; one with a greater stride joins each device to the one that
differs in that bit, and the two swap what they have.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import networkx as nx
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from topokit.devices._placement import (
    LayerPlan,
    Placement,
    Signals,
    Weights,
    check_axes,
    make_placement,
)
from topokit.devices._ring import Block
from topokit.layers import Layers, to_layers
from topokit.topologies import butterfly

SWAP = [(0, 1), (1, 0)]


def butterfly_on_hypercube(topology: nx.DiGraph | Layers, mesh: Mesh) -> Placement:
    """Place a butterfly on a hypercube of devices.

    A device sends its signals once for each layer that leaves it, and as many gradients backward,
    to the neighbor along one axis; gradients of weights stay.

    Args:
        topology: What `topokit.topologies.butterfly` makes, as a graph or a recipe.
        mesh: Of any number of axes of two devices each, the first for the upper bit of the device;
            no more devices than neurons.

    Returns:
        The placement. Signals are `(batch, neurons)`.

    Raises:
        ValueError: If it is no butterfly, or the mesh no hypercube of at least two devices of one
            kind and at most as many as neurons.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import devices
        >>> mesh = jax.sharding.Mesh(jax.devices()[:1], ("ring",))
        >>> devices.butterfly_on_hypercube(tk.topologies.low_rank(8, 8, 2), mesh)
        Traceback (most recent call last):
        ...
        ValueError: topology must be a butterfly with trainable edges alone, as topokit.topologies.butterfly makes it; given widths (8, 2, 8)

    See Also:
        `clos_on_torus`, for routers of any size.
    """  # noqa: E501
    layers = to_layers(topology)
    n = layers.n_in
    if n < 2 or n & (n - 1) or butterfly.layers(n, layers.depth) != layers:
        raise ValueError(
            "topology must be a butterfly with trainable edges alone, as "
            f"topokit.topologies.butterfly makes it; given widths {layers.widths}"
        )
    axes = _axes(mesh, n)
    own = n >> len(axes)  # neurons of a device
    bits = n.bit_length() - 1
    steps = [_step(2 ** (number % bits), own, axes) for number in range(layers.depth)]

    def through(weights: Weights, signals: Signals) -> Signals:
        for step, both in zip(steps, weights, strict=True):
            signals = step(signals, both)
        return signals

    plans = [LayerPlan((n, 2), (0, 1), PartitionSpec(axes, None))] * layers.depth
    return make_placement(mesh, plans, through, ends=((n,), (n,)), spec=PartitionSpec(None, axes))


def _axes(mesh: Mesh, n: int) -> tuple[str, ...]:
    """The axes of a hypercube, or a ValueError."""
    sides = tuple(mesh.shape.values()) if isinstance(mesh, Mesh) else ()
    check_axes(mesh, len(sides) or 1, "a=2, b=2")
    if set(sides) != {2} or mesh.size > n:
        raise ValueError(
            f"mesh must be a hypercube, each axis of 2 devices, of at most {n} devices, a neuron "
            f"each, such as topokit.devices.make_mesh(a=2, b=2); given sides {sides}"
        )
    return mesh.axis_names


def _step(stride: int, own: int, axes: tuple[str, ...]) -> Callable[[Block, Block], Block]:
    """What a device does in the layer of a stride."""
    if stride < own:
        return partial(_within, stride)
    return partial(_between, axes[-(stride // own).bit_length()])


def _within(stride: int, x: Block, both: Block) -> Block:
    """A pair is in one device: each receiver weighs the lower and the upper sender."""
    pairs = x.reshape(len(x), -1, 2, 1, stride)
    low, high = both.T.reshape(2, 1, -1, 2, stride)
    return (low * pairs[:, :, 0] + high * pairs[:, :, 1]).reshape(x.shape)


def _between(axis: str, x: Block, both: Block) -> Block:
    """A pair is in two devices, which swap all that they have."""
    upper = lax.axis_index(axis)
    other = lax.ppermute(x, axis, SWAP)
    low, high = both.T[:, None]
    return jnp.where(upper, high, low) * x + jnp.where(upper, low, high) * other
