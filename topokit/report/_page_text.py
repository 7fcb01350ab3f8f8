"""Names and numbers as a page shows them: text that can be seen, and figures in line."""

import math
from numbers import Integral, Real
from typing import Any

from topokit._escapes import printable

LONGEST = 80  # characters of a name; its middle gives way
FINE = 4  # decimals from which on a number that they do not show is told as a power of ten
SPLIT = 12  # digits of an integer before it is told by its size

# Acronyms and letters that a field's name writes small.
WORDS = {
    "n in": "inputs",
    "n out": "outputs",
    "loss error": "standard error of the loss",
    "satisfiable": "satisfiable constraints (L0)",
    "trainable": "trainable weights",
    "control total": "total K",
    "control loss": "loss of K",
    "control bound": "bound of that loss",
    "control mean": "mean of K",
    "control deviation": "deviation of K",
    "fan in min": "least fan-in",
    "fan in max": "greatest fan-in",
    "fan out min": "least fan-out",
    "fan out max": "greatest fan-out",
    "paths min": "fewest paths of a pair",
    "paths mean": "mean paths of a pair",
    "paths max": "most paths of a pair",
    "reachable": "pairs with a path",
}


def short(text: str) -> str:
    """A printable name that fits."""
    seen = printable(text)
    half = LONGEST // 2
    return seen if len(seen) <= LONGEST else f"{seen[: half - 1]}…{seen[-half:]}"


def number_text(value: Any, decimals: int = 4) -> str:
    """A number with so many decimals, for numbers below one another; nothing as a dash."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case str():
            return short(value)
        case Integral() if abs(int(value)) >= 10**SPLIT:
            return f"about 2^{int(value).bit_length() - 1}"
        case Integral():
            return f"{int(value):,}"
        case Real():
            return _real(float(value), decimals)
    return short(str(value))


def _real(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return "–"
    tiny = decimals >= FINE and 0 < abs(value) < 0.5 * 10**-decimals
    if tiny or abs(value) >= 10**SPLIT:
        return f"{value:.1e}"
    return f"{value:,.{decimals}f}" if abs(value) < 1000 else f"{value:,.1f}"


def sortable(value: Any) -> float | str | bool | None:
    """A value as JSON knows it; what is no finite number is None."""
    if isinstance(value, str):
        return short(value)
    if value is None or isinstance(value, bool):
        return value
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def label_of_field(name: str) -> str:
    """A field's name in words."""
    words = name.replace("_", " ")
    return WORDS.get(words, words)
