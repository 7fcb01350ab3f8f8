"""What a ranking leaves behind: tables for programs, pictures for people, and the way back.

The folder holds all that the page needs: the rows in `ranking.json`, the maps in `maps.npz`, and
each topology as a file in `topologies/`, under the name that `ranking.json` gives it.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx

import topokit as tk
from topokit._atomic import replacing
from topokit._escapes import shown
from topokit._file_names import file_name
from topokit._names import check_name
from topokit._plain_records import declared_kinds
from topokit._regular_files import whole_bytes
from topokit._strict_json import from_json
from topokit._table_rows import row_of
from topokit._text_table import shorten
from topokit.cli._console import jsonable
from topokit.cli._csv_files import write_csv
from topokit.cli._output_folder import check_replaced

RANKING, MAPS, PAGE, TOPOLOGIES = "ranking.json", "maps.npz", "report.html", "topologies"


class Results(NamedTuple):
    """A ranking as its folder holds it: all by the names of the rows."""

    rows: "list[tk.ranking.Row]"
    topologies: dict[str, nx.DiGraph]
    maps: "dict[str, tk.ranking.Maps]"
    files: dict[str, str]
    beside: "list[tk.ranking.SizedLoss]"


def check_folder(
    folder: Path, topologies: Mapping[str, nx.DiGraph], settings: Mapping[str, int]
) -> None:
    """Refuse to replace rows of another ranking; the same one, or a longer one, goes on.

    Raises:
        ValueError: If the folder holds a ranking of other settings, one with a row that is none of
            `topologies`, or something that cannot be told.
    """

    def held(said: dict[str, Any]) -> dict[str, Any]:
        return {name: said[name] for name in settings}

    def others(said: dict[str, Any]) -> str:
        files = _kept_files(folder, said).items()
        names = [name for name, file in files if not _same(topologies.get(name), file)]
        return f"{_few(names)} there, not the same here" if names else ""

    check_replaced(folder / RANKING, settings, held, kind="another ranking", others=others)


def _few(names: Sequence[str]) -> str:
    """Names of topologies in one line."""
    shown = ", ".join(repr(shorten(name, 40)) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} others"


def _same(topology: nx.DiGraph | None, file: Path) -> bool:
    """Whether a topology is the one of a file; one that is lost is written again."""
    if topology is None:
        return False
    try:
        return bool(tk.to_layers(tk.read(file)) == tk.to_layers(topology))
    except (ValueError, OSError):
        return True


def _kept_files(folder: Path, said: Mapping[str, Any]) -> dict[str, Path]:
    """The files of the topologies by name, all of them in their folder."""
    files = said["topologies"].items()
    return {name: folder / TOPOLOGIES / Path(file).name for name, file in files}


def _remove_stale(folder: Path, kept: Iterable[str]) -> None:
    """Delete the topologies that the earlier `ranking.json` names and the new one does not."""
    try:
        said = from_json(whole_bytes(folder / RANKING))
        earlier = _kept_files(folder, said).values()
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return
    for path in {*earlier} - {folder / file for file in kept}:
        path.unlink(missing_ok=True)


def draw_ranking(
    folder: Path, rows: "Sequence[tk.ranking.Row]", maps: "Mapping[str, tk.ranking.Maps]"
) -> None:
    """Draw the pictures of rows alone: `ranking.png`, if a loss is finite, and `control.png`.

    The page of an earlier ranking goes.
    """
    (folder / PAGE).unlink(missing_ok=True)
    if _any_finite(rows):
        tk.plotting.save_figure(tk.plotting.plot_ranking(rows), folder / "ranking.png")
    tk.plotting.save_figure(tk.plotting.plot_maps(maps), folder / "control.png")


def _any_finite(rows: "Sequence[tk.ranking.Row]") -> bool:
    return any(math.isfinite(row.loss) for row in rows)


def write_results(
    folder: Path,
    ranking: Mapping[str, Any],
    maps: "Mapping[str, tk.ranking.Maps]",
    topologies: Mapping[str, nx.DiGraph],
) -> list[str]:
    """Write all files of a ranking but its page and what `draw_ranking` draws; return all names.

    Each appears whole or not at all.

    Args:
        folder: An existing folder; files of an earlier ranking are replaced, and its topologies go.
        ranking: What `ranking.json` says, with at least one row under `rows`, under `beside` those
            of other budgets, for one picture, and under `topologies` the files of the topologies of
            the rows by name, as `topology_files` gives them.
        maps: By the name of their topology, in the order of the rows.
        topologies: All of the ranking; those of the rows are written.
    """
    rows = ranking["rows"]
    (folder / TOPOLOGIES).mkdir(exist_ok=True)
    for name, file in ranking["topologies"].items():
        tk.write(topologies[name], folder / file)
    _remove_stale(folder, ranking["topologies"].values())
    with replacing(folder / RANKING) as part:
        part.write_text(json.dumps(jsonable(ranking), indent=2, allow_nan=False) + "\n")
    with replacing(folder / "ranking.csv") as part:
        write_csv(part, [row._asdict() for row in rows])
    names = [RANKING, "ranking.csv"]
    if _any_finite(rows):
        all_rows = [*rows, *ranking["beside"]]
        tk.plotting.save_figure(tk.plotting.plot_parameters(all_rows), folder / "parameters.png")
        names += ["ranking.png", "parameters.png"]
    tk.ranking.write_maps(maps, folder / MAPS)
    return [*names, MAPS, "control.png", f"{TOPOLOGIES}/"]


def read_results(folder: Path) -> Results:
    """Read what `write_results` wrote.

    Raises:
        ValueError: If a file is missing or damaged, or is none of a ranking.
    """
    place = folder / RANKING
    try:
        said = from_json(whole_bytes(place))
        rows = [_row(tk.ranking.Row, record) for record in said["rows"]]
        if not rows:
            raise ValueError("rows is []")
        beside = [_row(tk.ranking.SizedLoss, record) for record in said["beside"]]
        files = {name: check_name(file, "a file") for name, file in said["topologies"].items()}
        paths = {
            check_name(row.name): folder / TOPOLOGIES / Path(files[row.name]).name for row in rows
        }
        if len(paths) < len(rows):
            raise ValueError("two rows have one name")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(
            f"{place} is damaged, or of another version of topokit ({shown(repr(error))}): the "
            "same `topokit rank` with --overwrite writes it again, and runs nothing twice"
        ) from error
    for path in (*paths.values(), folder / MAPS):
        if not path.exists():
            raise ValueError(
                f"{path}: No such file; the same `topokit rank` writes it again, as {RANKING} says"
            )
    topologies = {row.name: _read_topology(paths[row.name], row) for row in rows}
    return Results(rows, topologies, _read_maps(folder / MAPS, rows), files, beside)


def _read_maps(path: Path, rows: "Sequence[tk.ranking.Row]") -> "dict[str, tk.ranking.Maps]":
    """The maps of the rows, and of nothing else, each of the shape of its topology."""
    maps, shapes = tk.ranking.read_maps(path), {row.name: (row.n_in, row.n_out) for row in rows}
    for name, each in maps.items():
        found = {array.shape for array in each._asdict().values() if array is not None}
        if name not in shapes or not found <= {shapes[name]}:
            raise ValueError(
                f"{path} has maps of '{shown(name, 60)}' that are not those of {RANKING}: the "
                "same `topokit rank` with --overwrite writes both again, and runs nothing twice"
            )
    return maps


def _read_topology(path: Path, row: "tk.ranking.Row") -> nx.DiGraph:
    """The topology of a row, from its file."""
    topology = tk.read(path)
    layers = tk.to_layers(topology)
    there = {
        "n_in": layers.n_in,
        "n_out": layers.n_out,
        "edges": layers.n_edges,
        "trainable": layers.n_trainable,
    }
    differ = [name for name in there if there[name] != getattr(row, name)]
    if differ:
        told = ", ".join(f"{name} {there[name]} for {getattr(row, name)}" for name in differ)
        raise ValueError(
            f"{path} is another wiring than {row.name!r} of {RANKING} ({told}): the same "
            "`topokit rank` with --overwrite writes both again, and runs nothing twice"
        )
    return topology


def _row(kind: type[Any], record: Mapping[str, Any]) -> Any:
    """A row from its JSON, which has `null` for a number that is none."""
    declared = declared_kinds(kind)
    for name, value in record.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    lost = {n: math.nan for n in record if record[n] is None and declared.get(n) == (float,)}
    return row_of(kind, {**record, **lost})


def topology_files(names: Sequence[str]) -> dict[str, str]:
    """Of each topology its file in the folder, under a name that every system takes."""
    found: dict[str, str] = {}
    for name in names:
        plain = file_name(name)
        tries = (plain, *(f"{plain}-{number}" for number in range(2, len(names) + 2)))
        file = next(f for t in tries if (f := f"{TOPOLOGIES}/{t}.npz") not in found.values())
        found[name] = file
    return found
