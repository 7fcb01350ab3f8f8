"""Files of numbers, a line a row, plain or packed, and errors that say which file it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float, Int

from topokit._archives import read_archive
from topokit._atomic import replacing
from topokit._escapes import shown
from topokit._limits import TooLargeError, check_read
from topokit._regular_files import opened
from topokit._unpacked_streams import UnpackedStream

BLOCK = 2**20  # bytes of lines that are read at a time
LONGEST_LINE = 1000
LARGEST = 2**53  # up to here double precision has all integers
SMALL = 2**31  # integers below it are kept in four bytes


def read_integers(
    path: Path, file: UnpackedStream, columns: int, *, last: tuple[str, float] | None = None
) -> Int[np.ndarray, "lines columns"]:
    """All lines of a file of integers.

    Args:
        path: What to call the file in an error.
        file: The lines.
        columns: Integers of a line.
        last: The name and the value of one more number, the same in every line.

    Raises:
        ValueError: If the file is cut, holds anything but such lines, or implausibly many.
    """
    found, held = [np.zeros((0, columns), np.int32)], 0
    for table in number_blocks(path, file, columns + (last is not None)):
        if last is not None and (wrong := table[table[:, -1] != last[1], -1]).size:
            raise ValueError(
                f"{path} has a {last[0]} {wrong[0]:g}; the challenge's are all {last[1]:g}"
            )
        found.append(_as_integers(path, table[:, :columns]))
        held += 2 * found[-1].nbytes  # once more when they are put together
        check_read(f"the numbers of {path}", held, file.stored)
    return np.concatenate(found)


def number_blocks(
    path: Path, file: UnpackedStream, columns: int
) -> Iterator[Float[np.ndarray, "lines columns"]]:
    """All numbers of a file of lines, some thousand lines at a time.

    Raises:
        ValueError: If it is cut, or holds anything but so many finite numbers a line.
    """
    with reading(path, f"lines of {columns} numbers"):
        rest, before = b"", 0
        while piece := file.read(BLOCK):
            lines, _, rest = (rest + piece).rpartition(b"\n")
            if len(rest) > LONGEST_LINE:
                raise ValueError(f"it has a line of more than {LONGEST_LINE} characters")
            if lines.strip():
                yield _table(lines, columns, before)
            before += lines.count(b"\n") + 1
        if rest:
            raise ValueError("it ends in the middle of a line: fetch it again")


def _table(lines: bytes, columns: int, before: int) -> Float[np.ndarray, "lines columns"]:
    try:
        table = np.loadtxt(BytesIO(lines), ndmin=2, comments=None)
    except ValueError as error:
        behind = f" behind the first {before} lines" if before else ""
        raise ValueError(f"{error}{behind}") from error
    if table.shape[1] != columns:
        raise ValueError(f"found {table.shape[1]} columns")
    if not np.isfinite(table).all():
        raise ValueError(f"found {table[~np.isfinite(table)][0]}")
    return table


def _as_integers(
    path: Path, values: Float[np.ndarray, "lines columns"]
) -> Int[np.ndarray, "lines columns"]:
    wrong = values[(values != np.round(values)) | (np.abs(values) >= LARGEST)]
    if wrong.size:
        raise ValueError(f"{path} has a number {wrong[0]} that must be an integer below 2^53")
    return values.astype(np.int32 if (np.abs(values) < SMALL).all() else np.int64)


def read_arrays(path: Path, what: str, **expected: tuple[str, int]) -> dict[str, np.ndarray]:
    """Arrays of numpy's `.npz` by their names, each with its kinds of numbers and count of axes.

    Raises:
        ValueError: If it is no such file, or holds other arrays.
    """
    with reading(path, what), opened(path) as file:
        return read_archive(file, expected)


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
    except TooLargeError as error:
        if str(path) in str(error):
            raise
        raise TooLargeError(f"{path}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as {what}: {shown(error)}") from error
