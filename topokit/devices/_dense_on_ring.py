"""Dense layers over one ring of devices: what is called tensor parallelism."""

import jax.numpy as jnp
import networkx as nx
from jax.sharding import Mesh, PartitionSpec

from topokit.devices._placement import (
    LayerPlan,
    Placement,
    Signals,
    Weights,
    check_axes,
    check_fits,
    make_placement,
)
from topokit.devices._ring import around
from topokit.layers import Layers, to_layers


def dense_on_ring(topology: nx.DiGraph | Layers, mesh: Mesh) -> Placement:
    """Place a dense layer, or a cascade of them such as `low_rank`, on a ring of devices.

    Each device has an equal part of every layer of neurons, and the weights into it. Neurons go
    around the ring, to the next neighbor forward and their gradients to the previous one backward.

    Args:
        topology: Of complete layers: what `topokit.topologies.dense` and `low_rank` make.
        mesh: Of one axis, whose devices divide all widths.

    Returns:
        The placement. Signals are `(batch, neurons)`.

    Raises:
        ValueError: If a layer is not complete or not trainable, the mesh is none of one axis and at
            least two devices of one kind, or its size does not divide a width.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import devices
        >>> mesh = jax.sharding.Mesh(jax.devices()[:1], ("ring",))
        >>> devices.dense_on_ring(tk.topologies.dense(8, 8), mesh)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: devices must be at least two, to share work; given 1. ...

    See Also:
        `clos_on_torus`, which sends less.
    """
    check_axes(mesh, 1, "ring=4")
    layers = to_layers(topology)
    widths = layers.widths
    ((axis, p),) = mesh.shape.items()
    for number, senders in enumerate(layers.senders):
        if senders.size < widths[number] * widths[number + 1] or not layers.trainable[number].all():
            raise ValueError(
                "topology must have complete layers with trainable edges alone, as "
                f"topokit.topologies.dense makes it; layer {number} is not"
            )
    for number, width in enumerate(widths):
        check_fits(f"widths[{number}]", width, p, axis)
    spec = PartitionSpec(None, None, axis)
    plans = [
        LayerPlan((width, p, before // p), (1, 2, 0), spec, ring=2)
        for before, width in zip(widths, widths[1:], strict=False)
    ]

    def through(weights: Weights, signals: Signals) -> Signals:
        for blocks in weights:
            signals = around(signals, blocks, axis, jnp.matmul)
        return signals

    ends = (layers.n_in,), (widths[-1],)
    return make_placement(mesh, plans, through, ends=ends, spec=PartitionSpec(None, axis))
