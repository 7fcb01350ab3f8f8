"""What all pictures share: colors, new figures, grids of panels, and how they are saved."""

import math
import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from topokit._atomic import replacing
from topokit._escapes import printable, written_out
from topokit._names import short_names

# Without the date, equal pictures are equal bytes.
UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}

# Okabe and Ito's palette without its yellow, which is too pale for thin lines.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
TRAINABLE, CONSTANT = COLORS[0], COLORS[1]

# The most columns of a name beside a picture, and in a legend.
NAME, LEGEND = 32, 40


def literal(text: str) -> str:
    """Text that matplotlib shall not take for mathematics, and that it has glyphs for."""
    return drawable(text).replace("$", r"\$")


def drawable(text: str) -> str:
    """Text in which signs without a glyph, all of them boxes alike, are written out."""
    seen = printable(text)
    return seen if seen.isascii() else "".join(c if _has_glyph(c) else written_out(c) for c in seen)


def _has_glyph(character: str) -> bool:
    """Whether a font that the settings name first has a sign for it."""
    if character.isascii():
        return True
    paths = (findfont(FontProperties(family=[name])) for name in plt.rcParams["font.family"])
    return any(get_font(path).get_char_index(ord(character)) for path in paths)


def names_beside(names: Iterable[str], width: int = NAME) -> dict[str, str]:
    """Names as they stand beside a picture; legends leave out what begins with an underscore."""
    short = short_names(names, width, drawable).items()
    return {name: literal(f" {text}" if text.startswith("_") else text) for name, text in short}


def new_axes(width: float, height: float) -> Axes:
    """Axes on a new figure of that size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def save_figure(axes: Axes | np.ndarray, path: str | os.PathLike[str]) -> None:
    """Save the figure of some axes and close it; the file appears whole or not at all.

    Args:
        axes: What a plot function returned.
        path: A name that ends in `.png`, `.pdf` or `.svg`; an existing file is replaced.

    Raises:
        ValueError: If the ending is one that matplotlib does not know.
        OSError: If the folder does not exist or cannot be written to.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> plotting.save_figure(plotting.plot_masks(tk.topologies.butterfly(4)), "masks.pdf")
    """
    path, drawn = Path(path), BytesIO()  # matplotlib's writer of PDF hides what a full disk says
    figure = np.ravel(np.asarray(axes, object))[0].figure
    metadata = UNDATED.get(path.suffix)
    try:
        with plt.rc_context({"svg.hashsalt": "topokit"}):
            figure.savefig(drawn, format=path.suffix[1:], dpi=200, metadata=metadata)
    finally:
        plt.close(figure)
    with replacing(path) as part:
        part.write_bytes(drawn.getbuffer())


def panels(
    count: int, axes: Iterable[Axes] | None, *, size: tuple[float, float], most: int
) -> np.ndarray:
    """The first `count` of the given axes, or a new grid of at most `most` columns."""
    if axes is not None:
        given = np.ravel(np.asarray(axes, object))
        if given.size < count:
            raise ValueError(f"axes must hold at least {count} axes; given {given.size}")
        return given[:count]
    # Of the grids at least as wide as high, the one with the fewest empty places.
    widths = range(min(most, math.ceil(math.sqrt(count))), most + 1)
    n_columns = min(widths, key=lambda width: (-count % width, width))
    n_rows = math.ceil(count / n_columns)
    # One panel alone still needs room for its title and legend.
    figsize = (max(size[0] * n_columns, 3.2), max(size[1] * n_rows, 2.8))
    grid = plt.subplots(n_rows, n_columns, figsize=figsize, squeeze=False, layout="constrained")[1]
    for spare in grid.flat[count:]:
        spare.remove()
    return grid.ravel()[:count]


def frame_matrix(ax: Axes, rows: str, columns: str, *, ticks: int = 5) -> None:
    """Label a matrix; whole numbers on its axes, about so many."""
    ax.set_xlabel(columns, fontsize=9)
    ax.set_ylabel(rows, fontsize=9)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=ticks, integer=True))
    ax.tick_params(labelsize=8)


def keep_outer_labels(axes: np.ndarray) -> None:
    """In a grid, name the axes at the left and at the foot of each column only."""
    specs = [ax.get_subplotspec() for ax in axes]
    if any(spec is None for spec in specs):
        return
    last_row = {spec.colspan.start: ax for spec, ax in zip(specs, axes, strict=True)}
    for spec, ax in zip(specs, axes, strict=True):
        if not spec.is_first_col():
            ax.set_ylabel("")
        if ax is not last_row[spec.colspan.start]:
            ax.set_xlabel("")


def plain_log_numbers(axis: Axis, *, crowded: float = 10) -> None:
    """On a logarithmic axis over few decades write the numbers out, from some ratio on fewer."""
    low, high = sorted(axis.get_view_interval())
    if high < 2000 * low:
        few = high > crowded * low
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else range(1, 10)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
