"""How many entries of a random matrix do small topologies meet: which of two bounds is reached?

Families with 4, 8 and 16 inputs, plain, with skip connections, and with a diagonal layer after
these, are trained on unit Gaussian targets under L1 loss (NeuroFabric V.A), and then solved for the
entries that come out nearly right by Newton's method. Left: entries met exactly, the mean over
targets, against the maximum matching of edges to entries. Right: against the degrees of freedom,
the rank of the Jacobian; crosses are what training alone meets to the tolerance.

Claims: no target has more entries met than there are degrees of freedom, which is a theorem. Most
topologies reach that bound on every target and nearly all on some target. The matching is reached
only where it is no larger. What falls short does so by a few entries: where every entry that moves,
or nearly every one, would have to be met, and behind diagonal layers. There real solutions can be
missing, as they provably are for two inputs with skip connections; or the search has failed.
Training alone stops short of what the same weights can be polished to. Behind a diagonal layer the
ratios met are the entries met less one an output, as in the paper's appendix.

Writes `l0_satisfaction.png` and, with its numbers, `l0_satisfaction.json` beside this script.
`--quick` takes four inputs, few families, targets and steps, and keeps nothing.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
import networkx as nx
import numpy as np
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import COLORS, Study
from topokit.reconstruction import L1_ADAM, end_to_end, satisfy

SIZES, TARGETS, RESTARTS, SEED = (16, 8, 4), 4, 4, 0
FAMILIES = 99  # of each size, at most
SOLVER, STEPS = L1_ADAM, L1_ADAM.max_steps
TOLERANCES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
# The errors that training leaves are looked at for these, with 8 inputs.
TOLERANCE_SIZE, TOLERANCE_VARIANTS = 8, ("plain", "+ skip")
MOVABLE = 1e-9  # leverage of an entry that some weight moves
VARIANTS = {
    "plain": lambda graph: graph,
    "+ skip": tk.with_skip,
    "+ skip + diagonal": lambda graph: tk.with_diagonal(tk.with_skip(graph)),
}
STYLES = {"plain": COLORS.blue, "+ skip": COLORS.red, "+ skip + diagonal": COLORS.green}


class Case(NamedTuple):
    """A topology, and whether what training leaves is looked at, or what is met at last."""

    n: int
    family: str
    variant: str
    within_tolerances: bool

    @property
    def graph(self) -> nx.DiGraph:
        """The topology."""
        return VARIANTS[self.variant](families(self.n)[self.family])


def families(n: int) -> dict[str, nx.DiGraph]:
    """Small members of every family with that many inputs and outputs."""
    t, bits, half = tk.topologies, n.bit_length() - 1, n // 2
    return {
        "dense": t.dense(n, n),
        f"low rank {n // 4}": t.low_rank(n, n, n // 4),
        f"butterfly {bits}": t.butterfly(n, bits),
        f"butterfly {n - 2}": t.butterfly(n, n - 2),
        f"parallel butterfly 2 x {bits}": t.parallel_butterfly(n, bits, 2),
        f"Clos {half} {half // 2} {half}": t.clos(n, n, half, half // 2, half),
        f"hypercube {bits - 1}": t.hypercube(n, bits - 1),
        f"hypercube {bits}": t.hypercube(n, bits),
        f"torus 2 x {half}, {bits}": t.torus((2, half), bits),
        "RadiX-Net": t.radix_net([[2] * bits]),
        "random": t.erdos_renyi([n] * 3, 0.7, seed=SEED),
        "random regular": t.random_regular([n] * (bits + 1), 2, seed=SEED),
        "small world": t.small_world(n, bits, 2, 0.3, seed=SEED),
    }


def cases() -> list[Case]:
    """All variants of all families, the largest first, and those that tolerances are for."""
    names = {n: [*families(n)][:FAMILIES] for n in SIZES}
    found = [Case(n, f, v, False) for n in names for f in names[n] for v in VARIANTS]
    n, variants = TOLERANCE_SIZE, TOLERANCE_VARIANTS
    return found + [Case(n, f, v, True) for f in names.get(n, []) for v in variants]


def measure(case: Case) -> Any:
    """One topology: what is met, beside what could be."""
    solver, topology = SOLVER._replace(max_steps=STEPS), case.graph
    wanted = tk.ranking.gaussian_targets(TARGETS, case.n, case.n, seed=SEED)
    if case.within_tolerances:
        weights = tk.reconstruct(topology, wanted, solver=solver, loss=jnp.abs).weights
        return within(abs(end_to_end(topology, weights) - wanted), wanted, topology)
    found = satisfy(topology, wanted, solver=solver, restarts=RESTARTS)
    return {
        "n": case.n,
        "family": case.family,
        "variant": case.variant,
        "trainable": tk.to_layers(topology).n_trainable,
        "movable_entries": int((tk.leverage(topology, n_samples=1) > MOVABLE).sum()),
        "matching": tk.satisfiable_constraints(topology),
        "degrees_of_freedom": tk.degrees_of_freedom(topology),
        "trained": found.n_trained.tolist(),
        "met": found.n_met.tolist(),
        "ratios": found.n_ratios.tolist(),
    }


def within(errors: np.ndarray, wanted: np.ndarray, topology: nx.DiGraph) -> list[float]:
    """Entries within each tolerance, in shares of the degrees of freedom."""
    size = np.sqrt((wanted**2).mean((1, 2), keepdims=True))
    counts = [(errors < e * size).sum((1, 2)).mean() for e in TOLERANCES]
    free = tk.degrees_of_freedom(topology)
    return [round(float(count / free), 3) for count in counts]


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """Which bound is reached, what training alone leaves, and every topology."""
    rows = [record for case, record in found.items() if not case.within_tolerances]
    shares = {f"{c.family} {c.variant}": r for c, r in found.items() if c.within_tolerances}
    return {
        "verdict": judge(rows),
        "trained_within_tolerance_by_degrees_of_freedom": {
            "tolerances": TOLERANCES,
            "mean": np.round(np.mean(list(shares.values()), axis=0), 3).tolist() if shares else [],
            **shares,
        },
        "topologies": {name_of(row): row for row in rows},
    }


def judge(rows: list[dict]) -> dict[str, Any]:
    """Which bound is reached, and where not."""
    free = {name_of(row): row["degrees_of_freedom"] for row in rows}
    short = [row for row in rows if min(row["met"]) < row["degrees_of_freedom"]]
    loose = [row for row in rows if row["matching"] > row["degrees_of_freedom"]]
    choice = [row for row in rows if row["degrees_of_freedom"] < row["movable_entries"]]
    diagonal = [row for row in rows if row["variant"].endswith("diagonal")]
    shares = {
        kind: [np.mean(row[kind]) / row["degrees_of_freedom"] for row in rows]
        for kind in ("met", "trained")
    }
    return {
        "topologies": len(rows),
        "more_met_than_degrees_of_freedom": sum(max(r["met"]) > free[name_of(r)] for r in rows),
        "reach_degrees_of_freedom_on_every_target": len(rows) - len(short),
        "reach_them_on_some_target": sum(max(r["met"]) == free[name_of(r)] for r in rows),
        "matching_above_degrees_of_freedom": len(loose),
        "reach_that_matching": sum(max(row["met"]) >= row["matching"] for row in loose),
        "with_a_choice_of_entries": len(choice),
        "of_these_short_on_some_target": misses(row for row in short if row in choice),
        "without_a_choice_short_on_some_target": misses(row for row in short if row not in choice),
        "mean_least_and_most_of_degrees_of_freedom": {
            kind: [round(float(f(values)), 3) for f in (np.mean, np.min, np.max)]
            for kind, values in shares.items()
        },
        "ratios_are_entries_less_outputs": all(
            np.array_equal(row["ratios"], np.array(row["met"]) - row["n"]) for row in diagonal
        ),
    }


def misses(rows: Iterable[dict]) -> dict[str, str]:
    """What each target has met, of how many degrees of freedom."""
    return {
        name_of(row): f"{', '.join(map(str, row['met']))} of {row['degrees_of_freedom']}"
        for row in rows
    }


def name_of(row: dict) -> str:
    """The topology in words."""
    return f"{row['family']}, n = {row['n']}, {row['variant']}"


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Entries met against either bound; open circles, so that those that coincide can be seen."""
    rows = list(results["topologies"].values())
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    labels = {"matching": "maximum matching", "degrees_of_freedom": "degrees of freedom"}
    top = max(row["matching"] for row in rows)
    for ax, bound in zip(axes, labels, strict=True):
        ax.plot([4, top], [4, top], color="0.6", linewidth=0.8, zorder=0)
        for variant, color in STYLES.items():
            some = [row for row in rows if row["variant"] == variant]
            met = [np.mean(row["met"]) for row in some]
            ax.plot([r[bound] for r in some], met, "o", color=color, mfc="none", label=variant)
        ax.set(xscale="log", yscale="log", xlabel=labels[bound])
        ax.grid(alpha=0.3)
    x = [row["degrees_of_freedom"] for row in rows]
    axes[1].plot(x, [np.mean(r["trained"]) for r in rows], "x", c="0.3", ms=4, label="trained only")
    axes[0].set_ylabel("entries met, mean over targets")
    axes[1].legend(frameon=False, fontsize=9)


STUDY = Study(
    __name__,
    quick={"SIZES": (4,), "FAMILIES": 2, "TARGETS": 2, "RESTARTS": 2, "STEPS": 200},
    size=(9.0, 4.4),
)

if __name__ == "__main__":
    STUDY.main()
