"""The three maps of many topologies side by side, each on a scale of its own."""

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from topokit._text_table import cells
from topokit.plotting._color_scales import limits_of, scale_that_shows
from topokit.plotting._figures import names_beside
from topokit.plotting._heatmaps import heat_map, label_bar

# Field of a record of maps, and what its picture is called, as values and as deviations.
MAPS = (
    ("descent", "the paper's K, ratios", "the paper's K less its mean"),
    ("control", "canonical K, ratios", "canonical K less its mean"),
    ("leverage", "leverage H, shares", "leverage H less its mean"),
)

# Inches: a topology, its name, where its first matrix begins, a matrix, from one to the next.
CELL, NAME, CORNER, MATRIX, STEP = (7.55, 2.75), 0.1, (0.6, 0.5), 1.55, 2.36
TICKS = 3
# Columns of a name, so that one of the widest letters fits at the smaller size; in points, the size
# of a name of at most so many columns, and of others.
WIDEST, SHORT, LARGE, SMALL = 54, 40, 12, 9
MANY = 6  # topologies from which on they stand in two columns


def plot_maps(maps: Mapping[str, Any], axes: Iterable[Axes] | None = None) -> np.ndarray:
    """The maps of topologies, three in a row: the paper's K, the canonical K, and the leverage H.

    Each has a color bar of its own, and shows values or, where these hardly differ, deviations from
    the mean, as by `plot_control`: compare patterns between topologies, and sizes by the numbers.

    Args:
        maps: Records of maps by the name of their topology, such as `topokit.ranking.Maps`: of each
            are read `descent`, `control` and `leverage`, any of which may be None.
        axes: Where to draw, three each; if not given, on a new figure that grows with the number.

    Returns:
        The array of axes, a row of three for each topology.

    Raises:
        ValueError: If there is no topology, too few axes, or a map that is not finite.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> graph = tk.topologies.torus((4, 2), 2)
        >>> K, H = tk.controllability(graph).K, tk.leverage(graph)
        >>> paper = tk.controllability(graph, fairness=False).K
        >>> axes = plotting.plot_maps({"torus": tk.ranking.Maps(K, paper, H)})
        >>> axes.shape
        (1, 3)
        >>> plotting.save_figure(axes, "maps.png")

    See Also:
        `plot_control` and `plot_leverage`, a single one; `topokit.ranking.read_maps`, those that a
        ranking has left.
    """
    if not maps:
        raise ValueError("maps is empty: give at least one {name: maps}")
    places = _new_places(list(maps)) if axes is None else _given_places(axes, len(maps))
    for row, (name, each) in zip(places, maps.items(), strict=True):
        for ax, (field, *words) in zip(row, MAPS, strict=True):
            _draw_map(ax, getattr(each, field), f"{field} of {name!r}", *words)
        for ax in [ax for ax in row if ax.images][1:]:
            ax.set_ylabel("")
            ax.tick_params(left=False, labelleft=False)
    return places


def _draw_map(ax: Axes, matrix: np.ndarray | None, name: str, values: str, deviations: str) -> None:
    if matrix is None:
        ax.set_title(values, fontsize=9)
        ax.text(0.5, 0.5, "none:\ntoo large", ha="center", va="center", transform=ax.transAxes)
        ax.set_axis_off()
        return
    high = float(np.max(matrix, initial=0)) or 1.0
    scale = scale_that_shows(matrix, limits=limits_of([matrix], name, high=high))
    words = values if scale.mean is None else deviations
    numbers = f"mean {matrix.mean():.3g}, deviation {matrix.std():.2g}"
    image = heat_map(matrix, ax, scale, f"{words}\n{numbers}", ticks=TICKS)
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.04, 0, 0.05, 1)))
    label_bar(bar, scale, ticks=TICKS)


def _given_places(axes: Iterable[Axes], count: int) -> np.ndarray:
    given = np.ravel(np.asarray(axes, object))
    if given.size < 3 * count:
        raise ValueError(
            f"axes must hold at least {3 * count} axes, three for each topology; given {given.size}"
        )
    return given[: 3 * count].reshape(count, 3)


def _new_places(names: list[str]) -> np.ndarray:
    """Axes on a new figure, under the names of their topologies, laid out by hand for speed."""
    across = 2 if len(names) >= MANY else 1
    size = np.array([across, -(-len(names) // across)]) * CELL
    figure = plt.figure(figsize=tuple(size))
    places = np.empty((len(names), 3), object)
    for place, name in enumerate(names_beside(names, WIDEST).values()):
        corner = np.array([place % across * CELL[0], size[1] - CELL[1] * (place // across + 1)])
        x, y = (corner + [NAME, CELL[1] - NAME]) / size
        size_of_name = LARGE if cells(name) <= SHORT else SMALL
        figure.text(x, y, name, fontsize=size_of_name, weight="bold", va="top")
        for number in range(3):
            left, low = (corner + CORNER + [number * STEP, 0]) / size
            width, height = MATRIX / size
            places[place, number] = figure.add_axes((left, low, width, height))
    return places
