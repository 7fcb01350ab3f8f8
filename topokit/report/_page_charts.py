"""The charts of a page, as Bokeh describes them; the page's own script fills and colors them.

Sources hold one row for each entry of the page, in its order, so that the script finds an entry by
its number. Colors are left to the script, for they follow the reader's scheme, light or dark.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from bokeh.core.properties import value
from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    BooleanFilter,
    CDSView,
    ColorBar,
    ColumnDataSource,
    HoverTool,
    LinearColorMapper,
    TapTool,
)
from bokeh.palettes import RdBu11, Viridis256, interp_palette
from bokeh.plotting import figure

# Losses below a millionth are drawn there: one that is all but 0 shall not squeeze the rest.
FLOOR = 1e-6
# A scale is logarithmic where its numbers differ by more than this factor.
WIDE = 5.0

AIR = 0.13  # of an axis, at either end: room for the letters beside a point

# Of maps: values from little to much, and deviations with white (in the dark: gray) for none.
# Color-blind readers can tell all.
DARK_RDBU = ("#a6d8ff", "#3f8fd0", "#2b5a82", "#2a2f35", "#8a4a2c", "#dd7a3f", "#ffc79f")
PALETTES = {"values": list(Viridis256), "deviations": list(interp_palette(RdBu11, 256))}
PALETTES["deviations in the dark"] = list(interp_palette(DARK_RDBU, 256))

MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "star")
FONT = "system-ui, sans-serif"
TICKS: dict[str, Any] = {"major_label_text_font": FONT, "major_label_text_font_size": "12px"}
LABELS: dict[str, Any] = {"axis_label_text_font": FONT, "axis_label_text_font_style": "normal"}
LABELS |= {"axis_label_text_font_size": "13px"}


# A tip in the page's own colors, which Bokeh's frame inherits; Bokeh puts values in as text.
TIP = (
    '<div style="background:var(--panel);color:var(--ink);margin:-5px;padding:6px 10px;'
    'font:13px/1.45 system-ui,sans-serif;max-width:20rem;overflow-wrap:anywhere">{}</div>'
)
TIP_ROW = '<div><span style="color:var(--soft)">{}</span> {}</div>'


class Chart(NamedTuple):
    """A chart of the page.

    Attributes:
        name: By which the script finds it.
        heading: What it shows.
        caption: How to read it.
        item: What Bokeh embeds.
    """

    name: str
    heading: str
    caption: str
    item: Any


class Axis(NamedTuple):
    """A quantity along an axis: its label and its numbers, None where there is none."""

    label: str
    values: Any

    @property
    def numbers(self) -> np.ndarray:
        """The numbers, NaN where there is none."""
        return np.array([math.nan if v is None else float(v) for v in self.values], float)

    @property
    def logarithmic(self) -> bool:
        """Whether they spread too wide for a plain scale."""
        known = self.numbers[np.isfinite(self.numbers)]
        return bool(
            known.size and known.min() >= 0 and known.max() > WIDE * max(known.min(), FLOOR)
        )


class Cloud(NamedTuple):
    """Fainter points, each of an entry; lines lead from it to them where they tell something.

    Attributes:
        x: Where they are, to the right.
        y: And upwards.
        entry: The number of the entry of each.
        told: Texts that show at the pointer, by the same words as those of the entries.
        filled: Whether each is filled, where they are told.
    """

    x: np.ndarray
    y: np.ndarray
    entry: np.ndarray
    told: Mapping[str, Sequence[str]] = {}
    filled: Sequence[bool] = ()


def points_chart(
    name: str,
    heading: str,
    caption: str,
    *,
    x: Axis,
    y: Axis,
    spread: Sequence[float | None],
    looks: dict[str, Sequence[Any]],
    told: dict[str, Sequence[str]],
    diagonal: bool = False,
    cloud: Cloud | None = None,
) -> Chart:
    """A point for each entry.

    Args:
        name: That of the chart.
        heading: What it shows.
        caption: How to read it.
        x: The quantity to the right.
        y: The quantity upwards.
        spread: Half lengths of vertical bars.
        looks: Markers, and whether they are filled.
        told: Texts that show at the pointer, by their words.
        diagonal: Whether both axes are one scale, with a line where they are equal.
        cloud: Fainter points behind.
    """
    every = (x, y) if cloud is None else (_with(x, cloud.x), _with(y, cloud.y))
    scales = [axis.logarithmic for axis in every]
    scales = [any(scales)] * 2 if diagonal else scales
    plot = _plot(name, x.label, y.label, ["log" if wide else "linear" for wide in scales])
    across, up = (_drawn(axis, wide) for axis, wide in zip((x, y), scales, strict=True))
    half = np.nan_to_num(Axis("", spread).numbers)
    bars = {"low": np.maximum(up - half, FLOOR if scales[1] else -np.inf), "high": up + half}
    texts = {f"told{number}": list(words) for number, words in enumerate(told.values())}
    blank = {"color": ["gray"] * len(up), "fill": ["gray"] * len(up)}
    source = _source(
        {"x": across, "y": up, **bars, **looks, **blank, **texts}, name=f"{name} points"
    )
    ranges = _ranges(every, scales, diagonal)
    plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end = ranges
    told_ones = [] if cloud is None else _cloud(plot, name, cloud, scales, (across, up))
    if diagonal:
        plot.line(*(ranges[:2],) * 2, name="rule", line_dash="dashed", line_color="gray")
    view = CDSView(filter=BooleanFilter(booleans=[True] * len(up), name=f"{name} shown"))
    drawn = _points(plot, source=source, view=view, line_color="color")
    _rings(plot, name)
    tips = [(words, f"@told{number}") for number, words in enumerate(told)]
    plot.add_tools(_hover(tips, [drawn, *told_ones]), TapTool(renderers=[drawn]))
    return Chart(name, heading, caption, json_item(plot))


def _points(plot: Any, **shared: Any) -> Any:
    """The points with their bars; returned is what tells something at the pointer."""
    plot.segment("x", "low", "x", "high", line_width=1.5, **shared)
    return plot.scatter(
        "x", "y", marker="marker", size=11, line_width=2, fill_color="fill", **shared
    )


def lines_chart(
    name: str,
    heading: str,
    caption: str,
    *,
    x_label: str,
    y_label: str,
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    markers: Sequence[str],
    told: Sequence[str],
) -> Chart:
    """A line for each entry, through its marks; heights are from 0 up."""
    plot = _plot(name, x_label, y_label, ["linear", "linear"])
    blank = ["gray"] * len(lines)
    xs, ys = ([[float(v) for v in line[axis]] for line in lines] for axis in (0, 1))
    source = _source(
        {"xs": xs, "ys": ys, "color": blank, "fill": blank, "told0": list(told)},
        name=f"{name} points",
    )
    view = CDSView(filter=BooleanFilter(booleans=[True] * len(lines), name=f"{name} shown"))
    plot.multi_line("xs", "ys", source=source, view=view, line_color="color", line_width=2)
    owners = [number for number, line in enumerate(xs) for _ in line]
    marks = _source(
        {
            "x": np.concatenate(xs),
            "y": np.concatenate(ys),
            "entry": owners,
            "marker": [markers[number] for number in owners],
            "told0": [told[number] for number in owners],
            "color": ["gray"] * len(owners),
        },
        name=f"{name} cloud",
    )
    drawn = plot.scatter(
        "x", "y", marker="marker", source=marks, size=7, line_color="color", fill_color="color"
    )
    plot.x_range.start, plot.x_range.end = _ends(np.concatenate(xs), False)
    plot.y_range.start, plot.y_range.end = 0, _ends(np.concatenate(ys), False)[1]
    tips = [("", "@told0"), (x_label, "@x"), (y_label, "@y{0.00}")]
    plot.add_tools(_hover(tips, [drawn]))
    return Chart(name, heading, caption, json_item(plot))


@cache  # the same on every page of a process, like the next
def map_chart(name: str) -> Chart:
    """A heatmap without its matrix, which the script puts there."""
    mapper = LinearColorMapper(palette=Viridis256, low=0, high=1, name=f"{name} colors")
    plot = _plot(name, "output", "input", ["linear", "linear"], size=(330, 290))
    plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end = (
        -0.5,
        0.5,
        0.5,
        -0.5,
    )
    source = _source(
        {"image": [np.zeros((1, 1), np.float32)], "width": [1], "height": [1]}, name=f"{name} image"
    )
    drawn = plot.image(
        "image", x=-0.5, y=-0.5, dw="width", dh="height", source=source, color_mapper=mapper
    )
    cell = _source({"x": [], "y": []}, name=f"{name} cell")
    for color, width in (("white", 5), ("black", 2)):
        plot.rect("x", "y", 1, 1, source=cell, fill_alpha=0, line_color=color, line_width=width)
    bar = ColorBar(
        color_mapper=mapper,
        ticker=BasicTicker(desired_num_ticks=5),
        width=10,
        padding=4,
        label_standoff=5,
        background_fill_color=None,
        bar_line_color=None,
        **TICKS,
    )
    plot.add_layout(bar, "right")
    plot.grid.visible = False
    tips = [("input", "$y{0}"), ("output", "$x{0}"), ("value", "@image{0.0000}")]
    plot.add_tools(_hover(tips, [drawn]))
    return Chart(name, "", "", json_item(plot))


@cache
def drawing_chart(name: str) -> Chart:
    """A drawing of neurons and edges without these, which the script puts there."""
    plot = _plot(name, "layer", "", ["linear", "linear"], size=(600, 300))
    empty: dict[str, list] = {"x0": [], "y0": [], "x1": [], "y1": [], "alpha": []}
    empty |= {"layer": [], "sender": [], "receiver": []}
    drawn = [
        plot.segment(
            "x0",
            "y0",
            "x1",
            "y1",
            name=kind,
            line_dash=dash,
            line_alpha="alpha",
            source=_source(empty, name=f"{name} {kind}"),
        )
        for kind, dash in (("trainable", "solid"), ("constant", "dotted"))
    ]
    neurons = _source({"x": [], "y": [], "size": []}, name=f"{name} neurons")
    plot.scatter("x", "y", size="size", source=neurons, name="neurons", line_color=None)
    plot.grid.visible, plot.yaxis.visible = False, False
    plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0)
    tips = [("into layer", "@layer"), ("sender", "@sender"), ("receiver", "@receiver")]
    plot.add_tools(_hover(tips, drawn))
    return Chart(name, "", "", json_item(plot))


def _plot(
    name: str,
    x_label: str,
    y_label: str,
    scales: Sequence[str],
    size: tuple[int, int] | None = None,
) -> Any:
    """An empty figure: as wide as its place, without tools that take the wheel from the page."""
    width, height = size or (600, 400)
    settings: dict[str, Any] = {
        "x_axis_type": scales[0],
        "y_axis_type": scales[1],
        "x_range": (0.0, 1.0),
        "y_range": (0.0, 1.0),
        "background_fill_color": None,
        "border_fill_color": None,
        "outline_line_color": None,
    }
    plot: Any = figure(
        name=name,
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools="",
        toolbar_location=None,
        width=width,
        height=height,
        sizing_mode="scale_width",
        **settings,
    )
    for axis in (*plot.xaxis, *plot.yaxis):
        axis.update(**TICKS, **LABELS, minor_tick_line_color=None)
    return plot


def _source(columns: dict[str, Any], *, name: str) -> ColumnDataSource:
    """Columns that the script finds by their name."""
    return ColumnDataSource(columns, name=name)


def _hover(tips: Sequence[tuple[str, str]], renderers: Sequence[Any]) -> HoverTool:
    """What shows at the pointer: words, and the column of each."""
    rows = "".join(TIP_ROW.format(*tip) for tip in tips)
    return HoverTool(renderers=[*renderers], tooltips=TIP.format(rows), limit=1)


def _drawn(axis: Axis, wide: bool) -> np.ndarray:
    return np.maximum(axis.numbers, FLOOR) if wide else axis.numbers


def _with(axis: Axis, more: np.ndarray) -> Axis:
    return Axis(axis.label, [*axis.numbers, *more])


def _ranges(axes: Sequence[Axis], scales: Sequence[bool], one: bool) -> list[float]:
    """Start and end of both axes, with a little air."""
    drawn = [_drawn(axis, wide) for axis, wide in zip(axes, scales, strict=True)]
    pairs = [np.concatenate(drawn)] * 2 if one else drawn
    return [end for values, wide in zip(pairs, scales, strict=True) for end in _ends(values, wide)]


def _ends(values: np.ndarray, wide: bool) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if wide:
        air = max(1.3, (high / low) ** AIR)
        return low / air, high * air
    air = AIR * (high - low) or AIR * abs(high) or 1.0
    return low - air if low - air > 0 or low < 0 else 0.0, high + air


def _cloud(
    plot: Any,
    name: str,
    cloud: Cloud,
    scales: Sequence[bool],
    points: tuple[np.ndarray, np.ndarray],
) -> list[Any]:
    """Draw it; returned is what tells something at the pointer."""
    columns = {
        "x": _drawn(Axis("", cloud.x), scales[0]),
        "y": _drawn(Axis("", cloud.y), scales[1]),
        "entry": cloud.entry,
        "color": ["gray"] * len(cloud.x),
    }
    if not cloud.told:
        source = _source(columns, name=f"{name} cloud")
        plot.scatter(
            "x", "y", source=source, size=4, line_color=None, fill_color="color", fill_alpha=0.35
        )
        return []
    columns |= {f"told{number}": list(words) for number, words in enumerate(cloud.told.values())}
    columns |= {"from_x": points[0][cloud.entry], "from_y": points[1][cloud.entry]}
    columns |= {"dash": ["solid" if full else "dashed" for full in cloud.filled]}
    columns |= {"fill": ["gray"] * len(cloud.x)}
    source = _source(columns, name=f"{name} cloud")
    plot.segment(
        *("from_x", "from_y", "x", "y"),
        source=source,
        line_color="color",
        line_alpha=0.6,
        line_dash="dash",
    )
    return [
        plot.scatter(
            "x", "y", source=source, size=7, line_color="color", fill_color="fill", line_width=1.5
        )
    ]


def _rings(plot: Any, name: str) -> None:
    """Around the two entries that are shown side by side, with their letters."""
    source = _source({"x": [], "y": [], "side": []}, name=f"{name} rings")
    plot.scatter("x", "y", source=source, name="rings", size=22, fill_color=None, line_width=2)
    plot.text(
        "x",
        "y",
        "side",
        source=source,
        name="letters",
        x_offset=13,
        y_offset=-7,
        text_font=value(FONT),
        text_font_size="14px",
        text_font_style="bold",
    )
