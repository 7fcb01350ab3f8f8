"""A model read as a flow of channels: which of them vary, which are heard, which have to stay.

Every layer becomes a step. Values go forward through the steps, a number for a channel that is the
same for all inputs and pixels, NaN for one that varies; what is heard goes backward. Layers of
weights are `WeightLayer`s and have channels of their own before and behind. What is between two of
them works on each channel by itself: of functions and pools that is seen on a few numbers, batch
normalization and depthwise convolutions are known, and anything else is refused, because it may
mix channels. Around a `Residual` block the channels of its body, of its shortcut and of their sum
differ as they like; `PickedChannels` join them.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from topokit.networks._depthwise import DepthwiseConv2d
from topokit.networks._factored_layer import FactoredLayer
from topokit.networks._residual import PickedChannels, Residual
from topokit.networks._sequential import acts_alone
from topokit.networks._smaller import smaller
from topokit.networks._weight_layers import (
    NEGLIGIBLE,
    Channels,
    Mask,
    Values,
    WeightLayer,
    is_link,
    n_inputs,
    n_outputs,
)

PASSING = (eqx.nn.Dropout, eqx.nn.Identity)
# Pixels each way of what is probed, which pools can halve, and at most in all; and its channels.
SIDES, PIXELS, PLANES = (8, 12, 32, 64, 256), 2**17, 3
SMALL = 3  # pixels each way of an image with which many functions do something else
BLOCK = 32  # constants that a function is given at once
SAME = 1e-5  # part of a constant by which rounding changes it from one image to another
# What a function may raise that takes no image of some shape; an AssertionError is one of pools.
REFUSALS = TypeError, ValueError, ArithmeticError, LookupError, RuntimeError, AssertionError

FACTORED = "products of low rank do not shrink: call shrink before decompose"


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


class Function(FlowStep):
    """A function of each channel by itself, such as ReLU or a pool."""

    def __init__(self, layer: Any, images: Sequence[tuple[int, ...]]) -> None:
        """Keep the layer, and the shapes of images that it may take, not all of them maybe."""
        super().__init__(layer)
        self.images = images

    def forward(self, values: Values) -> Values:
        """What it makes of constants: one itself if all pixels of all images have the same value.

        At the border of an image, or in a larger one, it may be something else.
        """
        made, known = np.full(len(values), np.nan), ~np.isnan(values)
        constants, places = np.unique(values[known], return_inverse=True)
        starts = range(0, len(constants), BLOCK)
        blocks = [self._made_of(constants[start : start + BLOCK]) for start in starts]
        if blocks:
            made[known] = np.concatenate(blocks)[places]
        return made

    def _made_of(self, constants: Values) -> Values:
        """What it makes of each; of one shape alone it is not seen whether others make the same."""
        every = [self._on(image, constants) for image in self.images]
        taken = [pixels for pixels in every if pixels is not None]
        if not taken:
            return np.full(len(constants), np.nan)
        pixels = np.concatenate(taken, 1)
        first = pixels[:, 0]
        with np.errstate(invalid="ignore"):
            same = (abs(pixels.T - first) <= SAME * abs(first)).all(0)
        if len(taken) == 1 < len(self.images):
            same &= (constants == 0) & (first == 0)
        return np.where(same, first, np.nan)

    def _on(
        self, image: tuple[int, ...], constants: Values
    ) -> Float[np.ndarray, "constants pixels"] | None:
        """What it makes of images of constants; None if it takes none of the shape."""
        x = np.zeros((BLOCK, *image))
        x[: len(constants)] = constants.reshape(-1, *[1] * len(image))
        try:
            made = np.asarray(self.layer(jnp.asarray(x, jnp.zeros(0).dtype)), float)
            made = made.reshape(BLOCK, -1)
        except REFUSALS:
            return None
        nothing = not made.size or np.isnan(made).any(1).all()
        return None if nothing else made[: len(constants)]


@eqx.filter_jit
def _normalized(layer: eqx.nn.BatchNorm, given: Array, state: eqx.nn.State) -> Array:
    return layer(given, state, inference=True)[0]


class Norm(FlowStep):
    """Batch normalization with its running means, as it is when the model is used."""

    def __init__(self, layer: eqx.nn.BatchNorm, channels: Channels, state: eqx.nn.State) -> None:
        """Keep the layer, its channels and the state."""
        super().__init__(layer)
        self.channels, self.state = channels, state

    def forward(self, values: Values) -> Values:
        """What it makes of constants; where it multiplies by 0, of anything."""
        given = jnp.asarray(np.nan_to_num(values), jnp.zeros(0).dtype)
        made = np.asarray(_normalized(self.layer, given, self.state), float)
        return np.where(self.backward(np.isnan(values)), np.nan, made)

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
            return jnp.asarray(np.asarray(leaf)[keep])

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
        kept = jnp.asarray(np.asarray(self.layer.weight)[self.channels.keep])
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

    def rebuilt(self, patches: float) -> eqx.nn.Sequential:
        """All of them, none of which goes, so that places stay."""
        layers = [step.rebuilt(patches) for step in self.steps]
        return eqx.nn.Sequential([eqx.nn.Identity() if new is None else new for new in layers])


class Block(FlowStep):
    """A residual block: its body and its shortcut, each between layers that pick channels.

    Attributes:
        layer: The block.
        into: From the signal to what the body takes.
        body: The body.
        out: From what comes out of the body to the sum.
        shortcut: Layers of the shortcut, but for the last one.
        last: From what comes out of them to the sum.
        inner: Channels inside of the shortcut, none of which may be empty.
        within: Channels inside of the body, none of which may be empty if it stays.
    """

    def __init__(self, layer: Residual, reader: "Reader", name: str, signal: Signal) -> None:
        """Read the block."""
        super().__init__(layer)
        before = signal.known()
        self.state, self.given = reader.state, signal
        first = len(reader.inner)
        shortcut, around = FlowStep(None), signal
        if not isinstance(layer.shortcut, PickedChannels | None):
            shortcut, around = reader.step(layer.shortcut, f"{name}.shortcut", signal)
        self.inner = reader.inner[first:]
        self.shortcut: FlowStep = shortcut
        last = layer.shortcut if isinstance(layer.shortcut, PickedChannels) else None
        before_sum = around.known()
        self.behind = Channels(
            len(last.sources) if last is not None else len(before_sum.keep), name
        )
        self.last = Linked(last or _all(before_sum), before_sum, self.behind)
        self.signal = Signal(self.behind, around.ndim)
        self.into = self.out = self.body = None
        self.within: list[Channels] = []
        if layer.body is not None:
            first, body, final = _ends(layer.body)
            taken = Channels(len(before.keep if first is None else first.sources), name)
            self.into = Linked(first or _all(before), before, taken)
            mark = len(reader.inner)
            self.body, end = reader.step(body, f"{name}.body", signal._replace(channels=taken))
            self.within = [taken, *reader.inner[mark:]]
            del reader.inner[mark:]
            n_out = len(end.known().keep if final is None else final.sources)
            if n_out != len(self.behind.keep):
                raise ValueError(
                    f"the body of layer {name} has {n_out} channels, but its shortcut has "
                    f"{len(self.behind.keep)}"
                )
            self.out = Linked(final or _all(end.known()), end.known(), self.behind)
            self.signal = Signal(self.behind, end.ndim)

    def forward(self, values: Values) -> Values:
        """The sum."""
        around = self.last.forward(self.shortcut.forward(values))
        for step in self._through():
            values = step.forward(values)
        return around + values if self.body is not None else around

    def backward(self, heard: Mask) -> Mask:
        """What either of them hears."""
        around = self.shortcut.backward(self.last.backward(heard))
        if self.body is None:
            return around
        for step in reversed(self._through()):
            heard = step.backward(heard)
        return around | heard

    def settle(self) -> bool:
        """Both; where nothing would be left of what gives the sum its shape, one channel stays."""
        grown = [step.settle() for step in (self.shortcut, *self._through())]
        for channels in [*self.inner, *(self.within if self._stays() else [])]:
            if not channels.keep.any():
                channels.keep[0] = True
                grown.append(True)
        return any(grown)

    def rebuilt(self, patches: float) -> Residual:
        """The block, without its body if that is a constant, which then comes with the shortcut."""
        body = None
        if self._stays():
            body = _joined([step.rebuilt(patches) for step in self._through()])
        elif self.out is not None:
            self.last.link.extra = self.out.link.folded()
        return Residual(body, _joined([self.shortcut.rebuilt(patches), self.last.rebuilt(patches)]))

    def _stays(self) -> bool:
        """Whether something is left of the body, or its pixels are needed."""
        if self.out is None:
            return False
        return bool(self.out.link.between[0].keep.any()) or self.broadcasts

    @cached_property
    def broadcasts(self) -> bool:
        """Whether the shortcut has fewer pixels than the sum: what is not seen of images may be."""
        layer, n = eqx.nn.inference_mode(self.layer), len(self.given.known().keep)
        for image in _squares(self.given.ndim - 1):
            x = jax.ShapeDtypeStruct((n, *image), jnp.zeros(0).dtype)
            parts = Residual(None, layer.shortcut), layer
            around, whole = (_shape(part, self.state, x) for part in parts)
            if around is not None and whole is not None:
                return around != whole
        return True

    def _through(self) -> list[Any]:
        return [] if self.body is None else [self.into, self.body, self.out]


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
            factored = any(map(_is_factored, jax.tree.leaves(model, is_leaf=_is_factored)))
            raise ValueError(
                "the model has no SparseLinear, equinox.nn.Linear or convolution among its layers"
                f"{f'; {FACTORED}' if factored else ''}"
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
        if isinstance(layer, eqx.nn.Sequential):
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
        return _function(layer, name, signal)

    def _sequence(
        self, layers: eqx.nn.Sequential, name: str, signal: Signal
    ) -> tuple[FlowStep, Signal]:
        steps = []
        for place, layer in enumerate(layers.layers):
            own = f"{name}.{place}" if name else str(place)
            step, signal = self.step(layer, own, signal)
            steps.append(step)
        return FlowChain(steps), signal

    def _block(self, layer: Residual, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
        if signal.flat:
            raise ValueError(f"layer {name} of the model, a Residual, takes pixels in one axis")
        self.depth += 1
        block = Block(layer, self, name, signal)
        self.depth -= 1
        self._add(block.behind)
        return block, block.signal

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


def _indices(norm: eqx.nn.BatchNorm) -> tuple[str, ...]:
    names = "ema_first_time_index", "ema_state_index", "batch_counter", "batch_state_index"
    return tuple(name for name in names if getattr(norm, name) is not None)


def _all(channels: Channels) -> PickedChannels:
    return PickedChannels(tuple(range(len(channels.keep))))


def _shape(
    block: Residual, state: eqx.nn.State | None, x: jax.ShapeDtypeStruct
) -> tuple[int, ...] | None:
    """The shape of what a block makes of an image; None if it takes none of the shape."""
    copied = jax.tree.map(lambda leaf: leaf, state)
    try:
        return jax.tree.leaves(eqx.filter_eval_shape(block, x, copied))[0].shape
    except REFUSALS:
        return None


def _joined(layers: Sequence[Any]) -> Any:
    """What is left of layers in a row, one sequence of them; None if that is nothing."""
    left = [layer for layer in layers if layer is not None]
    if len(left) <= 1:
        return left[0] if left else None
    parts = [each.layers if isinstance(each, eqx.nn.Sequential) else (each,) for each in left]
    return eqx.nn.Sequential([layer for part in parts for layer in part])


def _ends(body: Any) -> tuple[PickedChannels | None, Any, PickedChannels | None]:
    """The layer that picks channels before a body, if it has one, the body, and that behind it."""
    layers = list(body.layers) if isinstance(body, eqx.nn.Sequential) else []
    first = layers.pop(0) if len(layers) > 1 and _picks(layers[0]) else None
    last = layers.pop() if len(layers) > 1 and _picks(layers[-1]) else None
    return first, body if first is last is None else eqx.nn.Sequential(layers), last


def _is_factored(layer: Any) -> bool:
    return isinstance(layer, FactoredLayer)


def _picks(layer: Any) -> bool:
    return isinstance(layer, PickedChannels) and layer.stride == 1


def _n_links(layer: Any) -> int:
    """Layers of weights, of which a block is one."""
    if isinstance(layer, eqx.nn.Sequential):
        return sum(map(_n_links, layer.layers))
    return int(isinstance(layer, Residual | DepthwiseConv2d) or is_link(layer))


def _first(layer: Any) -> tuple[int, int] | None:
    """Channels and axes of what the first layer of weights takes, if it tells."""
    if isinstance(layer, eqx.nn.Sequential):
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


def _function(layer: Any, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
    """A layer without weights, of which it is seen what it does to channels."""
    if callable(layer) and not any(map(eqx.is_array, jax.tree.leaves(layer))):
        if signal.flat or signal.ndim == 1:
            if acts_alone(layer):
                return Function(layer, [()]), signal
        else:
            for image in _squares(signal.ndim - 1):
                if (made := _probed(layer, image)) is not None:
                    if not _passes(*made):
                        break
                    behind = signal._replace(ndim=made[0].ndim, flat=len(made[0]) != PLANES)
                    return Function(layer, _images(image)), behind
    if _is_factored(layer):
        raise ValueError(f"layer {name} of the model is one of several factors: {FACTORED}")
    raise ValueError(
        f"layer {name} of the model, {layer}, must act on each channel by itself and keep their "
        "number, as an equinox.nn.Lambda of jax.nn.relu or a pool do: it stands between two layers "
        "of weights"
    )


def _squares(axes: int) -> list[tuple[int, ...]]:
    """Shapes of images to be probed, small ones first."""
    return [(side,) * axes for side in SIDES if side**axes <= PIXELS]


def _images(square: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of images about as large: even and odd ones, an oblong and a small one."""
    oblong = tuple(side + 3 + 2 * axis for axis, side in enumerate(square))
    return [
        *(tuple(side + more for side in square) for more in (0, 1, 4)),
        oblong,
        (SMALL,) * len(square),
    ]


def _probed(layer: Any, image: tuple[int, ...]) -> tuple[Array, Array] | None:
    """What it makes of the channels of an image, and of each alone; None if it is too small."""
    x = jnp.asarray(np.random.default_rng(0).standard_normal((PLANES, *image)), jnp.zeros(0).dtype)
    try:
        together, alone = layer(x), jnp.concatenate([layer(plane[None]) for plane in x])
    except REFUSALS:
        return None
    return (together, alone) if together.size else None


def _passes(together: Array, alone: Array) -> bool:
    """Whether channels go through one by one, none of them twice, or all pixels into one axis."""
    if together.shape != alone.shape or together.ndim > 1 and len(together) != PLANES:
        return False
    return bool(jnp.allclose(together, alone, atol=1e-5))
