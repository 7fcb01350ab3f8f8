"""The figure of `radix_accuracy`: test error by share of connections, and by neurons."""

import matplotlib.pyplot as plt
from _radix_networks import TWIN
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

LINES = {"random": ("o", "-"), "RadiX-Net": ("*", "none"), TWIN: ("x", "none")}
COLORS = {
    ("Lenet-300-100", "mnist"): "#000000",
    ("Lenet-5", "mnist"): "#0072B2",
    ("Lenet-5", "cifar10"): "#D55E00",
}
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
PERCENT = FuncFormatter(lambda value, _: f"{value:g}")


def plot(rows: list[dict]) -> Axes:
    """Fewer connections on the left, more neurons on the right; all logarithmic."""
    _, axes = plt.subplots(1, 2, figsize=(8.6, 4.0), sharey=True, layout="constrained")
    fewer = [row for row in rows if row["times"] == 1]
    more = [row for row in rows if row["share"] == 1]
    for ax, own, field in zip(axes, (fewer, more), ("share", "times"), strict=True):
        for (network, data), color in COLORS.items():
            for kind, (mark, line) in LINES.items():
                chosen = [
                    row
                    for row in own
                    if (row["network"], row["data"], row["kind"]) == (network, data, kind)
                ]
                label = f"{network}, {NAMES[data]}" + (f", {kind}" if kind != "random" else "")
                _line(ax, chosen, field, color, mark, line, label)
        ticks = sorted({row[field] for row in own})
        ax.set_xscale("log")
        ax.set_xticks(ticks, [f"{100 * t:g}" if field == "share" else f"{t:g}" for t in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.grid(alpha=0.3)
    left, right = axes
    left.invert_xaxis()
    left.set(xlabel="connections (% of dense)", ylabel="test error (%)", yscale="log")
    right.set(xlabel="neurons (times as many), equal connections")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter(PERCENT)
    left.yaxis.set_minor_formatter(NullFormatter())
    right.legend(frameon=False, fontsize=8)
    return left


def _line(
    ax: Axes, rows: list[dict], field: str, color: str, mark: str, line: str, label: str
) -> None:
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row[field])
    ax.errorbar(
        [row[field] for row in rows],
        [100 * (1 - row["accuracy"]) for row in rows],
        [200 * row["error"] for row in rows],
        color=color,
        marker=mark,
        markersize=5 if mark == "o" else 9,
        markerfacecolor="none" if mark == "*" else color,
        linestyle=line,
        capsize=2,
        label=label,
    )
