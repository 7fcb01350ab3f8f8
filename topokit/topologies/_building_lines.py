"""How to build a topology again: a command and lines of Python, kept only if they do."""

import inspect
import shlex
from collections.abc import Iterator
from typing import Any, NamedTuple

import networkx as nx

from topokit.layers import Layers, to_layers
from topokit.topologies._families import families
from topokit.topologies._origin import CHANGES, origin_of
from topokit.topologies._skip import PLACEMENTS

Changes = list[tuple[str, dict[str, Any]]]


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
    origin = origin_of(topology, to_layers(topology))
    if origin is None:
        return BuildingLines(None, None)
    return lines_of(*origin)


def lines_of(family: str, parameters: dict[str, Any], changes: Changes) -> BuildingLines:
    """The command and the lines that make a member of a family, and then the changes."""
    return BuildingLines(
        _command(family, parameters, changes), tuple(_python(family, parameters, changes))
    )


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
