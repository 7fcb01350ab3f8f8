"""What the system refuses, in one line: which file, what happened, and what to do.

What happened is told in the system's own words, under which the rest of the world explains it.
"""

import errno
import os
from pathlib import Path
from tempfile import TemporaryFile

from topokit._escapes import shown

ROOM = "make room on that disk, and run the same again"
ANOTHER = "change its permissions, or give another place"
BUSY = "another program uses it; run the same again when that is done"
OPEN = "close some, or let there be more, as by `ulimit -n 4096`"
CURES = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "a limit forbids files of that size; raise it, as by `ulimit -f unlimited`",
    errno.EACCES: ANOTHER,
    errno.EPERM: ANOTHER,
    errno.EROFS: "nothing is written there; give a place on another disk",
    errno.ENOENT: "check the name, and that its folder is there",
    errno.EISDIR: "give the name of a file, such as one in it",
    errno.ENOTDIR: "a part of that path is a file and no folder; give another path",
    errno.EEXIST: "give another name, or remove what is there",
    errno.EMFILE: OPEN,
    errno.ENFILE: OPEN,
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EBUSY: BUSY,
    errno.ETXTBSY: BUSY,
    errno.EIO: "that disk fails, or what connects it; look after it, or give a place on another",
    errno.ELOOP: "its links lead in a circle; give the file itself",
    errno.EPIPE: "who read it has closed it",
    errno.EBADF: "it is closed; redirect it to a file, or to /dev/null",
    errno.ENODEV: "give a file of a disk, no pipe and no device",
    errno.ENOMEM: "close other programs, or ask for less",
}
CURE = "give another place, or run the same again"

# What stands in the place of a file's name where there is none.
OUTPUT = "standard output"

# Bytes by which a disk is tried: more than what SQLite writes at once.
TRIED = 2**18


def told(error: OSError) -> str:
    """An error in one line."""
    if error.errno is None:
        return str(error) or type(error).__name__
    name = error.filename
    names = [shown(os.fsdecode(name))] if isinstance(name, str | bytes | os.PathLike) else []
    reason = error.strerror or os.strerror(error.errno)
    cure = CURES.get(error.errno, CURE)
    return ": ".join([*names, reason if reason.endswith(cure) else f"{reason}; {cure}"])


def failure(error: OSError, name: object) -> OSError:
    """The same error as one of the file `name`, which says what to do."""
    code = error.errno or 0
    reason = error.strerror or os.strerror(code)
    return OSError(code, f"{reason}; {CURES.get(code, CURE)}", str(name))


def why_not_written(path: Path) -> OSError | None:
    """What the system says to writing a file, and others beside it; None if it lets us.

    It is asked where a library says only that something failed, such as SQLite of a full disk.
    """
    try:
        if path.exists():
            path.open("r+b").close()
        with TemporaryFile(dir=path.absolute().parent) as file:
            file.write(bytes(TRIED))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None
