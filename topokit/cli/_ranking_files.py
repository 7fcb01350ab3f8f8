"""What a ranking leaves behind: tables for programs, pictures for people."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import topokit as tk
from topokit._atomic import replacing
from topokit.cli._console import jsonable


def write_results(folder: Path, ranking: Mapping[str, Any], maps: Mapping[str, Any]) -> list[str]:
    """Write all files of a ranking, each whole or not at all, and return their names.

    Args:
        folder: An existing folder; files of an earlier ranking are replaced.
        ranking: What `ranking.json` says, with at least one row under `rows`.
        maps: By the name of their topology, in the order of the rows.
    """
    rows = ranking["rows"]
    with replacing(folder / "ranking.json") as part:
        part.write_text(json.dumps(jsonable(ranking), indent=2, allow_nan=False) + "\n")
    with replacing(folder / "ranking.csv") as part:
        _write_csv(part, rows)
    names = ["ranking.json", "ranking.csv"]
    if any(math.isfinite(row.loss) for row in rows):
        tk.plotting.save_figure(tk.plotting.plot_ranking(rows), folder / "ranking.png")
        tk.plotting.save_figure(tk.plotting.plot_parameters(rows), folder / "parameters.png")
        names += ["ranking.png", "parameters.png"]
    tk.ranking.write_maps(maps, folder / "maps.npz")
    controls = {name: each.control for name, each in maps.items()}
    tk.plotting.save_figure(tk.plotting.plot_controls(controls), folder / "control.png")
    return [*names, "maps.npz", "control.png"]


def _write_csv(path: Path, rows: Sequence[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0]._asdict())
        writer.writerows(row._asdict().values() for row in rows)
