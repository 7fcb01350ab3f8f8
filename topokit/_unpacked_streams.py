"""Files read through their packing, gzip, bzip2 or xz, and never further than is plausible.

A file from the network is believed in nothing: it may be cut, be another file, or unpack to a
thousand times its size. Whether it is packed is seen by its first bytes.
"""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from topokit._escapes import shown
from topokit._limits import EXPANSION, allowed, check_read, readable_bytes
from topokit._regular_files import opened

Packing = tuple[str, Callable[[Any], Any]]
GZIP: Packing = ("gzip", lambda file: gzip.GzipFile(fileobj=file, mode="rb"))
# By their first bytes.
PACKINGS: dict[bytes, Packing] = {
    rb"\x1f\x8b": GZIP,
    rb"BZh[1-9](1AY&SY|\x17rE8P\x90)": ("bzip2", bz2.BZ2File),
    rb"\xfd7zXZ\x00|\x5d\x00\x00": ("xz", lzma.LZMAFile),
}
LONGEST_MAGIC = 10
PIECE = 2**20


class UnpackedStream:
    """What is in a packed file, as a file to read from; it ends in an error where it is too much.

    Args:
        file: The packed file, open at its beginning; it need not be one to seek in.
        what: What to call it in an error.
        stored: Its size on the disk.
        packing: The name of its packing, and what opens it; None for a plain file.
    """

    def __init__(self, file: Any, what: object, stored: int, packing: Packing | None) -> None:
        self.what, self.stored = what, stored
        self._name, opener = packing or ("", None)
        self._file = opener(file) if opener else file
        self._left = max(readable_bytes(stored), allowed(EXPANSION * stored))
        self._read = 0

    def read(self, n_bytes: int) -> bytes:
        """At most so many bytes; none at the end."""
        return self._bounded(lambda: self._file.read(n_bytes))

    def readline(self, n_bytes: int) -> bytes:
        """A line, or so many bytes of it."""
        return self._bounded(lambda: self._file.readline(n_bytes))

    def _bounded(self, read: Callable[[], bytes]) -> bytes:
        try:
            found = read()
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            if getattr(error, "errno", None) is not None:  # the disk's, not the contents'
                raise
            raise ValueError(
                f"{self.what} is a damaged or truncated {self._name} file ({shown(error)}); fetch "
                "it again"
            ) from error
        self._read += len(found)
        if self._read > self._left:  # of a plain file only where it is endless, such as /dev/zero
            check_read(f"what is in {self.what}", self._read, self.stored)
        return found


@contextmanager
def unpacked_file(path: Path) -> Iterator[UnpackedStream]:
    """Open a file to read what is in it.

    Raises:
        ValueError: From its `read`, if it is damaged, or unpacks to more than is plausible.
        OSError: If the file cannot be read.
    """
    with opened(path) as file:
        start = file.read(LONGEST_MAGIC)
        file.seek(0)
        packing = next((PACKINGS[magic] for magic in PACKINGS if re.match(magic, start)), None)
        yield UnpackedStream(file, path, path.stat().st_size, packing)


def take(read: Callable[[int], bytes], n_bytes: int) -> bytes:
    """Read up to `n_bytes` with a file's `read`; memory grows with what is there, no faster."""
    chunks, left = [], n_bytes
    while left and (chunk := read(min(left, PIECE))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
