"""Whatever a damaged file does to a parser is one line that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topokit._escapes import shown
from topokit._limits import TooLargeError

LONGEST = 400


@contextmanager
def refusals(path: Path, what: str) -> Iterator[None]:
    """Around the reading of a file: say of it `what` it then is, and why.

    Raises:
        ValueError: Instead of any other exception; in one line of bounded length.
        OSError: If the file cannot be read, as the system says it.
    """
    try:
        yield
    except OSError:
        raise
    except TooLargeError as error:
        raise TooLargeError(f"{path}: {shown(error, LONGEST)}") from error
    except Exception as error:
        why = shown(str(error) or type(error).__name__, LONGEST)
        raise ValueError(f"{path}{what}: {why}") from error
