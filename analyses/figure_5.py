"""Controllability K of four topologies with 32 inputs and outputs: two that have the least loss.

Top: where plain descent on the loss (20) ends, as in figure 5 of NeuroFabric (arXiv:2002.08339).
Bottom: the canonical K, of all that have the least loss the one of least sum of squares. Rows are
inputs, columns outputs, brightness the ratios of an input that an output controls, on one scale for
all.

Claim: by descent Clos and butterfly come out smooth, hypercube and torus uneven, as in the paper;
yet the unevenness is the descent's, not the wiring's. The loss sees only the sum of each column, so
many K share it. The canonical ones have the same totals and the same loss, which is proven to be
the least there is, and no variance.

Writes `figure_5.png` and, with its numbers, `figure_5.json` beside this script; `--quick` takes 8
inputs and few steps.
"""

from itertools import product
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import Study, nested, significant

t = tk.topologies
FAIR = {"descent": False, "canonical": True}
TOPOLOGIES = {
    "hypercube, depth 6": lambda: t.hypercube.layers(32, 6),
    "Clos (8, 9, 8)": lambda: t.clos.layers(32, 32, 8, 9, 8),
    "butterfly, depth 18": lambda: t.butterfly.layers(32, 18),
    "torus 8×4, depth 7": lambda: t.torus.layers((8, 4), 7),
}
STEPS = None  # as many as the search needs


def cases() -> list[tuple[str, str]]:
    """Both ways for each topology."""
    return list(product(TOPOLOGIES, FAIR))


def measure(case: tuple[str, str]) -> dict[str, Any]:
    """What the picture shows of one K, and how good it is."""
    name, way = case
    control = tk.controllability(TOPOLOGIES[name](), fairness=FAIR[way], steps=STEPS)
    K = control.K
    found = {
        "total": control.total,
        "mean": K.mean(),
        "deviation": K.std(),
        "least": K.min(),
        "greatest": K.max(),
        "loss": control.loss,
        "bound": control.bound,
    }
    numbers = {name: significant(value) for name, value in found.items()}
    return numbers | {"K": np.round(K, 6).tolist()}


def summarize(found: dict[tuple, dict[str, Any]]) -> dict[str, Any]:
    """By topology and way."""
    rows = nested(found)
    return {"topologies": {n: {"edges": TOPOLOGIES[n]().n_edges} | row for n, row in rows.items()}}


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A row for each way, a column for each topology."""
    rows = results["topologies"]
    maps = {f"{name}: {way}": np.array(rows[name][way]["K"]) for way, name in product(FAIR, rows)}
    tk.plotting.plot_controls(maps, figure.subplots(len(FAIR), len(rows)).ravel())


STUDY = Study(
    __name__,
    quick={
        "TOPOLOGIES": {
            "hypercube, depth 2": lambda: t.hypercube.layers(8, 2),
            "Clos (4, 3, 4)": lambda: t.clos.layers(8, 8, 4, 3, 4),
        },
        "STEPS": 50,
    },
    size=(9.6, 5.5),
)

if __name__ == "__main__":
    STUDY.main()
