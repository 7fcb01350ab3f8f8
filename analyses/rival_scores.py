"""Which data-free scores order the default topologies as their reconstruction loss does?

For every number of `topokit.score` that is meant to judge, and for every rival: Spearman's rank
correlation with the loss of `default_ranking.json`, turned so that 1 means that the topology which
the score calls better always has the lower loss, and -1 the reverse. Bars are 95 % bootstrap
intervals over topologies.

Claim: the loss that leverage predicts and the degrees of freedom agree with the loss best, and best
of all among topologies without skip connections; bandwidth and the total of controllability
follow. Of the rivals only the number of edges is clear of 0, and only because skip connections come
with constant edges: within either half it tells nothing. What measures mixing (spectral gaps of
layers, Ramanujan bounds) points, if anywhere, the wrong way, for a low rank mixes perfectly and
rebuilds badly.

Caveat: these are twenty topologies of one size at nearly one budget, half of them the families of
the other half again with skip connections. So they are no independent sample, the intervals are
wide and overlap, and scores that count edges, paths or flow have little to tell apart: nothing is
said of budgets that differ, of pruned or of trained networks, for which most rivals were made. Nine
of the ten with skip connections have all degrees of freedom, so that ours do not order those. The
agreement within either half stands in the JSON file.

Reads `default_ranking.json`; writes `rival_scores.png` and, with its numbers, `rival_scores.json`
beside this script. `--quick` takes four topologies and few resamples, and keeps nothing.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from rich.console import Console
from rich.progress import track
from scipy.stats import rankdata

import topokit as tk

FOLDER = Path(__file__).parent
RESAMPLES, SEED = 9999, 0
DECIMALS, DIGITS = 3, 5
QUICK_RESAMPLES = 99
QUICK_NAMES = ("clos", "clos + skip", "low rank", "random")

# +1 where more is meant to be better, -1 where less is.
OURS = {
    "predicted_loss": -1,
    "degrees_of_freedom": 1,
    "satisfiable": 1,
    "control_total": 1,
    "control_loss": -1,
    "control_deviation": -1,
    "bandwidth": 1,
    "depth": -1,
}
RIVALS = dict.fromkeys(tk.scores.Rivals._fields, 1) | {"average_path_length": -1}
COLORS = {"topokit.score": "#0072B2", "rivals": "#D55E00"}
MARKERS = {"topokit.score": "o", "rivals": "s"}


def measure(names: list[str]) -> dict[str, dict[str, float | None]]:
    """Every score of every topology, rounded so that equals tie; paths by their logarithm."""
    topologies = tk.ranking.default_topologies()
    console = Console(stderr=True)
    found = {}
    for name in track(names, console=console, transient=True, disable=not console.is_terminal):
        score, rivals = tk.score(topologies[name]), tk.scores.rivals(topologies[name])
        row = {field: getattr(score, field) for field in OURS} | rivals._asdict()
        row["effective_paths"] = math.log(rivals.effective_paths)
        found[name] = {field: settle(value) for field, value in row.items()}
    return found


def settle(value: float | None) -> float | None:
    """A number without the digits in which rounding and descent differ."""
    return float(f"{round(value, DECIMALS):.{DIGITS}g}") if isinstance(value, float) else value


def rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's, along the last axis; not a number where either side is constant."""
    x, y = (rankdata(values, axis=-1) for values in (x, y))
    x, y = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (x, y))
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def agree(scores: dict[str, Any], losses: dict[str, float], sign: int) -> float | None:
    """How well a score orders those topologies that have it; None where it cannot."""
    x, y = (np.array([table[name] for name in scores], float) for table in (scores, losses))
    value = -sign * float(rank_correlation(x, y)) if len(x) > 1 else math.nan
    return None if math.isnan(value) else round(value, 3)


