r"""What a topology, a layer or a data set may be called: a line that shows as it is.

Names come from files of strangers and go to terminals, tables, pictures and archives. What is
refused at the door, such as `\x1b` or half of a surrogate pair, needs no care behind it but for the
signs that mean something where a name is shown (`topokit._escapes`).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from topokit._escapes import printable, shown
from topokit._text_table import shorten

# Characters of a name: those of a member with hundreds of radices or widths, and not of a book.
LONGEST = 10_000


def check_name(name: Any, what: str = "the name of a topology") -> str:
    """Return a text that is fit for a name, or raise a ValueError that says what it is the name of.

    It has from one to `LONGEST` characters, all of which are seen: no line ends, no signs for a
    terminal, nothing that turns the order of reading or stands in no font.
    """
    if not isinstance(name, str):
        raise ValueError(f"{what} must be text; given {shown(repr(name))}")
    if not name:
        raise ValueError(f"{what} must not be empty")
    if len(name) > LONGEST:
        raise ValueError(
            f"{what} must have at most {LONGEST:,} characters; given {len(name):,}: {shown(name)!r}"
        )
    if (seen := printable(name)) != name:
        raise ValueError(
            f"{what} must be one line of characters that can be seen; given '{shown(seen)}'"
        )
    return name


def fitting(name: str) -> str:
    """A name made of others, its middle left out where it would be too long for one."""
    half = LONGEST // 2 - 2
    return name if len(name) <= LONGEST else f"{name[:half]}...{name[-half:]}"


def short_names(
    names: Iterable[str], width: int, seen_as: Callable[[str], str] = printable
) -> dict[str, str]:
    """Names as they stand where long ones would leave no room, each of at most `width` columns.

    Those that would look alike are numbered in their order, so that no two of them do.
    """
    short = {name: shorten(seen_as(name), width) for name in names}
    seen = Counter(short.values())
    taken = {text for text, times in seen.items() if times == 1}
    for name, text in short.items():
        if seen[text] > 1:
            signs = (f" ({number})" for number in count(1))
            tries = (shorten(text, width - len(sign)) + sign for sign in signs)
            short[name] = next(each for each in tries if each not in taken)
            taken.add(short[name])
    return short
