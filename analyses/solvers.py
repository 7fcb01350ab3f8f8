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

from itertools import product
from typing import Any

import numpy as np

import topokit as tk
from analyses import kit
from analyses.kit import Study
from topokit.reconstruction import ALS, LBFGS, Adam, Chain, HierarchicalSVD, Solver

N, TARGETS, SEED = 32, 16, 0
PART = 1  # of the steps and sweeps
t = tk.topologies
TOPOLOGIES = {
    "low rank, quarter": lambda n: t.low_rank(n, n, n // 4),
    "butterfly, 1 cascade": lambda n: t.butterfly(n, bits(n)),
    "butterfly, 2 cascades": lambda n: t.butterfly(n, 2 * bits(n)),
    "butterfly, 4 cascades": lambda n: t.butterfly(n, 4 * bits(n)),
    "skip butterfly, 4 cascades": lambda n: tk.with_skip(t.butterfly(n, 4 * bits(n))),
    "hypercube, 3 layers": lambda n: t.hypercube(n, 3),
    "torus, 5 layers": lambda n: t.torus((n // 4, 4), 5),
    "Clos (n/4, 4, n/4)": lambda n: t.clos(n, n, n // 4, 4, n // 4),
}
NAMES = tuple(TOPOLOGIES)
SOLVERS = ()  # by name; without, all


def bits(n: int) -> int:
    """Layers of one cascade."""
    return n.bit_length() - 1


def solvers() -> dict[str, tuple[Solver, int]]:
    """Solvers by name, with the number of starts."""
    closed = HierarchicalSVD()
    return {
        "Adam 2000": (Adam(max_steps=2000 // PART), 1),
        "Adam 4000": (Adam(max_steps=4000 // PART), 1),
        "Adam 1000, 4 starts": (Adam(max_steps=1000 // PART), 4),
        "Adam 3000, L-BFGS 300": (
            Chain((Adam(max_steps=3000 // PART), LBFGS(max_steps=300 // PART))),
            1,
        ),
        "L-BFGS 1000": (LBFGS(max_steps=1000 // PART), 1),
        "SVD": (closed, 1),
        "SVD, ALS 100": (Chain((closed, ALS(max_steps=100 // PART))), 1),
        "ALS 100": (ALS(max_steps=100 // PART), 1),
        "ALS 100, 4 starts": (ALS(max_steps=100 // PART), 4),
    }


def cases() -> list[tuple[str, str]]:
    """Every topology by every solver."""
    return list(product(NAMES, SOLVERS or solvers()))


def measure(case: tuple[str, str]) -> dict[str, float] | None:
    """Loss, steps and time, the second run's so that nothing is compiled in it."""
    graph, (solver, starts) = TOPOLOGIES[case[0]](N), solvers()[case[1]]
    targets = tk.ranking.gaussian_targets(TARGETS, N, N, seed=SEED)
    try:
        tk.reconstruct(graph, targets, solver=solver, restarts=starts)
    except ValueError:
        return None
    found = tk.reconstruct(graph, targets, solver=solver, restarts=starts)
    return {
        "loss": round(float(found.loss.mean()), 6),
        "standard_error": round(float(found.loss.std(ddof=1) / np.sqrt(len(targets))), 6),
        "mean_steps": round(float(found.steps.mean()), 1),
        "seconds": round(found.seconds, 4),
    }


def summarize(found: dict[tuple, dict[str, float] | None]) -> dict[str, Any]:
    """By topology and solver."""
    return {"results": kit.nested(found)}


def show(results: dict[str, Any]) -> None:
    """Losses, and times against the default's."""
    cells = {
        topology: {name: said(row[name], row["Adam 2000"]) for name in row}
        for topology, row in results["results"].items()
    }
    kit.show({"loss (time)": cells})


def said(found: dict[str, float] | None, base: dict[str, float]) -> str:
    """A dash where a solver has no solution."""
    if found is None:
        return "-"
    return f"{found['loss']:.4f}  ({found['seconds'] / base['seconds']:.2g} x)"


STUDY = Study(
    __name__,
    quick={
        "N": 8,
        "TARGETS": 2,
        "PART": 50,
        "NAMES": NAMES[:1],
        "SOLVERS": ("Adam 2000", "L-BFGS 1000", "SVD, ALS 100"),
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
