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
the deepest with constants above it.

Reads nothing; writes `score_validity.png` and, with all numbers, `score_validity.json` beside this
script. `--store FOLDER` keeps what is finished, so that a run that was cut off goes on. `--quick`
takes a few small topologies and few steps, and keeps nothing.
"""

import math
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau

import topokit as tk
from analyses import kit
from analyses._validity_topologies import design_half, family_of, zoo
from analyses.kit import COLORS, Look, Study, estimate, rank_correlation, rounded, significant
from topokit.ranking import Row
from topokit.reconstruction import Adam
from topokit.scores import interaction_order

SIZES, FAMILIES = (), ()  # all of them
TARGETS, STEPS, RESAMPLES = 8, 2000, 999
FLOOR = 0.01  # of losses whose relative errors count
DECIMALS = 6  # of a score, so that equals tie
DRAWS = {16: 8, 32: 8, 64: 1}
NEAR = 0.1  # how near the edges of two topologies are that are called equal

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


STYLE_LEAST = 1e-3  # on the axes
STYLES = {"plain": Look("o", COLORS.blue), "skip": Look("^", COLORS.red)}
STYLES_AGREEMENT: dict[str, tuple[float, dict[str, Any]]] = {
    "spearman": (-0.15, {"color": COLORS.blue, "marker": "o", "label": "all topologies"}),
    "equal_edges": (
        0.2,
        {"color": COLORS.amber, "marker": "D", "label": "at equal trainable edges"},
    ),
}


def cases() -> list[tuple[str, nx.DiGraph]]:
    """Topologies by name."""
    return list(zoo(SIZES, FAMILIES).items())


def measure(case: tuple[str, nx.DiGraph]) -> tuple[Row, dict]:
    """The loss and the scores of a topology."""
    solver = Adam(max_steps=STEPS)
    (row,) = tk.rank(dict([case]), targets=TARGETS, solver=solver)
    return row, score_others(case[1])


def score_others(topology: nx.DiGraph) -> dict[str, float | None]:
    """The scores that a ranking does not have."""
    layers = tk.to_layers(topology)
    leverage = tk.leverage(layers, n_samples=DRAWS[layers.n_in])
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


def summarize(found: dict[tuple, tuple[Row, dict]]) -> dict[str, Any]:
    """Each score on each half, and all numbers."""
    rows = table({name: record for (name, _), record in found.items()})
    held_out = [row for row in rows.values() if row["half"] == "held out"]
    design = [row for row in rows.values() if row["half"] == "design"]
    return {
        "design": judge_all(design),
        "held out": judge_all(held_out),
        "held out by family": by_family(held_out),
        "rows": rows,
    }


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
            "loss": significant(row.loss),
            "loss_error": None if row.loss_error is None else significant(row.loss_error, 2),
            "scores": scores_of(row, others),
        }
        for name, (row, others) in found.items()
    }


def judge_all(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Every score on some topologies, and the errors of the two predicted losses."""
    column = {key: np.array([row[key] for row in rows]) for key in ("loss", "n", "edges")}
    values = {s: np.array([row["scores"][s] for row in rows], float) for s in SIGNS}
    order = column["loss"], column["n"], column["edges"].astype(float)
    return {
        "topologies": len(rows),
        "scores": {s: judge(-sign * values[s], *order) for s, sign in SIGNS.items()},
        "relative_error": {
            s: errors(values[s], column["loss"]) for s in ("predicted loss", "mean((1 - H)^2)")
        },
    }


def pair_agreement(
    x: np.ndarray, y: np.ndarray, sizes: np.ndarray, edges: np.ndarray
) -> dict[str, Any]:
    """Right less wrong orders, as a share of the pairs of one size with nearly equal edges.

    A pair that the score cannot tell apart is neither.
    """
    near = abs(edges[:, None] - edges) < NEAR * np.maximum(edges[:, None], edges)
    pairs = np.triu(near & (sizes[:, None] == sizes), 1).astype(float)
    right = pairs * np.sign(x[:, None] - x) * np.sign(y[:, None] - y)

    def share(draw: np.ndarray) -> float:
        count = np.bincount(draw, minlength=len(x))
        total = float(count @ pairs @ count)
        return float(count @ right @ count) / total if total else math.nan

    found = estimate(share, np.arange(len(x)), resamples=RESAMPLES, vectorized=False)
    return found | {"pairs": int(pairs.sum())}


