"""ResNet-20: shortcuts go around pairs of convolutions, so that a pair may become nothing."""

from collections.abc import Sequence
from itertools import pairwise

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from topokit._checks import check_count, check_real
from topokit.networks._model_size import check_image, check_model
from topokit.networks._normalized import LEAST, batch_norm, kaiming_conv, pooled
from topokit.networks._residual import PickedChannels, Residual

STAGES = 16, 32, 64
BLOCKS = 3  # of each stage


def resnet20(
    shape: Sequence[int] = (3, 32, 32),
    n_classes: int = 10,
    *,
    width: float = 1.0,
    key: PRNGKeyArray,
) -> eqx.nn.Sequential:
    """The residual network of 20 layers for CIFAR-10 (He and others, arXiv:1512.03385, 4.2).

    A convolution of 3 x 3 pixels; three stages of 16, 32 and 64 channels, each of three blocks of
    two convolutions; the mean over pixels; a dense layer. Batch normalization is behind each of the
    19 convolutions. The first block of the second and of the third stage halves the image, and its
    shortcut has zeros for the new channels (option A), so that no shortcut has weights: 269,722
    parameters.

    A model of a state, as `mobilenet_v1`: make both with `equinox.nn.make_with_state(resnet20)`.

    Args:
        shape: `(channels, height, width)` of an image.
        n_classes: Number of outputs.
        width: This share of the channels of every layer, though no fewer than 8.
        key: Random key of the weights, which are drawn by Kaiming's rule.

    Raises:
        ValueError: If the shape is not an image's, or a number is out of range.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> build = eqx.nn.make_with_state(networks.resnet20)
        >>> model, state = build(key=jax.random.key(0))
        >>> networks.n_parameters(model), len(networks.kernels(model))
        (269722, 20)

    See Also:
        `layer_groups`, which take pairs out; `convnet`, without shortcuts.
    """
    channels, *_ = check_image("resnet20", shape)
    share = check_real("width", width, least=0, most=1, above=True)
    n_classes = check_count("n_classes", n_classes)
    stages = [max(LEAST, round(share * n)) for n in STAGES]
    least = 9 * channels * stages[0] + (stages[-1] + 1) * n_classes
    check_model("resnet20", (channels, n_classes), least)
    first, last, *keys = jax.random.split(key, 2 + len(stages) * BLOCKS)
    relu = eqx.nn.Lambda(jax.nn.relu)
    layers = [kaiming_conv(channels, stages[0], 3, 1, first), batch_norm(stages[0]), relu]
    widths = [stages[0], *(n for n in stages for _ in range(BLOCKS))]
    for (n_in, n_out), key in zip(pairwise(widths), keys, strict=True):
        layers += [_block(n_in, n_out, key), relu]
    classifier = eqx.nn.Linear(stages[-1], n_classes, key=last)
    return eqx.nn.Sequential([*layers, eqx.nn.Lambda(pooled), classifier])


def _block(n_in: int, n_out: int, key: PRNGKeyArray) -> Residual:
    one, other = jax.random.split(key)
    stride = 1 if n_in == n_out else 2
    body = eqx.nn.Sequential(
        [
            *(kaiming_conv(n_in, n_out, 3, stride, one), batch_norm(n_out)),
            eqx.nn.Lambda(jax.nn.relu),
            *(kaiming_conv(n_out, n_out, 3, 1, other), batch_norm(n_out)),
        ]
    )
    return Residual(body, None if stride == 1 else _widened(n_in, n_out))


def _widened(n_in: int, n_out: int) -> PickedChannels:
    """The channels in the middle, as many zeros before as behind them, or one fewer."""
    before = (n_out - n_in) // 2
    return PickedChannels((*[-1] * before, *range(n_in), *[-1] * (n_out - n_in - before)), 2)
