"""The default topologies, ranked by reconstruction loss, beside what was predicted without data.

Twenty topologies with 32 inputs and outputs and about 640 trainable edges each rebuild the same 16
Gaussian matrices in 2,000 steps. Bars span two standard errors to either side; gray lines mark
the loss that `topokit.predicted_loss` predicts.

Claims: at equal budget, skip connections lower the loss of every family (NeuroFabric VII.A). The
data-free prediction orders the topologies much as training does: the rank correlation and the
median error are printed and saved. With skip connections it is too low for butterfly and RadiX-Net,
of which four times the steps make up little, and too high for hypercube and torus, in which some
pairs have no path.

Writes `default_ranking.png` and, with its numbers, `default_ranking.json` beside this script.
`--quick` takes few targets and steps and keeps nothing.
"""

from collections.abc import Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import topokit as tk
from analyses.kit import Study, significant
from topokit.ranking import Row
from topokit.reconstruction import Adam

NAMES = tuple(tk.ranking.default_topologies())
TARGETS, STEPS = 16, 2000
FIELDS = ("loss", "loss_error", "trainable", "depth", "degrees_of_freedom", "predicted_loss")
FIELDS += ("family", "skip")
SCORES = (
    "predicted_loss",
    "degrees_of_freedom",
    "control_total",
    "control_deviation",
    "depth",
)
DECIMALS = 3  # of a score, so that equals tie


def cases() -> Sequence[str]:
    """The topologies."""
    return NAMES


def measure(name: str) -> Row:
    """Its row in a ranking."""
    (row,) = tk.rank(
        {name: tk.ranking.default_topologies()[name]},
        targets=TARGETS,
        solver=Adam(max_steps=STEPS),
    )
    return row


def summarize(found: dict[str, Row]) -> dict[str, Any]:
    """The ranking, and what it says of scores and of skip connections."""
    rows = sorted(found.values(), key=attrgetter("order"))
    return {
        "rank_correlation_with_loss": correlations(rows),
        "median_error_of_prediction": significant(tk.ranking.agreement(rows).median_error or 0, 3),
        "loss_with_skip_by_loss_without": skip_ratios(rows),
        "rows": {row.name: {field: getattr(row, field) for field in FIELDS} for row in rows},
    }


def correlations(rows: Sequence[Row]) -> dict[str, float]:
    """Spearman's rank correlation of each score with the loss."""
    losses = [row.loss for row in rows]
    scores = {s: [round(getattr(row, s), DECIMALS) for row in rows] for s in SCORES}
    found = {s: spearmanr(values, losses) for s, values in scores.items()}
    return {score: round(float(np.asarray(result)[0]), 3) for score, result in found.items()}


def skip_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """For each family, its loss with skip connections divided by its loss without."""
    loss = {row.name: row.loss for row in rows}
    return {
        name: significant(loss[f"{name} + skip"] / loss[name], 3)
        for name in loss
        if f"{name} + skip" in loss
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """As the ranking is drawn."""
    rows = [SimpleNamespace(name=name, **row) for name, row in results["rows"].items()]
    tk.plotting.plot_ranking(rows, figure.subplots())


STUDY = Study(
    __name__,
    quick={"NAMES": ("clos", "clos + skip"), "TARGETS": 2, "STEPS": 20},
    size=(6.4, 6.1),
)

if __name__ == "__main__":
    STUDY.main()
