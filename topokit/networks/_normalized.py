"""What deep convolutional models are made of: convolutions with batch normalization behind them."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

LEAST = 8  # channels of a layer, however narrow the model
# Running means over about ten steps: an epoch of a small data set has few, and weights move fast.
MOMENTUM = 0.9


def kaiming_conv(n_in: int, n_out: int, side: int, stride: int, key: PRNGKeyArray) -> eqx.nn.Conv2d:
    """A convolution of odd kernels that keeps the image's size; Kaiming's weights."""
    sizes = {"stride": stride, "padding": side // 2, "use_bias": False}
    # Its own weights are not drawn.
    conv = eqx.filter_eval_shape(eqx.nn.Conv2d, n_in, n_out, side, **sizes, key=key)
    weight = jax.nn.initializers.he_uniform(1, 0)(key, conv.weight.shape)
    return eqx.tree_at(lambda c: c.weight, conv, weight)


def batch_norm(channels: int) -> eqx.nn.BatchNorm:
    """Means over the mapped axis "batch"."""
    return eqx.nn.BatchNorm(channels, axis_name="batch", mode="batch", momentum=MOMENTUM)


def pooled(image: Float[Array, "channels height width"]) -> Float[Array, " channels"]:
    """The mean over all pixels."""
    return image.mean((1, 2))
