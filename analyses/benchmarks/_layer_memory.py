"""The memory of training by the operating system, each peer in a process of its own.

`ru_maxrss` is the most that a process has held, and whatever is started with `exec` inherits it; so
the processes are forked off a small one, which holds nothing. Linux can begin that mark anew: after
the first step of all, which compiles, the mark tells what the steps alone take.
"""

import ctypes
import gc
import multiprocessing
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from analyses.benchmarks._layer_cases import MAKERS
from analyses.benchmarks._layer_peers import draw_batch
from analyses.kit import peak_bytes

STEPS, SMALL = 3, 64


def measure_memory(names: Iterable[str], n: int, examples: int) -> dict[str, dict[str, int]]:
    """Bytes of each peer, over a process that has trained the same at a small width.

    `run`: building, compiling and training. `steps`: training alone; only on Linux.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([])
    found = {}
    for name in names:
        with ProcessPoolExecutor(1, context) as pool:
            found[name] = pool.submit(_train, name, n, examples).result()
    return found


def _train(name: str, n: int, examples: int) -> dict[str, int]:
    small = MAKERS[name](SMALL, draw_batch(SMALL, examples))
    small.train(small.begin(False), STEPS)
    del small
    before = _begin_peak()
    peer = MAKERS[name](n, draw_batch(n, examples))
    state = peer.train(peer.begin(False), 1)[1]
    found = {"run": peak_bytes() - before}
    _begin_peak()
    peer.train(state, STEPS)
    return found | ({"steps": peak_bytes() - before} if sys.platform == "linux" else {})


def _begin_peak() -> int:
    """On Linux give back what is free, and let the mark begin at what the process holds now."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_bytes()
