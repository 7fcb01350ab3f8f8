"""The picture of `score_accuracy.py`: the accuracies, and what each score says of them."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from _accuracy_scores import YARDSTICK
from _accuracy_statistics import BETTER, outcomes, strongest
from matplotlib.axes import Axes

LOOKS = {
    "random regular": ("^", "#D55E00"),
    "random": ("v", "#D55E00"),
    "small world": ("<", "#E69F00"),
    "Clos": ("o", "#0072B2"),
    "RadiX-Net": ("s", "#56B4E9"),
    "butterfly": ("D", "#009E73"),
    "hypercube": ("P", "#009E73"),
    "torus": ("X", "#CC79A7"),
    "low rank": ("*", "#000000"),
    "blocks": ("h", "0.55"),
}
COLORS = ("#0072B2", "#D55E00")
TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10, a part", "digits": "digits"}


def plot(rows: list[dict[str, Any]], found: dict[str, Any]) -> Axes:
    """Accuracies on the left, one panel a data set, and correlations on the right."""
    figure = plt.figure(figsize=(5.8, 4.2), layout="constrained")
    grid = figure.add_gridspec(len(found), 2, width_ratios=[1, 1.05])
    best = strongest(found)
    clouds = [figure.add_subplot(grid[place, 0]) for place in range(len(found))]
    for ax, data in zip(clouds, found, strict=True):
        plot_accuracies(ax, rows, data, best)
    clouds[-1].set_xlabel(f"{best}, better to the right", fontsize=7)
    right = figure.add_subplot(grid[:, 1])
    plot_correlations(right, found)
    families, scores = clouds[0].get_legend_handles_labels(), right.get_legend_handles_labels()
    look: dict[str, Any] = {"frameon": False, "fontsize": 6.5, "handletextpad": 0.3}
    figure.legend(*families, loc="outside upper left", ncols=4, columnspacing=1, **look)
    figure.legend(*scores, loc="outside upper right", ncols=2, **look)
    return right


def plot_accuracies(ax: Axes, rows: list[dict[str, Any]], data: str, score: str) -> None:
    """Every wiring at its better rate."""
    values = 100 * dict(outcomes(rows, data))[BETTER]
    errors = 2 * values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    for family, (mark, color) in LOOKS.items():
        own = [place for place, row in enumerate(rows) if row["family"] == family]
        if own:
            ax.errorbar(
                [rows[place]["scores"][score] for place in own],
                values[own].mean(axis=1),
                errors[own],
                fmt=mark,
                color=color,
                markersize=6 if mark == "*" else 4,
                elinewidth=0.8,
                label=family,
            )
    ax.set_ylabel(f"test accuracy, {title(data)} (%)", fontsize=7)
    ax.tick_params(labelsize=6.5)


def plot_correlations(ax: Axes, found: dict[str, Any]) -> None:
    """Dots and intervals, best on top and the yardstick at the bottom; ceilings as lines."""
    judged = {data: outcomes_of[BETTER] for data, outcomes_of in found.items()}
    values = {
        name: np.mean([j["scores"][name]["value"] or 0 for j in judged.values()])
        for name in next(iter(judged.values()))["scores"]
    }
    names = sorted(values, key=lambda name: (name == YARDSTICK, -values[name]))
    shifts = np.linspace(-0.17, 0.17, len(judged)) if len(judged) > 1 else [0.0]
    for (data, result), color, shift in zip(judged.items(), COLORS, shifts, strict=False):
        known = [(p, result["scores"][n]) for p, n in enumerate(names)]
        known = [(p, score) for p, score in known if score["value"] is not None]
        for place, score in known:
            ax.plot(score["interval"], [place + shift] * 2, color=color, linewidth=1.3)
        dots = [score["value"] for _, score in known], [p + shift for p, _ in known]
        ax.plot(*dots, "o", color=color, markersize=3.5, label=title(data))
        top = result["ceiling"]["value"]
        ax.axvline(top, color=color, linestyle="--", linewidth=1, label=f"ceiling, {title(data)}")
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.axhline(len(names) - 1.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), names, fontsize=6.5)
    ax.set(xlim=(-1.03, 1.03), ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel("rank correlation with the test accuracy", fontsize=7)
    ax.tick_params(axis="x", labelsize=6.5)


def title(data: str) -> str:
    """What a data set is called in the picture."""
    return next((text for name, text in TITLES.items() if data.startswith(name)), data)
