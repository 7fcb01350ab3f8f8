"""The page of a ranking."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np

from topokit._docstrings import entries
from topokit._names import check_name
from topokit.diagnosis import Diagnosis, diagnose_known
from topokit.layers import Layers
from topokit.ranking import Maps, Row, SizedLoss
from topokit.report._in_short import best_card, worst_card
from topokit.report._page import (
    Card,
    Column,
    Field,
    Look,
    MapKind,
    Page,
    PageEntry,
    entry_of,
    looks_of,
    write_page,
)
from topokit.report._page_charts import Axis, Chart, Cloud, points_chart
from topokit.report._page_parts import building_part, diagnosis_part, map_part, wiring_part
from topokit.report._page_text import (
    label_of_field,
    number_text,
    short,
    sortable,
)
from topokit.report._ranking_notes import ranking_notes

# Columns of the table: field, heading, decimals.
COLUMNS = (
    ("loss", "Loss", 4),
    ("loss_error", "±", 4),
    ("predicted_loss", "Predicted", 4),
    ("trainable", "Trainable", 0),
    ("depth", "Depth", 0),
    ("degrees_of_freedom", "Freedom", 0),
    ("satisfiable", "L0", 0),
    ("control_total", "Total K", 1),
    ("control_deviation", "Dev. of K", 3),
    ("bandwidth", "Bandwidth", 0),
    ("family", "Family", 0),
)
WHERE_NONE = re.compile(r"; None (where|for) .*?(?=\.$)")
GOOD = {
    "loss": "low",
    "predicted_loss": "low",
    "bandwidth": "high",
    "reachable": "high",
    "satisfiable": "high",
    "degrees_of_freedom": "high",
    "control_total": "high",
    "control_loss": "low",
    "control_deviation": "low",
}
MAPS = (
    MapKind(
        "leverage",
        "Leverage H",
        "How freely the weights set each entry of the matrix, exactly: 1 at will, 0 not at all.",
    ),
    MapKind(
        "descent",
        "K by plain descent",
        "How many ratios between two inputs each input sets at each output, where n inputs have "
        "n - 1 to set in all; as the paper's descent finds it.",
    ),
    MapKind(
        "control",
        "Canonical K",
        "The same as even as the wiring allows: what is uneven here is the wiring's own.",
    ),
)


def write_report(
    path: str | os.PathLike[str],
    rows: Sequence[Row],
    topologies: Mapping[str, nx.DiGraph | Layers],
    *,
    maps: Mapping[str, Maps],
    files: Mapping[str, str] | None = None,
    beside: Sequence[SizedLoss] = (),
) -> None:
    """Write a ranking as one page to click through.

    It has the rows as a table to sort and to filter, losses against parameters and against the
    prediction, and two topologies side by side: their numbers with what they mean, their maps with
    the values under the pointer, their drawings, their diagnoses, and how to build them. The file
    asks no network for anything. Topologies are diagnosed for it, which takes less than
    `topokit.diagnose` of each: the K of its maps and the degrees of freedom of its row are taken.

    Args:
        path: The file to write, such as `report.html`. An existing file is replaced.
        rows: What `topokit.rank` returned, at least one.
        topologies: Of each row the topology, by its name.
        maps: Of each row the maps that the callback of `topokit.rank` got, by its name.
        files: Of topologies that are saved, where, as seen from the page's folder, for commands
            to copy.
        beside: Losses of topologies with the names of rows, such as those at another budget, as
            `topokit.ranking.mean_losses` gives them: drawn against their parameters beside those.

    Raises:
        ValueError: If there is no row, a row has no topology or no maps, these are of another, or
            the name of a file holds what cannot be seen.
        OSError: If the file cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> import topokit as tk
        >>> quick, maps = tk.reconstruction.HierarchicalSVD(), {}
        >>> topologies = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
        >>> def keep(row, found):
        ...     maps[row.name] = found
        >>> rows = tk.rank(topologies, targets=2, solver=quick, callback=keep)
        >>> tk.report.write_report("report.html", rows, topologies, maps=maps)
        >>> Path("report.html").read_text(encoding="utf-8")[:15]
        '<!doctype html>'

    See Also:
        `topokit.rank`, which makes rows and maps; `write_sweep_report`, for a sweep.
    """
    _check(rows, topologies, maps)
    for file in (files or {}).values():
        check_name(file, "the name of a file")
    rows = sorted(rows, key=lambda row: (not math.isfinite(row.loss), *row.order))
    write_page(_page(rows, topologies, maps, files or {}, beside), path)


def _check(rows: Sequence[Row], topologies: Mapping[str, Any], maps: Mapping[str, Any]) -> None:
    other = next((row for row in rows if not isinstance(row, Row)), None)
    if other is not None:
        raise ValueError(f"rows must be those that topokit.rank returned; given {other!r}")
    if not rows:
        raise ValueError("rows is empty: give at least one row of topokit.rank")
    for kind, given in (("topologies", topologies), ("maps", maps)):
        if not isinstance(given, Mapping):
            raise ValueError(f"{kind} must be a dict by name; given {type(given).__name__}")
        missing = next((row.name for row in rows if row.name not in given), None)
        if missing is not None:
            raise ValueError(f"{kind} must hold one for each row; there is none for {missing!r}")


def _page(
    rows: Sequence[Row],
    topologies: Mapping[str, nx.DiGraph | Layers],
    maps: Mapping[str, Maps],
    files: Mapping[str, str],
    beside: Sequence[SizedLoss],
) -> Page:
    found = [
        diagnose_known(topologies[row.name], maps[row.name].control, row.degrees_of_freedom)
        for row in rows
    ]
    building = [building_part(r.name, topologies[r.name], files.get(r.name)) for r in rows]
    families, numbers, looks = looks_of([row.family for row in rows], [not r.skip for r in rows])
    details = [
        {
            "maps": _maps(maps[row.name]),
            "wiring": wiring_part(topologies[row.name]),
            "diagnosis": diagnosis_part(diagnosis),
            "building": lines,
        }
        for row, diagnosis, lines in zip(rows, found, building, strict=True)
    ]
    meanings = _meanings(rows)
    return Page(
        title=_title(rows),
        lead=_lead(rows),
        cards=_cards(rows, found, building),
        notes=ranking_notes(rows, beside),
        table_heading="The ranking",
        table_means="Each row is a wiring; the letters put it side by side with another one below. "
        "Headings sort.",
        family_word="Families",
        filled_means="Families are named by their functions in topokit.topologies."
        + " Open marks: with skip connections, one constant edge at each neuron."
        * any(row.skip for row in rows),
        families=families,
        columns=_columns(meanings),
        entries=_entries(rows, numbers, looks, details),
        charts=_charts(rows, looks, beside),
        fields=_fields(meanings),
        maps=MAPS,
        drawn=True,
        diagnosed=True,
        built=True,
        coded=True,
    )


def _entries(
    rows: Sequence[Row],
    families: Sequence[int],
    looks: Sequence[Look],
    details: Sequence[Mapping[str, Any]],
) -> list[PageEntry]:
    most = max((row.loss for row in rows if math.isfinite(row.loss)), default=0.0)
    return [
        entry_of(
            row._asdict(),
            name=row.name,
            family=family,
            look=look,
            decimals={key: digits for key, _, digits in COLUMNS},
            bar=("loss", most),
            more=more,
        )
        for row, family, look, more in zip(rows, families, looks, details, strict=True)
    ]


def _title(rows: Sequence[Row]) -> str:
    return f"{len(rows)} wirings, ranked" if len(rows) > 1 else f"{short(rows[0].name)}, measured"


def _columns(meanings: Mapping[str, str]) -> list[Column]:
    return [
        Column("name", "Wiring", "The name that it was given.", number=False),
        *(Column(k, h, meanings[k], k != "family", k == "loss") for k, h, _ in COLUMNS),
    ]


def _fields(meanings: Mapping[str, str]) -> list[Field]:
    """The numbers that two wirings are compared by."""
    return [
        Field(key, label_of_field(key), text, GOOD.get(key, ""))
        for key, text in meanings.items()
        if key != "name"
    ]


def _meanings(rows: Sequence[Row]) -> dict[str, str]:
    """What each number says; why there may be none only where one is missing."""
    return {
        key: text if any(getattr(row, key) is None for row in rows) else WHERE_NONE.sub("", text)
        for key, text in entries(Row, "Attributes").items()
    }


def _lead(rows: Sequence[Row]) -> list[str]:
    shapes = sorted({(row.n_in, row.n_out) for row in rows})
    matrices = " and ".join(f"{n_in} x {n_out}" for n_in, n_out in shapes[:3])
    matrices += f" and {len(shapes) - 3} more sizes" * (len(shapes) > 3)
    targets = max(row.targets for row in rows)
    how = f"{targets:,} random {matrices} {'matrix' if targets == 1 else 'matrices'}"
    return [
        f"Each wiring of a sparse network rebuilt {how} with at most "
        f"{max(row.steps for row in rows):,} steps. The loss is the share of a matrix that it "
        "could not rebuild: lower is better, 0 is exact, 1 is no better than nothing."
    ]


def _cards(
    rows: Sequence[Row], found: Sequence[Diagnosis], building: Sequence[dict[str, Any]]
) -> list[Card]:
    cards = [best_card(rows, found[0], building[0])]
    return cards if len(rows) == 1 else [*cards, worst_card(rows, found[-1])]


def _maps(held: Maps) -> dict[str, Any]:
    matrices = {kind.key: getattr(held, kind.key) for kind in MAPS}
    return {key: map_part(matrix) for key, matrix in matrices.items() if matrix is not None}


def _charts(rows: Sequence[Row], looks: Sequence[Any], beside: Sequence[SizedLoss]) -> list[Chart]:
    loss = Axis("loss", [sortable(row.loss) for row in rows])
    shared: dict[str, Any] = {
        "y": loss,
        "spread": [row.loss_error for row in rows],
        "looks": {"marker": [look.marker for look in looks]},
        "told": _told(rows) | {"predicted": [number_text(row.predicted_loss) for row in rows]},
    }
    cloud = _cloud(rows, beside)
    charts = [
        points_chart(
            "parameters",
            "Loss against parameters",
            "Lower and further left is better. Choose a point to show it as A."
            + (
                " Small dots, at the end of a line: the same wiring at another budget; open and "
                "dashed with skip connections."
            )
            * (cloud is not None),
            x=Axis("trainable weights", [row.trainable for row in rows]),
            cloud=cloud,
            **shared,
        )
    ]
    if any(row.predicted_loss is not None for row in rows):
        charts.append(
            points_chart(
                "prediction",
                "Measured against predicted",
                "The prediction needs no training. On the dashed line both are equal; above it, "
                "training left more than was predicted.",
                x=Axis("predicted loss", [row.predicted_loss for row in rows]),
                diagonal=True,
                **shared,
            )
        )
    return charts


def _cloud(rows: Sequence[Row], beside: Sequence[SizedLoss]) -> Cloud | None:
    """The further losses, each by the row of its name."""
    places = {row.name: place for place, row in enumerate(rows)}
    found = [other for other in beside if other.name in places and math.isfinite(other.loss)]
    if not found:
        return None
    columns = zip(*((r.trainable, r.loss, places[r.name]) for r in found), strict=True)
    trainable, loss, place = map(np.array, columns)
    told = _told(found) | {"predicted": ["not at this budget"] * len(found)}
    filled = [not rows[number].skip for number in place]
    return Cloud(trainable.astype(float), loss.astype(float), place, told, filled)


def _told(rows: Sequence[Row | SizedLoss]) -> dict[str, list[str]]:
    """What shows at the pointer."""
    return {
        "wiring": [short(row.name) for row in rows],
        "family": [short(row.family) or "–" for row in rows],
        "loss": [f"{number_text(r.loss)} ± {number_text(r.loss_error)}" for r in rows],
        "trainable": [number_text(row.trainable) for row in rows],
    }
