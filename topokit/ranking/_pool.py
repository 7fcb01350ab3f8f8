"""Processes for a ranking: one topology each, and Ctrl-C left to the parent."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any

from threadpoolctl import threadpool_limits

from topokit._checks import check_jobs
from topokit._interrupts import interrupts_blocked

# Each process takes memory for a JAX of its own.
MOST_BY_DEFAULT = 4

PATIENCE = 2.0  # seconds, at most, for a pool's thread to notice that it is shut down


class Processes(ProcessPoolExecutor):
    """A pool whose `with` block, where an error or Ctrl-C ends it, ends the processes at once.

    They begin one by one, as tasks are given.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Give a task; a process that begins with it leaves Ctrl-C to the parent."""
        with interrupts_blocked():
            return super().submit(fn, *args, **kwargs)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Wait for what runs, or end it."""
        if kind is None:
            return super().__exit__(kind, error, trace)
        processes = list((self._processes or {}).values())
        self.shutdown(wait=False, cancel_futures=True)
        self._wait_for_cancellation()
        for process in processes:
            process.terminate()
        return None

    def _wait_for_cancellation(self) -> None:
        """Let the pool's thread forget what is cancelled, before it finds the processes ended.

        It would tell those tasks that they are lost, and fail in a traceback of its own.
        """
        until = time.monotonic() + PATIENCE
        while getattr(self, "_cancel_pending_futures", False) and time.monotonic() < until:
            time.sleep(0.01)


def process_pool(jobs: int | None = None) -> ProcessPoolExecutor:
    """An executor of `jobs` fresh processes for `topokit.rank(..., executor=...)`.

    Sparse products gain little from threads, so processes are the way to use many cores; each
    takes one thread for dense algebra and memory for a JAX of its own. They ignore the interrupt
    that a terminal sends to all of them: the parent decides. Use it in a `with` block: where an
    error or Ctrl-C ends that, the processes end too.

    Args:
        jobs: Number of processes, from 1 to four for each core; as many as there are cores, but at
            most 4, by default.

    Raises:
        ValueError: If there would be none, or more than that.

    Examples:
        >>> import topokit as tk
        >>> with tk.ranking.process_pool(1) as pool:
        ...     graphs = list(pool.map(tk.topologies.butterfly, [4, 8]))
        >>> [graph.name for graph in graphs]
        ['butterfly(4)', 'butterfly(8)']

    See Also:
        `topokit.rank` and `sweep`, whose executor it can be.
    """
    jobs = min(MOST_BY_DEFAULT, os.cpu_count() or 1) if jobs is None else jobs
    pool = Processes(
        check_jobs(jobs),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
    )
    pool.submit(os.getpid)
    return pool


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
