"""A convolution that looks at some entries of a patch alone: dense between them and its filters."""

from itertools import groupby
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from topokit.networks._shifts import framed, shifted


class PatchConv2d(eqx.Module):
    """A convolution of images whose filters all see the same entries of a patch, not all of it.

    It is what `shrink` leaves of a convolution that has lost shapes, entries `(channel, y, x)` of
    the patch that no filter weighs: the patches are made of the others alone, and one product with
    a smaller matrix follows, which is how convolutions with sparse shapes are computed fast (Wen
    and others, 2016). Cost O(filters entries) a pixel.

    Attributes:
        weight: A row for each filter, a column for each entry that is seen.
        bias: Added to what comes out, of shape `(filters, 1, 1)`; None if there is none.
        entries: Number of each entry in `(in_channels, *kernel_size)`, position by position.
        in_channels: Channels of the images that go in.
        kernel_size: Height and width of a patch, in pixels.
        stride: Pixels from one patch to the next, in either direction.
        padding: Zeros added before and after, in either direction.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> conv = eqx.nn.Conv2d(2, 4, 3, padding=1, key=jax.random.key(0))
        >>> conv = eqx.tree_at(lambda c: c.weight, conv, conv.weight.at[:, 1, 1].set(0.0))
        >>> small = networks.shrink(eqx.nn.Sequential([conv]), patches=0.1).layers[0]
        >>> small.weight.shape, small(jax.numpy.ones((2, 6, 6))).shape
        ((4, 15), (4, 6, 6))

    See Also:
        `shrink`, which makes it; `SparseConv2d`, whose filters differ in what they see.
    """

    weight: Float[Array, "filters entries"]
    bias: Float[Array, "filters 1 1"] | None
    entries: tuple[int, ...] = eqx.field(static=True)
    in_channels: int = eqx.field(static=True)
    kernel_size: tuple[int, int] = eqx.field(static=True)
    stride: tuple[int, int] = eqx.field(static=True)
    padding: tuple[tuple[int, int], tuple[int, int]] = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "channels height width"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "filters new_height new_width"]:
        """Convolve an image; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        if len(x) != self.in_channels:
            raise ValueError(
                f"an image of this layer has {self.in_channels} channels along its first axis; "
                f"given shape {x.shape}"
            )
        x = framed(x, self.padding, self.kernel_size)
        shifts = shifted(x, self.kernel_size, self.stride)
        seen = [self._of(shifts[place], channels) for place, channels in self._by_position()]
        y = jnp.tensordot(self.weight, jnp.concatenate(seen), 1)
        return y if self.bias is None else y + self.bias

    def places(self) -> tuple[Int[np.ndarray, " entries"], Int[np.ndarray, " entries"]]:
        """Channel and position of each entry."""
        pixels = self.kernel_size[0] * self.kernel_size[1]
        channels, positions = np.divmod(np.array(self.entries, int), pixels)
        return channels, positions

    def matrix(self) -> Float[np.ndarray, "filters patch"]:
        """The weights of all entries of a patch, 0 of those that are not seen."""
        pixels = self.kernel_size[0] * self.kernel_size[1]
        whole = np.zeros((len(self.weight), self.in_channels * pixels), self.weight.dtype)
        whole[:, list(self.entries)] = self.weight
        return whole

    def _by_position(self) -> list[tuple[int, list[int]]]:
        channels, positions = (labels.tolist() for labels in self.places())
        pairs = groupby(zip(positions, channels, strict=True), key=lambda pair: pair[0])
        return [(position, [channel for _, channel in some]) for position, some in pairs]

    def _of(self, image: Array, channels: list[int]) -> Any:
        return image if channels == list(range(len(image))) else image[np.array(channels)]
