"""Degrees of freedom at scale: exact counts, estimates, and what either costs.

- Exact: a growing series of one family, with the exponent that fits its seconds, and other families
  at more than 10,000 trainable edges. Peers on the same matrices: python-flint's rank over the same
  field, and the numerical rank of the dense Jacobian by numpy's singular values, where they finish.
- Estimates at 1,024 inputs, with their standard errors.
- Estimates beside exact counts where both run, deep and rank-deficient networks among them.

Every case runs in a process of its own on one thread; its peak memory is the operating system's and
contains the libraries. Writes `freedom.json` beside this script; `--quick` runs a few small cases
and writes nothing.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from flint import nmod_mat
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import topokit as tk
from topokit.layers import draw_xavier, edge_factors, residues
from topokit.scores.freedom import _degrees_of_freedom as _freedom
from topokit.scores.freedom._degrees_of_freedom import degrees_of_freedom
from topokit.scores.freedom._estimate import estimate_freedom
from topokit.scores.freedom._rank_mod_p import PRIME
from topokit.scores.freedom._spanning_edges import count_spanning, spanning_edges

REPETITIONS, REPEATED_UP_TO = 3, 3000
PROBES = 2
FLINT_UP_TO, SVD_UP_TO = 6000, 1500
t = tk.topologies
SERIES = {
    f"torus {side} x {side}, 2 layers": lambda side=side: t.torus.layers((side, side), 2)
    for side in (6, 8, 12, 16, 24, 32)
}
LARGE = {
    "butterfly 256, 20 layers": lambda: t.butterfly.layers(256, 20),
    "low rank 120, rank 45": lambda: t.low_rank.layers(120, 120, 45),
}
HUGE = {
    "clos 1024, (32, 20, 32)": (lambda: t.clos.layers(1024, 1024, 32, 20, 32), 1e-3),
    "butterfly 1024, 20 layers": (lambda: t.butterfly.layers(1024, 20), 1e-3),
    "torus 32 x 32, 12 layers": (lambda: t.torus.layers((32, 32), 12), 1e-2),
}
SMALL = {
    "butterfly 32, 18 layers": lambda: t.butterfly.layers(32, 18),
    "butterfly 32, 30 layers": lambda: t.butterfly.layers(32, 30),
    "butterfly 32, 30 layers + skip": lambda: tk.with_skip(t.butterfly.layers(32, 30)),
    "butterfly 32, 36 layers + skip": lambda: tk.with_skip(t.butterfly.layers(32, 36)),
    "hypercube 32, 6 layers": lambda: t.hypercube.layers(32, 6),
    "hypercube 32, 7 layers + skip": lambda: tk.with_skip(t.hypercube.layers(32, 7)),
    "torus 8 x 4, 7 layers": lambda: t.torus.layers((8, 4), 7),
    "clos 32, (8, 9, 8)": lambda: t.clos.layers(32, 32, 8, 9, 8),
    "low rank 32, rank 18": lambda: t.low_rank.layers(32, 32, 18),
    "random 64, 4 layers": lambda: t.erdos_renyi.layers([64] * 5, 0.2, seed=0),
    "butterfly 128, 14 layers": lambda: t.butterfly.layers(128, 14),
    "butterfly 128, 28 layers": lambda: t.butterfly.layers(128, 28),
    "torus 16 x 8, 7 layers": lambda: t.torus.layers((16, 8), 7),
}
QUICK_SERIES, QUICK_SMALL = [*SERIES][:2], [*SMALL][:1] + [*SMALL][8:9]


def exact(name: str) -> dict:
    """Count one network and time the peers that finish."""
    layers = {**SERIES, **LARGE}[name]()
    rows = min(count_spanning(layers), layers.n_in * layers.n_out)
    count, seconds = timed(lambda: degrees_of_freedom(layers))
    row = {"edges": layers.n_trainable, "rows": rows, "degrees_of_freedom": count}
    row |= {"seconds": seconds, "peak_MiB": peak()}
    if rows <= REPEATED_UP_TO:
        again = [timed(lambda: degrees_of_freedom(layers))[1] for _ in range(REPETITIONS - 1)]
        row["seconds"] = median([seconds, *again])
    if rows <= FLINT_UP_TO:
        row["flint"], row["flint_seconds"] = timed(lambda: flint_rank(layers))
    if rows <= SVD_UP_TO:
        row["svd"], row["svd_seconds"] = timed(lambda: numerical_rank(layers))
    return row


def flint_rank(layers: tk.Layers) -> int:
    """The rank of the Gram form of the Jacobian, by python-flint."""
    rng, keep = np.random.default_rng(1), spanning_edges(layers)
    weights = [rng.integers(1, PRIME, s.size) for s in layers.senders]
    a, b = edge_factors(layers, weights, keep, algebra=residues(PRIME))
    gram = _freedom._gram(a, b, rng).astype(np.int64) % PRIME
    matrix = nmod_mat(len(gram), len(gram), PRIME)
    for i, values in enumerate(gram):
        for j, value in enumerate(values.tolist()):
            matrix[i, j] = value
    return matrix.rank()


def numerical_rank(layers: tk.Layers) -> int:
    """The rank that floating point sees in the dense Jacobian, its columns of length 1."""
    weights = draw_xavier(layers, np.random.default_rng(0))
    a, b = edge_factors(layers, weights, spanning_edges(layers))
    columns = np.einsum("ei,eo->ioe", a, b).reshape(-1, len(a))
    return int(np.linalg.matrix_rank(columns / np.linalg.norm(columns, axis=0)))


def estimate(name: str) -> dict:
    """Estimate one network at 1,024 inputs."""
    build, tolerance = HUGE[name]
    layers = build()
    found, seconds = timed(lambda: estimate_freedom(layers, n_samples=PROBES, tolerance=tolerance))
    row = {"edges": layers.n_trainable, "tolerance": tolerance, **found._asdict()}
    return row | {"seconds": seconds, "peak_MiB": peak()}


def compare(name: str) -> dict:
    """An estimate and the exact count of one network."""
    layers = SMALL[name]()
    count, exact_seconds = timed(lambda: degrees_of_freedom(layers))
    found, seconds = timed(lambda: estimate_freedom(layers))
    row = {"edges": layers.n_trainable, "exact": count, **found._asdict()}
    return row | {"exact_seconds": exact_seconds, "seconds": seconds}


def timed(call: Callable) -> tuple:
    """The result of a call, and its seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def peak() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def on_one_thread(measure: Callable[[str], dict], name: str) -> dict:
    """Measure a case with a single BLAS thread."""
    with threadpool_limits(1):
        return measure(name)


