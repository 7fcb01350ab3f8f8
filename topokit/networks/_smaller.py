"""Layers of weights with smaller arrays: between the channels that stay alone.

A convolution loses filters, channels and groups; then the border of its kernel where no filter
weighs anything; and if of the rest of the patch many entries are weighed by no filter, it becomes a
`PatchConv2d` of the others.
"""

from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from topokit.layers import Layers, sort_layers
from topokit.networks._conv import SparseConv2d
from topokit.networks._linear import SparseLinear
from topokit.networks._patch_conv import PatchConv2d
from topokit.networks._residual import PickedChannels
from topokit.networks._weight_layers import NEGLIGIBLE, Map, Values, WeightLayer


def smaller(link: WeightLayer, *, patches: float) -> Any:
    """The layer between the channels that stay; `patches` as `shrink` has it."""
    layer, bias = link.layer, link.folded()[link.between[-1].keep]
    if isinstance(layer, PickedChannels):
        return _picked(link, bias)
    if isinstance(layer, SparseLinear):
        return _sparse(layer, link, bias)
    if isinstance(layer, SparseConv2d):
        linear = _sparse(layer.linear, link, bias)
        return SparseConv2d(linear, layer.kernel_size, layer.stride, layer.padding)
    before, after = (channels.keep for channels in link.between)
    if isinstance(layer, eqx.nn.Linear):
        return _linear(layer, np.repeat(before, link.maps[0].pixels), after, bias)
    if isinstance(layer, PatchConv2d):
        matrix = layer.matrix().reshape(len(after), len(before), *layer.kernel_size)
        return _patched(layer, jax.device_put(matrix[after][:, before]), layer.padding, bias)
    return _convolution(layer, before, after, bias, patches)


def _linear(
    layer: eqx.nn.Linear,
    before: Bool[np.ndarray, " n"],
    after: Bool[np.ndarray, " m"],
    bias: Values,
) -> eqx.nn.Linear:
    kept, biased = np.asarray(layer.weight)[np.ix_(after, before)], _biased(layer, bias)
    dtype, (n_out, n_in) = layer.weight.dtype, kept.shape
    options = {"use_bias": biased, "key": jax.random.key(0), "dtype": dtype}
    new = eqx.filter_eval_shape(eqx.nn.Linear, n_in, n_out, **options)
    return _filled(new, jax.device_put(kept), bias)


def _convolution(
    layer: eqx.nn.Conv,
    before: Bool[np.ndarray, " n"],
    after: Bool[np.ndarray, " m"],
    bias: Values,
    patches: float,
) -> eqx.nn.Conv | PatchConv2d:
    weight, groups = _in_groups(layer, before, after)
    weight, padding = _cropped(layer, weight)
    live = (weight != 0).any(0)
    plain = isinstance(layer, eqx.nn.Conv2d) and groups == 1 and _may_crop(layer)
    if plain and live.any() and 1 - live.mean() >= patches:
        return _patched(layer, jax.device_put(weight), padding, bias)
    names = "stride", "dilation", "padding_mode"
    options: dict[str, Any] = {name: getattr(layer, name) for name in names}
    options |= {"padding": padding, "groups": groups, "use_bias": _biased(layer, bias)}
    options |= {"dtype": layer.weight.dtype, "key": jax.random.key(0)}
    widths: Any = weight.shape[1] * groups, len(weight), weight.shape[2:]
    axes = [layer.num_spatial_dims] if type(layer) is eqx.nn.Conv else []
    new = eqx.filter_eval_shape(type(layer), *axes, *widths, **options)
    return _filled(new, jax.device_put(weight), bias)


def _in_groups(
    layer: eqx.nn.Conv, before: Bool[np.ndarray, " n"], after: Bool[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, "filters channels *pixels"], int]:
    """The weights between channels that stay, group by group, and the groups that are left."""
    weight = np.asarray(layer.weight)
    parts = np.split(weight, layer.groups)
    sides = zip(
        parts, before.reshape(layer.groups, -1), after.reshape(layer.groups, -1), strict=True
    )
    left = [part[rows][:, columns] for part, columns, rows in sides if rows.any()]
    return np.concatenate(left), len(left)


def _may_crop(layer: eqx.nn.Conv) -> bool:
    """Whether it is known where its kernel lies, and no padding takes pixels away.

    XLA takes such padding for none on a CPU if as much is added on the other side.
    """
    plain = layer.padding_mode == "ZEROS" and set(layer.dilation) == {1}
    return plain and not isinstance(layer.padding, str) and bool(np.min(layer.padding) >= 0)


