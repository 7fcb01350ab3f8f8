"""Layers of weights as maps between channels: what is constant, what is heard, what may go.

A channel is what leaves an array as one: the output of a filter, a neuron. `Channels` says which of
them stay; all that lies on the way from one layer of weights to the next, such as activations,
normalization and pools, has the same ones. Numbers of a channel are written as one value, NaN where
it varies with the input.

A layer of weights is one `Map`, a cascade several. It folds the constants of channels that go into
its bias. A convolution that pads with zeros does not see a constant as one at the border, so that
there the channel stays, unless its constant is 0 or too small to matter.
"""

from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.networks._conv import SparseConv2d
from topokit.networks._linear import SparseLayer, SparseLinear
from topokit.networks._patch_conv import PatchConv2d
from topokit.networks._residual import PickedChannels
from topokit.products import edge_ends

Values = Float[np.ndarray, " _channels"]
Mask = Bool[np.ndarray, " _channels"]

# What a constant may make wrong at the border of an image: rounding makes more so.
NEGLIGIBLE = 1e-7


class Channels:
    """The channels of a signal; what has to stay is only ever added to.

    Attributes:
        keep: Which of them stay.
        layer: The layer of the model that they come out of.
    """

    keep: Mask
    layer: str

    def __init__(self, n: int, layer: str) -> None:
        """None of them stay so far."""
        self.keep, self.layer = np.zeros(n, bool), layer


