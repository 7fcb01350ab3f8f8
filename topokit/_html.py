"""What notebooks show of a result: tables and maps in plain HTML, every text escaped.

Colors of text and background are those of the page, so that both light and dark ones do.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from jaxtyping import Float

from topokit._matrix_blocks import extreme_blocks
from topokit._png import encode_png
from topokit._text_table import is_number

# Pixels of a map along a side, about; a larger matrix is shown by blocks.
SIDE = 256

# The least spread of a matrix, as a share of its greatest entry, that a picture is made to show.
EVEN = 0.01

# The most pixels along a side of an entry.
ENTRY = 24

# Classes of elements in which notebooks look for no mathematics: `$` is a letter of names.
LITERAL = "tex2jax_ignore mathjax_ignore"

WORDS = "text-align:left;max-width:36em;white-space:normal"
NUMBER = "text-align:right;font-variant-numeric:tabular-nums"


class Html(str):
    """Text that is HTML already."""


def table(
    rows: Iterable[Sequence[object]], heading: Sequence[str] = (), tips: Sequence[str] = ()
) -> str:
    """A table, words at the left and numbers at the right; what is not `Html` is escaped.

    `tips` are what the headings say under the pointer.
    """
    tips = tips or [""] * len(heading)
    above = "".join(
        f'<th style="text-align:left" title="{escape(tip)}">{escape(text)}</th>'
        for text, tip in zip(heading, tips, strict=True)
    )
    head = f"<thead><tr>{above}</tr></thead>" if heading else ""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<table class="{LITERAL}">{head}<tbody>{body}</tbody></table>'


def bullets(title: str, lines: Iterable[str]) -> str:
    """Lines under a title."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    head = f'<p class="{LITERAL}"><b>{escape(title)}</b></p>'
    return head + (f'<ul class="{LITERAL}">{items}</ul>' if items else "")


def heat_map(matrix: Float[np.ndarray, "n_in n_out"], caption: str) -> str:
    """A matrix as a picture, inputs down, outputs across, with its scale.

    The scale is from the least to the greatest entry; where they hardly differ, from 0 on.
    """
    (n_in, n_out), shown = matrix.shape, extreme_blocks(matrix, SIDE)
    low, high = float(matrix.min()), float(matrix.max())
    if high - low < EVEN * abs(high) or not high:
        low, high = min(0.0, low), high or 1.0
    said = (
        f"{caption}, {n_in} inputs (down) x {n_out} outputs (across): least {matrix.min():.3g}, "
        f"mean {matrix.mean():.3g}, greatest {matrix.max():.3g}"
    )
    if shown.shape != matrix.shape:
        blocks = " x ".join(map(str, shown.shape))
        said += f"; in {blocks} blocks, each by its entry farthest from the mean"
    side = min(ENTRY, max(1, SIDE // max(shown.shape)))
    levels = np.rint(255 * (shown - low) / (high - low)).astype(np.uint8)
    scale = np.arange(255, -1, -1, dtype=np.uint8)[:, None]
    height = side * len(shown)
    ends = f"<div>{high:.3g}</div><div>{low:.3g}</div>"
    return (
        '<div style="display:flex;gap:6px">'
        + _image(levels, side * shown.shape[1], height, said)
        + _image(scale, 12, height, "color scale")
        + f'<div style="display:flex;flex-direction:column;justify-content:space-between">{ends}'
        + f"</div></div><p>{escape(said)}</p>"
    )


def _image(levels: np.ndarray, width: int, height: int, alt: str) -> str:
    data = b64encode(encode_png(levels)).decode()
    style = f"image-rendering:pixelated;width:{width}px;height:{height}px;max-width:none;margin:0"
    return f'<img alt="{escape(alt)}" style="{style}" src="data:image/png;base64,{data}"/>'


def _cell(value: object) -> str:
    text = value if isinstance(value, Html) else escape(str(value))
    return f'<td style="{NUMBER if is_number(str(value)) else WORDS}">{text}</td>'
