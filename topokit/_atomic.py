"""Files appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; on success it takes the place of `path`.

    The name keeps the ending of `path`. If the block raises, `path` stays as it was. What the
    system says of the name is said of `path`, which alone the caller knows.
    """
    part = path.with_name(f".{path.stem[:64]}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.filename not in (str(part), part):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        part.unlink(missing_ok=True)
