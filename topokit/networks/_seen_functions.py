"""Functions and pools between layers of weights: what they do to channels is seen on few numbers.

A function is given random images, whole and channel by channel: one that makes something else of
the whole mixes channels, and is refused. What it makes of a constant is seen on images of several
shapes, for at a border, or in a larger one, it may be something else.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from topokit.networks._channel_steps import FlowStep, Signal
from topokit.networks._sequential import acts_alone
from topokit.networks._weight_layers import Values

# Pixels each way of what is probed, which pools can halve, and at most in all; and its channels.
SIDES, PIXELS, PLANES = (8, 12, 32, 64, 256), 2**17, 3
LARGE = 1e3  # numbers at which functions such as clipping by a norm join channels
SMALL = 3  # pixels each way of an image with which many functions do something else
BLOCK = 32  # constants that a function is given at once
SAME = 1e-5  # part of a constant by which rounding changes it from one image to another
# What a function may raise that takes no image of some shape; an AssertionError is one of pools.
REFUSALS = TypeError, ValueError, ArithmeticError, LookupError, RuntimeError, AssertionError


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
            made = np.asarray(self.layer(jax.device_put(x.astype(jnp.zeros(0).dtype))), float)
            made = made.reshape(BLOCK, -1)
        except REFUSALS:
            return None
        nothing = not made.size or np.isnan(made).any(1).all()
        return None if nothing else made[: len(constants)]


def function_step(layer: Any, name: str, signal: Signal) -> tuple[FlowStep, Signal]:
    """A layer without weights, of which it is seen what it does to channels."""
    if callable(layer) and not any(map(eqx.is_array, jax.tree.leaves(layer))):
        if signal.flat or signal.ndim == 1:
            if acts_alone(layer):
                return Function(layer, [()]), signal
        else:
            for image in squares(signal.ndim - 1):
                if (made := _probed(layer, image)) is not None:
                    if not _passes(*made) or not _passes_large(layer, image):
                        break
                    behind = signal._replace(ndim=made[0].ndim, flat=len(made[0]) != PLANES)
                    return Function(layer, _images(image)), behind
    raise ValueError(
        f"layer {name} of the model, {layer}, must act on each channel by itself and keep their "
        "number, as an equinox.nn.Lambda of jax.nn.relu or a pool do: it stands between two layers "
        "of weights"
    )


def squares(axes: int) -> list[tuple[int, ...]]:
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


def _probed(layer: Any, image: tuple[int, ...], size: float = 1.0) -> tuple[Array, Array] | None:
    """What it makes of the channels of an image, and of each alone; None if it is too small."""
    x = size * np.random.default_rng(0).standard_normal((PLANES, *image))
    x = jax.device_put(x.astype(jnp.zeros(0).dtype))
    try:
        together, alone = layer(x), jnp.concatenate([layer(plane[None]) for plane in x])
    except REFUSALS:
        return None
    return (together, alone) if together.size else None


def _passes_large(layer: Any, image: tuple[int, ...]) -> bool:
    """Whether large numbers go alone, too, which clipping by a norm joins."""
    made = _probed(layer, image, LARGE)
    return made is not None and _passes(made[0] / LARGE, made[1] / LARGE)


def _passes(together: Array, alone: Array) -> bool:
    """Whether channels go through one by one, none of them twice, or all pixels into one axis."""
    if together.shape != alone.shape or together.ndim > 1 and len(together) != PLANES:
        return False
    return bool(jnp.allclose(together, alone, atol=1e-5, equal_nan=True))
