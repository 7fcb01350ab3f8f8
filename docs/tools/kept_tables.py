"""Fill pages with what `analyses/` has kept, so that no figure stands there but those measured.

A page declares a table by the file, the place of its rows there, and under that a line for each
column, its head and what its cells say:

    {{ table analyses/ternary_gradients.json sent
    network: {key}
    in full, kB: {plain[bytes]:.1f / 1e3}
    times fewer: {plain[bytes]:.1f / ternary[bytes]}
    }}

A single figure in a sentence is `{{ analyses/clos_torus.json steps[east]:d }}`. Fields are written
as for `str.format`, begin at a row, and have behind them a format, of which `short` is three
digits, and what to divide by, a number or a field. `key` is the row's own name. What takes more
than that is a function of a page's module, by a line `{{ name }}`.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import gpu_tables
import worth_tables
from table_text import short, table

ROOT = Path(__file__).parents[2]
MODULES = {module.PAGE: module for module in (gpu_tables, worth_tables)}
NAMED = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)
TABLE = re.compile(r"^\{\{ table (\S+\.json) (.+)\n((?:.+\n)+?)\}\}$", re.MULTILINE)
FIGURE = re.compile(r"\{\{ (\S+\.json) ([^{}]+) \}\}")
DIGITS = "0123456789."
FIELD = re.compile(r"\{([^{}]+)\}")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    return filled(page.file.src_uri, markdown)


def filled(page: str, markdown: str) -> str:
    """A page's text with its tables and figures."""
    module = MODULES.get(page)
    if module:
        markdown = NAMED.sub(lambda mark: module.TABLES[mark[1]](kept(module.KEPT)), markdown)
    markdown = TABLE.sub(lambda mark: declared(*mark.groups()), markdown)
    return FIGURE.sub(lambda mark: told(mark[2], kept(mark[1])), markdown)


def declared(file: str, place: str, columns: str) -> str:
    """The table of a declaration."""
    heads, cells = zip(*(line.split(": ", 1) for line in columns.splitlines()), strict=True)
    rows = [
        [FIELD.sub(lambda field, row=row: told(field[1], row), cell) for cell in cells]
        for row in _rows(_found(place, kept(file)))
    ]
    return table(heads, rows)


def told(field: str, record: Mapping[str, Any]) -> str:
    """What a field with its format says of a record; a dash where nothing was found."""
    place, _, written = field.partition(":")
    spec, _, unit = (part.strip() for part in written.partition("/"))
    value = _found(place, record)
    if value is None:
        return "-"
    if unit:
        value = value / (float(unit) if unit[0] in DIGITS else _found(unit, record))
    return short(value) if spec == "short" else format(value, spec)


@cache
def kept(file: str) -> Any:
    """The numbers of a script."""
    return json.loads((ROOT / file).read_text(encoding="utf-8"))


def _rows(found: Any) -> list[dict[str, Any]]:
    """Records with their names; a number is the `value` of its record."""
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    return [{"key": key} | (row if isinstance(row, dict) else {"value": row}) for key, row in pairs]


def _found(place: str, record: Mapping[str, Any]) -> Any:
    return Formatter().get_field(place, (), record)[0]
