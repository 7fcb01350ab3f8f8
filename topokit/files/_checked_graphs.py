"""What every file of a graph is checked for, whatever its form."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import TextIOWrapper
from math import isfinite, nan
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._escapes import shown
from topokit._limits import BYTES_A_CHARACTER, check_read
from topokit._names import check_name
from topokit._regular_files import opened
from topokit.files._plain_values import plain
from topokit.layers import graph_bytes, layered, n_relays, to_layers

# Numbers as they are written once: no other digits than ASCII's, none before the first.
PAIR = re.compile(r"\((0|[1-9]\d{0,17}), ?(0|[1-9]\d{0,17})\)", re.ASCII)
DIGITS = re.compile(r"\d{1,18}", re.ASCII)
LONGEST_LINE = 100_000  # in characters
MOST_IDLE = 10_000  # lines that say nothing, beyond those that do
REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def checked_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes of a graph; what has a meaning here must be a name."""
    if not isinstance(attributes, dict):
        raise ValueError(f"the graph's attributes must be an object; given {shown(attributes, 60)}")
    for key in ("name", "family"):
        if attributes.get(key, "") != "":
            check_name(attributes[key], f"the graph's {key}")
    return attributes


def node_pair(node: Any) -> tuple[int, int]:
    """A node of a graph in the convention, with Python's integers."""
    layer, index = node
    return int(layer), int(index)


def node_name(node: Any) -> str:
    """A node as text."""
    return str(node_pair(node))


def named_node(name: Any) -> tuple[int, int] | None:
    """The node of a text, None if it is none in the convention."""
    match = PAIR.fullmatch(str(name))
    return None if match is None else (int(match[1]), int(match[2]))


def nodes_of_names(names: Iterable[Any], reader: Callable[..., Any]) -> dict[Any, tuple[int, int]]:
    """The nodes that all these names stand for, each for one of its own."""
    nodes = {name: named_node(name) for name in names}
    wrong = [name for name, node in nodes.items() if node is None]
    if wrong:
        raise ValueError(
            f"node '{shown(wrong[0], 60)}' is not of the form '(layer, index)'; "
            f"topokit.layered(networkx.{reader.__name__}(path)) brings any directed acyclic graph "
            "into layers"
        )
    if len(set(nodes.values())) < len(nodes):
        raise ValueError("two nodes have the same layer and index")
    return {name: node for name, node in nodes.items() if node is not None}


def renamed(named: nx.Graph, reader: Callable[..., Any]) -> nx.DiGraph:
    """A graph whose nodes are texts, with the nodes that these stand for."""
    if not isinstance(named, nx.DiGraph) or named.is_multigraph():
        raise ValueError(
            f"expected a directed simple graph; found a {type(named).__name__}, undirected or with "
            "two edges of the same ends"
        )
    return nx.relabel_nodes(named, nodes_of_names(named, reader))


def natural(word: str) -> int:
    """The number of a word of digits; Python alone would take `1_0` and other digits as well."""
    if not DIGITS.fullmatch(word):
        raise ValueError(f"'{shown(word, 60)}' is no number")
    return int(word)


def real(word: str) -> float:
    """The finite number of a word."""
    value = float(word) if REAL.fullmatch(word) else nan
    if not isfinite(value):
        raise ValueError(f"'{shown(word, 60)}' is no finite number")
    return value


def whole_lines(path: Path, comment: str) -> Iterator[tuple[int, str]]:
    """The lines of a text, from 1; one that does not end may have been cut.

    Lines that are empty, or a comment by how they begin, are bounded by the others.
    """
    stored, idle = path.stat().st_size, 0
    check_read("the graph of its lines", BYTES_A_CHARACTER * stored, stored)
    with TextIOWrapper(opened(path), encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), 1):
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                raise ValueError(f"line {number} has more than {LONGEST_LINE:,} characters")
            idle += 1 if line.lstrip()[:1] in ("", comment) else -1
            if idle > MOST_IDLE:
                raise ValueError(
                    f"line {number}: there are over {MOST_IDLE:,} lines of comments or blanks more "
                    "than others; take them out"
                )
            if "\r" in line.removesuffix("\n").removesuffix("\r"):
                raise ValueError(
                    f"line {number} has a carriage return within: '{shown(line, 60)}'; end lines "
                    "with a newline, alone or behind a carriage return"
                )
            if not line.endswith("\n") and line.strip():
                raise ValueError(
                    f"line {number}, the last one, has no end, as where a file was cut: "
                    f"'{shown(line, 60)}'; end it with a newline if it is whole"
                )
            yield number, line.removesuffix("\n").removesuffix("\r")


def checked_graph(graph: nx.DiGraph) -> nx.DiGraph:
    """A graph in the convention, with attributes that have the meaning they should.

    What a file could not be given is not taken from one: values nested without end.
    """
    checked_attributes(graph.graph)
    _check_nested("the graph", graph.graph)
    for node, data in graph.nodes(data=True):
        _check_nested("node {}", data, node)
    for *ends, data in graph.edges(data=True):
        _check_nested("edge {} -> {}", data, *ends)
    to_layers(graph)
    return graph


def _check_nested(place: str, attributes: dict[str, Any], *nodes: Any) -> None:
    """Refuse values made of others that `write` would refuse."""
    for name, value in attributes.items():
        if isinstance(value, list | tuple | dict):
            try:
                plain(value, 1)
            except ValueError as error:
                whose = shown(place.format(*nodes), 120)
                raise ValueError(f"{whose}: '{shown(name, 60)}': {error}") from error


def in_layers(dag: nx.DiGraph, path: Path) -> nx.DiGraph:
    """A graph of a file in layers, unless its jumps need more relays than the file has room for."""
    relays = n_relays(dag)
    check_read("its jumps over layers", graph_bytes(relays, relays), path.stat().st_size)
    return checked_graph(layered(dag))
