"""Which solver reaches which loss in what time, by topology, at n = 32.

Mean relative L2 loss over 16 unit Gaussian targets, with the time of a run that is already
compiled, as a multiple of the default's (Adam, 2,000 steps) on the same topology. A dash: the
solver has no solution for that topology.

Claim: the closed forms win where there is one. Low rank is at its optimum, and a butterfly of one
cascade lower than one start of Adam, in a small part of its time. Everywhere else Adam ends lowest,
the deeper the topology the more so: alternating least squares and L-BFGS stall, and L-BFGS after
Adam changes less than 1 %. At equal steps several starts beat one long run in shallow topologies
(butterflies of one and two cascades, Clos) and lose to it in deep ones.

Writes `solvers.json` beside this script; `--quick` takes few targets and steps and keeps nothing.
"""

import argparse
import json
from pathlib import Path

import networkx as nx
import numpy as np
from rich.console import Console
from rich.table import Table

import topokit as tk
from topokit.reconstruction import ALS, LBFGS, Adam, Chain, HierarchicalSVD, Solver

N, TARGETS, SEED = 32, 16, 0
QUICK_N, QUICK_TARGETS, QUICK_TOPOLOGIES = 8, 2, ("low rank, quarter",)
BASE = "Adam 2000"


def topologies(n: int) -> dict[str, nx.DiGraph]:
    """Shallow and deep, with and without a closed form."""
    build = tk.topologies
    bits = n.bit_length() - 1
    return {
        "low rank, quarter": build.low_rank(n, n, n // 4),
        "butterfly, 1 cascade": build.butterfly(n, bits),
        "butterfly, 2 cascades": build.butterfly(n, 2 * bits),
        "butterfly, 4 cascades": build.butterfly(n, 4 * bits),
        "skip butterfly, 4 cascades": tk.with_skip(build.butterfly(n, 4 * bits)),
        "hypercube, 3 layers": build.hypercube(n, 3),
        "torus, 5 layers": build.torus((n // 4, 4), 5),
        "Clos (n/4, 4, n/4)": build.clos(n, n, n // 4, 4, n // 4),
    }


def solvers(quick: bool) -> dict[str, tuple[Solver, int]]:
    """Solvers by name, with the number of starts."""
    part = 50 if quick else 1
    closed = HierarchicalSVD()
    return {
        BASE: (Adam(steps=2000 // part), 1),
        "Adam 4000": (Adam(steps=4000 // part), 1),
        "Adam 1000, 4 starts": (Adam(steps=1000 // part), 4),
        "Adam 3000, L-BFGS 300": (Chain((Adam(steps=3000 // part), LBFGS(steps=300 // part))), 1),
        "L-BFGS 1000": (LBFGS(steps=1000 // part), 1),
        "SVD": (closed, 1),
        "SVD, ALS 100": (Chain((closed, ALS(sweeps=100 // part))), 1),
        "ALS 100": (ALS(sweeps=100 // part), 1),
        "ALS 100, 4 starts": (ALS(sweeps=100 // part), 4),
    }


def measure(graph: nx.DiGraph, targets: np.ndarray, solver: Solver, restarts: int) -> dict | None:
    """Loss, steps and time, the second run's so that nothing is compiled in it."""
    try:
        tk.reconstruct(graph, targets, solver=solver, restarts=restarts)
    except ValueError:
        return None
    found = tk.reconstruct(graph, targets, solver=solver, restarts=restarts)
    return {
        "loss": round(float(found.loss.mean()), 6),
        "standard_error": round(float(found.loss.std(ddof=1) / np.sqrt(len(targets))), 6),
        "mean_steps": round(float(found.steps.mean()), 1),
        "seconds": round(found.seconds, 4),
    }


def cell(found: dict | None, base: dict | None) -> str:
    """Loss, and time against the default's."""
    if found is None or base is None:
        return "-"
    return f"{found['loss']:.4f}  ({found['seconds'] / base['seconds']:.2g} x)"


def show(results: dict[str, dict[str, dict | None]]) -> None:
    """Print a row for each topology."""
    names = list(next(iter(results.values())))
    table = Table("loss (time)", *names)
    for topology, row in results.items():
        table.add_row(topology, *(cell(row[name], row[BASE]) for name in names))
    Console(width=200).print(table)


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few targets and steps")
    quick = parser.parse_args().quick
    n, n_targets = (QUICK_N, QUICK_TARGETS) if quick else (N, TARGETS)
    targets = tk.ranking.gaussian_targets(n_targets, n, n, seed=SEED)
    results = {
        topology: {
            name: measure(graph, targets, *solver) for name, solver in solvers(quick).items()
        }
        for topology, graph in topologies(n).items()
        if not quick or topology in QUICK_TOPOLOGIES
    }
    show(results)
    if not quick:
        found = {"n": n, "targets": n_targets, "results": results}
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
