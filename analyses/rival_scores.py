"""Which data-free scores order the default topologies as their reconstruction loss does?

For every number of `topokit.score` that is meant to judge, and for every rival: Spearman's rank
correlation with the loss of `default_ranking.json`, turned so that 1 means that the topology which
the score calls better always has the lower loss, and -1 the reverse. Bars are 95 % bootstrap
intervals over topologies.

Claim: the loss that leverage predicts and the degrees of freedom agree with the loss best, and the
prediction best of all among topologies without skip connections; the total of controllability
follows. Of the rivals SynFlow and the numbers of edges and of effective paths are clear of 0, above
all because skip connections come with constant edges: without any of them edges and paths tell next
to nothing. What measures mixing (spectral gaps of layers, Ramanujan bounds) points, if anywhere,
the wrong way, for a low rank mixes perfectly and rebuilds badly.

Caveat: these are twenty topologies of one size at nearly one budget, half of them the families of
the other half again with skip connections. So they are no independent sample, the intervals are
wide and overlap, and scores that count edges, paths or flow have little to tell apart: nothing is
said of budgets that differ, of pruned or of trained networks, for which most rivals were made.
Eight of the ten with skip connections have as many degrees of freedom as weights, 640, so that
these do not order those. The agreement within either half stands in the JSON file.

Reads `default_ranking.json`; writes `rival_scores.png` and, with its numbers, `rival_scores.json`
beside this script. `--quick` takes four topologies and few resamples, and keeps nothing.
"""

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses.kit import COLORS, Look, Study, estimate, rank_correlation, rounded, significant

RANKING = Path(__file__).with_name("default_ranking.json")
NAMES, RESAMPLES = (), 9999  # all names
DECIMALS, DIGITS = 3, 5
# +1 where more is meant to be better, -1 where less is.
SIGNS = {
    "topokit.score": {
        "predicted_loss": -1,
        "degrees_of_freedom": 1,
        "satisfiable": 1,
        "control_total": 1,
        "control_loss": -1,
        "control_deviation": -1,
        "bandwidth": 1,
        "depth": -1,
    },
    "rivals": {f.name: 1 for f in fields(tk.scores.Rivals)} | {"average_path_length": -1},
}
STYLES = {"topokit.score": Look("o", COLORS.blue), "rivals": Look("s", COLORS.red)}


def cases() -> dict[str, float]:
    """The loss of each topology, as `default_ranking.py` found it."""
    rows = json.loads(RANKING.read_text(encoding="utf-8"))["rows"]
    return {n: row["loss"] for n, row in rows.items() if n in (NAMES or rows)}


def measure(name: str) -> dict[str, float | None]:
    """Every score of a topology, rounded so that equals tie; paths by their logarithm."""
    topology = tk.ranking.default_topologies()[name]
    score, rivals = tk.score(topology), tk.scores.rivals(topology)
    row = {field: getattr(score, field) for field in SIGNS["topokit.score"]} | rivals._asdict()
    row["effective_paths"] = math.log(rivals.effective_paths)
    return {field: settle(value) for field, value in row.items()}


def settle(value: float | None) -> float | None:
    """A number without the digits in which rounding and descent differ."""
    return significant(round(value, DECIMALS), DIGITS) if isinstance(value, float) else value


def summarize(table: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each score against the losses."""
    losses = cases()
    groups = {
        group: {
            field: judge({n: row[field] for n, row in table.items()}, losses, sign)
            for field, sign in signs.items()
        }
        for group, signs in SIGNS.items()
    }
    return groups | {"scores": table}


def judge(scores: dict[str, Any], losses: dict[str, float], sign: int) -> dict[str, Any]:
    """Agreement of one score with the loss, its interval, and the agreement within each half."""
    scores = {name: value for name, value in scores.items() if value is not None}

    x, y = (np.array([table[name] for name in scores], float) for table in (scores, losses))
    skip = np.array([name.endswith("+ skip") for name in scores])

    def agree(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return -sign * rank_correlation(x, y)

    found = estimate(agree, x, y, resamples=RESAMPLES)
    return {
        "better": "more" if sign > 0 else "less",
        "topologies": len(scores),
        "agreement": found["value"],
        "interval": found["interval"],
        "without_skip": rounded(agree(x[~skip], y[~skip])),
        "with_skip": rounded(agree(x[skip], y[skip])),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A dot and a bar for each score, the best of each group on top."""
    ax = figure.subplots()
    place, places, labels = 0, [], []
    for group, look in STYLES.items():
        rows = results[group]
        ax.plot([], [], marker=look.marker, color=look.color, linestyle="none", label=group)
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
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=12)


def best_first(item: tuple[str, dict[str, Any]]) -> float:
    """Order by agreement; those without any last."""
    return math.inf if item[1]["agreement"] is None else -item[1]["agreement"]


def draw_row(ax: Axes, place: int, row: dict[str, Any], most: int, look: Look) -> None:
    """One score; where it has no agreement, why, and where some topologies lack it, how many."""
    words: dict[str, Any] = {"fontsize": 10, "va": "center", "color": "0.3"}
    if row["agreement"] is None:
        ax.text(0.03, place, "the same for all", **words)
        return
    ax.plot(row["interval"], [place, place], color=look.color, linewidth=2)
    ax.plot(row["agreement"], place, look.marker, color=look.color, markersize=7.5)
    if row["topologies"] < most:
        ax.text(row["interval"][1] + 0.03, place, f"{row['topologies']} of {most}", **words)


STUDY = Study(
    __name__, quick={"NAMES": ("clos", "low rank", "random"), "RESAMPLES": 99}, size=(7.0, 7.58)
)

if __name__ == "__main__":
    STUDY.main()
