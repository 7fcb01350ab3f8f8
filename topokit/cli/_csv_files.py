"""Tables for spreadsheets, in which no text is a formula, and none controls a terminal.

Every text is quoted, so that a spreadsheet which parts cells at semicolons parts none. One that
begins as a formula, or with a `'`, has a `'` before it: all others stand as they are, and no two
texts become one. Integers of hundreds of digits are told by their size.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from topokit._escapes import printable
from topokit._plain_records import EXACT
from topokit._records import brief

# What a formula begins with, also in full width, and the sign that says that something is none.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same keys, with a heading."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(rows[0])
        writer.writerows(map(_cell, row.values()) for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > EXACT:
        return brief(value)
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
