"""What `topokit rank` shall compare: files of topologies, and lists of them in TOML.

A list is a file of tables

    [[topology]]
    family = "butterfly"        # and the parameters of the family
    n = 32
    depth = 18
    skip = "straight"           # optional, as are: diagonal = true, seed = 1, name = "deep"

    [[topology]]
    file = "mine.npz"           # relative to the list
"""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import networkx as nx

import topokit as tk
from topokit._escapes import printable, shown
from topokit._names import check_name
from topokit._regular_files import whole_bytes
from topokit.cli._topology_from_words import SEED, change, find_family, make
from topokit.topologies import true_name


def read_named(path: Path) -> nx.DiGraph:
    """The topology of a file, whose name says where the edges are not those of its builder."""
    topology = tk.read(path)
    if topology.name:
        topology.name = true_name(topology, tk.to_layers(topology))
    return topology


def read_sources(paths: Iterable[Path]) -> dict[str, nx.DiGraph]:
    """The topologies of all files and lists, by name.

    Raises:
        ValueError: If a file holds something else, or two topologies have one name.
        OSError: If a file cannot be read.
    """
    found: dict[str, nx.DiGraph] = {}
    for path in paths:
        entries = (
            _read_list(path) if path.suffix == ".toml" else [(printable(path.stem), tk.read(path))]
        )
        for name, topology in entries:
            if name in found:
                raise ValueError(
                    f"{path}: two topologies are called {shown(name)!r}; give them names in a list "
                    "(.toml)"
                )
            found[name] = topology
    return found


def _read_list(path: Path) -> Iterator[tuple[str, nx.DiGraph]]:
    text = whole_bytes(path, f"the topologies of {path}")
    try:
        document = tomllib.loads(text.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    tables = document.get("topology")
    if not isinstance(tables, list) or not tables or document.keys() != {"topology"}:
        raise ValueError(f"{path} must hold tables [[topology]] and nothing else")
    for number, table in enumerate(tables, start=1):
        try:
            yield _entry(table, path.parent)
        except ValueError as error:
            raise ValueError(f"{path}, topology {number}: {error}") from error


def _entry(table: Any, folder: Path) -> tuple[str, nx.DiGraph]:
    """Name and topology of one table."""
    if not isinstance(table, dict) or ("family" in table) == ("file" in table):
        raise ValueError("expected a table with either a family or a file")
    rest = dict(table)
    changes = {key: rest.pop(key) for key in ("skip", "diagonal", "seed") if key in rest}
    if not isinstance(changes.get("diagonal", False), bool):
        raise ValueError(f"diagonal must be true or false; given {changes['diagonal']!r}")
    name = rest.pop("name", None)
    if "family" in rest:
        family = find_family(str(rest.pop("family")))
        layers = make(family, rest, seed=changes.get("seed", SEED))
        topology = tk.from_layers(layers, **layers.said)
    else:
        topology = _file(folder, **rest)
    topology = change(topology, **changes)
    return check_name(topology.name if name is None else name, "name"), topology


def _file(folder: Path, *, file: Any, **rest: Any) -> nx.DiGraph:
    if rest or not isinstance(file, str):
        raise ValueError(f"a file takes no parameters; given {', '.join(rest) or repr(file)}")
    topology = read_named(folder / file)
    topology.graph.setdefault("name", printable(Path(file).stem))
    return topology
