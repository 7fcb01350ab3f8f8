"""How fast is a depthwise convolution as a sum of shifted images, against XLA's in groups?

Both forms convolve the same images with the same 3 x 3 kernels, one a channel, with one pixel of
padding, in single precision on one core. `forward` is the convolution, with kernels that what came
out before moves a little, so that none can be left out; `training` is the gradient with respect to
images and kernels, and a step along both. A figure above 1 says that XLA's grouped convolution
takes so many times longer. Every repetition times both forms in turn, each over as many steps as
fill a slot of time in one compiled loop; figures are medians over repetitions with their quartiles,
and compilation comes before. Sizes are those of MobileNet's layers: images shrink as channels grow.

Writes `depthwise.json` beside this script; `--quick` measures one size and writes nothing.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from analyses.kit import Clock, Study, quartiles, race, timed
from topokit.networks import DepthwiseConv2d

# Channels, pixels each way, stride.
SIZES = (
    (32, 32, 1),
    (64, 32, 2),
    (128, 16, 1),
    (256, 8, 1),
    (512, 4, 1),
    (512, 4, 2),
    (1024, 4, 1),
)
BATCHES, REPETITIONS, SLOT, RATE = (1, 32), 5, 0.1, 1e-6

Convolution = Callable[[jax.Array, jax.Array], jax.Array]
Case = tuple[int, tuple[int, int, int]]  # a batch and a size


def cases() -> list[Case]:
    """All sizes for each batch."""
    return list(product(BATCHES, SIZES))


def forms(channels: int, stride: int) -> dict[str, Convolution]:
    """Both ways from kernels and a batch of images to images."""
    layer = DepthwiseConv2d(channels, 3, stride=stride, padding=1, key=jax.random.key(0))

    def shifted(weight: jax.Array, images: jax.Array) -> jax.Array:
        return jax.vmap(eqx.tree_at(lambda m: m.weight, layer, weight))(images)

    def grouped(weight: jax.Array, images: jax.Array) -> jax.Array:
        window = (stride, stride), ((1, 1), (1, 1))
        return lax.conv_general_dilated(
            images, weight[:, None], *window, feature_group_count=channels
        )

    return {"shifted": shifted, "grouped": grouped}


def forward(convolve: Convolution, weight: jax.Array, images: jax.Array, found: jax.Array) -> tuple:
    """Convolve, with kernels that depend on what was found before."""
    moved = weight + RATE * found[0, :, :1, :1]
    return weight, images, convolve(moved, images)


def training(
    convolve: Convolution, weight: jax.Array, images: jax.Array, found: jax.Array
) -> tuple:
    """A step along both gradients of half the sum of squares."""
    found, pull = jax.vjp(convolve, weight, images)
    slopes = pull(found)
    return weight - RATE * slopes[0], images - RATE * slopes[1], found


def clock(step: Callable[..., tuple], convolve: Convolution, state: tuple) -> Clock:
    """The seconds of so many steps in one compiled loop."""
    run = jax.jit(
        lambda steps, state: lax.fori_loop(0, steps, lambda _, s: step(convolve, *s), state)
    )
    return lambda steps: timed(lambda: run(steps, state))[0]


def measure(case: Case) -> dict[str, Any]:
    """Milliseconds of a step of both forms, and their ratio, forward and training."""
    batch, (channels, side, stride) = case
    rng = np.random.default_rng(0)
    shapes = (channels, 3, 3), (batch, channels, side, side)
    weight, images = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes)
    made = forms(channels, stride)
    state = weight, images, made["grouped"](weight, images)
    found: dict = {"channels": channels, "side": side, "stride": stride, "batch": batch}
    for step in (forward, training):
        clocks = {name: clock(step, form, state) for name, form in made.items()}
        times = race(clocks, REPETITIONS, SLOT)
        own, peer = times["shifted"], times["grouped"]
        found[step.__name__] = {
            "shifted_ms": float(np.median(own)) * 1e3,
            "grouped_ms": float(np.median(peer)) * 1e3,
            "times_as_fast": quartiles(peer / own),
        }
    return found


STUDY = Study(
    __name__,
    quick={"SIZES": ((32, 8, 1),), "BATCHES": (1,), "REPETITIONS": 1, "SLOT": 0.01},
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
