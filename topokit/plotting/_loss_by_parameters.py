"""Losses against the number of parameters: topologies of different sizes in one picture."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from topokit.plotting._figures import literal, new_axes, plain_log_scale
from topokit.plotting._ranking_chart import finite_rows, row_looks


def plot_parameters(rows: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Reconstruction loss against trainable parameters: lower and further left is better.

    Each family has a color and a marker of its own, open with skip connections. The names stand
    at the right in the order of their losses.

    Args:
        rows: Rows of `topokit.rank`: of each are read `name`, `family`, `skip`, `trainable`,
            `loss` and its standard error `loss_error`. Rows without a finite loss are left out.
        ax: Where to draw; if not given, on a new figure that grows with the number of rows.

    Raises:
        ValueError: If no row has a finite loss.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> ax = plotting.plot_parameters(tk.rank(topologies, targets=2, solver=quick))
        >>> plotting.save_figure(ax, "parameters.png")

    See Also:
        `plot_ranking`, name by name.
    """
    rows = finite_rows(rows)
    ax = new_axes(7.2, max(4.0, 0.19 * len(rows))) if ax is None else ax
    looks = row_looks(rows)
    for row, look in zip(rows, looks, strict=True):
        ax.errorbar(row.trainable, row.loss, yerr=row.loss_error, **look, elinewidth=1)
    _scale(ax, rows)
    heights = _spread([_height(ax, row) for row in rows])
    for row, look, height in zip(rows, looks, heights, strict=True):
        _name(ax, row, look, height)
    return ax


def _scale(ax: Axes, rows: Sequence[Any]) -> None:
    """Logarithms where numbers spread; a loss of 0 has none."""
    if min(row.loss for row in rows) > 0:
        plain_log_scale(ax)
    trainable = [row.trainable for row in rows]
    if 0 < 3 * min(trainable) < max(trainable):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="trainable parameters", ylabel="relative reconstruction loss")
    ax.grid(alpha=0.3)
    if any(row.skip for row in rows):
        ax.set_title("open markers: with skip connections", fontsize=9, loc="right")


def _height(ax: Axes, row: Any) -> float:
    """Height of a row's point as a share of the axes."""
    place = ax.transData.transform((row.trainable, row.loss))
    return float(ax.transAxes.inverted().transform(place)[1])


def _spread(heights: Sequence[float]) -> list[float]:
    """Ascending heights, moved apart as little as one sweep up and one down allow."""
    gap = min(0.045, 1 / len(heights))
    spread = list(heights)
    for i in range(1, len(spread)):
        spread[i] = max(spread[i], spread[i - 1] + gap)
    spread[-1] = min(spread[-1], 1.0)
    for i in reversed(range(len(spread) - 1)):
        spread[i] = min(spread[i], spread[i + 1] - gap)
    return spread


def _name(ax: Axes, row: Any, look: dict[str, Any], height: float) -> None:
    """Name a row at the right of the axes, and lead a thin line to its point."""
    ax.annotate(
        "",
        (row.trainable, row.loss),
        (1.03, height),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": look["color"], "alpha": 0.45, "linewidth": 0.6},
    )
    ax.plot(1.045, height, **look, transform=ax.transAxes, clip_on=False)
    ax.text(1.065, height, literal(row.name), transform=ax.transAxes, fontsize=8.5, va="center")
