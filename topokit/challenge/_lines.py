"""Files of numbers, a line a row, plain or gzip, and errors that say which file it was."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float


def read_lines(path: Path, file: IO[bytes], columns: int) -> Float[np.ndarray, "lines columns"]:
    """All numbers of a file of lines.

    Raises:
        ValueError: If it is cut, or holds anything but so many numbers a line.
    """
    with reading(path, f"lines of {columns} numbers"):
        content = file.read()
        if content and not content.endswith(b"\n"):
            raise ValueError("it ends in the middle of a line: fetch it again")
        table = np.loadtxt(BytesIO(content), ndmin=2) if content.strip() else np.zeros((0, columns))
        if table.shape[1] != columns or not np.isfinite(table).all():
            raise ValueError(f"found {table.shape[1]} columns")
    return table


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, gzip if it is called so."""
    opener: Callable = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        yield file


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say of which file it is that an error speaks."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, EOFError, OSError, zlib.error, tarfile.TarError) as error:
        raise ValueError(f"{path} cannot be read as {what}: {error}") from error