def each_apart(measure: Callable[[str], dict], names: list[str]) -> dict[str, dict]:
    """Measure every case in a fresh process, one after the other."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        return dict(zip(names, pool.map(on_one_thread, [measure] * len(names), names), strict=True))


def exponent(rows: list[dict]) -> float:
    """The power of the edges with which seconds grow, fitted on logarithms."""
    edges, seconds = [np.log([row[name] for row in rows]) for name in ("edges", "seconds")]
    return float(np.polyfit(edges, seconds, 1)[0])


def show(title: str, results: dict[str, dict]) -> None:
    """Print results as a table."""
    names = list(dict.fromkeys(name for row in results.values() for name in row))
    table = Table("case", *names, title=title)
    for case, row in results.items():
        table.add_row(case, *(said(row.get(name)) for name in names))
    Console(width=200).print(table)


def said(value: object) -> str:
    """A cell."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few small cases, nothing written")
    quick = parser.parse_args().quick
    series = each_apart(exact, QUICK_SERIES if quick else list(SERIES))
    found = {"series": series, "compared": each_apart(compare, QUICK_SMALL if quick else [*SMALL])}
    if not quick:
        found |= {"large": each_apart(exact, [*LARGE]), "estimates": each_apart(estimate, [*HUGE])}
    for title, results in found.items():
        show(title, results)
    power = exponent(list(series.values()))
    Console().print(f"seconds of the series grow as edges to the {power:.2f}")
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps({"exponent": power} | found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
