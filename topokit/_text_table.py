"""Tables of plain text that fit a terminal: numbers stay whole and in line, words wrap.

The leading columns say what a row is of, the last ones are words, and those between are figures.
Where there is no room, words wrap; where they would be too narrow, they go beneath their row; and
figures that do not fit come below, in a part of the table that begins with the same keys. Without
a width, as in a pipe, a row is one line, so that `grep` and `awk` find it whole; a cell of more
than 80 columns pushes its own row out of line, and no other one.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

# The least columns of words beside figures, and the most of words among them; the least of a key,
# the most of a heading above figures, and of a word in a key that is never broken.
WORDS, KEY, HEADING, KEY_WORD = 24, 12, 12, 20

# The width of what `print` shows in a shell, and the most to which a cell is filled up in a pipe.
SHELL = PADDED = 80

NUMBER = re.compile(r"-|-?inf|nan|[-+~]?[\d.,]*\d([\^e][-+]?\d+)?%?")

# Columns between two columns, and before words beneath a row.
GAP, INDENT = 2, 2


class Line(NamedTuple):
    """A line of a table, and whether it is one of a heading."""

    text: str
    heading: bool


def cells(text: str) -> int:
    """How many columns a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in ("Mn", "Me") for c in text)


def shorten(text: str, width: int) -> str:
    """A text of at most `width` columns, at least 7; of a longer one the middle is left out."""
    if len(text) > 4 * width:
        text = f"{text[: 2 * width]}...{text[-2 * width :]}"
    short, kept = text, len(text)
    while (more := cells(short) - width) > 0 and kept > 1:
        kept -= (more + 1) // 2  # no character takes more than two columns
        short = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return short


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces, and within words that are longer."""
    lines = [""]
    for word in text.split():
        first, *more = _pieces(word, width)
        joined = f"{lines[-1]} {first}".lstrip()
        lines[-1:] = [joined] if cells(joined) <= width else [lines[-1], first]
        lines += more
    return lines


def is_number(text: str) -> bool:
    """Whether a cell holds a number, or a dash for none."""
    return NUMBER.fullmatch(text) is not None


def text_table(
    heading: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    keys: int = 1,
    words: int = 0,
    gap: int = GAP,
) -> list[Line]:
    """The lines of a table.

    Args:
        heading: What each column holds.
        rows: A text for each cell.
        width: Columns that there are; None for as many as it takes.
        keys: How many leading columns say what a row is of; the last of them may wrap.
        words: How many columns at the end are words.
        gap: Spaces between two columns.
    """
    columns = [*zip(heading, *rows, strict=True)]
    sizes = [max(map(cells, column)) for column in columns]
    if width is None:
        shorter = [[s for s in map(cells, column) if s <= PADDED] for column in columns]
        return [*_part(columns, {n: max(s, default=0) for n, s in enumerate(shorter)}, gap)]
    key, first, end = keys - 1, keys, len(columns) - words
    for place in (*range(key), *range(first, end)):
        numbers = [cells(text) for text in columns[place][1:] if is_number(text)]
        most = WORDS if len(numbers) < len(rows) else HEADING
        sizes[place] = max([*numbers, min(sizes[place], most)])
    least = min(sizes[key], max(KEY, min(_longest_word(columns[key]), KEY_WORD)))
    room = width - least - sum(size + gap for size in sizes[:key])
    lines: list[Line] = []
    for part in (parts := _parts(range(first, end), sizes, room, gap)):
        shown = {place: sizes[place] for place in (*range(keys), *part)}
        room = width - sum(shown.values()) - gap * (len(shown) - 1)
        shown[key] = max(least, sizes[key] + min(room, 0))
        last = range(end, len(columns)) if part is parts[-1] else range(0)
        beside = _shares([sizes[place] for place in last], room, gap)
        shown |= dict(zip(last, beside, strict=False))
        lines += [Line("", False)] * bool(lines)
        lines += _part(columns, shown, gap, range(0) if beside else last, width)
    return lines


def _parts(figures: range, sizes: Sequence[int], room: int, gap: int) -> list[list[int]]:
    """Columns of figures that fit side by side, part by part."""
    parts: list[list[int]] = [[]]
    left = room
    for place in figures:
        taken = sizes[place] + gap
        if parts[-1] and left < taken:
            parts.append([])
            left = room
        parts[-1].append(place)
        left -= taken
    return parts


def _shares(wanted: Sequence[int], room: int, gap: int) -> list[int]:
    """The widths of columns of words beside the rest; none where they would be too narrow."""
    left, shares = room - gap * len(wanted), [*wanted]
    for done, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[place] = min(wanted[place], left // (len(wanted) - done))
        left -= shares[place]
    narrow = any(share < min(want, WORDS) for share, want in zip(shares, wanted, strict=True))
    return [] if narrow else shares


def _part(
    columns: Sequence[Sequence[str]],
    shown: Mapping[int, int],
    gap: int,
    beneath: range = range(0),
    width: int | None = None,
) -> Iterator[Line]:
    """The columns shown, each of its width, and words beneath each row.

    Without a width for all, nothing is folded.
    """
    right = [all(map(is_number, columns[place][1:])) for place in shown]
    for number, row in enumerate(zip(*columns, strict=True)):
        room = {p: max(size, cells(row[p])) if width is None else size for p, size in shown.items()}
        folded = [fold(row[place], size) for place, size in room.items()]
        depth = max(map(len, folded))
        for level in range(depth):
            # A heading stands on its last line, a row hangs from its first.
            at = [level - (depth - len(lines) if number == 0 else 0) for lines in folded]
            texts = [
                lines[n] if 0 <= n < len(lines) else "" for lines, n in zip(folded, at, strict=True)
            ]
            aligned = map(_aligned, texts, shown.values(), right)
            yield Line((" " * gap).join(aligned).rstrip(), number == 0)
        for place in beneath:
            said = fold(row[place], (width or 0) - INDENT) if row[place].strip() else []
            yield from (Line(" " * INDENT + text, number == 0) for text in said)


def _aligned(text: str, size: int, right: bool) -> str:
    space = " " * (size - cells(text))
    return space + text if right else text + space


def _longest_word(texts: Sequence[str]) -> int:
    return max((cells(word) for text in texts for word in text.split()), default=0)


def _pieces(word: str, width: int) -> Iterator[str]:
    """A word in pieces of at most `width` columns, broken behind signs where there are any."""
    while len(word) > 4 * width or cells(word) > width:
        ends = range(2, min(len(word), 4 * width))
        most = max((end for end in ends if cells(word[:end]) <= width), default=1)
        signs = [n for n in range(1 + most // 2, most + 1) if not word[n - 1].isalnum()]
        at = signs[-1] if signs else most
        yield word[:at]
        word = word[at:]
    yield word
