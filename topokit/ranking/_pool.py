"""Processes for a ranking: one topology each, and Ctrl-C left to the parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from topokit._checks import check_count


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """An executor of `jobs` fresh processes for `topokit.rank(..., executor=...)`.

    Sparse products gain little from threads, so processes are the way to use many cores; each
    takes one thread for dense algebra and memory for a JAX of its own. They ignore the interrupt
    that a terminal sends to all of them: the parent decides.

    Args:
        jobs: Number of processes, at least 1.
    """
    pool = ProcessPoolExecutor(
        check_count("jobs", jobs),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
    )
    with interrupts_ignored():  # which the processes inherit, from their first moment on
        pool.submit(os.getpid)
    return pool


def stop_processes(pool: Executor) -> None:
    """End a pool at once, and all processes that `multiprocessing` started for this one."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in multiprocessing.active_children():
        process.terminate()


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ctrl-C does nothing in here, if this is the main thread: no other can set signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def default_jobs() -> int:
    """As many processes as there are cores, but at most 4."""
    return min(4, os.cpu_count() or 1)


def _prepare() -> None:
    """Runs first in each process, before JAX looks for its devices."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_the_parent, daemon=True).start()
    threadpool_limits(1)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _follow_the_parent() -> None:
    """End this process when its parent does, for a killed parent tells nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
