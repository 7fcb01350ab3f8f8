"""Results as records: frozen dataclasses that print in one line, and as a table in a notebook.

A record that has all fields of another one is its child, so that each field is written down and
explained once. Of several parents a dataclass takes the fields of the last one first.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from topokit._docstrings import meanings
from topokit._escapes import printable
from topokit._html import Html, table
from topokit._read_only import read_only
from topokit._text_table import SHELL, text_table

# Characters of a record, and of one of its strings; members of a tuple that are shown.
LONGEST, WORD, MEMBERS = 300, 40, 4

# Integers beyond this many bits are told by their size: paths of deep networks have thousands.
EXACT_BITS = 53


@dataclass_transform(frozen_default=True, eq_default=False)
class Record:
    """Plain values under names; equal where all of them are, arrays by their entries.

    Its arrays cannot be written to.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        """Make a frozen dataclass of each child."""
        super().__init_subclass__()
        dataclass(frozen=True, repr=False, eq=False)(cls)

    def __post_init__(self) -> None:
        """Arrays within are not to be changed either."""
        vars(self).update({name: read_only(value) for name, value in vars(self).items()})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: read_only(value) for name, value in state.items()})

    def _asdict(self) -> dict[str, Any]:
        """The fields by name, as named tuples give them: flat, for JSON and tables."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return _equal(tuple(self._asdict().values()), tuple(other._asdict().values()))

    def __hash__(self) -> int:
        return hash((type(self), *self._asdict().values()))

    def __repr__(self) -> str:
        return one_line(self)

    def __str__(self) -> str:
        """A table of the fields with what they mean, for `print`, no line beyond 80 columns."""
        said = meanings(type(self))
        rows = [(name, readable(value), said[name]) for name, value in self._asdict().items()]
        lines = text_table(("", "value", "meaning"), rows, width=SHELL, words=1)
        return "\n".join([type(self).__name__, *(line.text for line in lines)])

    def _repr_html_(self) -> str:
        """A table of the fields with what they mean, for notebooks."""
        said = meanings(type(self))
        rows = [(name, _cell(value), said[name]) for name, value in self._asdict().items()]
        return table(rows, ("field", "value", "meaning"))


def one_line(self: Any) -> str:
    """A record or a named tuple, short: arrays by shape; of many fields the middle ones left out.

    It can be the `__repr__` of a named tuple.
    """
    parts = [f"{name}={brief(value)}" for name, value in self._asdict().items()]
    return f"{type(self).__name__}({', '.join(_fitting(parts))})"


def brief(value: Any) -> str:
    """A value in a few characters: numbers to four digits, arrays and records by their kind."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        value = value.item()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if hasattr(value, "_asdict"):
        return f"{type(value).__name__}(...)"
    match value:
        case tuple() | list():
            return f"({', '.join(_members(value))})"
        case bool():
            return repr(value)
        case Integral() if int(value).bit_length() > EXACT_BITS:
            return f"~2^{int(value).bit_length() - 1}"
        case Real() if not isinstance(value, Integral):
            return f"{float(value):.4g}"
    text = " ".join(repr(value).split())
    return text if len(text) <= WORD else f"{text[: WORD - 4]}...{text[-1]}"


def readable(value: Any, digits: int = 4) -> str:
    """A value in a table: floats to some digits, texts as they are, nothing as a dash."""
    match value:
        case None:
            return "-"
        case str():
            return printable(value)
        case float() | np.floating():
            return f"{value:.{digits}g}"
    return brief(value)


def _members(values: tuple | list) -> Iterator[str]:
    yield from map(brief, values[:MEMBERS])
    if len(values) > MEMBERS:
        yield f"... {len(values)} in all"


def _fitting(parts: list[str]) -> list[str]:
    """As many parts as fit, from both ends."""
    shown = parts
    for dropped in range(1, len(parts)):
        if len(", ".join(shown)) <= LONGEST:
            break
        first = (len(parts) - dropped + 1) // 2
        shown = [*parts[:first], "...", *parts[first + dropped :]]
    return shown


def _cell(value: Any) -> str | Html:
    """A value within a table: records are tables of their own."""
    if isinstance(value, Record):
        return Html(value._repr_html_())
    if isinstance(value, tuple) and value and all(isinstance(item, Record) for item in value):
        return Html(
            table([tuple(map(_cell, v._asdict().values())) for v in value], [*value[0]._asdict()])
        )
    return readable(value)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one is other or bool(one == other)
