"""The default topologies, ranked by reconstruction loss, beside what was predicted without data.

Twenty topologies with 32 inputs and outputs and about 1,152 trainable edges each rebuild the same
16 Gaussian matrices in 2,000 steps. Bars span two standard errors to either side; gray lines mark
the loss that `topokit.scores.predicted_loss` predicts.

Claims: at equal budget, skip connections lower the loss of every family (NeuroFabric VII.A). The
data-free prediction orders the topologies much as training does; the rank correlation is printed
and saved.

Writes `default_ranking.png` and, with its numbers, `default_ranking.json` beside this script.
`--quick` takes few targets and steps and keeps nothing.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.stats import spearmanr

import topokit as tk
from topokit.ranking import Row
from topokit.reconstruction import Adam

TARGETS, STEPS = 16, 2000
QUICK_TARGETS, QUICK_STEPS = 2, 20
QUICK_NAMES = ("clos", "clos + skip", "low rank", "low rank + skip")
FIELDS = ("loss", "loss_error", "trainable", "depth", "degrees_of_freedom", "predicted_loss")
# The deviation of K is not among them: it is 0 for all twenty.
SCORES = ("predicted_loss", "degrees_of_freedom", "control_total", "depth")
DECIMALS = 3  # of a score, so that equals tie


def evaluate(*, quick: bool) -> list[Row]:
    """Rank, in as many processes as there are cores."""
    topologies = tk.ranking.default_topologies()
    if quick:
        topologies = {name: topologies[name] for name in QUICK_NAMES}
    with tk.ranking.process_pool(tk.ranking.default_jobs()) as pool:
        evaluations = tk.ranking.evaluate_all(
            topologies,
            targets=QUICK_TARGETS if quick else TARGETS,
            solver=Adam(steps=QUICK_STEPS if quick else STEPS),
            executor=pool,
        )
        console = Console(stderr=True)
        bar = track(
            evaluations,
            total=len(topologies),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        return sorted((row for row, _ in bar), key=tk.ranking.best_first)


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
        name: float(f"{loss[f'{name} + skip'] / loss[name]:.3g}")
        for name in loss
        if f"{name} + skip" in loss
    }


def main() -> None:
    """Rank, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few targets and steps")
    quick = parser.parse_args().quick
    rows = evaluate(quick=quick)
    found = {
        "targets": rows[0].targets,
        "steps": rows[0].steps,
        "rank_correlation_with_loss": correlations(rows),
        "loss_with_skip_by_loss_without": skip_ratios(rows),
        "rows": {row.name: {field: getattr(row, field) for field in FIELDS} for row in rows},
    }
    text = json.dumps(found, indent=2)
    print(text)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if quick else Path(__file__).parent
        tk.plotting.save_figure(tk.plotting.plot_ranking(rows), folder / "default_ranking.png")
        (folder / "default_ranking.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
