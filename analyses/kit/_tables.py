"""Results on the screen."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

WIDE, LONG = 10, 6  # columns of a table that is turned, and numbers in a cell


def show(results: Mapping[str, Any]) -> None:
    """Print the parts of results: those that are rows as tables, the others as JSON."""
    for name, part in results.items():
        rows = _rows(part)
        if rows:
            Console(width=200).print(_table(name, rows))
        else:
            print(f"{name}: {cell(part)}")


def _rows(part: Any) -> dict[str, dict[str, str]]:
    """The rows of a table, flat; none where the part is no table."""
    match part:
        case Mapping():
            named = dict(part)
        case list():
            named = dict(enumerate(part, 1))
        case _:
            named = {}
    if not all(isinstance(row, Mapping) for row in named.values()):
        return {}
    return {str(name): dict(_flat(row)) for name, row in named.items()}


def _flat(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}, ")
        else:
            yield before + name, cell(value)


def _table(title: str, rows: dict[str, dict[str, str]]) -> Table:
    """Few rows of many columns are turned."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    if len(columns) > WIDE:
        turned = {c: {name: row.get(c, "") for name, row in rows.items()} for c in columns}
        rows, columns = turned, list(rows)
    table = Table("", *columns, title=title)
    for name, row in rows.items():
        table.add_row(name, *(row.get(column, "") for column in columns))
    return table


def cell(value: Any) -> str:
    """A number as one reads it; of quartiles the median, and the others in brackets."""
    match value:
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case [float(low), float(middle), float(high)] if low <= middle <= high:
            return f"{middle:.3g} ({low:.3g} to {high:.3g})"
        case None:
            return "-"
        case list() if len(value) > LONG:
            return f"{len(value)} of them"
    return json.dumps(value, ensure_ascii=False)
