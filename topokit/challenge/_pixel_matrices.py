"""Images as a Matrix Market file (`.mtx`) of zeros and ones, a row an image and a column a pixel.

Lines are counted and checked here, as quick readers follow damaged ones out of bounds.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from topokit._escapes import shown
from topokit._limits import check_read
from topokit._unpacked_streams import UnpackedStream, unpacked_file
from topokit.challenge._number_files import LONGEST_LINE, number_blocks, reading

FORMS = ("coordinate", "array")
FIELDS = ("real", "double", "integer", "pattern")
MOST_COMMENTS = 10_000
MOST_DIGITS = 18


class Head(NamedTuple):
    """What the first lines say: how entries are written, and how many images and entries are."""

    form: str
    pattern: bool
    images: int
    entries: int


def read_matrix(path: Path, pixels: int) -> tuple[int, Int[np.ndarray, "lit 2"]]:
    """How many images there are; and of each lit pixel image and pixel, from 1.

    Raises:
        ValueError: If it is no such file, is cut, or announces what it does not hold.
    """
    with reading(path, "a Matrix Market file"), unpacked_file(path) as file:
        head = _head(file, pixels)
        found, before, held = [np.zeros((0, 2), np.int64)], 0, 0
        for table in number_blocks(path, file, _columns(head)):
            places, values = _entries(head, table, before)
            _check(head, pixels, places, values)
            found.append(places[values == 1].astype(np.int64))
            before += len(table)
            held += table.nbytes + found[-1].nbytes  # also what is dark takes time
            check_read(f"the numbers of {path}", held, file.stored)
        if before != head.entries:
            raise ValueError(f"it has {before} of the {head.entries} entries that it announces")
        return head.images, np.concatenate(found)


def _head(file: UnpackedStream, pixels: int) -> Head:
    lines = _lines(file)
    words = next(lines).lower().split()
    if words[:2] != ["%%matrixmarket", "matrix"] or len(words) != 5:
        raise ValueError("line 1 must be '%%MatrixMarket matrix FORM FIELD general'")
    form, field, symmetry = words[2:]
    if form not in FORMS or field not in FIELDS or (form, field) == ("array", "pattern"):
        raise ValueError(f"a matrix of {shown(form)} {shown(field)} is none of real numbers")
    if symmetry != "general":
        raise ValueError(f"the matrix of images must be general; found {shown(symmetry)}")
    said = next((line for line in lines if line.strip() and not line.startswith("%")), "").split()
    if len(said) != (3 if form == "coordinate" else 2) or not all(map(_is_size, said)):
        raise ValueError(f"expected the sizes of the matrix; found {shown(' '.join(said))!r}")
    images, columns, *rest = map(int, said)
    if columns != pixels:
        raise ValueError(f"the matrix must have a column for each of {pixels} pixels; {columns}")
    return Head(form, field == "pattern", images, rest[0] if rest else images * columns)


def _lines(file: UnpackedStream) -> Iterator[str]:
    for _ in range(MOST_COMMENTS):
        line = file.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ValueError("it ends within its first lines, or one of them is too long")
        yield line.decode("latin-1")
    raise ValueError(f"it has more than {MOST_COMMENTS:,} lines of comments")


def _is_size(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= MOST_DIGITS


def _columns(head: Head) -> int:
    """Numbers of a line."""
    return 1 if head.form == "array" else 2 if head.pattern else 3


def _entries(
    head: Head, table: Float[np.ndarray, "lines columns"], before: int
) -> tuple[Float[np.ndarray, "lines 2"], Float[np.ndarray, " lines"]]:
    """Image and pixel of each line, and what stands there; an array has its values by column."""
    if head.form == "array":
        column, row = np.divmod(np.arange(before, before + len(table)), max(1, head.images))
        return np.stack([row, column], 1) + 1.0, table[:, 0]
    return table[:, :2], np.ones(len(table)) if head.pattern else table[:, 2]


def _check(
    head: Head,
    pixels: int,
    places: Float[np.ndarray, "lines 2"],
    values: Float[np.ndarray, " lines"],
) -> None:
    wrong = values[(values != 0) & (values != 1)]
    if wrong.size:
        raise ValueError(f"it has a value {wrong[0]:g}; pixels are 0 or 1")
    fits = (places == np.round(places)) & (places >= 1) & (places <= (head.images, pixels))
    if not fits.all():
        row, column = places[~fits.all(axis=1)][0]
        raise ValueError(
            f"it has an entry ({row:g}, {column:g}); rows are 1 to {head.images}, columns 1 to "
            f"{pixels}"
        )
