"""What a ranking leaves behind: tables for programs, pictures for people."""

import csv
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import topokit as tk
from topokit._atomic import replacing
from topokit.cli._console import jsonable


def write_results(
    folder: Path, ranking: Mapping[str, Any], controls: Mapping[str, np.ndarray]
) -> list[str]:
    """Write all files of a ranking, each whole or not at all, and return their names.

    Args:
        folder: An existing folder; files of an earlier ranking are replaced.
        ranking: What `ranking.json` says, with at least one row under `rows`.
        controls: K matrices by the name of their topology.
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
    with replacing(folder / "control.npz") as part:
        _write_arrays(part, controls)
    tk.plotting.save_figure(tk.plotting.plot_controls(controls), folder / "control.png")
    return [*names, "control.npz", "control.png"]


def _write_csv(path: Path, rows: Sequence[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0]._asdict())
        writer.writerows(row._asdict().values() for row in rows)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """As `numpy.savez` does, which reserves some names for itself."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
