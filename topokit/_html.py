"""What notebooks show of a result: tables and maps in plain HTML, every text escaped."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from jaxtyping import Float

# Cells of a map along a side: a larger matrix is shown by the means of blocks.
CELLS = 32

# The color of the largest entry; the least, 0, is white.
INK = np.array([68, 1, 84])


class Html(str):
    """Text that is HTML already."""


def table(rows: Iterable[Sequence[object]], heading: Sequence[str] = ()) -> str:
    """A table, left-aligned; what is not `Html` is escaped."""
    head = f"<tr>{_cells(heading, 'th')}</tr>" if heading else ""
    return f"<table>{head}{''.join(f'<tr>{_cells(row)}</tr>' for row in rows)}</table>"


def bullets(title: str, lines: Iterable[str]) -> str:
    """Lines under a title."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<p><b>{escape(title)}</b></p>" + (f"<ul>{items}</ul>" if items else "")


def heat_map(matrix: Float[np.ndarray, "n_in n_out"], caption: str) -> str:
    """A matrix of numbers of at least 0 as squares of color, inputs down, outputs across."""
    means = _block_means(matrix)
    shares = means / (means.max() or 1.0)
    rows = zip(means, shares, strict=True)
    squares = "".join(f"<tr>{''.join(map(_square, *row))}</tr>" for row in rows)
    n_in, n_out = matrix.shape
    blocks = f", by the means of {len(means)} x {means.shape[1]} blocks" * (
        means.size < matrix.size
    )
    said = f"{caption}, {n_in} x {n_out}{blocks}: 0 (white) to {means.max():.3g}"
    return f'<table style="border-collapse:collapse">{squares}</table><p>{escape(said)}</p>'


def _cells(values: Iterable[object], tag: str = "td") -> str:
    texts = (value if isinstance(value, Html) else escape(str(value)) for value in values)
    return "".join(f'<{tag} style="text-align:left">{text}</{tag}>' for text in texts)


def _square(mean: float, share: float) -> str:
    color = ",".join(str(round(c)) for c in 255 + share * (INK - 255))
    style = f"background:rgb({color});width:9px;height:9px;padding:0"
    return f'<td style="{style}" title="{mean:.3g}"></td>'


def _block_means(matrix: Float[np.ndarray, "n_in n_out"]) -> Float[np.ndarray, "rows columns"]:
    for axis, size in enumerate(matrix.shape):
        starts = np.unique(np.linspace(0, size, min(size, CELLS), endpoint=False).astype(int))
        lengths = np.diff(starts, append=size)
        shape = (-1, 1) if axis == 0 else (1, -1)
        matrix = np.add.reduceat(matrix, starts, axis=axis) / lengths.reshape(shape)
    return matrix
