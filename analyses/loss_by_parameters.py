"""NeuroFabric's figures 3 and 4: loss against parameters, family by family, without and with skips.

Eight families of growing size, with 32 and with 64 inputs and outputs, rebuild unit Gaussian
matrices, all trainable (figure 3) and with one constant edge a neuron (figure 4). Parameters are
the trainable edges; a point is the mean over targets, its bar two standard errors to either side.
Butterfly, hypercube and torus grow in depth; Clos, low rank and, from its full depth on, the
parallel butterfly grow in width; RadiX-Net and random grow in depth.

Claims of the paper, each judged at the budgets where both sides have topologies (losses in between
are interpolated along the logarithms), at the number of steps that is printed: skip connections
help butterfly and hypercube (VII.A); deeper butterflies, hypercubes and tori lose in the end
(VII.C); the topologies of constant depth, Clos and low rank, win in the end (VII.C); small Clos
networks lose to butterflies and hypercubes (VII.D); the parallel butterfly beats all (VII.E). A
claim holds where it does at every budget, in part where it does at some. What the judgments rest
on is in the JSON file.

Writes `loss_by_parameters.png` and, with its numbers, `loss_by_parameters.json` beside this script.
`--store FILE` keeps what is finished, so that a run that was stopped goes on; `--quick` takes few
sizes, targets and steps and keeps nothing.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from rich.console import Console

import topokit as tk
from topokit import topologies as t
from topokit.ranking import Result
from topokit.reconstruction import Adam

WIDTHS = (32, 64)
TARGETS, STEPS, SEED = 8, 2000, 0
QUICK_TARGETS, QUICK_STEPS, QUICK_SIZES = 2, 20, slice(1)
SIDES = {32: (8, 4), 64: (8, 8)}
RADICES = {32: [4, 8], 64: [8, 8]}
# Share of n^2 from which on a budget is called large, and up to which it is called small.
LARGE, SMALL = 0.8, 0.35
BUDGETS = np.geomspace(0.1, 1.25, 24)
# A loss below this is as good as exact in single precision, and all such are equal.
EXACT = 1e-6
# The lowest loss that the picture shows, and where its horizontal axis has numbers.
FLOOR, TICKS = 1e-4, (0.05, 0.1, 0.2, 0.5, 1, 2)
COLORS = {
    "butterfly": "#0072B2",
    "hypercube": "#D55E00",
    "torus": "#CC79A7",
    "clos": "#009E73",
    "low rank": "#000000",
    "radix-net": "#56B4E9",
    "random": "#888888",
    "parallel butterfly": "#E69F00",
}
MARKERS = dict(zip(COLORS, "os^DvPX*", strict=True))

Curve = dict[str, list[float]]


def families(n: int) -> dict[str, list[nx.DiGraph]]:
    """Topologies of growing size, up to somewhat more than n^2 edges."""
    bits = n.bit_length() - 1
    share = n // 8
    return {
        "butterfly": [t.butterfly(n, d) for d in spaced(bits, n)],
        "hypercube": [t.hypercube(n, d) for d in spaced(2, 5 * n // (4 * bits + 4) + 2)],
        "torus": [t.torus(SIDES[n], d) for d in spaced(2, 3 * n // 10)],
        "clos": [t.clos(n, n, 8, m, 8) for m in spaced(1, 5 * n // 16, share // 4 * 2)],
        "low rank": [t.low_rank(n, n, r) for r in spaced(n // 8, 5 * n // 8)],
        "radix-net": [t.radix_net([RADICES[n]] * k) for k in range(1, 4 if n == 32 else 5)],
        "random": [t.random_regular([n] * (d + 1), 6, seed=SEED) for d in spaced(2, n // 4)],
        "parallel butterfly": [t.parallel_butterfly(n, bits, c) for c in spaced(1, n // bits)],
    }


def spaced(first: int, last: int, count: int = 8) -> list[int]:
    """At most `count` whole numbers from `first` to `last`, about evenly spaced in ratio."""
    return sorted({round(x) for x in np.geomspace(first, last, max(count, 8))})


def collection(n: int, sizes: slice) -> dict[str, nx.DiGraph]:
    """All topologies of one width by name: family, skip and place in the family."""
    chosen = {}
    for family, graphs in families(n).items():
        for place, graph in enumerate(graphs[sizes]):
            chosen[f"{family} {place}"] = graph
            chosen[f"{family} {place} + skip"] = tk.with_skip(graph)
    return chosen


def measure(n: int, store: Path | None, *, quick: bool) -> list[Result]:
    """All losses of one width, in as many processes as there are cores."""
    with tk.ranking.process_pool(tk.ranking.default_jobs()) as pool:
        results = tk.ranking.sweep(
            collection(n, QUICK_SIZES if quick else slice(None)),
            targets=QUICK_TARGETS if quick else TARGETS,
            seeds=SEED,
            solver=Adam(steps=QUICK_STEPS if quick else STEPS),
            executor=pool,
            store=store,
        )
        return list(results)


def curves(results: Iterable[Result]) -> dict[str, dict[str, Curve]]:
    """For each family, without and with skip connections: trainable edges, losses and errors."""
    losses: dict[tuple, list[float]] = defaultdict(list)
    for r in results:
        family = r.name.removesuffix(" + skip").rpartition(" ")[0]
        losses[r.skip, family, r.trainable].append(r.loss)
    found: dict[str, dict[str, Curve]] = {"without": {}, "with": {}}
    for (skip, family, trainable), values in sorted(losses.items()):
        curve = found["with" if skip else "without"].setdefault(
            family, {"trainable": [], "loss": [], "error": []}
        )
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        for field, value in zip(curve, (trainable, np.mean(values), error), strict=True):
            curve[field].append(round_off(float(value)))
    return found


def round_off(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def at(curve: Curve, n: int) -> np.ndarray:
    """Loss at each of `BUDGETS` (in units of n^2), not a number outside of the curve."""
    x, y = np.log(curve["trainable"]), np.log(np.maximum(curve["loss"], EXACT))
    return np.exp(np.interp(np.log(BUDGETS * n * n), x, y, left=np.nan, right=np.nan))


def judge(better: np.ndarray, worse: np.ndarray, where: np.ndarray) -> dict[str, Any]:
    """Is the first below the others, at how many of the budgets where both are known?"""
    known = where & np.isfinite(better) & np.isfinite(worse)
    if not known.any():
        return {"verdict": "not measured"}
    ratio = better[known] / worse[known]
    share = float((ratio <= 1).mean())
    verdict = "holds" if share == 1 else "does not hold" if share == 0 else "holds in part"
    return {
        "verdict": verdict,
        "budgets": [round_off(b) for b in BUDGETS[known][[0, -1]]],
        "share_of_budgets": round_off(share),
        "loss_ratio_min_median_max": [round_off(q) for q in np.quantile(ratio, [0, 0.5, 1])],
    }


def lowest(table: dict[str, np.ndarray], names: Iterable[str]) -> np.ndarray:
    """The lowest loss of some families at each budget; not a number where none is known."""
    return np.fmin.reduce([table[name] for name in names])


def verdicts(found: dict[str, dict[str, Curve]], n: int) -> dict[str, Any]:
    """Every claim at one width."""
    plain, skip = (
        {family: at(curve, n) for family, curve in found[side].items()}
        for side in ("without", "with")
    )
    anywhere, large, small = BUDGETS > 0, BUDGETS >= LARGE, BUDGETS <= SMALL
    growing, constant = ("butterfly", "hypercube", "torus"), ("clos", "low rank")
    claims = {
        f"skip connections help {f}": judge(skip[f], plain[f], anywhere)
        for f in ("butterfly", "hypercube", "torus", "clos", "low rank")
    }
    for f in constant:
        claims[f"{f} wins in the end, without skip"] = judge(
            plain[f], lowest(plain, growing), large
        )
    for f in ("butterfly", "hypercube"):
        claims[f"small Clos loses to {f}, without skip"] = judge(plain[f], plain["clos"], small)
        claims[f"small Clos loses to {f}, with skip"] = judge(skip[f], skip["clos"], small)
    others = [f for f in skip if f != "parallel butterfly"]
    for side, table in (("without", plain), ("with", skip)):
        name = f"parallel butterfly beats all, {side} skip"
        claims[name] = judge(table["parallel butterfly"], lowest(table, others), anywhere)
    for f in growing:
        claims[f"{f} loses with depth, without skip"] = deepening(found["without"][f])
    return claims


def deepening(curve: Curve) -> dict[str, Any]:
    """Does the loss rise again, by more than two standard errors, before it is exact?"""
    loss, error = np.array(curve["loss"]), np.array(curve["error"])
    best = int(loss.argmin())
    rises = bool((loss[best:] - 2 * error[best:] > loss[best] + 2 * error[best]).any())
    return {
        "verdict": "holds" if rises and loss[best] > EXACT else "does not hold",
        "lowest": round_off(loss[best]),
        "at_trainable": curve["trainable"][best],
        "of_largest": round_off(loss[-1]),
        "at_largest": curve["trainable"][-1],
    }


def plot(found: dict[str, Any]) -> np.ndarray:
    """Widths in rows; without and with skip connections in columns."""
    shape, size = (len(found), 2), (9, 3.6 * len(found) + 0.9)
    grid = plt.subplots(*shape, figsize=size, sharex=True, sharey=True, squeeze=False)
    figure, axes = grid
    figure.set_layout_engine("constrained")
    for row, (width, sides) in zip(axes, found.items(), strict=True):
        for ax, (side, curves_) in zip(row, sides.items(), strict=True):
            draw(ax, curves_, int(width))
            ax.set_title(f"n = {width}, {side} skip connections", fontsize=12)
        row[0].set_ylabel("relative loss", fontsize=12)
    for ax in axes[-1]:
        ax.set_xlabel("trainable parameters / n² (a dense layer has 1)", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=12)
    return axes


def draw(ax: Axes, curves_: dict[str, Curve], n: int) -> None:
    """One panel; what is below the floor stands at its edge."""
    for family, curve in curves_.items():
        loss = np.array(curve["loss"])
        bars = np.where(loss > FLOOR, 2 * np.array(curve["error"]), 0.0)
        look: dict[str, Any] = {"color": COLORS[family], "marker": MARKERS[family], "label": family}
        x = np.array(curve["trainable"]) / n**2
        ax.errorbar(x, np.maximum(loss, FLOOR), bars, **look, markersize=5, linewidth=1.4)
    ax.axvline(1, color="0.5", linewidth=1, linestyle=":")
    ax.set(xscale="log", yscale="log", ylim=(0.8 * FLOOR, 1.3))
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.minorticks_off()
    ax.tick_params(labelsize=11)
    ax.grid(alpha=0.3)


def main() -> None:
    """Measure, judge, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few sizes, targets and steps")
    parser.add_argument("--store", type=Path, help="an SQLite file for what is finished")
    given = parser.parse_args()
    widths = WIDTHS[:1] if given.quick else WIDTHS
    found = {str(n): curves(measure(n, given.store, quick=given.quick)) for n in widths}
    claims = {n: verdicts(sides, int(n)) for n, sides in found.items()}
    settings = {"targets": TARGETS, "steps": STEPS, "seed": SEED}
    text = json.dumps({"settings": settings, "verdicts": claims, "curves": found}, indent=1)
    for n, claim in product(claims, next(iter(claims.values()))):
        Console().print(f"n = {n}: {claim}:", claims[n][claim])
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if given.quick else Path(__file__).parent
        tk.plotting.save_figure(plot(found), folder / "loss_by_parameters.png")
        (folder / "loss_by_parameters.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
