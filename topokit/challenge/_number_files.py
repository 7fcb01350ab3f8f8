"""Files of numbers, a line a row, plain or gzip, and errors that say which file it was."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import GzipFile
from io import BufferedIOBase, BytesIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float, Int, Shaped

from topokit._atomic import replacing

DAMAGED = (zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, RecursionError)
LARGE = (MemoryError, OverflowError)
MOST_BYTES = 2**33
LARGEST = 2**53  # up to here double precision has all integers


def read_lines(
    path: Path, file: BufferedIOBase, columns: int
) -> Float[np.ndarray, "lines columns"]:
    """All numbers of a file of lines.

    Raises:
        ValueError: If it is cut, or holds anything but so many numbers a line.
    """
    with reading(path, f"lines of {columns} numbers"):
        content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES / 2**30:g} GiB")
        if content and not content.endswith(b"\n"):
            raise ValueError("it ends in the middle of a line: fetch it again")
        table = np.loadtxt(BytesIO(content), ndmin=2) if content.strip() else np.zeros((0, columns))
        if table.shape[1] != columns:
            raise ValueError(f"found {table.shape[1]} columns")
        if not np.isfinite(table).all():
            raise ValueError(f"found {table[~np.isfinite(table)][0]}")
    return table


def as_integers(path: Path, values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Numbers of a file that have to be integers.

    Raises:
        ValueError: If one is not.
    """
    wrong = values[(values != np.round(values)) | (np.abs(values) >= LARGEST)]
    if wrong.size:
        raise ValueError(f"{path} has a number {wrong[0]} that must be an integer below 2^53")
    return values.astype(np.int64)


def read_arrays(path: Path, what: str, *names: str) -> list[Shaped[np.ndarray, "..."]]:
    """Arrays of numpy's `.npz` by their names.

    Raises:
        ValueError: If it is no such file, or lacks one.
    """
    with reading(path, what), path.open("rb") as file:
        held = np.load(file, allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        return [held[name] for name in names]


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """Open a file, gzip if it is called so."""
    opener: Callable = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        yield file


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A new file of lines, gzip if it is called so, that appears whole or not at all."""
    with replacing(path) as part, part.open("wb") as file:
        packed = GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix == ".gz" else file
        with TextIOWrapper(packed, encoding="ascii", newline="\n") as lines:
            yield lines


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say of which file it is that an error speaks."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, EOFError, OSError, *DAMAGED) as error:
        raise ValueError(f"{path} cannot be read as {what}: {error}") from error
    except LARGE as error:
        raise ValueError(f"{path} cannot be read as {what}: too large ({error})") from error
