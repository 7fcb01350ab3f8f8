"""A residual block in a flow of channels: its body and its shortcut, and what joins them.

Around it the channels of its body, of its shortcut and of their sum differ as they like;
`PickedChannels` join them.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from topokit.networks._channel_steps import FlowStep, Linked, Signal
from topokit.networks._residual import PickedChannels, Residual
from topokit.networks._seen_functions import REFUSALS, squares
from topokit.networks._weight_layers import Channels, Mask, Values

Inside = Callable[[Any, str, Signal], tuple[FlowStep, Signal, list[Channels]]]


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

    def __init__(
        self,
        layer: Residual,
        name: str,
        signal: Signal,
        state: eqx.nn.State | None,
        inside: Inside,
    ) -> None:
        """Read the block: `inside` tells of a part its step, what is behind and channels in it."""
        super().__init__(layer)
        self.state, self.given, self._inside = state, signal, inside
        self.signal = self._around(name, signal)
        self.into = self.out = self.body = None
        self.within: list[Channels] = []
        if layer.body is not None:
            self.signal = self._along(name, signal)

    def _around(self, name: str, signal: Signal) -> Signal:
        """Read the shortcut."""
        shortcut = self.layer.shortcut
        self.shortcut, self.inner, last = FlowStep(None), [], shortcut
        if not isinstance(shortcut, PickedChannels | None):
            last = None
            self.shortcut, signal, self.inner = self._inside(shortcut, f"{name}.shortcut", signal)
        before = signal.known()
        self.behind = Channels(len(before.keep) if last is None else len(last.sources), name)
        self.last = Linked(last or _all(before), before, self.behind)
        return Signal(self.behind, signal.ndim)

    def _along(self, name: str, signal: Signal) -> Signal:
        """Read the body."""
        before, (first, body, last) = signal.known(), _ends(self.layer.body)
        taken = Channels(len(before.keep if first is None else first.sources), name)
        self.into = Linked(first or _all(before), before, taken)
        given = signal._replace(channels=taken)
        self.body, end, inner = self._inside(body, f"{name}.body", given)
        self.within = [taken, *inner]
        n_out = len(end.known().keep if last is None else last.sources)
        if n_out != len(self.behind.keep):
            raise ValueError(
                f"the body of layer {name} has {n_out} channels, but its shortcut has "
                f"{len(self.behind.keep)}"
            )
        self.out = Linked(last or _all(end.known()), end.known(), self.behind)
        return Signal(self.behind, end.ndim)

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
        for image in squares(self.given.ndim - 1):
            x = jax.ShapeDtypeStruct((n, *image), jnp.zeros(0).dtype)
            parts = Residual(None, layer.shortcut), layer
            around, whole = (_shape(part, self.state, x) for part in parts)
            if around is not None and whole is not None:
                return around != whole
        return True

    def _through(self) -> list[Any]:
        return [] if self.body is None else [self.into, self.body, self.out]


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


def _picks(layer: Any) -> bool:
    return isinstance(layer, PickedChannels) and layer.stride == 1
