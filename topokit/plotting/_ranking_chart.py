"""A ranking as a picture: one line a topology, the best on top."""

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from topokit.plotting._figures import COLORS, names_beside, new_axes, plain_log_numbers

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h")

# Losses below a millionth are drawn at the edge: one that is all but 0 shall not squeeze the rest.
FLOOR = 1e-6

RIGHT: dict[str, Any] = {"fontsize": 8.5, "va": "center"}

PREDICTED: dict[str, Any] = {
    "color": "0.45",
    "marker": "|",
    "markersize": 10,
    "markeredgewidth": 1.6,
}

BESIDE: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "va": "center"}

ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.25, 1.0), "handletextpad": 0.4}


def plot_ranking(rows: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Reconstruction loss of each topology, the best on top, on a logarithmic scale.

    A bar spans two standard errors to either side. A gray line marks the loss that the leverage map
    predicted without training. Each family has a color and a marker of its own, open with skip
    connections; its trainable parameters stand at the right. What lies below one millionth stands
    at the left edge, a loss with its number beside it.

    Args:
        rows: Rows of `topokit.rank`: of each are read `name`, `family`, `skip`, `trainable`,
            `loss`, its standard error `loss_error` and `predicted_loss`. Rows without a finite loss
            are left out.
        ax: Where to draw; if not given, on a new figure that grows with the number of rows.

    Raises:
        ValueError: If no row has a finite loss.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> quick = tk.reconstruction.HierarchicalSVD()
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> ax = plotting.plot_ranking(tk.rank(topologies, targets=2, solver=quick))
        >>> plotting.save_figure(ax, "ranking.png")

    See Also:
        `plot_parameters`, loss against parameters; `topokit.rank`.
    """
    rows = finite_rows(rows)
    ax = new_axes(6.4, 1.3 + 0.24 * len(rows)) if ax is None else ax
    for place, (row, look) in enumerate(zip(rows, row_looks(rows), strict=True)):
        _draw_row(ax, place, row, look)
    ax.set_xscale("log")
    ax.set_xlim(left=0.75 * max(FLOOR, min(map(_least, rows))))
    plain_log_numbers(ax.xaxis, crowded=4)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    shown = names_beside(row.name for row in rows)
    ax.set_yticks(range(len(rows)), [shown[row.name] for row in rows], fontsize=9)
    ax.set_xlabel("relative reconstruction loss, ± 2 standard errors")
    ax.text(1.02, 1.0, "trainable", transform=ax.transAxes, fontsize=8.5, va="bottom")
    ax.grid(alpha=0.3)
    ax.legend(handles=_legend(rows), frameon=False, fontsize=8.5, ncols=3, **ABOVE)
    return ax


def _least(row: Any) -> float:
    """The least number that is drawn of a row."""
    return row.loss if row.predicted_loss is None else min(row.loss, row.predicted_loss)


def finite_rows(rows: Sequence[Any]) -> list[Any]:
    """The rows that can be drawn, best first."""
    finite = sorted((row for row in rows if math.isfinite(row.loss)), key=lambda row: row.loss)
    if not finite:
        raise ValueError("rows must hold at least one finite loss: there is no ranking to draw")
    return finite


def row_looks(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Color and marker of each row."""
    families = sorted({row.family for row in rows})
    look = dict(zip(families, zip(cycle(COLORS), cycle(MARKERS), strict=False), strict=False))
    return [
        {
            "color": look[row.family][0],
            "marker": look[row.family][1],
            "markerfacecolor": "none" if row.skip else look[row.family][0],
            "markersize": 6,
        }
        for row in rows
    ]


def _draw_row(ax: Axes, place: int, row: Any, look: dict[str, Any]) -> None:
    if row.predicted_loss is not None:
        ax.plot(max(row.predicted_loss, FLOOR), place, clip_on=False, **PREDICTED)
    if row.loss < FLOOR:
        ax.plot(FLOOR, place, clip_on=False, **look)
        ax.annotate(f"← {row.loss:.1e}", (FLOOR, place), (8, 0), **BESIDE)
    else:
        ax.errorbar(row.loss, place, xerr=2 * (row.loss_error or 0.0), **look, elinewidth=1.2)
    ax.text(*(1.02, place), f"{row.trainable:,}", transform=ax.get_yaxis_transform(), **RIGHT)


def _legend(rows: Sequence[Any]) -> list[Line2D]:
    """What the signs mean, as far as they occur."""
    filled: dict[str, Any] = {"color": "0.2", "marker": "o", "linestyle": "none"}
    signs = [Line2D([], [], **filled, label="all trainable")]
    if any(row.skip for row in rows):
        signs.append(Line2D([], [], **filled, markerfacecolor="none", label="skip connections"))
    if any(row.predicted_loss is not None for row in rows):
        signs.append(Line2D([], [], **PREDICTED, linestyle="none", label="data-free prediction"))
    return signs
