"""A cluster of workers that are started one by one, whose fate their names tell.

`killed` dies at the end of its second case, before the result is sent; `slow` waits several times
as long as the others; `late` is started when the others have finished some cases. Each case waits
beside its own work, so that a worker is worth its share where there are fewer cores than workers,
and a log has a line for each case that a worker begins, and for each that it has finished.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple, cast

from dask import config
from distributed import Client, Scheduler, SpecCluster, Worker, get_worker

DIES_AT, SLOWER, LATE_AFTER, LOOK_S = 2, 4, 4, 0.05


class Line(NamedTuple):
    """A line of the log."""

    what: str
    worker: str
    case: str
    time: str


class Noting(Executor):
    """An executor whose cases wait and are written down."""

    def __init__(self, inner: Executor, wait: float, log: Path) -> None:
        self.inner, self.wait, self.log = inner, wait, log

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.inner.submit(noted, self.wait, str(self.log), fn, *args, **kwargs)


def noted(wait: float, log: str, fn: Callable[[Any], Any], task: Any) -> Any:
    """A case, in a worker."""
    name = str(get_worker().name)
    _note(log, "begun", name, task.key)
    time.sleep(wait * (SLOWER if name == "slow" else 1))
    found = fn(task)
    if name == "killed" and sum(line.worker == name for line in lines(log, "begun")) == DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)
    _note(log, "finished", name, task.key)
    return found


def lines(log: str | Path, what: str) -> list[Line]:
    """All of one kind so far."""
    whole = Path(log).read_text(encoding="utf-8").rpartition("\n")[0]
    return [line for text in whole.splitlines() if (line := Line(*text.split())).what == what]


def _note(log: str, what: str, worker: str, case: str) -> None:
    line = Line(what, worker, case, f"{time.time()}")
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(" ".join(line) + "\n")


@contextmanager
def threads(names: tuple[str, ...], log: Path, programs: Path) -> Iterator[Executor]:  # noqa: ARG001
    """Workers in this process."""
    each = {name: {"cls": Worker, "options": {"nthreads": 1}} for name in names}
    with _cluster(each) as cluster, Client(cluster) as client:
        client.wait_for_workers(len(names))
        yield client.get_executor()


@contextmanager
def processes(names: tuple[str, ...], log: Path, programs: Path) -> Iterator[Executor]:
    """Workers that nobody starts again; all but the late one are there when the block begins."""
    started: list[subprocess.Popen[bytes]] = []
    over = Event()
    with config.set({"distributed.logging.distributed": "fatal"}), _cluster({}) as cluster:
        address = cluster.scheduler_address

        def start_late() -> None:
            while not over.wait(LOOK_S):
                if len(lines(log, "finished")) >= LATE_AFTER:
                    started.append(_start(address, "late", programs))
                    return

        late = Thread(target=start_late)
        try:
            with Client(cluster) as client:
                early = [name for name in names if name != "late"]
                started += [_start(address, name, programs) for name in early]
                client.wait_for_workers(len(early))
                if "late" in names:
                    late.start()
                yield client.get_executor()
        finally:
            over.set()
            if late.ident is not None:
                late.join()
            for process in started:
                process.kill()
                process.wait()


def _cluster(workers: dict[str, Any]) -> Any:
    options = {"dashboard": False, "port": 0, "host": "127.0.0.1"}
    scheduler, make = {"cls": Scheduler, "options": options}, cast(Any, SpecCluster)
    return make(workers, scheduler=scheduler, silence_logs=logging.CRITICAL)


def _start(address: str, name: str, programs: Path) -> subprocess.Popen[bytes]:
    """A process; compiled programs are in a folder that all of them share."""
    words = ["-m", "distributed.cli.dask_worker", address, "--name", name, "--nthreads", "1"]
    return subprocess.Popen(
        [sys.executable, *words, "--no-nanny", "--no-dashboard"],
        cwd=Path(__file__).parents[2],
        env=os.environ
        | {
            "JAX_COMPILATION_CACHE_DIR": str(programs),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
