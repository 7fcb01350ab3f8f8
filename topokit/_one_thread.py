"""One thread for dense algebra: on small matrices threads gain little, and wait on busy cores.

How many threads a BLAS takes is a setting of the whole process. Calls that overlap, in several
threads, share one change of it: the first to come makes it, the last to leave takes it back, and
leaves alone what somebody else has set meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

ONE = 1

_lock = Lock()
_inside = 0
_before: list[tuple[Any, int]] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """A context in which the BLAS of numpy and scipy takes one thread."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside
    with _lock:
        if not _inside:
            _before[:] = [(library, library.num_threads) for library in _libraries()]
            for library, _ in _before:
                library.set_num_threads(ONE)
        _inside += 1


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            for library, threads in _before:
                if library.num_threads == ONE:
                    library.set_num_threads(threads)
            _before.clear()


@cache
def _libraries() -> list[Any]:
    """The libraries of this process, looked for once: that takes as long as a small matrix."""
    return ThreadpoolController().select(user_api="blas").lib_controllers
