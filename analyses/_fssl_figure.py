"""The figure of fine-tuning with structured sparsity: errors and speedups by connections left."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

LOOKS = {
    "whole": ("s", "#000000", "the whole network"),
    "structured": ("o", "#0072B2", "neurons out (group lasso)"),
    "non-structured": ("^", "#D55E00", "connections out (magnitude)"),
}
FORMS = {"speedup": ("sparse layers", "-", "full"), "speedup_dense": ("dense layers", "--", "none")}


def plot(rows: list[dict[str, Any]], name: str) -> Axes:
    """Test error, and times faster than the whole network, against the share of connections."""
    _, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.7), sharex=True, layout="constrained")
    for kind, (mark, color, label) in LOOKS.items():
        own = sorted((r for r in rows if r["kind"] == kind), key=lambda r: r["share"])
        share = [100 * r["share"] for r in own]
        style: dict[str, Any] = {"color": color, "marker": mark, "markersize": 6, "capsize": 2}
        errors = [100 * (1 - r["accuracy"]) for r in own]
        left.errorbar(share, errors, [200 * r["accuracy_error"] for r in own], label=label, **style)
        for form, (words, line, fill) in FORMS.items():
            if kind == "whole":
                continue
            times, bars = [r[form] for r in own], [2 * r[f"{form}_error"] for r in own]
            right.errorbar(
                share,
                times,
                bars,
                label=f"{kind}, {words}",
                linestyle=line,
                fillstyle=fill,
                **style,
            )
    right.axhline(1, color="#000000", linewidth=0.8)
    left.set(ylabel=f"test error on {name} (%)")
    right.set(ylabel="times faster than the whole network", yscale="log")
    right.set_ylim(top=4 * right.get_ylim()[1])  # room for the legend
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for ax in (left, right):
        ax.set(xscale="log", xlabel="connections left (%)")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        ax.grid(alpha=0.3, which="major")
        ax.legend(frameon=False, fontsize=8, loc="upper right")
    return left
