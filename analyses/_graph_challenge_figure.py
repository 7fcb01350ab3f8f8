"""The picture of `graph_challenge.py`: images alive by layer, and rates beside the paper's."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

STYLES = {
    "official, 1024": ("-", "#0072B2"),
    "plain, 1024": ("--", "#0072B2"),
    "plain, 4096": ("--", "#D55E00"),
    "plain, 16384": ("--", "#009E73"),
}
MARKS = {
    "V100 with buffer": ("s", "#999999"),
    "V100 without buffer": ("v", "#999999"),
    "V100 with filter": ("^", "#999999"),
    "A100, champion of 2020": ("*", "#999999"),
    "topokit by edges": ("o", "#0072B2"),
    "topokit by classes": ("D", "#D55E00"),
}


def draw(alive: dict[str, dict], rates: dict[str, dict[str, float]], device: str) -> Axes:
    """Two panels; returns the first."""
    _, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.6), layout="constrained")
    deepest = max(len(row["alive"]) for row in alive.values())
    for name, row in alive.items():
        line, color = STYLES.get(name, (":", "black"))
        share = 100 * np.array([row["images"], *row["alive"]]) / row["images"]
        layers = np.arange(len(share))
        left.plot(layers + 1, share, line, color=color, label=f"{name} ({row['images']:,} images)")
    ticks = [layer for layer in (0, 1, 3, 7, 15, 31, 63, 120) if layer <= deepest]
    left.set(xscale="log", yscale="log", xlabel="layers passed", ylabel="images alive (%)")
    left.set_xticks([tick + 1 for tick in ticks], [str(tick) for tick in ticks])
    left.minorticks_off()
    left.legend(fontsize=6.5)
    _draw_rates(right, rates, device)
    return left


def _draw_rates(ax: Axes, rates: dict[str, dict[str, float]], device: str) -> None:
    """One column a size."""
    sizes = list(rates)
    for name, (mark, color) in MARKS.items():
        shown = [
            (place, rates[size][name]) for place, size in enumerate(sizes) if name in rates[size]
        ]
        if shown:
            mine = name.startswith("topokit")
            label = f"{name} ({device})" if mine else name
            fill = color if mine else "none"
            ax.plot(*zip(*shown, strict=True), mark, color=color, mfc=fill, label=label)
    ax.set(yscale="log", ylabel="inputs x connections a second")
    ax.set_xticks(range(len(sizes)), sizes, rotation=50, ha="right", fontsize=6.5)
    ax.set_ylim(top=1e15)  # room for the legend
    ax.legend(fontsize=6, ncols=2, loc="upper center")
