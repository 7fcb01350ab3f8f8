"""The challenge's input: packing, Fourier interpolation against slow sums, synthetic images."""

import gzip

import numpy as np
import pytest
from challenges import DATA, MNIST, needs_official_data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from topokit.challenge import Images, interpolate, pack_images, read_images, synthetic_images
from topokit.challenge import _images as module


def slowly(gray: np.ndarray, side: int) -> np.ndarray:
    """Pixels by the sum over frequencies at every place, image `x, y` at `side * x + y`."""
    n, _, width = gray.shape
    down = np.stack([resample(image, side) for image in gray.astype(complex)])
    across = resample(down.transpose(1, 0, 2).reshape(side, n * width).T, n * side).T
    modulus = np.abs(across).reshape(side, n, side)
    return (modulus > modulus.max() / 2).transpose(1, 2, 0).reshape(n, -1)


def resample(columns: np.ndarray, m: int) -> np.ndarray:
    """Each column's trigonometric sum at m places; of n frequencies n // 2 is the highest."""
    n = len(columns)
    frequencies = np.where(np.arange(n) <= n // 2, np.arange(n), np.arange(n) - n)
    turn = 2j * np.pi
    coefficients = np.exp(-turn * np.outer(frequencies, np.arange(n)) / n) @ columns
    return np.exp(turn * np.outer(np.arange(m), frequencies) / m) @ coefficients / n


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    ("height", "width", "side"), [(4, 4, 6), (4, 4, 7), (5, 5, 6), (5, 5, 9), (4, 5, 8), (6, 3, 6)]
)
def test_interpolation_is_the_slow_sum_of_both_parities(n, height, width, side):
    gray = np.random.default_rng(n).random((n, height, width)) ** 3
    found = interpolate(gray, side)
    assert found.neurons == side**2
    np.testing.assert_array_equal(found.pixels(slice(None)), slowly(gray, side))


def test_an_interpolation_beyond_what_is_kept_is_the_same(monkeypatch):
    gray = np.random.default_rng(0).integers(0, 256, (5, 6, 6))
    whole = interpolate(gray, 9)
    monkeypatch.setattr(module, "HELD", 0)
    np.testing.assert_array_equal(interpolate(gray, 9).bits, whole.bits)


def test_images_of_their_own_size_are_only_thresholded():
    gray = np.random.default_rng(0).integers(0, 256, (5, 6, 6))
    expected = (gray > gray.max() / 2).transpose(0, 2, 1).reshape(5, 36)
    np.testing.assert_array_equal(interpolate(gray, 6).pixels(slice(None)), expected)


def test_the_unit_of_gray_does_not_matter():
    gray = np.random.default_rng(0).integers(0, 256, (5, 6, 6))
    np.testing.assert_array_equal(interpolate(gray, 9).bits, interpolate(gray / 1024, 9).bits)


@pytest.mark.parametrize("side", [0, 4, 5])
def test_images_do_not_shrink(side):
    with pytest.raises(ValueError, match="side must be an integer of at least 6"):
        interpolate(np.ones((2, 5, 6)), side)


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements={}))
@settings(max_examples=50)
def test_packed_images_unpack_to_what_is_lit(values):
    images = pack_images(values)
    np.testing.assert_array_equal(images.pixels(slice(None)), values != 0)
    np.testing.assert_array_equal(images.pixels(slice(1, 3)), values[1:3] != 0)
    assert images.bits.shape == (len(values), -(-values.shape[1] // 8))


@given(st.sampled_from([64, 100, 1024]), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=20)
def test_synthetic_images_are_their_seeds(neurons, n, seed):
    images = synthetic_images(n, neurons, seed=seed)
    assert images.neurons == neurons
    np.testing.assert_array_equal(images.bits, synthetic_images(n, neurons, seed=seed).bits)
    more = synthetic_images(n + 2, neurons, seed=seed)
    np.testing.assert_array_equal(more.bits[:n], images.bits)
    assert not np.array_equal(images.bits, synthetic_images(n, neurons, seed=seed + 1).bits)


def test_the_lit_share_of_synthetic_images_lies_within_its_bounds():
    shares = synthetic_images(100, 1024).pixels(slice(None)).mean(axis=1)
    low, high = module.ON
    assert low - 2 / 1024 <= shares.min() < 2 * low
    assert 0.8 * high < shares.max() <= high + 2 / 1024


def test_synthetic_images_are_strokes_and_no_dust():
    """Of neighbors far more are alike than of pixels anywhere."""
    pixels = synthetic_images(100, 1024).pixels(slice(None)).reshape(100, 32, 32)
    alike = (pixels[:, 1:] == pixels[:, :-1]).mean()
    share = pixels.mean(axis=(1, 2))
    assert alike > 0.9 > (share**2 + (1 - share) ** 2).mean()


@pytest.mark.parametrize(
    ("n", "neurons", "message"),
    [(1, 128, "square number of pixels; given 128"), (0, 64, "n must"), (1, 0, "neurons must")]
    + [
        (
            10**11,
            1024,
            "a set of 10{11} images of 1024 pixels needs 11.6 TiB .* itself 8 GiB",
        )
    ]
    + [(5, 2**32, "a set of 5 images of 4294967296 pixels needs .* allows itself 8 GiB")],
)
def test_synthetic_images_that_cannot_be_are_refused(n, neurons, message):
    with pytest.raises(ValueError, match=message):
        synthetic_images(n, neurons)


@needs_official_data
def test_the_bits_of_all_official_images_begin_with_the_official_subset():
    every = read_images(DATA / "sparse-images-1024.npz")
    subset = read_images(DATA / "sparse-images-1024_subset.mtx.gz")
    assert isinstance(every, Images)
    assert len(every.bits) == 60000
    np.testing.assert_array_equal(every.bits[:1200], subset.bits)
    assert np.unpackbits(every.bits).sum() == 6374505


@pytest.mark.skipif(not (MNIST.is_dir() and DATA.is_dir()), reason=f"MNIST is not at {MNIST}")
def test_the_first_images_of_mnist_come_out_nearly_as_among_all_60000():
    """The result of one depends on all: through the ends of the row, and the brightest pixel."""
    with gzip.open(MNIST / "train-images-idx3-ubyte.gz") as file:
        gray = np.frombuffer(file.read(16 + 500 * 784)[16:], np.uint8).reshape(500, 28, 28)
    found = interpolate(gray, 32).pixels(slice(None))
    official = read_images(DATA / "sparse-images-1024.npz").pixels(slice(500))
    assert (found != official).mean() < 0.005
