"""Images and truths in the challenge's files: lines `image, pixel, 1`, and lines of one image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse
from jaxtyping import Int

from topokit._atomic import replacing
from topokit._checks import check_count
from topokit.challenge._images import Images, pack_images
from topokit.challenge._lines import as_integers, opened, read_arrays, read_lines, reading

LARGEST = 2**35  # pixels of all images of a file, a byte each while they are read


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
    """
    path = Path(path)
    if n is not None:
        check_count("n", n)
    kind = next((s for s in path.suffixes[::-1] if s != ".gz"), "")
    match kind:
        case ".npz":
            return _read_bits(path, neurons, n)
        case ".mtx":
            with reading(path, "a Matrix Market file"):
                matrix = scipy.sparse.csr_array(scipy.io.mmread(path))
            rows, columns = (part.astype(np.int64) + 1 for part in matrix.nonzero())
            n = _first(path, len(matrix.indptr) - 1, n)
        case ".tsv":
            with opened(path) as file:
                table = read_lines(path, file, 3)
            rows, columns = (as_integers(path, column) for column in table.T[:2])
            if (table[:, 2] != 1).any():
                wrong = table[table[:, 2] != 1][0, 2]
                raise ValueError(f"{path} has a value {wrong:g}; it lists the pixels that are 1")
        case other:
            raise ValueError(f"images are .tsv, .mtx or .npz files; given {other!r} ({path})")
    last = rows.max(initial=1) if n is None else n
    if rows.min(initial=1) < 1:
        raise ValueError(f"{path} has an image {rows.min()}; images are numbered from 1")
    if rows.size and not (1 <= columns.min() <= columns.max() <= neurons):
        wrong = columns.max() if columns.max() > neurons else columns.min()
        raise ValueError(f"{path} has a pixel {wrong}; an image has pixels 1 to {neurons}")
    if last * neurons > LARGEST:
        raise ValueError(
            f"{path} has an image {last}; so many of {neurons} pixels would take "
            f"{last * neurons / 2**30:,.0f} GiB"
        )
    pixels = np.zeros((last, neurons), bool)
    wanted = rows <= last
    pixels[rows[wanted] - 1, columns[wanted] - 1] = True
    return pack_images(pixels)


def write_images(images: Images, path: str | Path) -> None:
    """Write images; the file appears whole or not at all.

    Args:
        images: Any images.
        path: A name that ends in `.npz` for numpy's `bits` of eight pixels a byte. Any other file
            has lines `image, pixel, 1`, by pixel and then by image, as the challenge's; images
            without a lit pixel have no line, and `read_images` needs `n` for those at the end.
    """
    path = Path(path)
    if path.suffix == ".npz":
        with replacing(path) as part:
            np.savez_compressed(part, bits=images.bits)
        return
    every = images.pixels(slice(None))
    with replacing(path) as part, part.open("w") as file:
        for pixel, column in enumerate(every.T, 1):
            lit = np.flatnonzero(column) + 1
            file.write("".join(f"{image}\t{pixel}\t1\n" for image in lit.tolist()))


def write_categories(
    categories: Sequence[int] | Int[np.ndarray, " alive"], path: str | Path
) -> None:
    """Write a truth, a number a line; the file appears whole or not at all."""
    with replacing(Path(path)) as part:
        part.write_text("".join(f"{int(number)}\n" for number in categories))


def read_categories(path: str | Path) -> Int[np.ndarray, " alive"]:
    """Read a truth: the numbers of the images that are left, from 1, ascending.

    Raises:
        ValueError: If a line is anything but one such number.
    """
    path = Path(path)
    with opened(path) as file:
        table = read_lines(path, file, 1)
    numbers = as_integers(path, table[:, 0])
    if numbers.min(initial=1) < 1:
        raise ValueError(f"{path} has an image {numbers.min()}; they are numbered from 1")
    return np.unique(numbers)


def _first(path: Path, held: int, n: int | None) -> int:
    """How many of the images that a file holds are taken."""
    if n is not None and n > held:
        raise ValueError(f"{path} has {held} images; given n={n}")
    return held if n is None else n


def _read_bits(path: Path, neurons: int, n: int | None) -> Images:
    (bits,) = read_arrays(path, "images in bits", "bits")
    if bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] != -(-neurons // 8):
        raise ValueError(
            f"{path} must hold bits of {neurons} pixels an image, uint8 of shape (images, "
            f"{-(-neurons // 8)}); found {bits.dtype} of shape {bits.shape}"
        )
    return Images(bits[: _first(path, len(bits), n)], neurons)
