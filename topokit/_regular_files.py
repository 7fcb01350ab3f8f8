"""The one door to a stranger's file: it must have an end, and be no larger than is plausible.

A pipe lets its reader wait for ever, and a device such as `/dev/zero` has no end. Links to them may
carry any name.
"""

import errno
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from topokit._failures import CURES
from topokit._limits import BYTES_A_CHARACTER, bounded_read, check_read


def opened(path: Path) -> BufferedReader:
    """A file, open to read its bytes.

    Raises:
        OSError: If it cannot be read, or is a device, a pipe or a socket.
    """
    mode = path.stat().st_mode
    if not S_ISREG(mode) and not S_ISDIR(mode):  # of a folder the system says what it is
        raise OSError(errno.ENODEV, f"is no regular file; {CURES[errno.ENODEV]}", str(path))
    return path.open("rb")


def whole_bytes(path: Path, what: str = "what it says") -> bytes:
    """All bytes of a file of text; an error begins with `what` it says.

    Raises:
        TooLargeError: If that would take more memory than is plausible.
        OSError: As `opened`.
    """
    with opened(path) as file:
        stored = path.stat().st_size
        check_read(what, BYTES_A_CHARACTER * stored, stored)
        return bounded_read(file, what, stored)
