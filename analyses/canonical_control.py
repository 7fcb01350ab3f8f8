"""How uneven the canonical K is, by depth, and what makes it so.

The variance of any K is a sum of three: of what its outputs have in all (`totals`), of sharing that
evenly among the inputs that reach the output and leaving out the others (`unreachable`), and of not
sharing it evenly (`crowded`). Left: the deviation of K with 32 inputs and outputs, canonical and by
the paper's descent. Middle: the canonical with 1,024, where descent is left out. Right: on very
sparse random networks, the share of outputs whose canonical K is not even, by more than 1 % of its
even share at some input; dots are networks, lines means.

Claim: with hypercube, torus, butterfly and small world the canonical K is even at every depth. All
its deviation is of inputs that do not reach an output, and is 0 from the depth on at which all do,
where the descent's, butterflies apart, is not yet: on random networks it even rises. Only sparse
irregular wiring crowds inputs, and only where it is shallow: with two layers many outputs have an
uneven K, most at middling densities; with four some have, at the lowest alone. (Networks that leave
an output without any input are passed over.)

Writes `canonical_control.png` and, with its numbers, `canonical_control.json` beside this script.
`--quick` takes few small networks and steps, and keeps nothing.
"""

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import COLORS, Look, Study, nested

EVEN = 0.01
LARGE_DEPTHS = {"hypercube": (1, 2, 3, 4), "torus": (1, 2, 4, 6)}
DENSITIES, NETWORKS = (0.06, 0.08, 0.1, 0.13, 0.16, 0.2), 10
SPARSE_DEPTHS = (2, 4)
STEPS = None  # as many as the search needs
# What lies above is said in words, so that the rest can be read.
STYLE_TOP = 0.6
STYLES = {
    "hypercube": Look("o", COLORS.blue),
    "torus": Look("s", COLORS.red),
    "butterfly": Look("^", COLORS.green),
    "random": Look("D", COLORS.pink),
    "small world": Look("v", COLORS.black),
}
STYLES_SPARSE = (Look("o", COLORS.dark), Look("s", COLORS.amber))
STYLE_BELOW: dict[str, Any] = {"loc": "outside lower left", "ncols": 6, "frameon": False}
t = tk.topologies
FAMILIES: dict[str, Callable[[int], tk.Layers]] = {
    "hypercube": lambda depth: t.hypercube.layers(32, depth),
    "torus": lambda depth: t.torus.layers((8, 4), depth),
    "butterfly": lambda depth: t.butterfly.layers(32, depth),
    "random": lambda depth: t.erdos_renyi.layers([32] * (depth + 1), 6 / 32, seed=0),
    "small world": lambda depth: t.small_world.layers(32, depth, 4, 0.2, seed=0),
}
DEPTHS = dict.fromkeys(FAMILIES, (1, 2, 3, 4, 5, 6, 8, 10))
LARGE: dict[str, Callable[[int], tk.Layers]] = {
    "hypercube": lambda depth: t.hypercube.layers(1024, depth),
    "torus": lambda depth: t.torus.layers((32, 32), depth),
}


class Case(NamedTuple):
    """A panel, what stands there, and a depth."""

    panel: str
    name: str
    depth: int


def cases() -> list[Case]:
    """The largest first."""
    large = [Case("1024", name, d) for name, depths in LARGE_DEPTHS.items() for d in depths]
    small = [Case("32", name, d) for name, depths in DEPTHS.items() for d in depths]
    sparse = [Case("sparse", str(x), d) for d in SPARSE_DEPTHS for x in DENSITIES]
    return [*large, *small, *sparse]


def measure(case: Case) -> dict[str, Any]:
    """The parts of the canonical K and of the paper's, or crowding in some sparse networks."""
    if case.panel == "sparse":
        drawn = islice(sparse_networks(case.depth, float(case.name)), NETWORKS)
        return {str(seed): crowding(layers, STEPS) for seed, layers in drawn}
    large = case.panel == "1024"
    layers = (LARGE if large else FAMILIES)[case.name](case.depth)
    reach, ways = reachable(layers), ("canonical", "descent")[: 1 if large else 2]
    fair = {way: way == "canonical" for way in ways}
    found = {w: tk.controllability(layers, fairness=f, steps=STEPS).K for w, f in fair.items()}
    return {way: parts(K, reach) for way, K in found.items()}


def reachable(layers: tk.Layers) -> np.ndarray:
    """Which inputs reach which outputs."""
    reach = np.eye(layers.n_in, dtype=np.float32)
    for mask in tk.to_masks(layers):
        reach = (reach @ mask > 0).astype(np.float32)
    return reach > 0


