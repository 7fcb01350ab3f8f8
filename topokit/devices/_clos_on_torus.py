"""A Clos network on a torus of devices, in three phases of rings (ClosNets, section III).

Of `R x C` devices, row `i` has the input and the output routers of the `i`-th part, column `j` the
middle routers of the `j`-th part, and within each outer router the neurons of the `j`-th part:

| | on the device at `(i, j)` |
| --- | --- |
| inputs, outputs | the `j`-th part of those of each router of row `i` |
| hidden neurons behind input routers | `(router, wire)` of row `i` and column `j` |
| hidden neurons before output routers | `(wire, router)` of column `j` and row `i` |

So input routers are dense layers over the rings of rows, middle routers over those of columns,
output routers over rows again, and no neuron moves in between: what figure 5 of the paper gains by
swapping positions. With one router a row and one wire a column, a device makes one neuron a phase,
as drawn there. Signals are of the shape `(batch, routers, neurons of a router)`.
"""

from typing import NamedTuple

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
from topokit.devices._ring import Block, around
from topokit.layers import Layers, to_layers
from topokit.topologies import clos


class Routers(NamedTuple):
    """The five numbers of a Clos network."""

    n_in: int
    n_out: int
    input_routers: int
    middle_routers: int
    output_routers: int


def clos_on_torus(topology: nx.DiGraph | Layers, mesh: Mesh) -> Placement:
    """Place a Clos network on a torus of devices.

    Forward, each device sends its inputs around its row, what the input routers made around its
    column, and what the middle routers made around its row, always to the next neighbor, east or
    south. Backward, gradients go the other way, west and north; those of weights stay. The program
    has a step for each device of a ring, so that it grows with the rings.

    Args:
        topology: What `topokit.topologies.clos` makes, as a graph or a recipe.
        mesh: Of two axes, rows and columns. Rows must divide the input and output routers, columns
            the middle routers and the neurons of each outer router.

    Returns:
        The placement. Signals are `(batch, routers, neurons)`, and outputs are placed as inputs
        are.

    Raises:
        ValueError: If it is no Clos network, the mesh is none of two axes and at least two devices
            of one kind, or the network does not fall into equal parts.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import devices
        >>> mesh = jax.sharding.Mesh(jax.devices()[:1], ("ring",))
        >>> devices.clos_on_torus(tk.topologies.clos(8, 8, 4, 2, 4), mesh)
        Traceback (most recent call last):
        ...
        ValueError: mesh must be one of 2 axes, such as topokit.devices.make_mesh(rows=2, columns=2); given axes ('ring',)

    See Also:
        `router_table`, who sends what when; `butterfly_on_hypercube`, `dense_on_ring`.
    """  # noqa: E501
    check_axes(mesh, 2, "rows=2, columns=2")
    found = _routers(to_layers(topology))
    plans = _plans(found, mesh)
    rows, columns = mesh.axis_names

    def through(weights: Weights, signals: Signals) -> Signals:
        first, middle, last = weights
        signals = around(signals, first, columns, _outer)
        signals = around(signals, middle, rows, _middle)
        return around(signals, last, columns, _outer)

    inputs = (found.input_routers, found.n_in // found.input_routers)
    outputs = (found.output_routers, found.n_out // found.output_routers)
    spec = PartitionSpec(None, rows, columns)
    return make_placement(mesh, plans, through, ends=(inputs, outputs), spec=spec)


def _outer(x: Block, weights: Block) -> Block:
    """Each outer router is a dense layer from its neurons to its wires, or back."""
    return jnp.einsum("brk,rkm->brm", x, weights)


def _middle(x: Block, weights: Block) -> Block:
    """Each wire leads from all input routers to all output routers."""
    return jnp.einsum("brm,rom->bom", x, weights)


def _routers(layers: Layers) -> Routers:
    """The numbers of a Clos network, which are told by its widths and edges; or a ValueError."""
    if layers.depth == 3:
        n_in, first, second, n_out = layers.widths
        wires = layers.senders[0].size // n_in
        found = Routers(n_in, n_out, first // max(wires, 1), wires, second // max(wires, 1))
        whole = all(found) and not n_in % found.input_routers and not n_out % found.output_routers
        if whole and clos.layers(*found) == layers:
            return found
    raise ValueError(
        "topology must be a Clos network with trainable edges alone, as topokit.topologies.clos "
        f"makes it; given widths {layers.widths} and {layers.n_edges} edges"
    )


def _plans(found: Routers, mesh: Mesh) -> list[LayerPlan]:
    """Where the weights of the three stages stand; or a ValueError if the parts are not equal."""
    (row_axis, rows), (column_axis, columns) = mesh.shape.items()
    n_in, n_out, first, wires, last = found
    check_fits("input_routers", first, rows, row_axis)
    check_fits("output_routers", last, rows, row_axis)
    check_fits("middle_routers", wires, columns, column_axis)
    check_fits("n_in / input_routers", n_in // first, columns, column_axis)
    check_fits("n_out / output_routers", n_out // last, columns, column_axis)
    outer = PartitionSpec(None, row_axis, None, column_axis)
    inner = PartitionSpec(None, None, row_axis, column_axis)
    return [
        LayerPlan((first, wires, columns, n_in // first // columns), (2, 0, 3, 1), outer, ring=3),
        LayerPlan((last, wires, rows, first // rows), (2, 3, 0, 1), inner, ring=2),
        LayerPlan((last, n_out // last, columns, wires // columns), (2, 0, 3, 1), outer, ring=3),
    ]
