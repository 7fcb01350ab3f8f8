"""One thread for dense algebra: on small matrices threads gain little, and wait on busy cores."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A context in which the BLAS of numpy and scipy takes one thread."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    """The libraries of this process, looked for once: that takes as long as a small matrix."""
    return ThreadpoolController()
