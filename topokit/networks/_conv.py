"""A convolution whose kernel is a topology: every pixel's patch goes through a sparse layer."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from topokit.networks._linear import SparseLinear
from topokit.networks._shifts import framed, shifted


class SparseConv2d(eqx.Module):
    """A convolution of images with sparse connections from patches to channels.

    The inputs of the topology are the entries of a patch, `(channels, kernel, kernel)` in this
    order, its outputs are the channels that come out. With a kernel of one pixel it is a sparse
    pointwise convolution (NeuroFabric, section III), as a plain `SparseLinear` on an image is.

    Attributes:
        linear: From patches to channels.
        kernel_size: Height and width of a patch, in pixels.
        stride: Pixels from one patch to the next, in either direction.
        padding: Zeros added before and after, in either direction.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> patches = tk.topologies.random_regular([3 * 9, 4], 5, seed=0)
        >>> linear = networks.SparseLinear(patches, key=key)
        >>> layer = networks.SparseConv2d(linear, (3, 3), stride=(1, 1), padding=((1, 1), (1, 1)))
        >>> layer(jax.numpy.ones((3, 6, 6))).shape
        (4, 6, 6)

    See Also:
        `DepthwiseConv2d`, channel by channel.
    """

    linear: SparseLinear
    kernel_size: tuple[int, int] = eqx.field(static=True)
    stride: tuple[int, int] = eqx.field(static=True)
    padding: tuple[tuple[int, int], tuple[int, int]] = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "channels height width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n_out new_height new_width"]:
        """Convolve an image; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        return self.linear(self._patches(x))

    def _patches(self, x: Array) -> Float[Array, "entries new_height new_width"]:
        x = framed(x, self.padding, self.kernel_size)
        patches = jnp.stack(shifted(x, self.kernel_size, self.stride), axis=1)
        return patches.reshape(-1, *patches.shape[2:])
