"""The network of three convolutions for CIFAR-10 that structured sparsity was first tried on."""

from collections.abc import Sequence
from functools import reduce
from operator import add

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from topokit._checks import check_count
from topokit.networks._model_size import check_image, check_model
from topokit.networks._shifts import shifted

FILTERS, SIDE = (32, 32, 64), 5
LEAST_SIDE = 2 ** len(FILTERS)  # pixels: each pool halves them


def convnet(
    shape: Sequence[int] = (3, 32, 32), n_classes: int = 10, *, key: PRNGKeyArray
) -> eqx.nn.Sequential:
    """ConvNet: convolutions of 5 x 5 pixels to 32, 32 and 64 channels, then the classes.

    The network of cuda-convnet (Krizhevsky) and of Caffe's example for CIFAR-10, on which Wen and
    others, 2016, learn structured sparsity: a pool of 3 x 3 pixels behind each convolution halves
    the image, the first by maxima, the others by means; ReLU. Its normalization across channels is
    left out, as later networks have it: 89,578 parameters.

    Args:
        shape: `(channels, height, width)` of an image, of at least 8 pixels each way.
        n_classes: Number of outputs.
        key: Random key of the weights.

    Raises:
        ValueError: If the shape is not an image's, or a number is out of range.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.convnet(key=jax.random.key(0))
        >>> networks.n_parameters(model)
        89578
        >>> networks.kernels(model)["layers.3"]
        (800, 32)

    See Also:
        `lenet5`, for digits; `resnet20`, with shortcuts.
    """
    channels, *sides = check_image("convnet", shape)
    if min(sides) < LEAST_SIDE:
        raise ValueError(
            f"convnet takes images (channels, height, width) of at least {LEAST_SIDE} pixels each "
            f"way; given {(channels, *sides)}"
        )
    n_classes = check_count("n_classes", n_classes)
    pixels = _halved_side(sides[0]) * _halved_side(sides[1])
    n_flat = FILTERS[-1] * pixels
    least = SIDE**2 * channels * FILTERS[0] + (n_flat + 1) * n_classes
    check_model("convnet", (channels, *sides, n_classes), least)
    keys = jax.random.split(key, 4)
    widths = zip((channels, *FILTERS), FILTERS, keys, strict=False)
    first, second, third = (
        eqx.nn.Conv2d(n_in, n_out, SIDE, padding=SIDE // 2, key=key) for n_in, n_out, key in widths
    )
    relu, means = eqx.nn.Lambda(jax.nn.relu), eqx.nn.Lambda(_means)
    layers = [first, eqx.nn.Lambda(_maxima), relu, second, relu, means, third, relu, means]
    flat = eqx.nn.Linear(n_flat, n_classes, key=keys[3])
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(jnp.ravel), flat])


def _halved_side(side: int) -> int:
    for _ in FILTERS:
        side //= 2
    return side


def _windows(image: Float[Array, "channels height width"], fill: float) -> list[Array]:
    """For each of the 3 x 3 places in a window the pixels there; windows begin at even pixels.

    The last window of an even side reaches one pixel over the end, as Caffe has it.
    """
    over = [(0, 1 - side % 2) for side in image.shape[1:]]
    image = jnp.pad(image, ((0, 0), *over), constant_values=fill)
    return shifted(image, (3, 3), (2, 2))


def _maxima(image: Float[Array, "channels height width"]) -> Float[Array, "channels h w"]:
    return reduce(jnp.maximum, _windows(image, -jnp.inf))


def _means(image: Float[Array, "channels height width"]) -> Float[Array, "channels h w"]:
    """Over the pixels of a window that are in the image."""
    return reduce(add, _windows(image, 0.0)) / reduce(add, _windows(jnp.ones_like(image), 0.0))
