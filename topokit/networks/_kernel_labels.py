"""Layers of every kind as weights with four labels: group of channels, filter, channel, position.

    W[group, filter within it, channel within it, position]

A dense layer has one position and one group; in a sparse layer the labels are those of its edges, a
filter being a receiver.
"""

from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Int

from topokit.networks._conv import SparseConv2d
from topokit.networks._depthwise import DepthwiseConv2d
from topokit.networks._group_parts import Path
from topokit.networks._linear import SparseLayer, SparseLinear, edges
from topokit.networks._patch_conv import PatchConv2d

GROUP, FILTER, CHANNEL, POSITION = range(4)
LAYERS = (eqx.nn.Linear, eqx.nn.Conv, DepthwiseConv2d, PatchConv2d, SparseConv2d, SparseLinear)


class Kernel(NamedTuple):
    """The weights of a layer as one array: dense, or a sparse layer's by their labels.

    Attributes:
        name: What an error calls the layer.
        path: Where the array stands in the model.
        shape: Its shape.
        extents: Numbers of groups of channels, filters and channels within one, and positions.
        labels: Of a sparse layer, filter, channel and position of each weight; None of a dense one.
    """

    name: str
    path: Path
    shape: tuple[int, ...]
    extents: tuple[int, int, int, int]
    labels: tuple[Int[np.ndarray, " weights"], ...] | None


def has_groups(node: Any) -> bool:
    """A layer of numbers of its own, and no stack of them by `equinox.filter_vmap`."""
    if isinstance(node, eqx.nn.Linear):
        return "scalar" not in (node.in_features, node.out_features) and _axes(node) == 2
    if isinstance(node, eqx.nn.Conv):
        return _axes(node) == node.num_spatial_dims + 2
    return isinstance(node, LAYERS)


def labeled_kernels(name: str, path: Path, layer: Any) -> list[Kernel]:
    """The weight arrays of a layer, several in a cascade."""
    key = jax.tree_util.GetAttrKey
    if isinstance(layer, SparseConv2d):
        pixels = prod(layer.kernel_size)
        return _of_cascade(name, (*path, key("linear")), layer.linear, pixels)
    if isinstance(layer, SparseLinear):
        return _of_cascade(name, path, layer, 1)
    shape, at = layer.weight.shape, (*path, key("weight"))
    if isinstance(layer, PatchConv2d):
        filters, entries = (i.ravel() for i in np.indices(shape))
        channels, positions = (labels[entries] for labels in layer.places())
        extents = 1, shape[0], layer.in_channels, prod(layer.kernel_size)
        return [Kernel(name, at, shape, extents, (filters, channels, positions))]
    if isinstance(layer, DepthwiseConv2d):
        return [Kernel(name, at, shape, (shape[0], 1, 1, prod(shape[1:])), None)]
    groups = layer.groups if isinstance(layer, eqx.nn.Conv) else 1
    extents = groups, shape[0] // groups, shape[1], prod(shape[2:])
    return [Kernel(name, at, shape, extents, None)]


def _of_cascade(name: str, path: Path, linear: SparseLinear, pixels: int) -> list[Kernel]:
    key, found = jax.tree_util.GetAttrKey, []
    for number, layer in enumerate(linear.layers):
        own = (*path, key("layers"), jax.tree_util.SequenceKey(number), key("weight"))
        found.append(_of_edges(name, own, layer, 1 if number else pixels))
    return found


def _of_edges(name: str, path: Path, layer: SparseLayer, pixels: int) -> Kernel:
    senders, receivers = edges(layer)
    labels = receivers, senders // pixels, senders % pixels
    extents = 1, layer.wiring.n_out, layer.wiring.n_in // pixels, pixels
    return Kernel(name, path, layer.weight.shape, extents, labels)


def _axes(node: Any) -> int | None:
    return getattr(node.weight, "ndim", None)
