"""Models of the papers, dense as published; `sparsify` puts topologies into them.

All take one example of the given shape and return one number a class, the logits.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from topokit._checks import check_count, check_counts
from topokit.networks._model_size import check_image, check_model, check_shape

LENET_SIDE = 32
FIRST, LAST = 6 * 5**2, 84  # lenet5's numbers for a channel, and neurons before its classes


def mlp(
    shape: Sequence[int], hidden: Sequence[int], n_classes: int, *, key: PRNGKeyArray
) -> eqx.nn.Sequential:
    """A multilayer perceptron: dense layers with ReLU between them.

    Args:
        shape: Shape of an example, which is flattened.
        hidden: Neurons of each hidden layer.
        n_classes: Number of outputs.
        key: Random key of the weights.

    Raises:
        ValueError: If a number is no integer of at least 1, or there are too many parameters.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> model(jax.numpy.ones((1, 8, 8))).shape
        (10,)
        >>> networks.n_parameters(model)
        1210

    See Also:
        `sparsify`, which puts topologies into it; `lenet_300_100`.
    """
    hidden = check_counts("hidden", hidden)
    widths = [prod(check_shape(shape)), *hidden, check_count("n_classes", n_classes)]
    check_model("mlp", widths, sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths)))
    keys = jax.random.split(key, len(widths) - 1)
    layers: list = [eqx.nn.Lambda(jnp.ravel)]
    for (n_in, n_out), key in zip(pairwise(widths), keys, strict=True):
        layers += [eqx.nn.Linear(n_in, n_out, key=key), eqx.nn.Lambda(jax.nn.relu)]
    return eqx.nn.Sequential(layers[:-1])


def lenet_300_100(
    shape: Sequence[int] = (1, 28, 28), n_classes: int = 10, *, key: PRNGKeyArray
) -> eqx.nn.Sequential:
    """Lenet-300-100: two hidden layers, of 300 and 100 neurons (LeCun and others, 1998).

    With ReLU in the place of its sigmoids, as pruning papers train it: 266,610 parameters.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet_300_100((1, 8, 8), key=jax.random.key(0))
        >>> networks.kernels(model)
        {'layers.1': (64, 300), 'layers.3': (300, 100), 'layers.5': (100, 10)}

    See Also:
        `mlp`, of any widths; `lenet5`, with convolutions.
    """
    return mlp(shape, (300, 100), n_classes, key=key)


def lenet5(
    shape: Sequence[int] = (1, 28, 28), n_classes: int = 10, *, key: PRNGKeyArray
) -> eqx.nn.Sequential:
    """Lenet-5: two convolutions with pooling, then three dense layers (LeCun and others, 1998).

    Images are padded to 32 x 32 as in that paper; ReLU and maxima take the place of its sigmoids
    and means, and the second convolution sees all channels: 61,706 parameters for one channel.

    Args:
        shape: `(channels, height, width)`, at most 32 pixels each way.
        n_classes: Number of outputs.
        key: Random key of the weights.

    Raises:
        ValueError: If images are larger, or have no channels.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.lenet5(key=jax.random.key(0))
        >>> networks.n_parameters(model)
        61706

    See Also:
        `lenet_300_100`, without convolutions.
    """
    channels, *sides = check_image("lenet5", shape)
    if max(sides) > LENET_SIDE:
        raise ValueError(
            f"lenet5 takes images (channels, height, width) of at most {LENET_SIDE} pixels each "
            f"way; given {(channels, *sides)}"
        )
    n_classes = check_count("n_classes", n_classes)
    check_model("lenet5", (channels, n_classes), FIRST * channels + (LAST + 1) * n_classes)
    keys = jax.random.split(key, 5)
    relu = eqx.nn.Lambda(jax.nn.relu)
    pool = eqx.nn.Lambda(_halved)
    return eqx.nn.Sequential(
        [
            eqx.nn.Lambda(_padded),
            *(eqx.nn.Conv2d(channels, 6, 5, key=keys[0]), relu, pool),
            *(eqx.nn.Conv2d(6, 16, 5, key=keys[1]), relu, pool),
            eqx.nn.Lambda(jnp.ravel),
            *(eqx.nn.Linear(400, 120, key=keys[2]), relu),
            *(eqx.nn.Linear(120, LAST, key=keys[3]), relu),
            eqx.nn.Linear(LAST, n_classes, key=keys[4]),
        ]
    )


def _padded(image: Float[Array, "channels height width"]) -> Float[Array, "channels 32 32"]:
    before = [(LENET_SIDE - side) // 2 for side in image.shape[1:]]
    after = [LENET_SIDE - b - n for b, n in zip(before, image.shape[1:], strict=True)]
    return jnp.pad(image, ((0, 0), *zip(before, after, strict=True)))


def _halved(image: Float[Array, "channels height width"]) -> Float[Array, "channels h w"]:
    """The maxima of squares of 2 x 2; by reshaping, whose gradient is faster than a window's."""
    channels, height, width = image.shape
    return image.reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))
