"""Executors: wherever a sweep runs it finds the same, and keeps it, whoever dies."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)

import pytest
from dask import config
from distributed import Client, LocalCluster
from lives import timeless
from solvers import Deadly, Idle, Interrupted

import topokit as tk
from topokit.ranking import UnfinishedError, process_pool, read_store, sweep

SMALL = {
    "dense": tk.topologies.dense(3, 3),
    "rank 1": tk.topologies.low_rank(3, 3, 1),
    "butterfly": tk.topologies.butterfly(4),
}
LAST = tk.to_layers(SMALL["butterfly"]).n_edges


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two processes of a cluster on this machine; a task that kills one is not tried again."""
    once = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.logging.distributed": "fatal",
    }
    with (
        config.set(once),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_same_results(client, tmp_path):
    expected = timeless(sweep(SMALL, seeds=[0, 1], targets=2, solver=Idle()))
    options = {"executor": client.get_executor(), "store": tmp_path / "s"}
    found = timeless(sweep(SMALL, seeds=[0, 1], targets=2, solver=Idle(), **options))
    assert found == expected == timeless(read_store(tmp_path / "s"))


def test_a_dead_worker_of_a_cluster_loses_nothing_that_is_finished(client, tmp_path):
    """What else the worker had been given may be lost with it, so the others are run before."""
    path, rows = tmp_path / "s", []
    options = {"executor": client.get_executor(), "store": path, "targets": 2}
    others = {name: graph for name, graph in SMALL.items() if name != "butterfly"}
    finished = list(sweep(others, solver=Deadly(LAST), **options))
    with pytest.raises(UnfinishedError) as caught:
        rows.extend(sweep(SMALL, solver=Deadly(LAST), **options))
    assert "'butterfly' with seed 0: KilledWorker" in str(caught.value)
    assert {*rows} == {*finished} == {*read_store(path)}


def test_a_dead_process_loses_nothing_that_is_finished(tmp_path):
    path, rows = tmp_path / "s", []
    with process_pool(1) as pool:
        results = sweep(SMALL, targets=2, solver=Deadly(LAST), executor=pool, store=path)
        with pytest.raises(UnfinishedError) as caught:
            rows.extend(results)
    message = str(caught.value)
    assert "1 of 3 evaluations was lost because a process died" in message
    assert "'butterfly' with seed 0" in message
    assert f"The other 2 are finished. What is finished is kept in {path}" in message
    assert {row.name for row in rows} == {"dense", "rank 1"}
    rest = {name: SMALL[name] for name in ("dense", "rank 1")}
    again = list(sweep(rest, targets=2, solver=Deadly(LAST), store=path))
    assert {*again} == {*rows}, "the times are those of the first run"


UNGUARDED = """
import topokit as tk
from topokit.ranking import process_pool, sweep
with process_pool(1) as pool:
    print(len(list(sweep({"d": tk.topologies.dense(2, 2)}, executor=pool))))
"""


def test_a_script_that_may_not_start_processes_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "The other" not in last
    assert "UnfinishedError: 1 of 1 evaluations was lost because a process died" in last
    assert "started from a script without `if __name__ == '__main__':`" in last


PARENT = """
import os, time
from topokit.ranking import process_pool
if __name__ == "__main__":
    print(process_pool(1).submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_processes_end_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        os.kill(int(parent.stdout.readline()), 0)
        parent.kill()
        # Its child has the other end of the same pipe, which closes when both are gone.
        assert parent.communicate(timeout=120) == ("", None)


def test_processes_end_at_once_where_an_error_ends_their_block():
    children = []

    def interrupted():
        with process_pool(1) as pool:
            children.append(pool.submit(os.getpid).result())
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    while {process.pid for process in multiprocessing.active_children()}.intersection(children):
        time.sleep(0.01)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no forks here")
@pytest.mark.parametrize("start", [sweep, tk.rank])
def test_executors_that_fork_are_refused_with_what_to_write(start):
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool,
        pytest.raises(ValueError, match=r"forks this process.*process_pool\(4\).*spawn"),
    ):
        list(start(SMALL, targets=1, solver=Idle(), executor=pool))


HIDDEN = """
import multiprocessing, warnings
from concurrent.futures import Executor, ProcessPoolExecutor
import topokit as tk

class Hidden(Executor):
    def __init__(self):
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    def submit(self, fn, /, *args, **kwargs):
        return self.pool.submit(fn, *args, **kwargs)

warnings.simplefilter("ignore")
try:
    list(tk.ranking.sweep({"d": tk.topologies.dense(2, 2)}, targets=1, executor=Hidden()))
except tk.ranking.UnfinishedError as error:
    print(error)
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no forks here")
def test_a_process_that_was_forked_beside_jax_says_so_and_does_not_wait(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(HIDDEN)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert "ForkedError: the executor forked a process that uses JAX" in done.stdout, done.stderr
    assert "process_pool(4)" in done.stdout


def test_what_finishes_is_kept_while_nobody_listens(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        results = sweep(SMALL, targets=1, solver=Idle(), executor=pool, store=tmp_path / "s")
        next(results)
        pool.submit(int).result()
        assert {row.name for row in read_store(tmp_path / "s")} == set(SMALL)
        results.close()


def test_whoever_stops_listening_cancels_what_has_not_begun(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        many = {f"rank {r}": tk.topologies.low_rank(3, 3, r) for r in range(1, 40)}
        results = sweep(many, targets=1, solver=Idle(), executor=pool, store=tmp_path / "s")
        first = next(results)
        results.close()
    kept = read_store(tmp_path / "s")
    assert first in kept
    assert len(kept) < 39


def test_an_interrupt_leaves_what_is_finished(tmp_path):
    path, rows = tmp_path / "s", []
    results = sweep(SMALL, targets=2, solver=Interrupted(LAST), store=path)
    with pytest.raises(KeyboardInterrupt):
        rows.extend(results)
    assert read_store(path) == rows
    assert {row.name for row in rows} == {"dense", "rank 1"}


class Closed(Executor):
    """An executor that takes one task, gives up the next, and then is closed."""

    def __init__(self) -> None:
        self.taken = 0

    def submit(self, fn, /, *args, **kwargs):
        self.taken += 1
        future: Future = Future()
        if self.taken == 1:
            future.set_result(fn(*args, **kwargs))
        elif self.taken == 2:
            future.cancel()
        else:
            raise RuntimeError("cannot schedule new futures after shutdown")
        return future


def test_an_executor_that_gives_up_is_one_error(tmp_path):
    path, rows = tmp_path / "s", []
    results = sweep(SMALL, targets=2, solver=Idle(), executor=Closed(), store=path)
    with pytest.raises(UnfinishedError) as caught:
        rows.extend(results)
    message = str(caught.value)
    assert "1 of 3 evaluations failed: 'butterfly' with seed 0: RuntimeError: cannot" in message
    assert "1 of 3 evaluations was lost because the executor gave them up: 'rank 1'" in message
    assert isinstance(caught.value.failures["'rank 1' with seed 0"], CancelledError)
    assert read_store(path) == rows
    assert {row.name for row in rows} == {"dense"}
