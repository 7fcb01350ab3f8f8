"""Which size a family has nearest to a share of a dense layer, between layers of real widths.

A panel is a layer, a row a family, a column the share of the dense layer's edges that is asked for,
in percent. A cell says the share that the nearest member has, without skip connections: blue where
it is within a quarter, darker within 2 %, orange where it is not; gray where all are larger,
empty where there is none: some families need as many inputs as outputs, or a power of two.

Claim: from its smallest member on, a family has one within a quarter of every share, and mostly
within 2 %. What misses more is a family that grows by multiples of its smallest member, between the
first two. The smallest ones differ: one layer of blocks or diagonals can be as sparse as an edge a
neuron, which joins few pairs; two layers that join all pairs need at least about `n_in + n_out`
edges, butterflies and RadiX-Nets more.

Writes `any_width.png` and, with its numbers, `any_width.json` beside this script; `--quick` takes
one small layer.
"""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

import topokit as tk
from analyses import kit
from analyses.kit import COLORS, Study
from topokit.designs import Member, members, nearest, why_far

LAYERS = ((784, 300), (300, 100), (512, 10), (768, 3072), (1024, 1024), (50257, 768))
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
WITHOUT = ("dense",)  # which has one size
CLOSE = 0.02

STYLE_COLORS = {"close": COLORS.blue, "near": COLORS.sky, "least": "#cccccc", "far": COLORS.red}
STYLE_WORDS = {
    "close": "within 2 %",
    "near": "within a quarter",
    "far": "farther",
    "least": "all are larger",
}


def cases() -> list[tuple[int, int]]:
    """The layers."""
    return list(LAYERS)


def measure(case: tuple[int, int]) -> dict[str, Any]:
    """For each family its smallest member, and the nearest ones; or why it has none."""
    found: dict[str, Any] = {}
    for family in order():
        try:
            found[family] = sizes(family, case)
        except ValueError as error:
            found[family] = str(error)
    return found


def sizes(family: str, layer: tuple[int, int]) -> dict[str, Any]:
    """Trainable edges and depths of the nearest members, and how near they are."""
    budgets = [round(share * layer[0] * layer[1]) for share in SHARES]
    best = [nearest(family, *layer, budget) for budget in budgets]
    least = min(member.trainable for member in members(family, *layer, most=0))
    return {
        "least": least,
        "trainable": [member.trainable for member in best],
        "depth": [member.depth for member in best],
        "nearness": [nearness(*pair, least) for pair in zip(best, budgets, strict=True)],
    }


def nearness(member: Member, budget: int, least: int) -> str:
    """How near a budget a member is, or that there is no smaller one."""
    if abs(member.trainable - budget) <= CLOSE * budget:
        return "close"
    if not why_far(member, budget):
        return "near"
    return "least" if budget < least else "far"


def summarize(found: dict[tuple[int, int], dict[str, Any]]) -> dict[str, Any]:
    """All layers, and whether the claim holds."""
    counts = Counter(
        kind
        for rows in found.values()
        for row in rows.values()
        if isinstance(row, dict)
        for kind in row["nearness"]
    )
    layers = {
        f"{n_in} x {n_out}": {"dense": n_in * n_out} | {f: rows[f] for f in order()}
        for (n_in, n_out), rows in found.items()
    }
    claim = kit.verdict(not counts["far"], counts["close"] + counts["near"])
    return {"verdict": claim, "members": dict(counts), "layers": layers}


def order() -> list[str]:
    """The families as the documentation has them."""
    return [family for family in tk.topologies.families() if family not in WITHOUT]


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A panel for each layer."""
    layers = results["layers"]
    columns = min(3, len(layers))
    axes = np.ravel(figure.subplots(-(-len(layers) // columns), columns, sharex=True, sharey=True))
    for ax, (name, rows) in zip(axes, layers.items(), strict=True):
        panel(ax, rows)
        ax.set_title(f"{name.replace('x', '×')}, {rows['dense']:,} edges if dense", fontsize=10)
    marks = [Patch(color=STYLE_COLORS[kind], label=words) for kind, words in STYLE_WORDS.items()]
    figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False)
    figure.supxlabel("share of the dense layer's edges that is asked for, in %", fontsize=10)


def panel(ax: Axes, rows: dict[str, Any]) -> None:
    """The shares of the nearest members, in percent."""
    families = order()
    some = {y: rows[family] for y, family in enumerate(families) if isinstance(rows[family], dict)}
    for y, row in some.items():
        for x, kind in enumerate(row["nearness"]):
            share = f"{100 * row['trainable'][x] / rows['dense']:.2g}"
            color = "white" if kind in ("close", "far") else "black"
            box = {"facecolor": STYLE_COLORS[kind], "edgecolor": "white", "linewidth": 0.5}
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **box))
            ax.text(x, y, share, ha="center", va="center", color=color, fontsize=8)
    shares = [f"{100 * share:.0f}" for share in SHARES]
    ax.set_xticks(range(len(SHARES)), shares)
    ax.set_yticks(range(len(families)), [name.replace("_", " ") for name in families], fontsize=9)
    ax.set(xlim=(-0.5, len(SHARES) - 0.5), ylim=(len(families) - 0.5, -0.5))
    ax.tick_params(length=0)


STUDY = Study(__name__, quick={"LAYERS": ((24, 16), (16, 16))}, size=(11.5, 7.6))

if __name__ == "__main__":
    STUDY.main()
