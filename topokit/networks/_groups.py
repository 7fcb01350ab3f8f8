"""Groups of weights: filters, channels, shapes, positions, layers, blocks, for every kind of layer.

A family of groups is which of the four labels of weights,

    W[group, filter within it, channel within it, position],

its groups keep: those of (2) and (3) of Li and others, 2018 (after Wen and others, 2016), the
filters W[n, :, :], the channels W[:, c, :] and the shapes W[:, c, p], each within its group of
channels; the positions W[:, :, p], its non-arbitrary shapes; and the layer as a whole, its depth.
Groups of one family share no weight; those of two families may.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from math import ceil, prod
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from topokit._checks import check_counts, check_instance
from topokit._records import brief
from topokit.networks._conv import SparseConv2d
from topokit.networks._group_parts import Groups, Part, Path, along, below, itself, labeled
from topokit.networks._kernel_labels import (
    CHANNEL,
    FILTER,
    GROUP,
    POSITION,
    Kernel,
    has_groups,
    labeled_kernels,
)
from topokit.networks._sparsify import named_nodes

Scale = float | Sequence[float] | Callable[[Int[np.ndarray, " groups"]], Any]


@dataclass(frozen=True)
class Grouping:
    """A family of groups for the layers of any model: what `group_lasso` is told.

    Attributes:
        what: What its groups are called.
        layers: Names of the layers that it is for; None for all that have such groups.
        scale: A function of the numbers of weights in the groups, one number, or one for each group
            of a single layer.
        cut: From a model and the names to the arrays whose entries make up groups.

    Examples:
        >>> from topokit import networks
        >>> networks.filter_groups(["layers.0"], scale=1.0).layers
        ('layers.0',)

    See Also:
        `filter_groups`, `channel_groups`, `shape_groups`, `position_groups`, `layer_groups`,
        `block_groups` and `neuron_groups`, which make them.
    """

    what: str
    layers: tuple[str, ...] | None
    scale: Scale
    cut: Callable[[Any, tuple[str, ...] | None], list[tuple[Part, ...]]] = field(repr=False)

    def __call__(self, model: Any) -> list[Groups]:
        """The groups of a model.

        Raises:
            ValueError: If a layer is not in the model or has no such groups.
        """
        found = self.cut(model, self.layers)
        if not found:
            raise ValueError(f"the model has no layer with {self.what} that form groups")
        return [Groups(parts, _scales(self.scale, parts)) for parts in found]


def filter_groups(
    layers: Sequence[str] | None = None, *, scale: Scale = np.sqrt, bias: bool = False
) -> Grouping:
    """A group for each filter of a convolution, row of a dense layer, receiver of a sparse one.

    A filter of zeros puts out its bias alone. With `bias` the filter's bias is in its group, and
    that of the batch normalization right behind it: at 0 the filter puts out 0, once the running
    means have followed, and `shrink` can take it out whatever comes after.

    Args:
        layers: Names of layers, such as `kernels` tells; None for all.
        scale: What multiplies the strength: a function of the sizes of groups, one number (1.0 is
            that of the published code), or one for each group of a single layer.
        bias: Whether biases belong to the groups.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.filter_groups()(model)]
        [16, 10]

    See Also:
        `group_lasso`, which takes it; `channel_groups`, the other side.
    """
    check_instance("bias", bias, bool, "True or False")
    return _grouping("filters", layers, scale, partial(_of_kind, (GROUP, FILTER), bias=bias))


def channel_groups(layers: Sequence[str] | None = None, *, scale: Scale = np.sqrt) -> Grouping:
    """A group for each channel that a layer hears, over all filters: its weights to all of them.

    In a dense layer these are the columns, in a sparse one the senders; in a convolution in several
    groups each channel has the filters of its own group. Arguments as in `filter_groups`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.channel_groups()(model)]
        [64, 16]

    See Also:
        `filter_groups`; `shape_groups`, position by position.
    """
    return _grouping("channels", layers, scale, partial(_of_kind, (GROUP, CHANNEL)))


def shape_groups(layers: Sequence[str] | None = None, *, scale: Scale = np.sqrt) -> Grouping:
    """A group for each entry (channel, y, x) of a patch, over all filters: arbitrary shapes.

    These are the columns of the matrix that a convolution is (equation (3) of Li and others,
    2018); in a dense layer they are its channels. Arguments as in `filter_groups`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.shape_groups(["layers.4"])(model)]
        [150]

    See Also:
        `position_groups`, for all channels together.
    """
    return _grouping("shapes", layers, scale, partial(_of_kind, (GROUP, CHANNEL, POSITION)))


def position_groups(layers: Sequence[str] | None = None, *, scale: Scale = np.sqrt) -> Grouping:
    """A group for each position (y, x) of a kernel, over all filters and channels.

    Non-arbitrary shapes: a kernel whose border is 0 becomes smaller. Arguments as in
    `filter_groups`; only convolutions of more than one pixel have positions.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.position_groups()(model)]
        [25, 25]

    See Also:
        `shape_groups`, channel by channel.
    """
    return _grouping("positions", layers, scale, partial(_of_kind, (POSITION,)))


def layer_groups(layers: Sequence[str] | None = None, *, scale: Scale = np.sqrt) -> Grouping:
    """One group a layer, all of its weights: the depth of a network that has shortcuts.

    Where no shortcut goes around it, a layer of zeros leaves the outputs constant. Name the layers
    of `Residual` blocks; arguments as in `filter_groups`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> [groups.scales.tolist() for groups in networks.layer_groups(["layers.1"])(model)]
        [[32.0]]

    See Also:
        `resnet20`, which has shortcuts.
    """
    return _grouping("weights", layers, scale, _of_layer)


def block_groups(shapes: Mapping[str, Sequence[int]], *, scale: Scale = np.sqrt) -> Grouping:
    """A group for each block of given shape of a weight array; the last ones may be smaller.

    Args:
        shapes: For each layer by name the shape of a block: as many sides as the array of its
            weights has axes, `(filters, channels, height, width)` in a convolution,
            `(receivers, senders)` in a dense or a sparse layer.
        scale: As in `filter_groups`.

    Raises:
        ValueError: If a side is no positive integer.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.block_groups({"layers.1": (4, 16)})(model)]
        [16]

    See Also:
        `filter_groups` and its neighbors, whose shapes follow from the layer.
    """
    if not isinstance(shapes, Mapping) or not shapes:
        raise ValueError(
            f"shapes must be a dict from names of layers to shapes of blocks; given {brief(shapes)}"
        )
    checked = {
        name: tuple(check_counts(f"shapes[{name!r}]", sides)) for name, sides in shapes.items()
    }
    return _grouping("blocks", list(checked), scale, partial(_of_blocks, checked))


def _grouping(
    what: str, layers: Sequence[str] | None, scale: Scale, of_layer: Callable[..., Any]
) -> Grouping:
    return grouping(what, layers, scale, partial(_layer_by_layer, of_layer))


def grouping(
    what: str, layers: Sequence[str] | None, scale: Scale, cut: Callable[..., Any]
) -> Grouping:
    """A checked family.

    Raises:
        ValueError: If layers are no list of names, or the scale is none.
    """
    listed = isinstance(layers, Iterable) and not isinstance(layers, str)
    named = tuple(layers) if layers is not None and listed else None
    if layers is not None and (named is None or not all(isinstance(name, str) for name in named)):
        raise ValueError(f"layers must be a list of names, or None for all; given {layers!r}")
    if not callable(scale):
        _finite(scale)
    return Grouping(what, named, scale, cut)


def _layer_by_layer(
    of_layer: Callable[..., list[tuple[Part, ...]]], model: Any, names: tuple[str, ...] | None
) -> list[tuple[Part, ...]]:
    return [parts for place in _chosen(model, names) for parts in of_layer(model, *place)]


def _chosen(model: Any, names: Sequence[str] | None) -> list[tuple[str, Path, Any, bool]]:
    """Name, place and layer, and whether it was named, of those that have groups.

    Raises:
        ValueError: If a name is not in the model, or the list of names is empty.
    """
    found = {name: (path, layer) for name, path, layer in named_nodes(model, has_groups)}
    if names is not None and not names:
        raise ValueError(
            "layers must name a layer at least, or be None for all; given none of the model's "
            f"{list(found)}"
        )
    for name in names or ():
        if name not in found:
            raise ValueError(
                f"the model has no layer {name!r} whose weights fall into groups; its layers are "
                f"{list(found)}"
            )
    chosen = found if names is None else dict.fromkeys(names)  # each once
    return [(name, *found[name], names is not None) for name in chosen]


def _finite(scale: Any) -> Float[np.ndarray, "*groups"]:
    try:
        values = np.asarray(scale, float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim > 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "scale must be a function of the sizes of groups, such as numpy.sqrt, or one finite "
            f"number of at least 0 for all or for each group; given {brief(scale)}"
        )
    return values


def _scales(scale: Scale, parts: tuple[Part, ...]) -> Float[np.ndarray, " groups"]:
    sizes = np.sum([part.sizes for part in parts], axis=0)
    values = _finite(scale(sizes) if callable(scale) else scale)
    if values.shape not in ((), sizes.shape):
        raise ValueError(
            f"scale must be one number or one for each of the {len(sizes)} groups of a layer; "
            f"given {values.size}"
        )
    return np.broadcast_to(values, sizes.shape)


def _part(kernel: Kernel, kept: tuple[int, ...]) -> Part:
    """The groups of a kernel that keep some of the four labels."""
    if kernel.labels is None:
        axes = [axis for axis in range(4) if axis not in kept]
        return along(kernel.path, kernel.shape, axes, kernel.extents)
    every = np.zeros_like(kernel.labels[0]), *kernel.labels
    shape = [kernel.extents[axis] for axis in kept]
    chosen = tuple(every[axis] for axis in kept)
    labels = np.ravel_multi_index(chosen, shape) if kept else every[GROUP]
    return labeled(kernel.path, kernel.shape, np.asarray(labels), prod(shape))


def _of_kind(
    kept: tuple[int, ...],
    model: Any,
    name: str,
    path: Path,
    layer: Any,
    named: bool,
    *,
    bias: bool = False,
) -> list[tuple[Part, ...]]:
    kernels = labeled_kernels(name, path, layer)
    if kept == (POSITION,):
        kernels = [kernel for kernel in kernels if kernel.extents[POSITION] > 1]
    if named and not kernels:
        raise ValueError(f"layer {name} has one position alone: its kernel is of one pixel")
    found: list[tuple[Part, ...]] = [(_part(kernel, kept),) for kernel in kernels]
    if bias and found:
        found[-1] = (*found[-1], *_biases(model, path, layer))
    return found


def _of_layer(model: Any, name: str, path: Path, layer: Any, named: bool) -> list[tuple[Part, ...]]:
    del model, named
    return [tuple(_part(kernel, ()) for kernel in labeled_kernels(name, path, layer))]


def _of_blocks(
    shapes: Mapping[str, tuple[int, ...]],
    model: Any,
    name: str,
    path: Path,
    layer: Any,
    named: bool,
) -> list[tuple[Part, ...]]:
    del model, named
    return [(_in_blocks(kernel, shapes[name]),) for kernel in labeled_kernels(name, path, layer)]


def _in_blocks(kernel: Kernel, block: tuple[int, ...]) -> Part:
    if kernel.labels is not None:
        filters, channels, positions = kernel.labels
        _, n_filters, n_channels, n_positions = kernel.extents
        indices = filters, channels * n_positions + positions
        shape = n_filters, n_channels * n_positions
    else:
        shape = kernel.shape
        indices = tuple(np.indices(shape, sparse=True))
    if len(block) != len(shape):
        raise ValueError(
            f"a block of layer {kernel.name} has {len(shape)} sides, as its weights {shape} have "
            f"axes; given {block}"
        )
    places = tuple(i // side for i, side in zip(indices, block, strict=True))
    counts = [ceil(n / side) for n, side in zip(shape, block, strict=True)]
    labels = np.ravel_multi_index(np.broadcast_arrays(*places), counts).ravel()
    return labeled(kernel.path, kernel.shape, labels, prod(counts))


def _biases(model: Any, path: Path, layer: Any) -> list[Part]:
    """The bias of a layer, and that of the batch normalization right behind it."""
    key = jax.tree_util.GetAttrKey
    if isinstance(layer, SparseConv2d):
        layer, path = layer.linear, (*path, key("linear"))
    found = [(path, layer)]
    behind = _behind(model, path)
    if behind is not None and isinstance(behind[1], eqx.nn.BatchNorm):
        found.append(behind)
    return [
        itself((*at, key("bias")), node.bias.shape)
        for at, node in found
        if getattr(node, "bias", None) is not None
    ]


def _behind(model: Any, path: Path) -> tuple[Path, Any] | None:
    """The next of a sequence of layers, of which a layer or what it is the core of is one."""
    *before, last = path
    if not before:
        return None
    if not isinstance(last, jax.tree_util.SequenceKey):
        return _behind(model, tuple(before))
    around = reduce(below, before, model)
    place = jax.tree_util.SequenceKey(last.idx + 1)
    return ((*before, place), around[place.idx]) if place.idx < len(around) else None
