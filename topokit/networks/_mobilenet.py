"""MobileNet v1: depthwise convolutions that look around, pointwise ones that mix channels.

Nearly all of its parameters are in the pointwise convolutions, which are dense layers that every
pixel goes through; these are what a topology takes the place of (NeuroFabric, sections III, VIII).
"""

from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from topokit._checks import check_count, check_real
from topokit.networks._depthwise import DepthwiseConv2d
from topokit.networks._model_size import check_image, check_model
from topokit.networks._normalized import LEAST, batch_norm, kaiming_conv, pooled

STEM = 32
# Channels that come out of each block, and its stride.
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet_v1(
    shape: Sequence[int] = (3, 32, 32),
    n_classes: int = 10,
    *,
    width: float = 1.0,
    stem_stride: int = 1,
    key: PRNGKeyArray,
) -> eqx.nn.Sequential:
    """MobileNet v1 (Howard and others, arXiv:1704.04861, table 1).

    A convolution of 3 x 3 pixels; 13 blocks of a depthwise and a pointwise convolution; batch
    normalization and ReLU after each of these 27; the mean over pixels; a dense layer. At full
    width it has 4,231,976 parameters for the 1,000 classes of ImageNet and 3,217,226 for 10. (The
    3,162 thousand of NeuroFabric's figure 6 are not explained there; the latter without its
    depthwise kernels, 44,640, and its classifier, 10,250, are as many.)

    Batch normalization makes the model a function of an example and a state; make both with
    `model, state = equinox.nn.make_with_state(mobilenet_v1)(key=key)`. Training takes means over
    the mapped axis "batch". In `kernels(model)` the first layer is the 3 x 3 convolution, the last
    is the classifier, and all between are pointwise. On CPUs XLA's gradients of these are slow:
    `sparsify(model, dense(), key=key)` makes the same network of faster layers.

    Args:
        shape: `(channels, height, width)` of an image.
        n_classes: Number of outputs.
        width: The paper's width multiplier: this share of the channels of every layer, though no
            fewer than 8.
        stem_stride: Stride of the first convolution: 2 for ImageNet, as published; 1 for images as
            small as CIFAR-10's, as implementations for these have it (kuangliu's pytorch-cifar).
        key: Random key of the weights, which are drawn by Kaiming's rule.

    Raises:
        ValueError: If the shape is not an image's, or a number is out of range.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> build = eqx.nn.make_with_state(networks.mobilenet_v1)
        >>> model, state = build(width=0.25, key=jax.random.key(0))
        >>> len(networks.kernels(model))
        15

    See Also:
        `resnet20`, with shortcuts; `lenet5`, a small model.
    """
    channels, *_ = check_image("mobilenet_v1", shape)
    share = check_real("width", width, least=0, most=1, above=True)
    widths = [max(LEAST, round(share * n)) for n in (STEM, *(n for n, _ in BLOCKS))]
    n_classes = check_count("n_classes", n_classes)
    least = 9 * channels * widths[0] + (widths[-1] + 1) * n_classes
    check_model("mobilenet_v1", (channels, n_classes), least)
    first, last, *keys = jax.random.split(key, 2 + len(BLOCKS))
    stride = check_count("stem_stride", stem_stride)
    layers = _normalized(kaiming_conv(channels, widths[0], 3, stride, first), widths[0])
    for (_, stride), n_in, n_out, key in zip(BLOCKS, widths, widths[1:], keys, strict=False):
        one, other = jax.random.split(key)
        depthwise = DepthwiseConv2d(n_in, 3, stride=stride, padding=1, key=one)
        layers += _normalized(depthwise, n_in)
        layers += _normalized(kaiming_conv(n_in, n_out, 1, 1, other), n_out)
    classifier = eqx.nn.Linear(widths[-1], n_classes, key=last)
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(pooled), classifier])


def _normalized(layer: eqx.Module, channels: int) -> list:
    return [layer, batch_norm(channels), eqx.nn.Lambda(jax.nn.relu)]
