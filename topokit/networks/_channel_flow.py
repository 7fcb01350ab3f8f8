"""A model read as a flow of channels: which of them vary, which are heard, which have to stay.

Every layer becomes a step. Layers of weights are `WeightLayer`s and have channels of their own
before and behind. What is between two of them works on each channel by itself: of functions and
pools that is seen on a few numbers, batch normalization and depthwise convolutions are known, and
anything else is refused, because it may mix channels.
"""

from typing import Any

import equinox as eqx

from topokit.networks._channel_steps import (
    Depthwise,
    FactorChain,
    FlowChain,
    FlowStep,
    Linked,
    Norm,
    Signal,
)
from topokit.networks._depthwise import DepthwiseConv2d
from topokit.networks._factored_layer import FactoredLayer
from topokit.networks._flow_block import Block
from topokit.networks._residual import PickedChannels, Residual
from topokit.networks._seen_functions import function_step
from topokit.networks._weight_layers import Channels, is_link, n_inputs, n_outputs

PASSING = (eqx.nn.Dropout, eqx.nn.Identity)
Chain = eqx.nn.Sequential | FactoredLayer


class Reader:
    """Reads a model, layer by layer.

    Attributes:
        state: The state of the model, or None.
        left: Layers of weights that are still to come; what follows the last one is kept.
        depth: Blocks around the present layer.
        inputs: Channels that go in.
        inner: Channels inside of blocks, but for those of bodies that have been read.
        outer: Channels outside of them: if none of some stays, the outputs are constants.
    """

    def __init__(self, model: eqx.nn.Sequential, state: eqx.nn.State | None) -> None:
        """Count the layers of weights.

        Raises:
            ValueError: If there are none.
        """
        self.state, self.left, self.depth = state, _n_links(model), 0
        self.inputs = Channels(0, "inputs")
        self.inner: list[Channels] = []
        self.outer: list[Channels] = []
        if not self.left:
            raise ValueError(
                "the model has no SparseLinear, equinox.nn.Linear or convolution among its layers"
            )

    def read(self, model: eqx.nn.Sequential) -> tuple[FlowStep, Channels]:
        """The steps of a model, and the channels that it puts out."""
        step, signal = self._sequence(model, "", Signal(None))
        return step, signal.known()

    def step(self, layer: Any, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        """The step of a layer, and the signal behind it.

        Raises:
            ValueError: If it is not known what the layer does to channels.
        """
        if isinstance(layer, Chain):
            return self._sequence(layer, name, signal)
        if self.depth == 0 and self.left == 0 or isinstance(layer, PASSING):
            return FlowStep(layer), signal
        if signal.channels is None:
            if (first := _first(layer)) is None:
                return FlowStep(layer), signal
            n, ndim = first
            self.inputs = Channels(n, "inputs")
            self.inputs.keep[:] = True
            signal = Signal(self.inputs, ndim)
        channels = signal.known()
        self.left -= self.depth == 0 and _n_links(layer)
        if isinstance(layer, Residual):
            return self._block(layer, name, signal)
        if is_link(layer):
            return self._link(layer, name, signal)
        if isinstance(layer, DepthwiseConv2d):
            _check_width(layer, len(layer.weight), name, signal)
            return Depthwise(layer, channels), signal._replace(ndim=3)
        if isinstance(layer, eqx.nn.BatchNorm):
            return self._norm(layer, name, signal)
        return function_step(layer, name, signal)

    def _sequence(self, layers: Chain, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        steps = []
        for place, layer in enumerate(layers.layers):
            own = f"{name}.{place}" if name else str(place)
            step, signal = self.step(layer, own, signal)
            steps.append(step)
        chain = FactorChain if isinstance(layers, FactoredLayer) else FlowChain
        return chain(steps), signal

    def _block(self, layer: Residual, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        if signal.flat:
            raise ValueError(f"layer {name} of the model, a Residual, takes pixels in one axis")
        self.depth += 1
        block = Block(layer, name, signal, self.state, self._inside)
        self.depth -= 1
        self.inner += block.inner
        self._add(block.behind)
        return block, block.signal

    def _inside(
        self, layer: Any, name: str, signal: Signal
    ) -> tuple[FlowStep, Signal, list[Channels]]:
        """The step of a part of a block, the signal behind it, and the channels inside of it."""
        around, self.inner = self.inner, []
        step, behind = self.step(layer, name, signal)
        inner, self.inner = self.inner, around
        return step, behind, inner

    def _link(self, layer: Any, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        if isinstance(layer, PickedChannels):
            _check_width(layer, len(signal.known().keep), name, signal)
        else:
            _check_width(layer, n_inputs(layer), name, signal)
        behind = Channels(n_outputs(layer), name)
        step = Linked(layer, signal.known(), behind)
        for channels in step.link.between[1:]:
            self._add(channels)
        return step, Signal(behind, _axes_behind(layer, signal))

    def _norm(self, layer: eqx.nn.BatchNorm, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        if self.state is None:
            raise ValueError(
                f"layer {name} of the model is a batch normalization, whose running means are in "
                "the state: give it, as in shrink(model, state)"
            )
        n, size = len(signal.known().keep), layer.input_size
        if signal.flat and size != n and size % n == 0:
            raise ValueError(
                f"layer {name} of the model is a batch normalization of {size} numbers behind a "
                f"flatten, {size // n} of each channel, which is not known: normalize the {n} "
                "channels before they are flattened"
            )
        _check_width(layer, size, name, signal._replace(flat=False))
        return Norm(layer, signal.known(), self.state), signal

    def _add(self, channels: Channels) -> None:
        (self.inner if self.depth else self.outer).append(channels)


def _n_links(layer: Any) -> int:
    """Layers of weights, of which a block is one."""
    if isinstance(layer, Chain):
        return sum(map(_n_links, layer.layers))
    return int(isinstance(layer, Residual | DepthwiseConv2d) or is_link(layer))


def _first(layer: Any) -> tuple[int, int] | None:
    """Channels and axes of what the first layer of weights takes, if it tells."""
    if isinstance(layer, Chain):
        return next((found for found in map(_first, layer.layers) if found), None)
    if isinstance(layer, Residual):
        return _first(layer.body) or _first(layer.shortcut)
    if isinstance(layer, DepthwiseConv2d):
        return len(layer.weight), 3
    if isinstance(layer, PickedChannels) or not is_link(layer):
        return None
    return n_inputs(layer), _axes_behind(layer, Signal(None))


def _axes_behind(layer: Any, signal: Signal) -> int:
    if isinstance(layer, eqx.nn.Conv):
        return layer.num_spatial_dims + 1
    if hasattr(layer, "kernel_size"):
        return 3
    return 1 if signal.flat or isinstance(layer, eqx.nn.Linear) else signal.ndim


def _check_width(layer: Any, n_in: int, name: str, signal: Signal) -> None:
    channels = signal.channels
    assert channels is not None
    n = len(channels.keep)
    flat = signal.flat and not hasattr(layer, "kernel_size")
    if n_in != n and not (flat and n_in % n == 0):
        raise ValueError(
            f"layer {channels.layer} of the model has {n} outputs, but layer {name} takes {n_in}"
        )
