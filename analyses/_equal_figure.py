"""The picture of `equal_classes.py`: agreement in each class, and the wirings behind it."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

SHOWN = {
    "soft leverage": ("o", "#0072B2"),
    "coverage": ("D", "#009E73"),
    "leverage": ("s", "#D55E00"),
    "unreached pairs": ("^", "#E69F00"),
    "second singular values": ("x", "0.5"),
}


def plot_agreement(ax: Axes, rows: dict[str, dict[str, Any]]) -> None:
    """For each class a row: its ceiling as a black bar, and some scores."""
    for place, row in enumerate(rows.values()):
        ax.plot([row["ceiling"]] * 2, [place - 0.38, place + 0.38], color="black", linewidth=2)
        for name, (marker, color) in SHOWN.items():
            found = row["scores"][name]
            if found is not None:
                ax.plot(found["agreement"], place, marker, color=color, markersize=7)
        ax.plot(row["scores"]["soft leverage"]["interval"], [place] * 2, color="#0072B2", zorder=1)
    ax.plot([], [], color="black", linewidth=2, label="ceiling")
    for name, (marker, color) in SHOWN.items():
        ax.plot([], [], marker, color=color, label=name)
    labels = [name + (" *" if not row["seen"] else "") for name, row in rows.items()]
    ax.set_yticks(range(len(rows)), labels)
    ax.set(xlim=(-0.45, 1.02), ylim=(len(rows) - 0.4, -0.6))
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel("rank correlation with the loss within the class (* not seen before)")
    ax.grid(alpha=0.3)


def plot_spread(ax: Axes, clouds: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Every wiring, both numbers relative to the mean of its class."""
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.95, len(clouds)))
    for (name, (loss, score)), color in zip(clouds.items(), colors, strict=True):
        x, y = (100 * (values / values.mean() - 1) for values in (score, loss))
        ax.plot(x, y, ".", color=color, markersize=5, label=name)
    ax.set_xlabel("mean (1 - soft leverage)², % above its class")
    ax.set_ylabel("loss, % above its class")
    ax.legend(fontsize=8, frameon=False, handletextpad=0.1)
    ax.grid(alpha=0.3)


def plot_classes(
    rows: dict[str, dict[str, Any]], clouds: dict[str, tuple[np.ndarray, np.ndarray]]
) -> Axes:
    """Agreement on the left, the wirings themselves on the right."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 5.6), layout="constrained", width_ratios=[1.25, 1]
    )
    plot_agreement(left, rows)
    plot_spread(right, clouds)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False
    )
    return left
