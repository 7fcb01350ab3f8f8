"""How to build a topology again: a command and lines of Python, kept only if they do.

A graph says its family, its parameters and the changes since. What it says may be wrong, for users
edit graphs and files come from elsewhere; so the lines are run, on arrays alone, and are given up
where another wiring comes out.
"""

import inspect
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import networkx as nx

from topokit.layers import Layers, to_layers
from topokit.topologies import PLACEMENTS, families, trim, with_diagonal, with_skip

CHANGES = {change.__name__: change for change in (with_skip, with_diagonal, trim)}
FAULTS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError)


class BuildingLines(NamedTuple):
    """How to build a topology.

    Attributes:
        command: The words of a shell without the file to write, or None where the shell has none.
        python: Lines that leave the topology in `graph`, or None where only its edges are known.
    """

    command: tuple[str, ...] | None
    python: tuple[str, ...] | None


def building_lines(topology: nx.DiGraph | Layers) -> BuildingLines:
    """The command and the lines that give a topology with the same edges."""
    try:
        recipe = _recipe(topology)
        if recipe is None or _built(*recipe) != to_layers(topology):
            return BuildingLines(None, None)
        return BuildingLines(_command(*recipe), tuple(_python(*recipe)))
    except FAULTS:
        return BuildingLines(None, None)


Changes = list[tuple[str, dict[str, Any]]]


def _recipe(topology: nx.DiGraph | Layers) -> tuple[str, dict[str, Any], Changes] | None:
    """Family, parameters and changes, if the graph says them; none that would build a giant."""
    said: dict[str, Any] = {} if isinstance(topology, Layers) else topology.graph
    family = said.get("family")
    changes = [(name, dict(options)) for name, options in said.get("changes", ())]
    if (
        not isinstance(family, str)
        or family not in families()
        or any(name not in CHANGES for name, _ in changes)
    ):
        return None
    parameters = dict(said["parameters"])
    sizes = {name: value for name, value in parameters.items() if name != "seed"}
    most = to_layers(topology).n_edges
    return None if _largest(sizes) > most else (family, parameters, changes)


def _largest(value: Any) -> float:
    """The greatest number and the longest list within."""
    if isinstance(value, dict):
        return _largest(list(value.values()))
    if isinstance(value, list | tuple):
        return max([len(value), *map(_largest, value)])
    return 0 if value is None else value


def _built(family: str, parameters: dict[str, Any], changes: Changes) -> Layers:
    layers = families()[family].layers(**parameters)
    for name, options in changes:
        layers = CHANGES[name](layers, **options)
    return layers


def _python(family: str, parameters: dict[str, Any], changes: Changes) -> Iterator[str]:
    """A call a line; options at their defaults are left out."""
    yield "import topokit as tk"
    yield ""
    yield f"graph = tk.topologies.{family}({_arguments(families()[family], parameters)})"
    for name, options in changes:
        arguments = _arguments(CHANGES[name], options)
        yield f"graph = tk.{name}(graph{', ' * bool(arguments)}{arguments})"


def _arguments(function: Any, values: dict[str, Any]) -> str:
    known = inspect.signature(function).parameters
    told = {name: v for name, v in values.items() if v != _empty_as_list(known[name].default)}
    return ", ".join(f"{name}={value!r}" for name, value in told.items())


def _empty_as_list(default: Any) -> Any:
    return [] if default == () else default


def _command(family: str, parameters: dict[str, Any], changes: Changes) -> tuple[str, ...] | None:
    """The words of `topokit build`, which makes skips first, then a diagonal, with one seed."""
    flags = _flags(changes)
    if flags is None:
        return None
    seeds = {
        value for value in (parameters.get("seed"), flags.pop("seed", None)) if value is not None
    }
    if len(seeds) > 1:
        return None
    values = {name: value for name, value in parameters.items() if name != "seed"} | flags
    words = ["topokit", "build", family]
    for name, value in (values | {"seed": min(seeds, default=None)}).items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [_word(value)])]
    return tuple(words)


def _flags(changes: Changes) -> dict[str, Any] | None:
    """Changes as options of the shell; None where it has none for them."""
    flags: dict[str, Any] = {}
    for name, options in changes:
        if name == "with_skip" and not flags and options.get("weight", 1.0) == 1.0:
            flags["skip"] = options.get("placement", PLACEMENTS[0])
            flags |= {"seed": options["seed"]} if "seed" in options else {}
        elif name == "with_diagonal" and "diagonal" not in flags:
            flags["diagonal"] = True
        else:
            return None
    return flags


def _word(value: Any) -> str:
    """A value as the shell takes it: lists with commas, lists of lists with spaces between."""
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, list | tuple) for item in value)
        return (" " if nested else ",").join(map(_word, value))
    return str(value)


def shell_line(words: tuple[str, ...], output: str) -> str:
    """A command with the file that it shall write."""
    return shlex.join([*words, "-o", output])
