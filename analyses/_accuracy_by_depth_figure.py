"""The picture of `accuracy_by_depth.py`."""

from fractions import Fraction
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

TITLES = {"plain": "accuracy (%), Xavier", "sparse": "accuracy (%), sparse Xavier"}
MARKS = {"Adam": ("o", "#0072B2"), "momentum": ("^", "#D55E00")}
DARK = 50  # percent; numbers on darker cells are white
FEW = 63 / 64

Rows = list[dict[str, Any]]


def plot(rows: Rows) -> Axes:
    """A heat map for each optimizer and start, one of paths, and accuracy against paths."""
    names = list(dict.fromkeys(row["optimizer"] for row in rows))
    _, axes = plt.subplots(max(len(names), 2), 3, figsize=(8.0, 4.0), layout="constrained")
    for name, line in zip(names, axes, strict=False):
        for start, ax in zip(TITLES, line, strict=False):
            heat(ax, started(rows, name, start), "accuracy")
        line[0].set_ylabel(f"{name}: hidden layers", fontsize=9)
        line[1].set_yticks([])
    for title, ax in zip(TITLES.values(), axes[0], strict=False):
        ax.set_title(title, fontsize=9)
    heat(axes[0, 2], started(rows, names[0], "plain"), "inputs")
    axes[0, 2].set_title("pixels with a path (%)", fontsize=9)
    scatter(axes[1, 2], rows)
    for ax in axes[len(names) :, :2].ravel():
        ax.set_visible(False)
    for ax in axes[: len(names) - 1, :2].ravel():
        ax.set_xticks([])
    for ax in (*axes[len(names) - 1, :2], axes[0, 2]):
        ax.set_xlabel("sparsity", fontsize=9)
    return axes[0, 0]


def started(rows: Rows, name: str, start: str) -> Rows:
    """Of one optimizer and start; without sparsity both starts are the same."""
    starts = {row["sparsity"]: start if row["sparsity"] else "plain" for row in rows}
    return [r for r in rows if (r["optimizer"], r["start"]) == (name, starts[r["sparsity"]])]


def heat(ax: Axes, rows: Rows, key: str) -> None:
    """Means in percent, depth by sparsity."""
    depths = sorted({row["depth"] for row in rows})
    sparsities = sorted({row["sparsity"] for row in rows})
    cells = {(row["depth"], row["sparsity"]): 100 * np.mean(row[key]) for row in rows}
    values = np.array([[cells[depth, sparsity] for sparsity in sparsities] for depth in depths])
    ax.pcolormesh(values, cmap="cividis", vmin=0, vmax=100)
    ax.invert_yaxis()
    # Smoothed edges of so many numbers would double the size of the file.
    for (y, x), value in np.ndenumerate(values):
        color = "white" if value < DARK else "black"
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": color,
            "fontsize": 8,
            "antialiased": False,
        }
        ax.text(x + 0.5, y + 0.5, f"{value:.0f}", **style)
    names = [fraction(sparsity) for sparsity in sparsities]
    ax.set_xticks(np.arange(len(sparsities)) + 0.5, names, fontsize=10)
    ax.set_yticks(np.arange(len(depths)) + 0.5, [str(depth) for depth in depths], fontsize=8)
    ax.tick_params(length=0)


def fraction(value: float) -> str:
    """As it is typeset."""
    upper, lower = Fraction(value).as_integer_ratio()
    return str(upper) if lower == 1 else rf"$\frac{{{upper}}}{{{lower}}}$"


def scatter(ax: Axes, rows: Rows) -> None:
    """Accuracy of very sparse networks against their pixels with a path, a point a network."""
    for name, (mark, color) in MARKS.items():
        very = [row for row in started(rows, name, "sparse") if row["sparsity"] >= FEW]
        inputs, accuracies = (
            [100 * value for row in very for value in row[key]] for key in ("inputs", "accuracies")
        )
        ax.plot(inputs, accuracies, mark, color=color, markersize=4, fillstyle="none", label=name)
    ax.set_ylim(0, 100)
    ax.set_xlabel("pixels with a path (%)", fontsize=9)
    ax.set_ylabel("accuracy (%)", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.set_title("sparse Xavier from 63/64 on", fontsize=9)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)
