"""The picture of `epoch_by_batch.py`."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

LOOKS = {"dense": ("s", "#000000"), "Clos": ("o", "#0072B2")}
BELOW = 0.4  # of the least time, where the picture ends


def plot(found: dict[str, Any]) -> Axes:
    """Time of an epoch, and accuracy, against batch size."""
    _, (times, learned) = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
    for kind, row in found["networks"].items():
        draw_times(times, kind, found["batches"], row)
    least = min(low for row in found["networks"].values() for low, *_ in row["epoch_s"])
    times.set(yscale="log", xlabel="examples in a batch", ylabel="seconds of an epoch")
    times.set_ylim(bottom=BELOW * least)
    for kind, (mark, color) in LOOKS.items():
        own = found["accuracy"][kind]
        learned.errorbar(
            found["accuracy"]["batches"],
            [100 * row["mean"] for row in own],
            [200 * row["error"] for row in own],
            color=color,
            marker=mark,
            markersize=5,
            capsize=2,
            label=kind,
        )
    after = f"accuracy on digits after {found['accuracy']['epochs']} epochs (%)"
    learned.set(xlabel="examples in a batch", ylabel=after)
    for ax in (times, learned):
        ax.set_xscale("log", base=4, subs=[])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.grid(alpha=0.3)
        ax.legend(frameon=False, fontsize=9)
    return times


def draw_times(ax: Axes, kind: str, batches: list[int], row: dict[str, Any]) -> None:
    """Medians with quartiles, the fit's term of slope -1, and its knee on the other term."""
    mark, color = LOOKS[kind]
    low, middle, high = np.transpose(row["epoch_s"])
    ax.errorbar(
        batches,
        middle,
        [middle - low, high - middle],
        color=color,
        marker=mark,
        markersize=5,
        capsize=2,
        label=kind,
    )
    sizes, fit = np.array(batches, float), row["fit"]
    ax.plot(sizes, fit["fixed_s"] / sizes, ":", color=color, label=f"{kind}: slope -1 of the fit")
    if fit["knee"] is not None:
        name = f"{kind}: knee at {fit['knee']:.0f}"
        ax.plot(fit["knee"], fit["least_s"], "*", color=color, markersize=11, label=name)
