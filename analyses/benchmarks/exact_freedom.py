"""Exact degrees of freedom up to 61,440 trainable edges: processor seconds and memory, by width.

Three layers between equal widths: Clos networks and random regular ones whose fan-in grows as the
square root of the width, to 20 at 1,024, and butterflies of three stages; and five more networks of
1,024. For each the edges, the columns that are left once the end layers are eliminated by blocks,
the count, what it would be if only the scales of hidden neurons were idle, and processor seconds,
which a busy machine stretches less than those of a clock. The exponents are of seconds by edges,
over the three largest widths. One case is counted by python-flint as well, from all columns.

Every case runs in a process of its own on one thread; its peak memory is the operating system's and
contains the libraries. Writes `exact_freedom.json` beside this script; `--quick` runs small sizes
and writes nothing.
"""

from functools import partial
from math import sqrt
from time import process_time
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

import topokit as tk
from analyses.benchmarks.freedom import flint_rank
from analyses.kit import Study, apart, exponent, nested, peak_bytes

# How many columns are left is nobody's business but a benchmark's.
from topokit.scores.freedom._degrees_of_freedom import _Elimination

WIDTHS = (64, 128, 256, 512, 1024)
FRESH = True  # every case in a process of its own
PEER = ("Clos", 64)
t = tk.topologies


def fan_in(n: int) -> int:
    """Of the series: 20 at 1,024."""
    return round(20 * sqrt(n / 1024))


def clos(n: int) -> tk.Layers:
    """With switches of about as many inputs as there are switches."""
    switches = 2 ** (n.bit_length() // 2)
    return t.clos.layers(n, n, switches, fan_in(n), switches)


SERIES = {
    "Clos": clos,
    "random": lambda n: t.random_regular.layers([n] * 4, fan_in(n), seed=0),
    "butterfly": lambda n: t.butterfly.layers(n, 3),
}
OTHERS = {
    "random 1024, 2 layers": lambda: t.random_regular.layers([1024] * 3, 20, seed=0),
    "torus 32 x 32, 2 layers": lambda: t.torus.layers((32, 32), 2),
    "torus 32 x 32, 3 layers": lambda: t.torus.layers((32, 32), 3),
    "low rank 1024, 64": lambda: t.low_rank.layers(1024, 1024, 64),
    "butterfly 1024, 10 layers": lambda: t.butterfly.layers(1024),
}


class Case(NamedTuple):
    """A family and a width, or a network of its own."""

    part: str
    which: Any


def cases() -> list[Case]:
    """Family by family."""
    series = [Case(family, n) for family in SERIES for n in WIDTHS]
    return [*series, *[Case("others", name) for name in OTHERS]]


def measure(case: Case) -> dict[str, Any] | None:
    """One network, on a single thread."""
    call = partial(count, *case)
    return apart(on_one_thread, call) if FRESH else on_one_thread(call)


def on_one_thread(call: partial[dict[str, Any]]) -> dict[str, Any]:
    """Measure a case with a single BLAS thread."""
    with threadpool_limits(1):
        return call()


def count(part: str, which: Any) -> dict[str, Any]:
    """Count one network."""
    layers = OTHERS[which]() if part == "others" else SERIES[part](which)
    begin = process_time()
    found = tk.degrees_of_freedom(layers)
    row = {
        "edges": layers.n_trainable,
        "degrees_of_freedom": found,
        "edges_less_hidden": layers.n_trainable - sum(layers.widths[1:-1]),
        "processor_seconds": process_time() - begin,
        "peak_GiB": peak_bytes() / 2**30,
        "columns_left": _Elimination(layers).ends.n_kept,
    }
    return row | ({"flint": flint_rank(layers)} if (part, which) == PEER else {})


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """By family; and the powers of the edges with which seconds grow, over the largest widths."""
    parts = nested(found)
    powers = {}
    for family in SERIES:
        rows = list(parts[family].values())[-3:]
        powers[family] = exponent(*([r[n] for r in rows] for n in ("edges", "processor_seconds")))
    return {"exponents": powers} | parts


STUDY = Study(
    __name__,
    quick={
        "WIDTHS": (16, 32),
        "OTHERS": {"torus 6 x 6, 2 layers": lambda: t.torus.layers((6, 6), 2)},
        "PEER": ("Clos", 16),
        "FRESH": False,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
