"""The challenge's input: images of zeros and ones, one neuron a pixel."""

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Bool, Complex, Float, Real, UInt8

from topokit._checks import check_count
from topokit._limits import check_memory
from topokit._records import one_line

# Shares of pixels that are on in synthetic images: most die, as MNIST's do, and some live on. And
# the width of their strokes as a share of the image's side.
ON, STROKE = (0.02, 0.25), 0.06
HELD = 2**31  # bytes of gray pixels that are kept
LIMIT, WORK = 2**33, 64  # bytes of synthetic images, and of the work on a pixel


class Images(NamedTuple):
    """Images of 0 and 1, eight pixels a byte.

    Attributes:
        bits: Pixels in the order of the neurons, the first one in the highest bit.
        neurons: Pixels of an image.

    Examples:
        >>> from topokit import challenge
        >>> import numpy as np
        >>> images = challenge.pack_images(np.ones((3, 16)))
        >>> images.neurons, images.bits.shape
        (16, (3, 2))

    See Also:
        `pack_images`, `interpolate`, `read_images` and `synthetic_images`, which make them.
    """

    bits: UInt8[np.ndarray, "images bytes"]
    neurons: int

    __repr__ = one_line

    def pixels(self, which: slice) -> Bool[np.ndarray, "chosen neurons"]:
        """Some images, unpacked."""
        return np.unpackbits(self.bits[which], axis=1, count=self.neurons).astype(bool)


def pack_images(
    pixels: Bool[np.ndarray, "images neurons"] | Real[np.ndarray, "images neurons"],
) -> Images:
    """Images from their pixels, of which all that are not 0 are 1.

    Raises:
        ValueError: If it is not one row an image.

    Examples:
        >>> from topokit import challenge
        >>> import numpy as np
        >>> images = challenge.pack_images(np.eye(16, dtype=bool))
        >>> images.neurons, images.bits.nbytes
        (16, 32)

    See Also:
        `interpolate`, which also enlarges.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2:
        raise ValueError(f"pixels must have the shape (images, neurons); given {pixels.shape}")
    return Images(np.packbits(pixels.astype(bool, copy=False), axis=1), pixels.shape[1])


def interpolate(images: Real[np.ndarray, "images height width"], side: int) -> Images:
    """Enlarge gray images to `side` x `side` and keep what is above half of the brightest pixel.

    This is how the challenge makes its input of MNIST's 60,000 training images, and for these and
    32 pixels it is its very file, bit for bit. Both ways are Fourier interpolations: downward image
    by image, across along all images side by side, so that the result of one depends on all, and
    the modulus is taken at the end. Pixel `(x, y)` is neuron `side * x + y`. Nothing of this is in
    the challenge's paper (section III.B names only the interpolation and the threshold).

    Args:
        images: Gray images, in any unit.
        side: Height and width afterwards, at least those before. Cost O(images * side^2 *
            log(images)); in memory a byte a pixel, and 8 as long as that is less than 2 GiB, beyond
            which rows are computed twice.

    Raises:
        ValueError: If images would shrink, or there are none.

    Examples:
        >>> from topokit import challenge
        >>> import numpy as np
        >>> digits = np.random.default_rng(0).integers(256, size=(5, 28, 28))
        >>> images = challenge.interpolate(digits, 32)
        >>> images.neurons, len(images.bits)
        (1024, 5)

    See Also:
        `pack_images`, for pixels of the right size.
    """
    images = np.asarray(images)
    if images.ndim != 3 or not images.size:
        raise ValueError(f"images must be (images, height, width); given shape {images.shape}")
    n, height, width = images.shape
    check_count("side", side, least=max(height, width))
    lines = np.moveaxis(images, 1, 0).reshape(height, n * width).astype(float)
    downward = _stretched(np.eye(height), side).T
    held = side if 8 * n * side**2 <= HELD else 0

    @lru_cache(held)
    def modulus(y: int) -> Float[np.ndarray, "images side"]:
        """Row `y` of all images."""
        return np.abs(_stretched((downward[y] @ lines)[None], n * side)).reshape(n, side)

    half = max(modulus(y).max() for y in range(side)) / 2
    on = np.empty((n, side, side), bool)
    for y in range(side):
        on[:, :, y] = modulus(y) > half
    return pack_images(on.reshape(n, -1))


def synthetic_images(n: int, neurons: int = 1024, *, seed: int = 0) -> Images:
    """Images of random strokes, for a machine without MNIST: smooth noise above a threshold.

    Args:
        n: Number of images.
        neurons: Pixels of an image, a square number.
        seed: Decides the noise.

    Raises:
        ValueError: If an image would not be square, or the images would take more than 8 GiB.

    Examples:
        >>> from topokit import challenge
        >>> images = challenge.synthetic_images(100, 256)
        >>> images.bits.shape
        (100, 32)

    See Also:
        `interpolate`, for images that are not random.
    """
    pixels = check_count("n", n) * check_count("neurons", neurons)
    check_memory(
        f"a set of {n} images",
        pixels // 8 + WORK * neurons,
        LIMIT,
        "give less",
        of=f"{neurons} pixels",
    )
    side = isqrt(neurons)
    if side**2 != neurons:
        raise ValueError(f"neurons must be a square number of pixels; given {neurons}")
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    smooth = np.exp(-2 * (np.pi * STROKE * side * frequency) ** 2)
    bits = []
    for _ in range(n):
        noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * smooth, (side, side))
        bits.append(np.packbits(noise > np.quantile(noise, 1 - rng.uniform(*ON))))
    return Images(np.stack(bits), neurons)


def _stretched(
    signals: Real[np.ndarray, "signals n"] | Complex[np.ndarray, "signals n"], m: int
) -> Complex[np.ndarray, "signals m"]:
    """Fourier interpolation from n to m samples; the middle coefficient stays on the low side."""
    spectrum = np.asarray(scipy.fft.fft(signals, axis=1))
    n = spectrum.shape[1]
    low = n // 2 + 1
    wide = np.zeros((len(spectrum), m), complex)
    wide[:, :low] = spectrum[:, :low]
    wide[:, m - (n - low) :] = spectrum[:, low:]
    return np.asarray(scipy.fft.ifft(wide, axis=1, overwrite_x=True))
