"""What layers do to a flow of channels, one step a layer.

Values go forward through a step, a number for a channel that is the same for all inputs and pixels,
NaN for one that varies; what is heard goes backward. Then the step is built again between the
channels that stay.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from topokit.networks._depthwise import DepthwiseConv2d
from topokit.networks._factored_layer import FactoredLayer
from topokit.networks._smaller import smaller
from topokit.networks._weight_layers import NEGLIGIBLE, Channels, Mask, Values, WeightLayer


class Signal(NamedTuple):
    """What goes from layer to layer.

    Attributes:
        channels: Its channels; None before the first layer that tells their number.
        ndim: Its axes, the channels' included.
        flat: Whether its pixels are in one axis with the channels.
    """

    channels: Channels | None
    ndim: int = 1
    flat: bool = False

    def known(self) -> Channels:
        """Its channels, behind the first layer of weights."""
        assert self.channels is not None
        return self.channels


class FlowStep:
    """A layer that stays as it is and lets channels pass, such as dropout."""

    def __init__(self, layer: Any) -> None:
        """Keep the layer."""
        self.layer = layer

    def forward(self, values: Values) -> Values:
        """Values behind the layer."""
        return values

    def backward(self, heard: Mask) -> Mask:
        """Channels before the layer that are heard."""
        return heard

    def settle(self) -> bool:
        """Let more channels stay where the layer needs them; whether it did."""
        return False

    def rebuilt(self, patches: float) -> Any:
        """The layer between the channels that stay; None if it does nothing any more."""
        del patches
        return self.layer


class Norm(FlowStep):
    """Batch normalization with its running means, as it is when the model is used."""

    def __init__(self, layer: eqx.nn.BatchNorm, channels: Channels, state: eqx.nn.State) -> None:
        """Keep the layer, its channels and the state."""
        super().__init__(layer)
        self.channels, self.state = channels, state

    def forward(self, values: Values) -> Values:
        """What it makes of constants; where it multiplies by 0, of anything."""
        mean, variance = self._moments()
        made = (np.nan_to_num(values) - mean) / np.sqrt(variance + self.layer.eps)
        if self.layer.channelwise_affine:
            weight, bias = (np.asarray(a, float) for a in (self.layer.weight, self.layer.bias))
            made = made * weight + bias
        return np.where(self.backward(np.isnan(values)), np.nan, made)

    def _moments(self) -> tuple[Values, Values]:
        """Running means and variances, as `equinox.nn.BatchNorm` takes them when it is used.

        By its formula: a program for each layer of a deep model takes many times as long.
        """
        norm, scale = self.layer, 1.0
        index = norm.ema_state_index
        if norm.mode != "ema":
            index, counter = norm.batch_state_index, int(self.state.get(norm.batch_counter))
            scale = 1 - norm.momentum**counter if counter else 1.0
        mean, variance = (np.asarray(held, float) / scale for held in self.state.get(index))
        return mean, variance

    def backward(self, heard: Mask) -> Mask:
        """Those that it does not multiply by 0."""
        weight = self.layer.weight
        return heard if weight is None else heard & (np.asarray(weight) != 0)

    def rebuilt(self, patches: float) -> eqx.nn.BatchNorm:
        """Weights, biases and running means of what stays."""
        del patches
        old, keep = self.layer, np.flatnonzero(self.channels.keep)

        def kept(leaf: Any) -> Any:
            if jnp.shape(leaf) != self.channels.keep.shape:
                return leaf
            return jax.device_put(np.asarray(leaf)[keep])

        def moved(index: Any) -> Any:
            if index is None:
                return None
            return eqx.nn.StateIndex(jax.tree.map(kept, self.state.get(index)))

        new = eqx.nn.BatchNorm(
            len(keep),
            old.axis_name,
            old.eps,
            old.channelwise_affine,
            old.momentum,
            old.inference,
            mode=old.mode,
        )
        names = ("weight", "bias") if old.channelwise_affine else ()
        names += _indices(old)
        values = [
            kept(getattr(old, name)) if name in ("weight", "bias") else moved(getattr(old, name))
            for name in names
        ]
        return eqx.tree_at(lambda norm: [getattr(norm, name) for name in names], new, values)


class Depthwise(FlowStep):
    """A convolution of each channel by itself."""

    def __init__(self, layer: DepthwiseConv2d, channels: Channels) -> None:
        """Keep the layer and its channels."""
        super().__init__(layer)
        self.channels = channels

    def forward(self, values: Values) -> Values:
        """Sums of the kernels times constants, where no zeros are around them."""
        weight = np.asarray(self.layer.weight, float).reshape(len(values), -1)
        varies = np.isnan(values)
        if self.layer.padding:
            varies |= abs(np.nan_to_num(values)) * abs(weight).sum(1) > NEGLIGIBLE
        made = np.where(varies, np.nan, weight.sum(1) * values)
        return np.where(weight.any(1), made, 0.0)

    def backward(self, heard: Mask) -> Mask:
        """Those whose kernel is not 0."""
        return heard & np.asarray(self.layer.weight).any((1, 2))

    def rebuilt(self, patches: float) -> DepthwiseConv2d:
        """The kernels of what stays."""
        del patches
        kept = jax.device_put(np.asarray(self.layer.weight)[self.channels.keep])
        return eqx.tree_at(lambda layer: layer.weight, self.layer, kept)


class Linked(FlowStep):
    """A layer of weights."""

    def __init__(self, layer: Any, before: Channels, behind: Channels) -> None:
        """Read the layer."""
        super().__init__(layer)
        self.link = WeightLayer(layer, before, behind)

    def forward(self, values: Values) -> Values:
        """See `WeightLayer`."""
        return self.link.forward(values)

    def backward(self, heard: Mask) -> Mask:
        """See `WeightLayer`."""
        return self.link.backward(heard)

    def settle(self) -> bool:
        """See `WeightLayer`."""
        return self.link.settle()

    def rebuilt(self, patches: float) -> Any:
        """See `smaller`."""
        return smaller(self.link, patches=patches)


class FlowChain(FlowStep):
    """Layers one after the other."""

    def __init__(self, steps: Sequence[FlowStep]) -> None:
        """Keep the steps."""
        self.steps = steps

    def forward(self, values: Values) -> Values:
        """Through all of them."""
        for step in self.steps:
            values = step.forward(values)
        return values

    def backward(self, heard: Mask) -> Mask:
        """Through all of them, last one first."""
        for step in reversed(self.steps):
            heard = step.backward(heard)
        return heard

    def settle(self) -> bool:
        """Each of them."""
        grown = [step.settle() for step in self.steps]
        return any(grown)

    def rebuilt(self, patches: float) -> Any:
        """All of them, none of which goes, so that places stay."""
        layers = [step.rebuilt(patches) for step in self.steps]
        return eqx.nn.Sequential([eqx.nn.Identity() if new is None else new for new in layers])


class FactorChain(FlowChain):
    """The factors of one layer, whose channels between them go like any others."""

    def rebuilt(self, patches: float) -> FactoredLayer:
        """The product of what is left, none of it in patches: it stays dense or a convolution."""
        del patches
        return FactoredLayer(tuple(step.rebuilt(float("inf")) for step in self.steps))


def _indices(norm: eqx.nn.BatchNorm) -> tuple[str, ...]:
    names = "ema_first_time_index", "ema_state_index", "batch_counter", "batch_state_index"
    return tuple(name for name in names if getattr(norm, name) is not None)
