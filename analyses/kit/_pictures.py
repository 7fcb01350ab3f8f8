"""Colors that color-blind readers tell apart, and points with their bars."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter

# Okabe and Ito's, without the yellow that is too pale for thin lines, and two grays.
COLORS = SimpleNamespace(
    blue="#0072B2",
    red="#D55E00",
    green="#009E73",
    pink="#CC79A7",
    sky="#56B4E9",
    amber="#E69F00",
    black="#000000",
    gray="#888888",
    dark="#555555",
)


class Look(NamedTuple):
    """What a series looks like; no meaning hangs on the color alone."""

    marker: str
    color: str
    line: str = "-"


def points(
    ax: Axes, x: Any, y: Any, errors: Any, look: Look, label: str | None = None, **more: Any
) -> None:
    """Means with bars of two standard errors to either side."""
    style: dict[str, Any] = {"markersize": 5, "capsize": 2} | more
    kind = {"color": look.color, "marker": look.marker, "linestyle": look.line}
    ax.errorbar(x, y, 2 * np.asarray(errors), label=label, **kind, **style)


def errors(
    ax: Axes, rows: list[dict[str, Any]], x: str, look: Look, label: str, **more: Any
) -> None:
    """Test errors of networks in percent, with their bars, against something in their rows."""
    rows = sorted(rows, key=lambda row: row[x])
    lost = [100 * (1 - row["accuracy"]) for row in rows]
    points(
        ax,
        [row[x] for row in rows],
        lost,
        [100 * row["error"] for row in rows],
        look,
        label,
        **more,
    )


def written_out(axis: Axis, *, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Numbers on a logarithmic axis as one writes them, at 1, 2 and 5 times a power of ten."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
