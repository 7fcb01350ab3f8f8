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
`--store FOLDER` keeps what is finished, so that a run that was stopped goes on; `--quick` takes few
sizes, targets and steps and keeps nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import COLORS, Look, Study, points, significant, verdict
from topokit import topologies as t
from topokit.ranking import Result
from topokit.reconstruction import Adam

WIDTHS, TARGETS, STEPS, SEED = (32, 64), 8, 2000, 0
SIZES = 99  # of a family, at most
SIDES = {32: (8, 4), 64: (8, 8)}
RADICES = {32: [4, 8], 64: [8, 8]}
# Share of n^2 from which on a budget is called large, and up to which it is called small.
LARGE, SMALL = 0.8, 0.35
BUDGETS = np.geomspace(0.1, 1.25, 24)
# A loss below this is as good as exact in single precision, and all such are equal.
EXACT = 1e-6
# The lowest loss that the picture shows, and where its horizontal axis has numbers.
STYLE_FLOOR, STYLE_TICKS = 1e-4, (0.05, 0.1, 0.2, 0.5, 1, 2)
STYLES = {
    "butterfly": Look("o", COLORS.blue),
    "hypercube": Look("s", COLORS.red),
    "torus": Look("^", COLORS.pink),
    "clos": Look("D", COLORS.green),
    "low rank": Look("v", COLORS.black),
    "radix-net": Look("P", COLORS.sky),
    "random": Look("X", COLORS.gray),
    "parallel butterfly": Look("*", COLORS.amber),
}

Curve = dict[str, list[float]]


class Case(NamedTuple):
    """A topology by its width, and its name in `collection`."""

    width: int
    name: str


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


@cache
def collection(n: int, sizes: int) -> dict[str, nx.DiGraph]:
    """All topologies of one width by name: family, skip and place in the family."""
    chosen = {}
    for family, graphs in families(n).items():
        for place, graph in enumerate(graphs[:sizes]):
            chosen[f"{family} {place}"] = graph
            chosen[f"{family} {place} + skip"] = tk.with_skip(graph)
    return chosen


def cases() -> list[Case]:
    """Every topology of every width."""
    return [Case(n, name) for n in WIDTHS for name in collection(n, SIZES)]


def measure(case: Case) -> list[Result]:
    """The losses of one topology, target by target."""
    results = tk.ranking.sweep(
        {case.name: collection(case.width, SIZES)[case.name]},
        targets=TARGETS,
        seeds=SEED,
        solver=Adam(max_steps=STEPS),
    )
    return list(results)


def summarize(found: dict[Case, list[Result]]) -> dict[str, Any]:
    """Curves of each width, and what becomes of the claims."""
    drawn = {
        str(n): curves(result for case, row in found.items() if case.width == n for result in row)
        for n in WIDTHS
    }
    return {"verdicts": {n: verdicts(sides, int(n)) for n, sides in drawn.items()}, "curves": drawn}


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
            curve[field].append(significant(float(value)))
    return found


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
    return {
        "verdict": verdict(share == 1, share > 0),
        "budgets": [significant(b) for b in BUDGETS[known][[0, -1]]],
        "share_of_budgets": significant(share),
        "loss_ratio_min_median_max": [significant(q) for q in np.quantile(ratio, [0, 0.5, 1])],
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
        "verdict": verdict(rises and loss[best] > EXACT, part=False),
        "lowest": significant(loss[best]),
        "at_trainable": curve["trainable"][best],
        "of_largest": significant(loss[-1]),
        "at_largest": curve["trainable"][-1],
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Widths in rows; without and with skip connections in columns."""
    found = results["curves"]
    axes = figure.subplots(len(found), 2, sharex=True, sharey=True, squeeze=False)
    for row, (width, sides) in zip(axes, found.items(), strict=True):
        for ax, (side, curves_) in zip(row, sides.items(), strict=True):
            draw_curves(ax, curves_, int(width))
            ax.set_title(f"n = {width}, {side} skip connections", fontsize=12)
        row[0].set_ylabel("relative loss", fontsize=12)
    for ax in axes[-1]:
        ax.set_xlabel("trainable parameters / n² (a dense layer has 1)", fontsize=12)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=12)


def draw_curves(ax: Axes, curves_: dict[str, Curve], n: int) -> None:
    """One panel; what is below the floor stands at its edge."""
    for family, curve in curves_.items():
        x, loss = np.array(curve["trainable"]) / n**2, np.array(curve["loss"])
        bars = np.where(loss > STYLE_FLOOR, curve["error"], 0.0)
        loss = np.maximum(loss, STYLE_FLOOR)
        points(ax, x, loss, bars, STYLES[family], family, linewidth=1.4, capsize=0)
    ax.axvline(1, color="0.5", linewidth=1, linestyle=":")
    ax.set(xscale="log", yscale="log", ylim=(0.8 * STYLE_FLOOR, 1.3))
    ax.set_xticks(STYLE_TICKS, [f"{tick:g}" for tick in STYLE_TICKS])
    ax.minorticks_off()
    ax.tick_params(labelsize=11)
    ax.grid(alpha=0.3)


STUDY = Study(
    __name__, quick={"WIDTHS": (32,), "SIZES": 1, "TARGETS": 2, "STEPS": 20}, size=(9.0, 8.1)
)

if __name__ == "__main__":
    STUDY.main()