class Map(NamedTuple):
    """Nonzero weights between channels, by receiver.

    Attributes:
        shape: Numbers of senders, positions of each channel counted, and of receivers.
        pixels: Senders of each channel.
        senders: Sender of each weight.
        receivers: Receiver of each weight.
        weights: The weights.
        trainable: Which of them are trainable.
    """

    shape: tuple[int, int]
    pixels: int
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]
    weights: Float[np.ndarray, " edges"]
    trainable: Bool[np.ndarray, " edges"]

    def sent(self, values: Values) -> Values:
        """What arrives of constants, over all positions."""
        arriving = self.weights * values[self.senders // self.pixels]
        return np.bincount(self.receivers, arriving, self.shape[1]).astype(float)

    def reached(self, channels: Mask) -> Mask:
        """The receivers that some of these channels send to."""
        arriving = channels[self.senders // self.pixels]
        return np.bincount(self.receivers, arriving, self.shape[1]) > 0

    def heard(self, receivers: Mask) -> Mask:
        """The channels that some of these receivers listen to."""
        n, back = self.shape[0] // self.pixels, receivers[self.receivers]
        return np.bincount(self.senders // self.pixels, back, n) > 0

    def loudest(self) -> Values:
        """The most that a channel of magnitude 1 changes a receiver by, for each channel."""
        n_in, n_out = self.shape[0] // self.pixels, self.shape[1]
        pairs = self.senders // self.pixels * n_out + self.receivers
        found, inverse = np.unique(pairs, return_inverse=True)
        sums, loudest = np.bincount(inverse, abs(self.weights)).astype(float), np.zeros(n_in)
        np.maximum.at(loudest, found // n_out, sums)
        return loudest


class WeightLayer:
    """A layer of weights between the channels before and behind it.

    Attributes:
        layer: The layer.
        maps: Its maps, inputs first.
        between: Channels before, between and behind the maps.
        groups: Groups of a convolution, whose numbers of channels are equal.
        padded: Whether there are zeros around what it sees.
        values: Values of the channels before, between and behind the maps.
        extra: What is added to its outputs beside its bias.
    """

    def __init__(self, layer: Any, before: Channels, behind: Channels) -> None:
        """Read the layer; `before` tells whether several of its inputs are of one channel."""
        self.layer, self.groups = layer, getattr(layer, "groups", 1)
        self.maps = maps_of(layer, len(before.keep))
        inner = [Channels(each.shape[1], behind.layer) for each in self.maps[:-1]]
        self.between, self.padded = [before, *inner, behind], _is_padded(layer)
        self.values: list[Values] = []
        self.extra = np.zeros(len(behind.keep))

    @property
    def bias(self) -> Values:
        """The bias, 0 where there is none."""
        linear = self.layer.linear if isinstance(self.layer, SparseConv2d) else self.layer
        n_out = self.maps[-1].shape[1]
        return np.zeros(n_out) if linear.bias is None else np.asarray(linear.bias, float).ravel()

    def forward(self, values: Values) -> Values:
        """Values behind the layer, from those before it."""
        self.values = [values]
        for number, each in enumerate(self.maps):
            varies = each.reached(self._varying(number))
            values = np.where(varies, np.nan, each.sent(np.nan_to_num(values)))
            values = values + self.bias if number + 1 == len(self.maps) else values
            self.values.append(values)
        return values

    def backward(self, heard: Mask) -> Mask:
        """Channels before the layer that are heard; those that vary have to stay."""
        for number in reversed(range(len(self.maps))):
            heard = self.maps[number].heard(heard)
            self.between[number].keep |= heard & self._varying(number)
        return heard

    def settle(self) -> bool:
        """Let more channels stay until all groups have as many; whether there were too few."""
        if self.groups == 1:
            return False
        before, behind = (c.keep.reshape(self.groups, -1) for c in self.between)
        live = before.any(1) | behind.any(1)
        grown = False
        for keep in (before, behind):
            most = max(1, keep[live].sum(1).max(initial=0))
            for number in np.flatnonzero(live):
                lacking = np.flatnonzero(~keep[number])[: most - keep[number].sum()]
                keep[number, lacking] = True
                grown |= lacking.size > 0
        return grown

    def folded(self) -> Values:
        """The bias, with what the channels that go and are constant add to it."""
        sent = np.zeros(len(self.between[0].keep))
        for number, each in enumerate(self.maps):
            gone = ~self.between[number].keep
            sent = each.sent(np.where(gone, np.nan_to_num(self.values[number]), sent))
        return self.bias + sent + self.extra

    def _varying(self, number: int) -> Mask:
        """Channels before a map that are no constants to it."""
        values = self.values[number]
        if number or not self.padded:
            return np.isnan(values)
        return ~(abs(values) * self.maps[0].loudest() <= NEGLIGIBLE)


def is_link(layer: Any) -> bool:
    """Whether a layer is one of weights between channels."""
    if isinstance(layer, eqx.nn.Linear):
        return "scalar" not in (layer.in_features, layer.out_features) and layer.weight.ndim == 2
    if isinstance(layer, eqx.nn.Conv):
        return layer.weight.ndim == layer.num_spatial_dims + 2
    return isinstance(layer, SparseLinear | SparseConv2d | PatchConv2d | PickedChannels)


def n_inputs(layer: Any) -> int:
    """Channels that a layer of weights takes; inputs of a linear one."""
    if isinstance(layer, eqx.nn.Linear):
        return layer.weight.shape[1]
    if isinstance(layer, SparseConv2d):
        return layer.linear.n_in // prod(layer.kernel_size)
    return layer.n_in if isinstance(layer, SparseLinear) else layer.in_channels


def n_outputs(layer: Any) -> int:
    """Channels that come out of a layer of weights."""
    if isinstance(layer, SparseConv2d):
        return layer.linear.n_out
    if isinstance(layer, PickedChannels):
        return len(layer.sources)
    return layer.n_out if isinstance(layer, SparseLinear) else len(layer.weight)


def maps_of(layer: Any, n_channels: int) -> list[Map]:
    """The maps of a layer that takes a signal of so many channels."""
    if isinstance(layer, PickedChannels):
        receivers = np.flatnonzero(np.array(layer.sources) >= 0)
        senders, ones = np.array(layer.sources, int)[receivers], np.ones(receivers.size)
        return [Map((n_channels, len(layer.sources)), 1, senders, receivers, ones, ones > 0)]
    if isinstance(layer, SparseLinear | SparseConv2d):
        linear = layer.linear if isinstance(layer, SparseConv2d) else layer
        first, *rest = linear.layers
        return [_of_edges(first, first.wiring.n_in // n_channels), *(_of_edges(s, 1) for s in rest)]
    if isinstance(layer, PatchConv2d):
        matrix, groups, pixels = layer.matrix(), 1, prod(layer.kernel_size)
    else:
        matrix = np.asarray(layer.weight, float).reshape(len(layer.weight), -1)
        groups = getattr(layer, "groups", 1)
        pixels = matrix.shape[1] * groups // n_channels
    receivers, senders = np.nonzero(matrix)
    weights, free = matrix[receivers, senders].astype(float), np.ones(senders.size, bool)
    senders = senders + receivers * groups // len(matrix) * matrix.shape[1]
    shape = matrix.shape[1] * groups, len(matrix)
    return [Map(shape, pixels, senders, receivers, weights, free)]


def _of_edges(layer: SparseLayer, pixels: int) -> Map:
    senders, receivers = edge_ends(layer.wiring)
    weights, trainable = np.array(layer.weights(), float), np.ones(senders.size, bool)
    if layer.constant is not None:
        fixed = np.asarray(layer.fixed)
        weights[fixed], trainable[fixed] = layer.constant.values, False
    keep = weights != 0
    shape = layer.wiring.n_in, layer.wiring.n_out
    return Map(shape, pixels, senders[keep], receivers[keep], weights[keep], trainable[keep])


def _is_padded(layer: Any) -> bool:
    padding = getattr(layer, "padding", 0)
    if isinstance(padding, str):
        return padding != "VALID" and prod(layer.kernel_size) > 1
    zeros = getattr(layer, "padding_mode", "ZEROS") == "ZEROS"
    return zeros and bool((np.asarray(padding) > 0).any())