def judge(
    scores: dict[str, Any], losses: dict[str, float], sign: int, resamples: int
) -> dict[str, Any]:
    """Agreement of one score with the loss, its interval, and the agreement within each half."""
    scores = {name: value for name, value in scores.items() if value is not None}
    halves = {
        "without_skip": {n: v for n, v in scores.items() if not n.endswith("+ skip")},
        "with_skip": {n: v for n, v in scores.items() if n.endswith("+ skip")},
    }
    found = {
        "better": "more" if sign > 0 else "less",
        "topologies": len(scores),
        "agreement": agree(scores, losses, sign),
        "interval": None,
        **{half: agree(part, losses, sign) for half, part in halves.items()},
    }
    if found["agreement"] is not None:
        pairs = [np.array([table[name] for name in scores], float) for table in (scores, losses)]
        found["interval"] = interval(pairs, sign, resamples)
    return found


def interval(pairs: list[np.ndarray], sign: int, resamples: int) -> list[float]:
    """The 95 % percentile interval; draws in which either side is constant are left out."""
    x, y = pairs
    draws = np.random.default_rng(SEED).integers(x.size, size=(resamples, x.size))
    edges = np.nanpercentile(-sign * rank_correlation(x[draws], y[draws]), [2.5, 97.5])
    return [round(float(edge), 3) for edge in edges]


def plot(groups: dict[str, dict[str, dict[str, Any]]]) -> Axes:
    """A dot and a bar for each score, the best of each group on top."""
    count = sum(map(len, groups.values())) + 1
    ax = plt.subplots(figsize=(7, 1.2 + 0.29 * count), layout="constrained")[1]
    place, places, labels = 0, [], []
    for group, rows in groups.items():
        look: dict[str, Any] = {"color": COLORS[group], "marker": MARKERS[group]}
        ax.plot([], [], **look, linestyle="none", label=group)
        most = max(row["topologies"] for row in rows.values())
        for name, row in sorted(rows.items(), key=best_first):
            draw_row(ax, place, row, most, look)
            places.append(place)
            labels.append(name)
            place += 1
        place += 1
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(places, labels, fontsize=11)
    ax.set(xlim=(-1.05, 1.05), ylim=(place - 1.4, -0.6))
    ax.set_xticks([-1, -0.5, 0, 0.5, 1])
    ax.set_xlabel("rank agreement with the reconstruction loss, 95 % interval", fontsize=12)
    ax.tick_params(axis="x", labelsize=11)
    ax.grid(alpha=0.3)
    ax.figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=12)
    return ax


def best_first(item: tuple[str, dict[str, Any]]) -> float:
    """Order by agreement; those without any last."""
    return math.inf if item[1]["agreement"] is None else -item[1]["agreement"]


def draw_row(ax: Axes, place: int, row: dict[str, Any], most: int, look: dict[str, Any]) -> None:
    """One score; where it has no agreement, why, and where some topologies lack it, how many."""
    if row["agreement"] is None:
        ax.text(0.03, place, "the same for all", fontsize=10, va="center", color="0.3")
        return
    ax.plot(row["interval"], [place, place], color=look["color"], linewidth=2)
    ax.plot(row["agreement"], place, **look, markersize=7.5)
    if row["topologies"] < most:
        at = row["interval"][1] + 0.03
        ax.text(at, place, f"{row['topologies']} of {most}", fontsize=10, va="center", color="0.3")


def main() -> None:
    """Score, correlate, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="four topologies, few resamples")
    quick = parser.parse_args().quick
    ranking = json.loads((FOLDER / "default_ranking.json").read_text(encoding="utf-8"))
    losses = {n: r["loss"] for n, r in ranking["rows"].items() if not quick or n in QUICK_NAMES}
    table = measure(list(losses))
    resamples = QUICK_RESAMPLES if quick else RESAMPLES
    groups = {
        group: {
            field: judge({n: row[field] for n, row in table.items()}, losses, sign, resamples)
            for field, sign in signs.items()
        }
        for group, signs in (("topokit.score", OURS), ("rivals", RIVALS))
    }
    text = json.dumps({"resamples": resamples, **groups, "scores": table}, indent=2)
    print(text)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if quick else FOLDER
        tk.plotting.save_figure(plot(groups), folder / "rival_scores.png")
        (folder / "rival_scores.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
