"""What the machine could do at best, and how much of it a step of descent needs.

Rates are the best of several runs in this process: a product of two dense matrices in single
precision for arithmetic, and `y += a x` for bandwidth, which reads two arrays and writes one as
the STREAM triad does: on arrays that stay in a core's cache, and on arrays that do not.

A step needs, in a layer after the first, a multiplication and an addition for every edge and input
three times: forward, backward, and in the gradient of the edge. Every activation between layers is
written once and read twice (by the next layer, and by the gradient of its weights) and every
cotangent is written and read once; at the outputs the target is read and the error written and
read; a weight is read twice and written once. A step takes at least as long as its operations at
the rate of arithmetic, and as its bytes at the rate of the cache. That is optimistic: it holds if
rows that several edges share are read once and if nothing has to come from memory, which column
tiles make possible at any width. Where the case is larger than the last cache the targets have to
come from memory in addition; how long that takes is in `targets_s` and in no bound.

Work is counted twice: over `all` inputs, as every peer here computes it, and over the pairs that a
path `joins`, which is all that an algorithm has to touch.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import get_blas_funcs

import topokit as tk
from analyses.kit import timed

FLOAT = 4
GEMM = 1024
CACHED, LARGE = 2**16, 2**25


class Machine(NamedTuple):
    """Best rates: operations a second, and bytes a second within the cache and from memory."""

    arithmetic: float
    cache: float
    memory: float


class Work(NamedTuple):
    """What one step needs: operations, and bytes to and from a cache."""

    arithmetic: float
    cache: float


def measure_machine(repetitions: int) -> Machine:
    """The best rates of several runs."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, GEMM, GEMM)).astype(np.float32)
    product = np.empty_like(a)
    gemm = best(lambda: np.matmul(a, b, out=product), repetitions)
    return Machine(2 * GEMM**3 / gemm, axpy(CACHED, 400, repetitions), axpy(LARGE, 1, repetitions))


def axpy(size: int, calls: int, repetitions: int) -> float:
    """Bytes a second of `y += a x`."""
    x, y = np.ones(size, np.float32), np.ones(size, np.float32)
    (add,) = get_blas_funcs(("axpy",), dtype=np.float32)

    def run() -> None:
        for _ in range(calls):
            add(x, y, a=1e-3)

    return 3 * FLOAT * size * calls / best(run, repetitions)


def best(call: Callable[[], object], repetitions: int) -> float:
    """The fewest seconds, after one run to warm up."""
    call()
    return min(timed(call)[0] for _ in range(repetitions))


def bounds(layers: tk.Layers, n_targets: int, machine: Machine) -> dict:
    """For `all` inputs and for pairs `joined` by a path: seconds that a step takes at least."""
    found = {}
    for name, reached in (("all", everywhere(layers)), ("joined", along_paths(layers))):
        work = count_work(layers, n_targets, reached)
        terms = {
            "arithmetic": work.arithmetic / machine.arithmetic,
            "cache": work.cache / machine.cache,
        }
        limit = max(terms, key=terms.__getitem__)
        found[name] = {"seconds": terms[limit], "by": limit, "terms": terms}
    return found


def count_work(layers: tk.Layers, n_targets: int, reached: list[np.ndarray]) -> Work:
    """Of one step; `reached[l][v]` inputs count at neuron v of layer l."""
    senders = zip(reached[1:-1], layers.senders[1:], strict=True)
    multiplied = sum(int(counts[ends].sum()) for counts, ends in senders)
    between = sum(int(counts.sum()) for counts in reached[1:-1])
    outputs, entries = int(reached[-1].sum()), layers.n_in * layers.n_out
    moved = 5 * between + entries + 2 * outputs + 3 * layers.n_edges
    return Work(n_targets * (6.0 * multiplied + 3 * entries), n_targets * FLOAT * float(moved))


def targets_s(layers: tk.Layers, n_targets: int, machine: Machine) -> float:
    """Seconds to read all targets from memory."""
    return FLOAT * n_targets * layers.n_in * layers.n_out / machine.memory


def everywhere(layers: tk.Layers) -> list[np.ndarray]:
    """Every neuron counts for every input."""
    return [np.full(width, layers.n_in) for width in layers.widths]


def along_paths(layers: tk.Layers) -> list[np.ndarray]:
    """The inputs that reach each neuron."""
    reach = sp.csr_array(np.eye(layers.n_in, dtype=np.float32))
    counts = [np.ones(layers.n_in, np.int64)]
    for mask in tk.to_masks(layers):
        reach = ((reach @ sp.csr_array(mask.astype(np.float32))) > 0).astype(np.float32)
        counts.append(np.bincount(reach.nonzero()[1], minlength=mask.shape[1]))
    return counts
