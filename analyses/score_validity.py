"""Do the scores tell the truth? What they say before any data against what training leaves.

Topologies of every family with 16, 32 and 64 inputs and outputs, with and without skip connections,
random and pruned ones among them, rebuild 8 unit Gaussian matrices each, by Adam in 2,000 steps.
Left: the predicted loss against the measured one, losses below 0.001 at the edge; the band is 15 %
to either side. Right: the agreement of each score with the loss on the half of the topologies that
no score was designed on, 1 where it is full, with 95 % bootstrap intervals: Spearman's rank
correlation, and the share of right less wrong orders among pairs of one size whose trainable edges
differ by less than a tenth.

Claims: on the half held out, the predicted loss, the greater of `low_rank_loss` and the mean of
`(1 - H)^(4 (1 - 1 / order))`, with nothing fitted, orders topologies with a rank correlation above
0.98, and its median relative error is below 15 %. `mean((1 - H)^2)`, the degrees of freedom and
control follow. Edges and matching order all topologies fairly well, but hardly those of equal
trainable edges; there SynFlow and the number of paths tell a little. What measures mixing (spectral
gaps, Ramanujan bounds, path lengths) tells nothing, and bandwidth and depth little.

Caveats. The formula was chosen on the design half, and the halves share their families: they are
no sample of all topologies. Relative errors are of losses above 0.01: below, the loss is what 2,000
steps leave, which no count of freedom can know. Deep plain butterflies end below the prediction,
deep networks with constants above it, as constants keep weights near one scale.

Reads nothing; writes `score_validity.png` and, with all numbers, `score_validity.json` beside this
script. `--store FILE` keeps what is finished, so that a run that was cut off goes on. `--quick`
takes a few small topologies and few steps, and keeps nothing.
"""

import argparse
import json
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from _validity_figure import plot
from _validity_statistics import RESAMPLES, errors, judge
from _validity_topologies import Graphs, design_half, family_of, zoo
from rich.console import Console
from rich.progress import track

import topokit as tk
from topokit.ranking import Row
from topokit.reconstruction import Adam
from topokit.scores import interaction_order

FOLDER = Path(__file__).parent
TARGETS, STEPS = 8, 2000
QUICK_TARGETS, QUICK_STEPS, QUICK_RESAMPLES = 2, 10, 19
QUICK_SIZES, QUICK_FAMILIES = (16,), ("low rank",)
FLOOR = 0.01
DECIMALS = 6  # of a score, so that equals tie
DRAWS = {16: 8, 32: 8, 64: 1}

# +1 where more is meant to be better, -1 where less is; counts are shares, to compare sizes.
SIGNS = {
    "predicted loss": -1,
    "mean((1 - H)^2)": -1,
    "degrees of freedom": 1,
    "satisfiable (matching)": 1,
    "trainable edges": 1,
    "edges": 1,
    "total K (= mean of K)": 1,
    "deviation of K": -1,
    "control loss": -1,
    "bandwidth": 1,
    "reachable pairs": 1,
    "log paths per pair": 1,
    "depth": -1,
    "interaction order": 1,
    "log SynFlow": 1,
    "effective nodes": 1,
    "effective edges": 1,
    "spectral gap, least": 1,
    "spectral gap, mean": 1,
    "spectral gap of the graph": 1,
    "Ramanujan share": 1,
    "Ramanujan margin": 1,
    "difference of bound": 1,
    "average path length": -1,
}


def evaluate(graphs: Graphs, args: argparse.Namespace) -> dict[str, tuple[Row, dict]]:
    """Losses and scores of all topologies, in as many processes as there are cores."""
    targets, steps = (QUICK_TARGETS, QUICK_STEPS) if args.quick else (TARGETS, STEPS)
    jobs = 1 if args.quick else tk.ranking.default_jobs()
    with tk.ranking.process_pool(jobs) if jobs > 1 else nullcontext() as pool:
        found = tk.ranking.evaluate_all(
            graphs, targets=targets, solver=Adam(steps=steps), executor=pool, store=args.store
        )
        rows = {row.name: row for row, _ in found}
        others = (pool.map if pool else map)(score_others, graphs.values())
        named = zip(graphs, progress(others, len(graphs)), strict=True)
        return {name: (rows[name], other) for name, other in named}


def progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    """A bar on a terminal."""
    console = Console(stderr=True)
    silent = not console.is_terminal
    return track(items, total=total, console=console, transient=True, disable=silent)


