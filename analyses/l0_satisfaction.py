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

import argparse
import json
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from rich.console import Console
from rich.progress import track
from rich.table import Table

import topokit as tk
from topokit.reconstruction import L1_ADAM, Adam, end_to_end, satisfy

SIZES, TARGETS, RESTARTS, SEED = (4, 8, 16), 4, 4, 0
QUICK_TARGETS, QUICK_RESTARTS, QUICK_STEPS, QUICK_FAMILIES = 2, 2, 200, 3
TOLERANCES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
# The errors that training leaves are looked at for these, with 8 inputs.
TOLERANCE_SIZE = 8
MOVABLE = 1e-9  # leverage of an entry that some weight moves
VARIANTS = {
    "plain": lambda graph: graph,
    "+ skip": tk.with_skip,
    "+ skip + diagonal": lambda graph: tk.with_diagonal(tk.with_skip(graph)),
}
COLORS = {"plain": "#0072B2", "+ skip": "#D55E00", "+ skip + diagonal": "#009E73"}


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


def measure(n: int, family: str, variant: str, targets: int, restarts: int, solver: Adam) -> dict:
    """One topology: what is met, beside what could be."""
    topology = VARIANTS[variant](families(n)[family])
    wanted = tk.ranking.gaussian_targets(targets, n, n, seed=SEED)
    found = satisfy(topology, wanted, solver=solver, restarts=restarts)
    return {
        "n": n,
        "family": family,
        "variant": variant,
        "trainable": tk.to_layers(topology).n_trainable,
        "movable_entries": int((tk.leverage(topology, draws=1) > MOVABLE).sum()),
        "matching": tk.satisfiable_constraints(topology),
        "degrees_of_freedom": tk.degrees_of_freedom(topology),
        "trained": found.n_trained.tolist(),
        "met": found.n_met.tolist(),
        "ratios": found.n_ratios.tolist(),
    }


def by_tolerance(targets: int, solver: Adam, names: Sequence[str]) -> dict[str, list[float]]:
    """Entries within each tolerance after training alone, in shares of the degrees of freedom."""
    wanted = tk.ranking.gaussian_targets(targets, TOLERANCE_SIZE, TOLERANCE_SIZE, seed=SEED)
    found = {}
    for name in names:
        for variant in ("plain", "+ skip"):
            topology = VARIANTS[variant](families(TOLERANCE_SIZE)[name])
            weights = tk.reconstruct(topology, wanted, solver=solver, loss=jnp.abs).weights
            errors = abs(end_to_end(topology, weights) - wanted)
            size = np.sqrt((wanted**2).mean((1, 2), keepdims=True))
            counts = [(errors < e * size).sum((1, 2)).mean() for e in TOLERANCES]
            free = tk.degrees_of_freedom(topology)
            found[f"{name} {variant}"] = [round(float(c / free), 3) for c in counts]
    return found


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


def show(rows: list[dict]) -> None:
    """Print a line for each topology."""
    columns = ("trainable", "movable_entries", "matching", "degrees_of_freedom")
    table = Table("topology", *columns, "trained", "met", "best")
    for row in rows:
        means = (f"{np.mean(row[key]):.4g}" for key in ("trained", "met"))
        table.add_row(name_of(row), *(str(row[c]) for c in columns), *means, str(max(row["met"])))
    Console(width=160).print(table)


def plot(rows: list[dict]) -> np.ndarray:
    """Entries met against either bound."""
    axes = plt.subplots(1, 2, figsize=(9, 4.4), sharex=True, sharey=True, layout="constrained")[1]
    labels = {"matching": "maximum matching", "degrees_of_freedom": "degrees of freedom"}
    for ax, bound in zip(axes, labels, strict=True):
        top = max(row["matching"] for row in rows)
        ax.plot([4, top], [4, top], color="0.6", linewidth=0.8, zorder=0)
        for variant, color in COLORS.items():
            some = [row for row in rows if row["variant"] == variant]
            x = [row[bound] for row in some]
            draw(ax, x, [np.mean(row["met"]) for row in some], color, variant)
        ax.set(xscale="log", yscale="log", xlabel=labels[bound])
        ax.grid(alpha=0.3)
    x = [row["degrees_of_freedom"] for row in rows]
    axes[1].plot(x, [np.mean(r["trained"]) for r in rows], "x", c="0.3", ms=4, label="trained only")
    axes[0].set_ylabel("entries met, mean over targets")
    axes[1].legend(frameon=False, fontsize=9)
    return axes


def draw(ax: Axes, x: list[int], y: list[Any], color: str, label: str) -> None:
    """Open circles, so that those that coincide can be seen."""
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none"}
    ax.plot(x, y, **look, color=color, markersize=6, label=label)


def main() -> None:
    """Satisfy, judge, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="four inputs, few steps")
    quick = parser.parse_args().quick
    sizes = SIZES[:1] if quick else SIZES
    targets, restarts = (QUICK_TARGETS, QUICK_RESTARTS) if quick else (TARGETS, RESTARTS)
    solver = L1_ADAM._replace(steps=QUICK_STEPS) if quick else L1_ADAM
    names = {n: list(families(n))[: QUICK_FAMILIES if quick else None] for n in sizes}
    cases = [(n, f, v) for n in sizes[::-1] for f in names[n] for v in VARIANTS]
    one = partial(measure, targets=targets, restarts=restarts, solver=solver)
    console = Console(stderr=True)
    with tk.ranking.process_pool(tk.ranking.default_jobs()) as pool:
        runs = [pool.submit(one, *case) for case in cases]
        bar = track(runs, console=console, transient=True, disable=not console.is_terminal)
        rows = [run.result() for run in bar]
    shares = by_tolerance(targets, solver, names.get(TOLERANCE_SIZE, []))
    show(rows)
    verdict = judge(rows)
    found = {
        "targets": targets,
        "restarts": restarts,
        "solver": solver._asdict(),
        "verdict": verdict,
        "trained_within_tolerance_by_degrees_of_freedom": {
            "tolerances": TOLERANCES,
            "mean": np.round(np.mean(list(shares.values()), axis=0), 3).tolist() if shares else [],
            **shares,
        },
        "topologies": {name_of(row): row for row in rows},
    }
    print(json.dumps({key: found[key] for key in list(found)[:-1]}, indent=2))
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if quick else Path(__file__).parent
        tk.plotting.save_figure(plot(rows), folder / "l0_satisfaction.png")
        text = json.dumps(found, indent=2)
        (folder / "l0_satisfaction.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
