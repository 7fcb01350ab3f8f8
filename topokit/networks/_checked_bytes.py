"""The bytes of a file of data: no more than expected, plain or gzip, with the published sum.

Data sets come from the network, so a file is believed in nothing: it may be cut, be another file,
or unpack to a thousand times its size. Nothing here reads to an end that the reader did not set.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

CHUNK = 2**20
GZIP = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Open a plain or a gzip file, told apart by their first bytes, to read what is inside.

    Raises:
        ValueError: If what is read inside the block proves to be a damaged gzip file.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        try:
            yield gzip.GzipFile(fileobj=file) if packed else file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"{path} is a damaged or truncated gzip file ({error}); fetch it again"
            ) from error


def take(read: Callable[[int], bytes], n_bytes: int) -> bytes:
    """Read up to `n_bytes` with a file's `read`; memory grows with what is there, no faster."""
    chunks, left = [], n_bytes
    while left and (chunk := read(min(left, CHUNK))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def check_md5(where: object, content: bytes, expected: str) -> None:
    """Raise a ValueError unless the md5 sum of `content` is `expected`.

    The sum guards against a damaged file and a wrong one, not against a forged one.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise ValueError(
            f"{where} has the md5 sum {found}; expected {expected}, that of the original: fetch it "
            f"again, or pass verify=False if it is meant to be other data in the same form"
        )
