"""Losses against the number of parameters: families that grow, in one picture."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from topokit.plotting._figures import names_beside, new_axes, plain_log_numbers
from topokit.plotting._ranking_chart import finite_rows, row_looks


def plot_parameters(rows: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Reconstruction loss against trainable parameters: lower and further left is better.

    Each family has a color and a marker of its own, open and dashed with skip connections. A line
    joins the members of a family that differ in size. The names stand at the right in the order of
    their losses; a line whose members have one name, such as the default set at several budgets,
    has it once, at its largest member.

    Args:
        rows: Rows of `topokit.rank`, or of `topokit.ranking.mean_losses`: of each are read `name`,
            `family`, `skip`, `trainable`, `loss`, its standard error `loss_error` and, where there,
            `targets`. Rows without a finite loss are left out.
        ax: Where to draw; if not given, on a new figure that grows with the number of names.

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
    looks = {id(row): look for row, look in zip(rows, row_looks(rows), strict=True)}
    lines = _lines(rows)
    named = sorted((row for line in lines for row in _named(line)), key=lambda row: row.loss)
    ax = new_axes(7.2, max(4.0, 0.19 * len(named))) if ax is None else ax
    for line in lines:
        _draw(ax, line, looks)
    _scale(ax, rows)
    heights = _spread([_height(ax, row) for row in named])
    shown = names_beside(row.name for row in rows)
    for row, height in zip(named, heights, strict=True):
        _name(ax, row, shown[row.name], looks[id(row)], height)
    return ax


def _lines(rows: Sequence[Any]) -> list[list[Any]]:
    """Members of one family, with or without skips, by size; what has no family is by itself."""
    lines = defaultdict(list)
    for place, row in enumerate(rows):
        lines[(row.family, row.skip) if row.family else place].append(row)
    return [sorted(line, key=lambda row: row.trainable) for line in lines.values()]


def _named(line: Sequence[Any]) -> Sequence[Any]:
    """The rows of a line that have their names beside them."""
    return line[-1:] if len({row.name for row in line}) == 1 else line


def _draw(ax: Axes, line: Sequence[Any], looks: dict[int, dict[str, Any]]) -> None:
    """The points of a line, joined where no two have one size."""
    sizes = [row.trainable for row in line]
    if len(set(sizes)) == len(sizes) > 1:
        style: dict[str, Any] = {"linestyle": "--" if line[0].skip else "-", "linewidth": 1.1}
        color = looks[id(line[0])]["color"]
        ax.plot(sizes, [row.loss for row in line], color=color, alpha=0.75, zorder=1, **style)
    for row in line:
        ax.errorbar(row.trainable, row.loss, yerr=row.loss_error, **looks[id(row)], elinewidth=1)


def _scale(ax: Axes, rows: Sequence[Any]) -> None:
    """Logarithms where numbers spread; a loss of 0 has none."""
    if min(row.loss for row in rows) > 0:
        ax.set_yscale("log")
        plain_log_numbers(ax.yaxis)
    trainable = [row.trainable for row in rows]
    if 0 < 3 * min(trainable) < max(trainable):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="trainable parameters", ylabel="relative reconstruction loss")
    ax.grid(alpha=0.3)
    ax.set_title(", ".join(_remarks(rows)), fontsize=9, loc="right")


def _remarks(rows: Sequence[Any]) -> list[str]:
    """What the signs mean, and how many targets a point is the mean of where that differs."""
    targets = sorted({row.targets for row in rows if hasattr(row, "targets")})
    signs = ["open and dashed: with skip connections"] if any(row.skip for row in rows) else []
    means = [f"means of {' or '.join(map(str, targets))} matrices"] if len(targets) > 1 else []
    return signs + means


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


def _name(ax: Axes, row: Any, name: str, look: dict[str, Any], height: float) -> None:
    """Name a row at the right of the axes, and lead a thin line to its point."""
    ax.annotate(
        "",
        (row.trainable, row.loss),
        (1.03, height),
        textcoords="axes fraction",
        arrowprops={"arrowstyle": "-", "color": look["color"], "alpha": 0.45, "linewidth": 0.6},
    )
    ax.plot(1.045, height, **look, transform=ax.transAxes, clip_on=False)
    ax.text(1.065, height, name, transform=ax.transAxes, fontsize=8.5, va="center")
