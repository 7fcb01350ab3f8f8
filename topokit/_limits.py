"""Memory is estimated before it is taken, within limits that a user can raise.

What is computed allows itself a limit of its own (`check_memory`). What is read allows itself what
is plausible for a file of its size (`check_read`, and `bounded_read` where headers may lie). Both
give way to the one limit that a user sets, where that is larger: `memory_limit` for a block of
code, or the environment variable `TOPOKIT_MEMORY` for a process and its children.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO

from topokit._checks import check_count

VARIABLE = "TOPOKIT_MEMORY"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
FACTORS = {
    unit.lower(): base**power
    for base, units in ((1024, UNITS), (1000, DECIMAL))
    for power, unit in enumerate(units)
}
SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?([a-z]*)", re.IGNORECASE | re.ASCII)

SMALL_FILE = 2**27  # bytes that the contents of a file of any size may take
EXPANSION = 64  # bytes in memory that a byte on the disk may stand for
BYTES_A_CHARACTER = 24  # of text, that what it says takes; empty lists of JSON the most
LARGE_FILE = 2**31  # bytes beyond which no contents go unasked
PIECE = 2**20
LIKELY = 2**50  # bytes that no machine has; to allow so many is no cure

_raised: ContextVar[int | None] = ContextVar("topokit memory limit", default=None)


class TooLargeError(ValueError):
    """A result would need more memory than it allows itself; the message says what to do."""


@contextmanager
def memory_limit(n_bytes: int) -> Iterator[None]:
    """Allow everything inside to take this much memory, where its own limit is smaller.

    Functions refuse what would take more than they allow themselves, and readers what is not
    plausible for the size of a file, with a ValueError that says how much it would be. This is how
    to have it all the same. It holds in the thread that says so; the environment variable
    `TOPOKIT_MEMORY`, such as `32 GiB`, holds in a whole process and in those that it starts.

    Args:
        n_bytes: The most bytes that one result may take.

    Raises:
        ValueError: If it is no integer above 0.

    Examples:
        >>> import topokit as tk
        >>> with tk.memory_limit(32 * 2**30):
        ...     tk.degrees_of_freedom(tk.topologies.butterfly(8))
        32

    See Also:
        `topokit.score`, which leaves out what would take more than its limit.
    """
    token = _raised.set(check_count("n_bytes", n_bytes))
    try:
        yield
    finally:
        _raised.reset(token)


def allowed(limit: int) -> int:
    """A limit, or the user's where that is larger."""
    return max(limit, _raised.get() or _told())


def check_memory(
    what: str, n_bytes: int, limit: int, remedy: str, *, of: str = "this topology"
) -> None:
    """Raise `TooLargeError` if `what` would take more than `limit` bytes, or than a user allows."""
    if n_bytes > (most := allowed(limit)):
        raise TooLargeError(
            f"{what} of {of} needs {_more(n_bytes, most)} of memory and allows itself "
            f"{in_units(most)}; {remedy}, or {_raising(n_bytes)}"
        )


def check_read(what: str, n_bytes: int, stored: int) -> None:
    """Raise `TooLargeError` if contents would take more than is plausible, or than a user allows.

    Args:
        what: What is read, as a message begins with it.
        n_bytes: What the contents take in memory, as headers tell it.
        stored: The size of the file on the disk.
    """
    if n_bytes > (most := readable_bytes(stored)):
        raise _implausible(what, _more(n_bytes, most), most, stored, _raising(n_bytes))


def readable_bytes(stored: int) -> int:
    """How much memory the contents of a file of so many bytes may take."""
    return allowed(min(LARGE_FILE, max(SMALL_FILE, EXPANSION * stored)))


def least_stored(n_bytes: int) -> int:
    """How large a file of contents of so many bytes has to be, not to be refused by its reader."""
    return 0 if n_bytes <= SMALL_FILE else -(-n_bytes // EXPANSION)


def bounded_read(stream: IO[bytes] | io.BufferedIOBase, what: str, stored: int) -> bytes:
    """All bytes of a stream, which is not read beyond what `check_read` allows."""
    most, found = readable_bytes(stored), io.BytesIO()
    while piece := stream.read(min(PIECE, most - found.tell() + 1)):
        found.write(piece)
        if found.tell() > most:
            raise _implausible(what, f"over {in_units(most)}", most, stored, _raising(LIKELY))
    return found.getvalue()


def _implausible(what: str, needed: str, most: int, stored: int, cure: str) -> TooLargeError:
    return TooLargeError(
        f"{what} would take {needed} of memory, and {in_units(most)} is the most for a file of "
        f"{in_units(stored)}; if you trust it, {cure}"
    )


def in_units(n_bytes: int) -> str:
    """A number of bytes as people say it, as `1.5 GiB`."""
    power = _power(n_bytes)
    if n_bytes >= 1024 ** len(UNITS):
        return f"over 1024 {UNITS[-1]}"
    return f"{round(n_bytes / 1024**power, 1):g} {UNITS[power]}"


def _power(n_bytes: int) -> int:
    """The place of the unit in which a number of bytes is said."""
    return min(max(int(n_bytes).bit_length() - 1, 0) // 10, len(UNITS) - 1)


def _more(n_bytes: int, most: int) -> str:
    """What is needed, so that it reads as more than the most."""
    needed = in_units(n_bytes)
    return f"over {needed}" if needed == in_units(most) else needed


def _raising(n_bytes: int) -> str:
    """How to allow so many bytes; of more than is likely the number is not said."""
    power = _power(n_bytes)
    enough = f"='{-(-int(n_bytes) // 1024**power)} {UNITS[power]}'" if n_bytes < LIKELY else ""
    return f"allow more by {VARIABLE}{enough} or topokit.memory_limit"


def _told() -> int:
    """The limit in the environment; 0 where there is none."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return 0
    match = SIZE.fullmatch(text)
    factor = FACTORS.get((match[2] or "B").lower()) if match else None
    if match is None or factor is None:
        raise ValueError(
            f"{VARIABLE} must be a size such as '32 GiB', or a number of bytes; "
            f"given {ascii(text)[:40]}"
        )
    return int(float(match[1]) * factor)
