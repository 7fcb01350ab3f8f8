"""Images and truths in the challenge's files: lines `image, pixel, 1`, and lines of one image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from topokit._archives import write_archive
from topokit._atomic import replacing
from topokit._checks import check_count
from topokit._limits import check_memory, check_read
from topokit._unpacked_streams import unpacked_file
from topokit.challenge._images import Images
from topokit.challenge._number_files import read_arrays, read_integers, written
from topokit.challenge._pixel_matrices import read_matrix

LARGEST = 2**31  # bytes of all images of a file
COUNTS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def read_images(path: str | Path, neurons: int = 1024, *, n: int | None = None) -> Images:
    """Read images.

    Args:
        path: Lines `image, pixel, 1` (`.tsv`), a Matrix Market file of images x pixels (`.mtx`), or
            numpy's `bits` of eight pixels a byte (`.npz`); the first two may be gzip (`.gz`).
        neurons: Pixels of an image.
        n: How many images, from the first on; None for all. Lines say nothing of the images behind
            the last one that has a lit pixel: with `n` these are dark, without it they are missing.

    Raises:
        ValueError: If the file is cut, is no such file, has a pixel or an image that cannot be, or
            holds a known number of images, and `n` is larger.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> challenge.write_images(images, "images.npz")
        >>> len(challenge.read_images("images.npz", 256, n=5).bits)
        5

    See Also:
        `write_images`, the way back.
    """
    path = Path(path)
    if n is not None:
        check_count("n", n)
    match _kind(path):
        case ".npz":
            return _read_bits(path, neurons, n)
        case ".mtx":
            held, lit = read_matrix(path, neurons)
            return _images(path, lit, neurons, _first(path, held, n), holds=held)
        case ".tsv":
            with unpacked_file(path) as file:
                lit = read_integers(path, file, 2, last=("value", 1))
            last = int(lit[:, 0].max(initial=1))
            return _images(path, lit, neurons, last if n is None else n, holds=last)
        case other:
            raise ValueError(f"images are .tsv, .mtx or .npz files; given {other!r} ({path})")


def _images(
    path: Path, lit: Int[np.ndarray, "lit 2"], neurons: int, n: int, *, holds: int
) -> Images:
    """The first `n` of the images in a file, from image and pixel, from 1, of all lit pixels."""
    rows, columns = lit.T
    if rows.min(initial=1) < 1:
        raise ValueError(f"{path} has an image {rows.min()}; images are numbered from 1")
    if rows.size and not (1 <= columns.min() <= columns.max() <= neurons):
        wrong = columns.max() if columns.max() > neurons else columns.min()
        raise ValueError(f"{path} has a pixel {wrong}; an image has pixels 1 to {neurons}")
    bytes_each = -(-neurons // 8)
    if n == holds:
        said = f"{path} has an image {n}; so many of {neurons} pixels"
        check_read(said, n * bytes_each, path.stat().st_size)
    check_memory(f"{n} images", n * bytes_each, LARGEST, "give a smaller n", of=str(path))
    bits, wanted = np.zeros((n, bytes_each), np.uint8), rows <= n
    byte, bit = np.divmod(columns[wanted] - 1, 8)
    np.bitwise_or.at(bits, (rows[wanted] - 1, byte), (128 >> bit).astype(np.uint8))
    if COUNTS[bits].sum(dtype=np.int64) != len(byte):
        raise ValueError(f"{path} has a pixel of an image twice; each is listed once")
    return Images(bits, neurons)


def write_images(images: Images, path: str | Path) -> None:
    """Write images; the file appears whole or not at all.

    Args:
        images: Any images.
        path: A name that ends in `.npz` for numpy's `bits` of eight pixels a byte, or in `.tsv` or
            `.tsv.gz` for lines `image, pixel, 1`, by pixel and then by image, as the challenge has
            them; images without a lit pixel have no line, and `read_images` needs `n` for those at
            the end.

    Raises:
        ValueError: If the name ends otherwise.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> challenge.write_images(images, "images.tsv.gz")
        >>> len(challenge.read_images("images.tsv.gz", 256).bits)
        20

    See Also:
        `read_images`, the way back.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == ".npz" and path.suffix == kind:
        with replacing(path) as part, part.open("wb") as file:
            write_archive(file, {"bits": images.bits})
        return
    if kind != ".tsv":
        raise ValueError(f"images are written as .tsv, .tsv.gz or .npz files; given {path}")
    every = images.pixels(slice(None))
    with written(path) as file:
        for pixel, column in enumerate(every.T, 1):
            lit = np.flatnonzero(column) + 1
            file.write("".join(f"{image}\t{pixel}\t1\n" for image in lit.tolist()))


def write_categories(
    categories: Sequence[int] | Int[np.ndarray, " alive"], path: str | Path
) -> None:
    """Write a truth, a number a line; the file appears whole or not at all.

    Raises:
        ValueError: If one is not the number of an image, from 1.

    Examples:
        >>> from topokit import challenge
        >>> challenge.write_categories([2, 3, 5], "truth.tsv")
        >>> challenge.read_categories("truth.tsv").tolist()
        [2, 3, 5]

    See Also:
        `read_categories`, the way back.
    """
    numbers = [check_count("categories", number) for number in np.asarray(categories).tolist()]
    with written(Path(path)) as file:
        file.write("".join(f"{number}\n" for number in numbers))


def read_categories(path: str | Path) -> Int[np.ndarray, " alive"]:
    """Read a truth: the numbers of the images that are left, from 1, ascending.

    Raises:
        ValueError: If a line is anything but one such number.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> challenge.write_categories(challenge.infer(network, images).categories, "truth.tsv")
        >>> challenge.read_categories("truth.tsv").size <= 20
        True

    See Also:
        `infer`, whose result is compared with it.
    """
    path = Path(path)
    with unpacked_file(path) as file:
        numbers = read_integers(path, file, 1)[:, 0]
    if numbers.min(initial=1) < 1:
        raise ValueError(f"{path} has an image {numbers.min()}; they are numbered from 1")
    found = np.unique(numbers)
    if found.size < numbers.size:
        raise ValueError(f"{path} names an image twice; each that is left is named once")
    return found.astype(np.int64)


def _kind(path: Path) -> str:
    """The ending of a name, below that of gzip."""
    return next((s for s in path.suffixes[::-1] if s != ".gz"), "")


def _first(path: Path, held: int, n: int | None) -> int:
    """How many of the images that a file holds are taken."""
    if n is not None and n > held:
        raise ValueError(f"{path} has {held} images; given n={n}")
    return held if n is None else n


def _read_bits(path: Path, neurons: int, n: int | None) -> Images:
    bits = read_arrays(path, "images in bits", bits=("biufc", 2))["bits"]
    if bits.dtype != np.uint8 or bits.shape[1] != -(-neurons // 8):
        raise ValueError(
            f"{path} must hold bits of {neurons} pixels an image, uint8 of shape (images, "
            f"{-(-neurons // 8)}); found {bits.dtype} of shape {bits.shape}"
        )
    if neurons % 8 and (bits[:, -1] & (255 >> neurons % 8)).any():
        raise ValueError(f"{path} has bits behind the last of {neurons} pixels; they must be 0")
    return Images(bits[: _first(path, len(bits), n)], neurons)
