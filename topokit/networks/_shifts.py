"""An image shifted to each place of a kernel: what a convolution sums, and what patches are."""

from itertools import product
from typing import Any

from jaxtyping import Array, Float


def check_image(shape: tuple[Any, ...], kernel: tuple[int, int]) -> None:
    """Refuse images, given with their padding, that are smaller than a kernel; symbols may be any.

    Raises:
        ValueError: If one is.
    """
    sides = zip(shape, kernel, strict=True)
    if any(isinstance(n, int) and n < size for n, size in sides):
        raise ValueError(
            f"an image must be at least as large as the kernel, {kernel}; given {shape} with its "
            "padding"
        )


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
