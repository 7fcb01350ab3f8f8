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
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

import topokit as tk
from analyses import kit
from analyses.kit import Study
from topokit.reconstruction import ALS, LBFGS, Adam, Chain, HierarchicalSVD, Solver

SEED = 0
TOPOLOGIES = (
    "low rank, quarter",
    "butterfly, 1 cascade",
    "butterfly, 2 cascades",
    "butterfly, 4 cascades",
    "skip butterfly, 4 cascades",
    "hypercube, 3 layers",
    "torus, 5 layers",
    "Clos (n/4, 4, n/4)",
)


class Setting(NamedTuple):
    """What is rebuilt, and by which part of the steps and sweeps."""

    n: int
    targets: int
    topologies: tuple[str, ...]
    part: int


def build(name: str, n: int) -> nx.DiGraph:
    """Shallow and deep, with and without a closed form."""
    t, bits = tk.topologies, n.bit_length() - 1
    graphs = (
        lambda: t.low_rank(n, n, n // 4),
        lambda: t.butterfly(n, bits),
        lambda: t.butterfly(n, 2 * bits),
        lambda: t.butterfly(n, 4 * bits),
        lambda: tk.with_skip(t.butterfly(n, 4 * bits)),
        lambda: t.hypercube(n, 3),
        lambda: t.torus((n // 4, 4), 5),
        lambda: t.clos(n, n, n // 4, 4, n // 4),
    )
    return dict(zip(TOPOLOGIES, graphs, strict=True))[name]()


def solvers(part: int) -> dict[str, tuple[Solver, int]]:
    """Solvers by name, with the number of starts."""
    closed = HierarchicalSVD()
    return {
        "Adam 2000": (Adam(max_steps=2000 // part), 1),
        "Adam 4000": (Adam(max_steps=4000 // part), 1),
        "Adam 1000, 4 starts": (Adam(max_steps=1000 // part), 4),
        "Adam 3000, L-BFGS 300": (
            Chain((Adam(max_steps=3000 // part), LBFGS(max_steps=300 // part))),
            1,
        ),
        "L-BFGS 1000": (LBFGS(max_steps=1000 // part), 1),
        "SVD": (closed, 1),
        "SVD, ALS 100": (Chain((closed, ALS(max_steps=100 // part))), 1),
        "ALS 100": (ALS(max_steps=100 // part), 1),
        "ALS 100, 4 starts": (ALS(max_steps=100 // part), 4),
    }


def cases(setting: Setting) -> list[tuple[str, str]]:
    """Every topology by every solver."""
    return list(product(setting.topologies, solvers(setting.part)))


def measure(case: tuple[str, str], setting: Setting) -> dict[str, float] | None:
    """Loss, steps and time, the second run's so that nothing is compiled in it."""
    graph, (solver, starts) = build(case[0], setting.n), solvers(setting.part)[case[1]]
    targets = tk.ranking.gaussian_targets(setting.targets, setting.n, setting.n, seed=SEED)
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


def summarize(records: list[dict[str, float] | None], setting: Setting) -> dict[str, Any]:
    """By topology and solver."""
    found = dict(zip(cases(setting), records, strict=True))
    names = solvers(setting.part)
    return {"results": {t: {s: found[t, s] for s in names} for t in setting.topologies}}


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
    full=Setting(n=32, targets=16, topologies=TOPOLOGIES, part=1),
    quick=Setting(n=8, targets=2, topologies=TOPOLOGIES[:1], part=50),
    cases=cases,
    measure=measure,
    summarize=summarize,
    show=show,
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
