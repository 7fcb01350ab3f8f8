"""Seconds, memory and processes, as all benchmarks take them."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import Any, TypeVar

import jax
import numpy as np
from threadpoolctl import threadpool_limits

T = TypeVar("T")
Clock = Callable[[int], float]  # the seconds of so many steps

QUICK = "ANALYSES_QUICK"  # tells of a quick run
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a call, and its result once it is there."""
    begin = perf_counter()
    result = jax.block_until_ready(call())
    return perf_counter() - begin, result


def busy(call: Callable[[], T]) -> tuple[float, T]:
    """As `timed`, but seconds of the processor: what others take of a core does not count."""
    begin = process_time()
    result = jax.block_until_ready(call())
    return process_time() - begin, result


def quartiles(values: np.ndarray | Sequence[float]) -> list[float]:
    """Lower quartile, median and upper quartile."""
    return np.quantile(values, [0.25, 0.5, 0.75]).tolist()


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The power of the sizes with which values grow: the slope of their logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def race(clocks: dict[str, Clock], repetitions: int, slot: float) -> dict[str, np.ndarray]:
    """Seconds of one step, for each of the repetitions; the first two steps of each count not.

    Everyone in turn, many times over, each over as many steps as fill a slot of time.
    """
    counts = {}
    for name, clock in clocks.items():
        clock(1)
        counts[name] = max(1, int(slot / clock(1)))
    rounds = [
        [clock(counts[name]) / counts[name] for name, clock in clocks.items()]
        for _ in range(repetitions)
    ]
    return dict(zip(clocks, np.transpose(rounds), strict=True))


def peak_bytes() -> int:
    """The most memory that this process has held, by the operating system, libraries included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def apart(call: Callable[..., T], *arguments: Any, limit: float | None = None) -> T | None:
    """The result of a call in a fresh process; None after `limit` seconds, or where it died.

    A quick run, in which no memory counts, calls it in its own process, unless there is a limit.
    """
    if limit is None and os.environ.get(QUICK):
        return call(*arguments)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(there, call, *arguments))
    child.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else None
    except EOFError:
        return None
    finally:
        child.kill()
        child.join()


def _send(pipe: Connection, call: Callable, *arguments: Any) -> None:
    pipe.send(call(*arguments))


def n_cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hold_to_one_thread() -> None:
    """Hold this process and its children to one thread; before JAX looks for its devices.

    On Linux they are held to one core, from which XLA, OpenMP and OpenBLAS take the number of their
    threads. The variables say the same where a system knows no affinity.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD}"
    threadpool_limits(1)
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
