"""A depthwise convolution: every channel is convolved with a small kernel of its own.

`y[c, a, b] = sum over i, j of weight[c, i, j] x[c, stride a + i - padding, stride b + j - padding]`
"""

from functools import reduce
from itertools import product
from operator import add

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from topokit._checks import check_count
from topokit.networks._shifts import framed, shifted


class DepthwiseConv2d(eqx.Module):
    """Convolve each channel of an image on its own, without a bias.

    It computes the sum over the entries of the kernel as it stands: an image is shifted, weighted
    and added up. XLA's own convolution in as many groups as channels is slow on CPUs, above all
    its gradients. Cost O(kernel_size^2) for each number that comes out.

    Attributes:
        weight: One kernel a channel.
        stride: Pixels from one patch to the next, in either direction.
        padding: Zeros added on all four sides.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.DepthwiseConv2d(3, kernel_size=3, padding=1, key=key)
        >>> layer(jax.numpy.ones((3, 6, 6))).shape
        (3, 6, 6)

    See Also:
        `SparseConv2d`, whose channels mix.
    """

    weight: Float[Array, "channels kernel kernel"]
    stride: int = eqx.field(static=True)
    padding: int = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        *,
        key: PRNGKeyArray,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        """Draw the first weights, uniform with variance `2 / kernel_size^2`: Kaiming's, for a ReLU.

        Args:
            channels: Channels of the images, in and out.
            kernel_size: Height and width of a kernel, in pixels.
            key: Random key.
            stride: Pixels from one patch to the next, in either direction.
            padding: Zeros added on all four sides.

        Raises:
            ValueError: If a number is out of range.
        """
        channels, side = check_count("channels", channels), check_count("kernel_size", kernel_size)
        radius = 6**0.5 / side
        shape = (channels, side, side)
        self.weight = jax.random.uniform(key, shape, minval=-radius, maxval=radius)
        self.stride = check_count("stride", stride)
        self.padding = check_count("padding", padding, least=0)

    def __call__(
        self, x: Float[Array, "channels height width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "channels new_height new_width"]:
        """Convolve an image; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        channels, side, _ = self.weight.shape
        if len(x) != channels:
            raise ValueError(
                f"an image of this layer has {channels} channels along its first axis; given shape "
                f"{x.shape}"
            )
        around = self.padding, self.padding
        x = framed(x, (around, around), (side, side))
        shifts = shifted(x, (side, side), (self.stride, self.stride))
        places = product(range(side), repeat=2)
        pairs = zip(places, shifts, strict=True)
        return reduce(add, (self.weight[:, i, j, None, None] * part for (i, j), part in pairs))
