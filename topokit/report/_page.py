"""A page as one file: a skeleton, a style, a script, Bokeh's library, and what it shows as data.

Text goes in escaped, by Jinja in the skeleton and as JSON without a `<` in the data. A policy in
the page's head allows the very scripts that are written into it, by their hashes, and no request
to any place: what would still come through could neither run nor call out.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from bokeh.resources import INLINE

from topokit import __version__
from topokit._atomic import replacing
from topokit.report._page_charts import MARKERS, PALETTES, Chart, drawing_chart, map_chart
from topokit.report._page_text import number_text, short, sortable

HERE = Path(__file__).parent
NO_FAMILY = "without a family"
COLORS = 7  # that the style names, and prime to the number of markers: 42 looks
NOWHERE = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src "
# Within a script element nothing may end it, or begin a comment.
ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


class Look(NamedTuple):
    """How a family is marked: a color by its number, a marker, and whether it is filled."""

    color: int
    marker: str
    filled: bool


class Group(NamedTuple):
    """A family to filter by, with the number of its entries."""

    name: str
    size: int
    color: int
    marker: str
    filled: bool = True


class Column(NamedTuple):
    """A column of the table."""

    key: str
    label: str
    meaning: str
    number: bool = True
    bar: bool = False


class Field(NamedTuple):
    """A number that the two entries are compared by; `good` is "low", "high" or ""."""

    key: str
    label: str
    meaning: str
    good: str = ""


class MapKind(NamedTuple):
    """A kind of heatmap."""

    key: str
    heading: str
    meaning: str


class Card(NamedTuple):
    """A result in short."""

    heading: str
    name: str
    number: str
    number_means: str
    why: str = ""
    reasons: Sequence[str] = ()
    advice: Sequence[str] = ()
    command_means: str = ""
    command: str = ""


class PageEntry(NamedTuple):
    """What one topology, or one run, shows.

    Attributes:
        name: Its printable name.
        family: The number of its group.
        look: How it is marked.
        values: What the table sorts by.
        texts: The same as they are shown.
        shares: Of columns with bars, their lengths.
        more: What the script shows of it on demand: maps, wiring, diagnosis, building.
    """

    name: str
    family: int
    look: Look
    values: dict[str, Any]
    texts: dict[str, str]
    shares: dict[str, float | None]
    more: dict[str, Any]


class Page(NamedTuple):
    """All that a page says."""

    title: str
    lead: Sequence[str]
    cards: Sequence[Card]
    notes: Sequence[str]
    table_heading: str
    table_means: str
    family_word: str
    filled_means: str
    families: Sequence[Group]
    columns: Sequence[Column]
    entries: Sequence[PageEntry]
    charts: Sequence[Chart]
    fields: Sequence[Field]
    maps: Sequence[MapKind] = ()
    drawn: bool = False
    diagnosed: bool = False
    built: bool = False
    ranked: bool = True
    coded: bool = False


def entry_of(
    values: Mapping[str, Any],
    *,
    name: str,
    family: int,
    look: Look,
    decimals: Mapping[str, int],
    bar: tuple[str, float] | None = None,
    more: Mapping[str, Any] | None = None,
) -> PageEntry:
    """An entry from plain values.

    Args:
        values: By the keys of columns and fields.
        name: What it is called.
        family: The number of its group.
        look: How it is marked.
        decimals: Of the values that are no integers, where they are not four.
        bar: The key of the column with bars, and the value of a full one.
        more: What the script shows on demand.
    """
    sorts = {key: sortable(value) for key, value in values.items()}
    texts = {key: number_text(value, decimals.get(key, 4)) for key, value in values.items()}
    shares: dict[str, float | None] = {}
    if bar is not None:
        key, most = bar
        value = sorts[key]
        shares[key] = value / most if isinstance(value, float) and most > 0 else None
    return PageEntry(short(name), family, look, sorts, texts, shares, dict(more or {}))


def looks_of(
    families: Sequence[str], filled: Sequence[bool]
) -> tuple[list[Group], list[int], list[Look]]:
    """The groups by name, and of each entry the number of its group and its look."""
    names = sorted(set(families))
    kinds = {name: (n % COLORS, MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}
    groups = [Group(short(name) or NO_FAMILY, families.count(name), *kinds[name]) for name in names]
    looks = [Look(*kinds[name], full) for name, full in zip(families, filled, strict=True)]
    return groups, [names.index(name) for name in families], looks


def write_page(page: Page, path: str | os.PathLike[str]) -> None:
    """Write a page; it appears whole or not at all."""
    path, text = Path(path), page_text(page)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def page_text(page: Page) -> str:
    """The page as text."""
    library, script = INLINE.js_raw[0], (HERE / "page.js").read_text(encoding="utf-8")
    hashes = " ".join(map(_hash, (library, script)))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    skeleton = environment.from_string((HERE / "page.html").read_text(encoding="utf-8"))
    return skeleton.render(
        page=page,
        version=__version__,
        policy=NOWHERE + hashes,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        data=_data(page),
        library=library,
        script=script,
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _data(page: Page) -> str:
    """What the script reads: JSON in which no character is markup."""
    charts = [*page.charts]
    for side in (0, 1):
        charts += [map_chart(f"{kind.key}-{side}") for kind in page.maps]
        charts += [drawing_chart(f"wiring-{side}")] * page.drawn
    held = {
        "entries": [_entry(entry) for entry in page.entries],
        "charts": {chart.name: chart.item for chart in charts},
        "pointed": [chart.name for chart in page.charts],
        "palettes": PALETTES,
        "maps": [kind._asdict() for kind in page.maps],
        "drawn": page.drawn,
        "diagnosed": page.diagnosed,
        "built": page.built,
    }
    return json.dumps(held, allow_nan=False, separators=(",", ":")).translate(ESCAPES)


def _entry(entry: PageEntry) -> dict[str, Any]:
    look = {"color": entry.look.color, "filled": entry.look.filled}
    plain = {"name": entry.name, "family": entry.family, "values": entry.values}
    return plain | look | {"texts": entry.texts} | entry.more