def score_others(topology: nx.DiGraph) -> dict[str, float | None]:
    """The scores that a ranking does not have."""
    layers = tk.to_layers(topology)
    leverage = tk.leverage(layers, draws=DRAWS[layers.n_in])
    rivals = tk.scores.rivals(layers)
    return {
        "mean((1 - H)^2)": float(((1 - leverage) ** 2).mean()),
        "interaction order": interaction_order(layers),
        "log paths per pair": float(np.log(rivals.effective_paths / layers.n_in / layers.n_out)),
        "log SynFlow": rivals.log_synflow,
        "effective nodes": rivals.effective_nodes / layers.n_in,
        "effective edges": rivals.effective_edges / layers.n_in / layers.n_out,
        "spectral gap, least": rivals.spectral_gap_min,
        "spectral gap, mean": rivals.spectral_gap_mean,
        "spectral gap of the graph": rivals.graph_spectral_gap,
        "Ramanujan share": rivals.ramanujan_share,
        "Ramanujan margin": rivals.ramanujan_margin,
        "difference of bound": rivals.difference_of_bound,
        "average path length": rivals.average_path_length,
    }


def scores_of(row: Row, others: dict[str, float | None]) -> dict[str, float | None]:
    """All scores in the order of `SIGNS`, rounded."""
    entries = row.n_in * row.n_out
    own = {
        "predicted loss": row.predicted_loss,
        "degrees of freedom": (row.degrees_of_freedom or 0) / entries,
        "satisfiable (matching)": (row.satisfiable or 0) / entries,
        "trainable edges": row.trainable / entries,
        "edges": row.edges / entries,
        "total K (= mean of K)": row.control_mean,
        "deviation of K": row.control_deviation,
        "control loss": row.control_loss / (row.n_out * (row.n_in - 1) ** 2),
        "bandwidth": row.bandwidth / row.n_in,
        "reachable pairs": row.reachable,
        "depth": row.depth,
    }
    every = own | others
    return {name: settle(every[name]) for name in SIGNS}


def settle(value: float | None) -> float | None:
    """A number without the digits that rounding decides."""
    return None if value is None else round(value, DECIMALS)


def table(found: dict[str, tuple[Row, dict]]) -> dict[str, dict[str, Any]]:
    """One row for each topology."""
    design = design_half(list(found))
    return {
        name: {
            "half": "design" if name in design else "held out",
            "family": family_of(name),
            "n": row.n_in,
            "skip": row.skip,
            "edges": row.trainable,
            "loss": float(f"{row.loss:.4g}"),
            "loss_error": None if row.loss_error is None else float(f"{row.loss_error:.2g}"),
            "scores": scores_of(row, others),
        }
        for name, (row, others) in found.items()
    }


def judge_all(rows: list[dict[str, Any]], resamples: int) -> dict[str, Any]:
    """Every score on some topologies, and the errors of the two predicted losses."""
    column = {key: np.array([row[key] for row in rows]) for key in ("loss", "n", "edges")}
    values = {s: np.array([row["scores"][s] for row in rows], float) for s in SIGNS}
    order = column["loss"], column["n"], column["edges"].astype(float), resamples
    return {
        "topologies": len(rows),
        "scores": {s: judge(-sign * values[s], *order) for s, sign in SIGNS.items()},
        "relative_error": {
            s: errors(values[s], column["loss"], FLOOR, resamples)
            for s in ("predicted loss", "mean((1 - H)^2)")
        },
    }


def by_family(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the prediction is good: median of predicted over measured, and of the error."""
    result = {}
    for family in dict.fromkeys(row["family"] for row in rows):
        kept = [r for r in rows if r["family"] == family and r["loss"] > FLOOR]
        ratios = np.array([r["scores"]["predicted loss"] / r["loss"] for r in kept])
        result[family] = {
            "topologies": len(kept),
            "predicted_by_measured": round(float(np.median(ratios)), 3),
            "relative_error": round(float(np.median(abs(ratios - 1))), 3),
        }
    return result


def to_text(summary: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """All numbers as JSON, a line for each topology."""
    lines = (f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    start = json.dumps(summary, indent=2).removesuffix("\n}")
    return start + ',\n  "rows": {\n' + ",\n".join(lines) + "\n  }\n}\n"


def main() -> None:
    """Measure, judge, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few small topologies, few steps")
    parser.add_argument("--store", type=Path, help="an SQLite file for what is finished")
    args = parser.parse_args()
    graphs = zoo(QUICK_SIZES, QUICK_FAMILIES) if args.quick else zoo()
    resamples = QUICK_RESAMPLES if args.quick else RESAMPLES
    rows = table(evaluate(graphs, args))
    halves = {
        half: judge_all([r for r in rows.values() if r["half"] == half], resamples)
        for half in ("design", "held out")
    }
    summary = {
        "targets": QUICK_TARGETS if args.quick else TARGETS,
        "steps": QUICK_STEPS if args.quick else STEPS,
        "floor_of_relative_errors": FLOOR,
        **halves,
        "held out by family": by_family([r for r in rows.values() if r["half"] == "held out"]),
    }
    print(json.dumps(summary, indent=2))
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if args.quick else FOLDER
        tk.plotting.save_figure(plot(rows, halves["held out"]), folder / "score_validity.png")
        text = to_text(summary, rows)
        (folder / "score_validity.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
