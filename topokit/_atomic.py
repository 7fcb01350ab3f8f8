"""Files appear whole or not at all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

from topokit._failures import failure

# Bytes that systems take of a name, and those of a process, a thread and the ending `.part`.
LONGEST, SIGNS = 255, 50


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; on success it takes the place of `path`.

    The name keeps the ending of `path`, and the file has the mode of a new one, whoever writes it.
    If the block raises, `path` stays as it was. What the system says of the name, or of no name at
    all, is said of `path`, which alone the caller knows.
    """
    part = _beside(path)
    try:
        part.touch()
        mode = part.stat().st_mode
        yield part
        if part.stat().st_mode != mode:  # written by way of a private file
            part.chmod(S_IMODE(mode))
        part.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part), part):
            raise
        raise failure(error, path) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _beside(path: Path) -> Path:
    """A name of this thread alone, not longer than a name may be."""
    signs = f".{os.getpid()}-{threading.get_native_id()}.part{path.suffix}"
    room = max(LONGEST - SIGNS - len(os.fsencode(path.suffix)), 1)
    return path.with_name(f".{os.fsdecode(os.fsencode(path.stem)[:room])}{signs}")
