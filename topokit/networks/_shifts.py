"""An image shifted to each place of a kernel: what a convolution sums, and what patches are."""

from itertools import product

import jax.numpy as jnp
from jaxtyping import Array, Float


def framed(
    image: Float[Array, "channels height width"],
    padding: tuple[tuple[int, int], tuple[int, int]],
    kernel: tuple[int, int],
) -> Float[Array, "channels more_height more_width"]:
    """An image with zeros before and after it, large enough for a kernel; symbols may be any.

    The zeros are joined to it, of which compilers make the same as of a padding, while converters
    to ONNX know it for symbols too.

    Raises:
        ValueError: If the image is smaller than the kernel.
    """
    for axis, (before, after) in enumerate(padding, start=1):
        parts = [_zeros(image, axis, before), image, _zeros(image, axis, after)]
        image = jnp.concatenate([part for part in parts if part.shape[axis] != 0], axis)
    if any(
        isinstance(n, int) and n < size for n, size in zip(image.shape[1:], kernel, strict=True)
    ):
        raise ValueError(
            f"an image must be at least as large as the kernel, {kernel}; given {image.shape[1:]} "
            "with its padding"
        )
    return image


def _zeros(image: Array, axis: int, n: int) -> Array:
    return jnp.zeros((*image.shape[:axis], n, *image.shape[axis + 1 :]), image.dtype)


def shifted(
    image: Float[Array, "channels height width"], kernel: tuple[int, int], stride: tuple[int, int]
) -> list[Float[Array, "channels new_height new_width"]]:
    """For each entry of a kernel, row by row, the pixels under it wherever the kernel lies."""
    (down, across), (first, second) = stride, kernel
    height, width = image.shape[1] - first + 1, image.shape[2] - second + 1
    return [
        image[:, i : i + height : down, j : j + width : across]
        for i, j in product(range(first), range(second))
    ]