def judge(x: np.ndarray, y: np.ndarray, sizes: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    """All agreements of one score with the losses, on the topologies that have the score.

    They are 1 where the topology that the score calls better always has the lower loss, and -1
    where it always has the higher one.
    """
    known = ~np.isnan(x)
    x, y, sizes, edges = x[known], y[known], sizes[known], edges[known]
    within = {n: rank_correlation(x[sizes == n], y[sizes == n]) for n in np.unique(sizes)}
    return {
        "topologies": len(x),
        "spearman": estimate(rank_correlation, x, y, resamples=RESAMPLES),
        "kendall": estimate(kendall, x, y, resamples=RESAMPLES, vectorized=False),
        "equal_edges": pair_agreement(x, y, sizes, edges),
        "spearman_within_size": {str(n): rounded(value) for n, value in within.items()},
    }


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b, which leaves out ties; not a number where a side is constant."""
    return float(np.asarray(kendalltau(x, y))[0])


def errors(predicted: np.ndarray, losses: np.ndarray) -> dict[str, Any]:
    """Relative errors of a predicted loss, where the loss is above the floor."""
    kept = losses > FLOOR
    error = abs(predicted[kept] / losses[kept] - 1)
    median = estimate(lambda e: np.median(e, axis=-1), error, resamples=RESAMPLES)
    return {
        "topologies": int(kept.sum()),
        "median": round(float(np.median(error)), 4),
        "interval": median["interval"],
        "nine_of_ten_below": round(float(np.quantile(error, 0.9)), 4),
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


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Predicted against measured loss, and what scores tell of the half held out."""
    left, right = figure.subplots(1, 2)
    draw_losses(left, list(results["rows"].values()))
    draw_agreement(right, results["held out"]["scores"])


def draw_losses(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Predicted against measured; the half held out is filled."""
    line = np.array([STYLE_LEAST, 1])
    ax.fill_between(line, line * 0.85, line * 1.15, color="0.85", linewidth=0)
    ax.plot(line, line, color="0.4", linewidth=1)
    for half, kind in ((h, k) for h in ("design", "held out") for k in STYLES):
        kept = [r for r in rows if r["half"] == half and r["skip"] == (kind == "skip")]
        x, y = np.maximum([pair(r) for r in kept] or np.empty((0, 2)), STYLE_LEAST).T
        marker, color, _ = STYLES[kind]
        look: dict[str, Any] = {"color": color} | ({} if half == "held out" else {"mfc": "white"})
        label = f"{half}, {'skip connections' if kind == 'skip' else 'all trainable'}"
        ax.plot(x, y, marker, **look, markersize=6, alpha=0.8, label=label)
    ax.set(xscale="log", yscale="log", xlim=(STYLE_LEAST / 1.5, 1.3), ylim=(STYLE_LEAST / 1.5, 1.3))
    ax.set_xlabel("measured loss, 2,000 steps", fontsize=15)
    ax.set_ylabel("predicted loss", fontsize=15)
    ax.tick_params(labelsize=13)
    ax.legend(fontsize=13, frameon=False, loc="upper left")


def pair(row: dict[str, Any]) -> tuple[float, float]:
    """Measured and predicted."""
    return row["loss"], row["scores"]["predicted loss"]


def draw_agreement(ax: Axes, scores: dict[str, Any]) -> None:
    """Two dots and bars for each score, best on top."""
    known = {s: r for s, r in scores.items() if r["spearman"]["value"] is not None}
    names = sorted(known, key=lambda s: -known[s]["spearman"]["value"])
    for kind, (shift, look) in STYLES_AGREEMENT.items():
        kept = [(p + shift, known[s][kind]) for p, s in enumerate(names)]
        kept = [(place, found) for place, found in kept if found["value"] is not None]
        for place, found in kept:
            ax.plot(found["interval"], [place] * 2, color=look["color"], linewidth=2)
        ax.plot([f["value"] for _, f in kept], [p for p, _ in kept], **look, linestyle="none")
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=13)
    ax.set(xlim=(-1.03, 1.03), ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel("rank agreement with the loss, half held out", fontsize=15)
    ax.tick_params(axis="x", labelsize=13)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=13, loc="upper left", framealpha=1)


def show(results: dict[str, Any]) -> None:
    """All but the rows."""
    kit.show({name: part for name, part in results.items() if name != "rows"})


STUDY = Study(
    __name__,
    quick={"SIZES": (16,), "FAMILIES": ("low rank",), "TARGETS": 2, "STEPS": 10, "RESAMPLES": 19},
    size=(13.0, 7.0),
)

if __name__ == "__main__":
    STUDY.main()