def even(K: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """What each output has, shared evenly among the inputs that reach it."""
    return reach * (K.sum(axis=0) / reach.sum(axis=0))


def parts(K: np.ndarray, reach: np.ndarray) -> dict[str, float]:
    """The deviation of K and its three parts; their squares add up to its square."""
    shared, mean = even(K, reach), K.mean(axis=0)
    found = {
        "deviation": K.std(),
        "totals": mean.std(),
        "unreachable": np.sqrt(np.mean((shared - mean) ** 2)),
        "crowded": np.sqrt(np.mean((K - shared) ** 2)),
    }
    return {name: round(float(value), 5) for name, value in found.items()}


def sparse_networks(depth: int, density: float) -> Iterator[tuple[int, tk.Layers]]:
    """Random networks by seed, without those that leave an output without inputs."""
    for seed in count():
        try:
            yield seed, t.erdos_renyi.layers([32] * (depth + 1), density, seed=seed)
        except ValueError:
            continue


def crowding(layers: tk.Layers, steps: int | None) -> dict[str, float]:
    """How many outputs have a canonical K that is not even, and how far it is from that."""
    K, reach = tk.controllability(layers, steps=steps).K, reachable(layers)
    shared = even(K, reach)
    off = np.abs(K - shared).max(axis=0) / np.maximum(shared.max(axis=0), 1e-9)
    return {
        "uneven": round(float(np.mean(off > EVEN)), 4),
        "furthest": round(float(off.max()), 4),
        "absolute": round(float(np.abs(K - shared).max()), 4),
    } | parts(K, reach)


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """By panel; sparse networks by depth and density, others by family and depth."""
    sparse = {case: (case.panel, case.depth, case.name) for case in found if case.panel == "sparse"}
    return nested({sparse.get(case, case): record for case, record in found.items()}, "32", "1024")


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Deviation by depth at two sizes, and crowding by density."""
    axes = figure.subplots(1, 3)
    for ax, size in zip(axes, ("32", "1024"), strict=False):
        for name, rows in results[size].items():
            draw_family(ax, name, rows)
        ax.set_title(f"{int(size):,} inputs and outputs", fontsize=14)
        ax.set_xlabel("layers", fontsize=14)
        ax.set_ylabel("deviation of K [ratios]", fontsize=14)
    axes[0].plot([], [], "k--", label="by descent", linewidth=1)
    figure.legend(*axes[0].get_legend_handles_labels(), **STYLE_BELOW, fontsize=13)
    for look, (depth, rows) in zip(STYLES_SPARSE, results["sparse"].items(), strict=False):
        draw_sparse(axes[2], look, depth, rows)
    axes[2].set_title("sparse random, 32 inputs", fontsize=14)
    axes[2].set_xlabel("density", fontsize=14)
    axes[2].set_ylabel("outputs with an uneven K [%]", fontsize=14)
    axes[2].legend(fontsize=13, frameon=False)
    for ax in axes:
        ax.tick_params(labelsize=13)
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)


def draw_family(ax: Axes, name: str, rows: dict[str, dict[str, Any]]) -> None:
    """The canonical deviation by depth, and the descent's, dashed, where it is there."""
    marker, color, _ = STYLES[name]
    depths = [int(depth) for depth in rows]
    heights = [row["canonical"]["deviation"] for row in rows.values()]
    ax.plot(depths, heights, color=color, marker=marker, label=name)
    if all("descent" in row for row in rows.values()):
        heights = [row["descent"]["deviation"] for row in rows.values()]
        ax.plot(depths, heights, color=color, marker=marker, markersize=3, ls="--", linewidth=1)
        if max(heights) > STYLE_TOP:
            words = f"{name}, by descent: up to {max(heights):.2f}"
            place: Any = {"ha": "right", "va": "top", "transform": ax.transAxes}
            back = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            ax.text(0.98, 0.97, words, color=color, fontsize=11, bbox=back, **place)
            ax.set_ylim(top=STYLE_TOP)


def draw_sparse(ax: Axes, look: Look, depth: str, rows: dict[str, dict]) -> None:
    """A dot for each network, and a line through the means."""
    shares = {float(d): [100 * n["uneven"] for n in row.values()] for d, row in rows.items()}
    means = [float(np.mean(values)) for values in shares.values()]
    style: dict[str, Any] = {"color": look.color, "marker": look.marker}
    ax.plot(list(shares), means, **style, label=f"{depth} layers")
    for density, values in shares.items():
        ax.plot([density] * len(values), values, **style, ls="none", markersize=4, alpha=0.35)


STUDY = Study(
    __name__,
    quick={
        "DEPTHS": {"hypercube": (1, 2)},
        "LARGE_DEPTHS": {"hypercube": (1,)},
        "SPARSE_DEPTHS": (2,),
        "DENSITIES": DENSITIES[-1:],
        "NETWORKS": 2,
        "STEPS": 50,
    },
    size=(12.0, 4.6),
)

if __name__ == "__main__":
    STUDY.main()
