"""Controllability K of four topologies with 32 inputs and outputs: two that have the least loss.

Top: where plain descent on the loss (20) ends, as in figure 5 of NeuroFabric (arXiv:2002.08339).
Bottom: the canonical K, of all that have the least loss the one of least sum of squares. Rows are
inputs, columns outputs, brightness the ratios of an input that an output controls, on one scale for
all.

Claim: by descent Clos and butterfly come out smooth, hypercube and torus uneven, as in the paper;
yet the unevenness is the descent's, not the wiring's. The loss sees only the sum of each column, so
many K share it. The canonical ones have the same totals and the same loss, which is proven to be
the least there is, and no variance.

Writes `figure_5.png` and, with its numbers, `figure_5.json` beside this script or into `--folder`.
`--quick` takes 8 inputs and few steps, and without a folder keeps nothing.
"""

import argparse
import json
import tempfile
from pathlib import Path

import networkx as nx

import topokit as tk
from topokit.scores import Controllability

QUICK_STEPS = 50


def topologies(*, quick: bool) -> dict[str, nx.DiGraph]:
    """The four of the paper, or four of their families with 8 inputs."""
    t = tk.topologies
    if quick:
        return {
            "hypercube, depth 2": t.hypercube(8, 2),
            "Clos (4, 3, 4)": t.clos(8, 8, 4, 3, 4),
            "butterfly, depth 6": t.butterfly(8, 6),
            "torus 4×2, depth 2": t.torus((4, 2), 2),
        }
    return {
        "hypercube, depth 6": t.hypercube(32, 6),
        "Clos (8, 9, 8)": t.clos(32, 32, 8, 9, 8),
        "butterfly, depth 18": t.butterfly(32, 18),
        "torus 8×4, depth 7": t.torus((8, 4), 7),
    }


def numbers(control: Controllability) -> dict[str, float]:
    """What the picture shows of one K, and how good it is."""
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
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def save(folder: Path, rows: dict[str, dict[str, Controllability]], edges: dict[str, int]) -> None:
    """Write the picture and its numbers."""
    heatmaps = {f"{name}: {row}": c.K for row, found in rows.items() for name, c in found.items()}
    tk.plotting.save_figure(tk.plotting.plot_controls(heatmaps), folder / "figure_5.png")
    table = {
        name: {"edges": n} | {row: numbers(found[name]) for row, found in rows.items()}
        for name, n in edges.items()
    }
    text = json.dumps({"topologies": table}, indent=2, ensure_ascii=False)
    (folder / "figure_5.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Find both, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="8 inputs and few steps")
    parser.add_argument("--folder", type=Path, help="where to write the picture and the numbers")
    arguments = parser.parse_args()
    graphs = topologies(quick=arguments.quick)
    steps = QUICK_STEPS if arguments.quick else None
    rows = {
        row: {n: tk.controllability(g, fairness=f, steps=steps) for n, g in graphs.items()}
        for row, f in (("descent", False), ("canonical", True))
    }
    edges = {name: graph.number_of_edges() for name, graph in graphs.items()}
    with tempfile.TemporaryDirectory() as nowhere:
        given = Path(nowhere) if arguments.quick else Path(__file__).parent
        save(arguments.folder or given, rows, edges)


if __name__ == "__main__":
    main()
