"""A matrix as an image in which nothing gets lost, however many entries share a pixel.

Pixels that are picked among entries, as by nearest neighbors, leave out rows; those that are means
wash them out. Here each point of the picture stands for a block of entries and shows the one that
deserves it: of numbers the one farthest from the mean of all (`_matrix_blocks`), of kinds the
rarest. Blocks are cut when the picture is drawn, for the pixels that it has then: at any
resolution, and zoomed in until every entry is there. Axes count entries, whatever the blocks.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int, Integer, Shaped
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.transforms import Bbox

from topokit._matrix_blocks import over_blocks

# Blocks are so many pixels wide: a single one would be hard to see. Entries that have a pixel each
# are no blocks.
PIXELS = 2

# A pixel may lie on the border of the axes with less than half of its width.
FULL = 0.98

# Matrices beyond this ratio of sides are drawn as if they had it: thin strips show nothing.
MOST_OBLONG = 4

Reduce = Callable[
    [Shaped[np.ndarray, "n m"], Int[np.ndarray, " rows"], Int[np.ndarray, " columns"]],
    Shaped[np.ndarray, "rows columns"],
]


def rarest(
    kinds: Integer[np.ndarray, "n m"],
    rows: Int[np.ndarray, " rows"],
    columns: Int[np.ndarray, " columns"],
) -> Integer[np.ndarray, "rows columns"]:
    """Of the blocks that begin at these rows and columns, the kind that is rarest in the whole."""
    counts = np.bincount(kinds.ravel())
    result = np.zeros((rows.size, columns.size), kinds.dtype)
    for kind in np.argsort(-counts, kind="stable"):
        result[over_blocks(np.logical_or, kinds == kind, rows, columns)] = kind
    return result


class MatrixImage(AxesImage):
    """The image of a matrix, reduced to the pixels that it has; `get_array` is the matrix."""

    def __init__(self, ax: Axes, reduce: Reduce, **options: Any) -> None:
        """Take what reduces the matrix; options are those of a matplotlib image."""
        super().__init__(ax, interpolation="nearest", interpolation_stage="data", **options)
        self._reduce = reduce

    def make_image(self, renderer: Any, magnification: float = 1.0, unsampled: bool = False) -> Any:
        """Draw the reduced matrix in the place of the whole one."""
        left, right, bottom, top = self.get_extent()
        place = self.get_transform().transform([[left, bottom], [right, top]]) * magnification
        width, height = np.abs(Bbox(place).size)
        whole = self._A
        values = np.ma.getdata(whole)
        starts = (_starts(n, room) for n, room in zip(values.shape, (height, width), strict=True))
        self._A: Any = np.ma.asarray(self._reduce(values, *starts))
        try:
            return super().make_image(renderer, magnification, unsampled)
        finally:
            self._A = whole


def draw_matrix(
    ax: Axes, values: Shaped[np.ndarray, "n m"], reduce: Reduce, **options: Any
) -> MatrixImage:
    """Draw a matrix on axes, the first row on top; options are those of a matplotlib image."""
    n, m = values.shape
    image = MatrixImage(ax, reduce, origin="upper", **options)
    image.set_data(values)
    image.set_clip_path(ax.patch)
    ax.set_box_aspect(float(np.clip(n / m, 1 / MOST_OBLONG, MOST_OBLONG)))
    image.set_extent((-0.5, m - 0.5, n - 0.5, -0.5))
    ax.spines[:].set_zorder(-1)  # a frame hides nothing of the first and of the last entries
    ax.add_image(image)
    return image


def _starts(n: int, room: float) -> Int[np.ndarray, " blocks"]:
    """Where the blocks begin of n entries in a room of so many pixels.

    Blocks of one size, where not many more blocks would fit: they leave regular patterns regular.
    """
    most = n if n <= FULL * room else max(1, int(room / PIXELS))
    even = (blocks for blocks in range(most, 2 * most // 3, -1) if n % blocks == 0)
    blocks = next(even, most)
    return np.arange(blocks) * n // blocks