def _cropped(
    layer: eqx.nn.Conv, weight: Float[np.ndarray, "filters channels *pixels"]
) -> tuple[np.ndarray, Any]:
    """Without the borders of the kernel that are 0, as far as there is padding to be left out."""
    padding = layer.padding
    if not _may_crop(layer) or not weight.any():
        return weight, padding
    left = []
    for axis, sides in enumerate(padding, start=2):
        used = np.flatnonzero(np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).any(1))
        cuts = used[0], weight.shape[axis] - 1 - used[-1]
        first, last = (min(cut, pad) for cut, pad in zip(cuts, sides, strict=True))
        weight = np.take(weight, np.arange(first, weight.shape[axis] - last), axis)
        left.append((int(sides[0] - first), int(sides[1] - last)))
    return weight, tuple(left)


def _patched(
    layer: Any, weight: Float[Array, "filters channels height width"], padding: Any, bias: Values
) -> PatchConv2d:
    """The entries of a patch that some filter weighs, one at least."""
    n_out, channels, *sides = weight.shape
    matrix, pixels = weight.reshape(n_out, -1), prod(sides)
    entries = np.flatnonzero((matrix != 0).any(0))
    entries = entries if entries.size else np.zeros(1, int)
    entries = entries[np.lexsort((entries // pixels, entries % pixels))]
    shape, size = (n_out, 1, 1), (sides[0], sides[1])
    added = (
        jax.device_put(bias.reshape(shape).astype(weight.dtype)) if _biased(layer, bias) else None
    )
    places, stride = tuple(entries.tolist()), tuple(layer.stride)
    return PatchConv2d(matrix[:, entries], added, places, channels, size, stride, tuple(padding))


def _picked(link: WeightLayer, bias: Values) -> PickedChannels | None:
    """Channels of what is left; None if it does nothing any more."""
    before, after = (channels.keep for channels in link.between)
    place = np.where(before, np.cumsum(before) - 1, -1)
    sources = np.array(link.layer.sources, int)[after]
    sources = tuple(np.where(sources == -1, -1, place[sources]).tolist())
    stride, added = link.layer.stride, _added(link.layer, bias)
    same = sources == tuple(range(int(before.sum())))
    return (
        None if same and stride == 1 and added is None else PickedChannels(sources, stride, added)
    )


def _added(layer: PickedChannels, bias: Values) -> Float[Array, " channels"] | None:
    large = layer.bias is not None or bool((abs(bias) > NEGLIGIBLE).any())
    return jnp.asarray(bias, jnp.zeros(0).dtype) if large else None


def _biased(layer: Any, bias: Values) -> bool:
    return layer.bias is not None or bool(bias.any())


def _filled(layer: Any, weight: Array, bias: Values) -> Any:
    layer = eqx.tree_at(lambda d: d.weight, layer, weight)
    if layer.bias is None:
        return layer
    added = jax.device_put(bias.reshape(layer.bias.shape).astype(weight.dtype))
    return eqx.tree_at(lambda d: d.bias, layer, added)


def _sparse(linear: SparseLinear, link: WeightLayer, bias: Values) -> SparseLinear:
    """A cascade between the neurons that stay, of the edges that have weights."""
    dtype, biased = linear.layers[0].weight.dtype, _biased(linear, bias)
    alive = [channels.keep for channels in link.between]
    alive[0] = np.repeat(alive[0], link.maps[0].pixels)
    left = [_left(m, *masks) for m, *masks in zip(link.maps, alive, alive[1:], strict=False)]
    key = jax.random.key(0)
    new = SparseLinear(_recipe(left), key=key, bias=biased, init=_zeros, dtype=dtype)
    weights = [jax.device_put(m.weights[m.trainable].astype(dtype)) for m in left]
    new = eqx.tree_at(lambda s: [layer.weight for layer in s.layers], new, weights)
    return eqx.tree_at(lambda s: s.bias, new, jax.device_put(bias.astype(dtype))) if biased else new


def _left(each: Map, before: Bool[np.ndarray, " n"], after: Bool[np.ndarray, " m"]) -> Map:
    """The edges between neurons that stay, which are counted anew."""
    keep = before[each.senders] & after[each.receivers]
    place, slot = np.cumsum(before) - 1, np.cumsum(after) - 1
    shape = int(before.sum()), int(after.sum())
    senders, receivers = place[each.senders[keep]], slot[each.receivers[keep]]
    lost = np.setdiff1d(np.arange(shape[1]), receivers)
    receivers = np.append(receivers, lost)
    order = np.argsort(receivers, kind="stable")
    return Map(
        shape,
        each.pixels,
        np.append(senders, np.zeros_like(lost))[order],
        receivers[order],
        np.append(each.weights[keep], np.zeros(lost.size))[order],
        np.append(each.trainable[keep], np.ones(lost.size, bool))[order],
    )


def _recipe(maps: list[Map]) -> Layers:
    return sort_layers(
        [maps[0].shape[0], *(m.shape[1] for m in maps)],
        [m.senders for m in maps],
        [m.receivers for m in maps],
        trainable=[m.trainable for m in maps],
        constant=[m.weights for m in maps],
    )


def _zeros(layers: Layers) -> list[Float[np.ndarray, " _edges"]]:
    return [np.zeros(senders.size) for senders in layers.senders]
