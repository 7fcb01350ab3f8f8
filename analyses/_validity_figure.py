"""The picture of `score_validity.py`: predicted against measured loss, and what scores tell."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

LEAST = 1e-3  # on the axes
COLORS = {"plain": "#0072B2", "skip": "#D55E00"}
MARKERS = {"plain": "o", "skip": "^"}
AGREEMENTS: dict[str, tuple[float, dict[str, Any]]] = {
    "spearman": (-0.15, {"color": "#0072B2", "marker": "o", "label": "all topologies"}),
    "equal_edges": (0.2, {"color": "#E69F00", "marker": "D", "label": "at equal trainable edges"}),
}


def plot(rows: dict[str, dict[str, Any]], held_out: dict[str, Any]) -> np.ndarray:
    """Both panels, as axes."""
    axes = plt.subplots(1, 2, figsize=(13, 7), layout="constrained", squeeze=False)[1][0]
    plot_losses(axes[0], list(rows.values()))
    plot_agreement(axes[1], held_out["scores"])
    return axes


def plot_losses(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Predicted against measured; the half held out is filled."""
    line = np.array([LEAST, 1])
    ax.fill_between(line, line * 0.85, line * 1.15, color="0.85", linewidth=0)
    ax.plot(line, line, color="0.4", linewidth=1)
    for half, kind in ((h, k) for h in ("design", "held out") for k in COLORS):
        kept = [r for r in rows if r["half"] == half and r["skip"] == (kind == "skip")]
        x, y = np.maximum([pair(r) for r in kept] or np.empty((0, 2)), LEAST).T
        color = COLORS[kind]
        look: dict[str, Any] = {"color": color} | ({} if half == "held out" else {"mfc": "white"})
        label = f"{half}, {'skip connections' if kind == 'skip' else 'all trainable'}"
        ax.plot(x, y, MARKERS[kind], **look, markersize=6, alpha=0.8, label=label)
    ax.set(xscale="log", yscale="log", xlim=(LEAST / 1.5, 1.3), ylim=(LEAST / 1.5, 1.3))
    ax.set_xlabel("measured loss, 2,000 steps", fontsize=15)
    ax.set_ylabel("predicted loss", fontsize=15)
    ax.tick_params(labelsize=13)
    ax.legend(fontsize=13, frameon=False, loc="upper left")


def pair(row: dict[str, Any]) -> tuple[float, float]:
    """Measured and predicted."""
    return row["loss"], row["scores"]["predicted loss"]


def plot_agreement(ax: Axes, scores: dict[str, Any]) -> None:
    """Two dots and bars for each score, best on top."""
    known = {s: r for s, r in scores.items() if r["spearman"]["value"] is not None}
    names = sorted(known, key=lambda s: -known[s]["spearman"]["value"])
    for measure, (shift, look) in AGREEMENTS.items():
        kept = [(p + shift, known[s][measure]) for p, s in enumerate(names)]
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
