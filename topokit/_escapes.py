r"""Text from outside, such as names and what files hold, made fit for where it is shown.

What controls a terminal, cannot be seen, or turns the order of reading is written out, as `\x1b`.
"""

import unicodedata

from topokit._text_table import shorten

# Columns of what a message says of a text from outside.
SHOWN = 200

# Marks above and below one letter; no script has more, and a flood of them covers other lines.
MARKS = 4

# What Python calls printable and nobody sees: joiners, fillers, selectors of variants, blanks.
UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)


def printable(text: object) -> str:
    r"""Text on one line that is only shown: what cannot be seen is written out, as `\x1b`."""
    text, marks, parts = str(text), MARKS, []
    if text.isascii() and text.isprintable():
        return text
    for c in text:
        marks = marks + 1 if unicodedata.category(c)[0] == "M" else 0
        seen = c.isprintable() and c not in UNSEEN and marks <= MARKS
        parts.append(c if seen else written_out(c))
    return "".join(parts)


def written_out(character: str) -> str:
    r"""A character as Python writes it in ASCII, such as `\x1b`, `\n` or `\u0301`."""
    return ascii(character)[1:-1]


def shown(text: object, width: int = SHOWN) -> str:
    """Text as a message quotes it: on one line, printable, the middle left out if it is long."""
    text = str(text)
    if len(text) > 8 * width:
        text = f"{text[: 4 * width]}{text[-4 * width :]}"
    return shorten(printable(text), width)
