"""What every file of a graph is checked for, whatever its form."""

import re
from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._names import check_name
from topokit.layers import to_layers


def checked_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes of a graph; what has a meaning here must be a name."""
    if not isinstance(attributes, dict):
        raise ValueError(f"the graph's attributes must be an object; given {attributes!r}")
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
    match = re.fullmatch(r"\((\d+), ?(\d+)\)", str(name), re.ASCII)
    return None if match is None else (int(match[1]), int(match[2]))


def renamed(named: nx.Graph, reader: Callable[..., Any]) -> nx.DiGraph:
    """A graph whose nodes are texts, with the nodes that these stand for."""
    if not isinstance(named, nx.DiGraph) or named.is_multigraph():
        raise ValueError(
            f"expected a directed simple graph; found a {type(named).__name__}, undirected or with "
            "two edges of the same ends"
        )
    nodes = {name: named_node(name) for name in named}
    wrong = [name for name, node in nodes.items() if node is None]
    if wrong:
        raise ValueError(
            f"node {wrong[0]!r} is not of the form '(layer, index)'; "
            f"topokit.layered(networkx.{reader.__name__}(path)) brings any directed acyclic graph "
            "into layers"
        )
    if len(set(nodes.values())) < len(nodes):
        raise ValueError("two nodes have the same layer and index")
    return nx.relabel_nodes(named, nodes)


def natural(word: str) -> int:
    """The number of a word of digits; Python alone would take `1_0` as well."""
    if not (word.isascii() and word.isdigit()):
        raise ValueError(f"{word!r} is no number")
    return int(word)


def real(word: str) -> float:
    """The finite number of a word."""
    value = float("nan" if "_" in word else word)
    if not isfinite(value):
        raise ValueError(f"{word!r} is no finite number")
    return value


def whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text, from 1; one that does not end may have been cut."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if lines[-1].strip():
        raise ValueError(
            f"line {len(lines)}, the last one, has no end, as where a file was cut: "
            f"{lines[-1][:60]!r}; end it with a newline if it is whole"
        )
    yield from enumerate(lines[:-1], 1)


def checked_graph(graph: nx.DiGraph) -> nx.DiGraph:
    """A graph in the convention, with attributes that have the meaning they should."""
    checked_attributes(graph.graph)
    to_layers(graph)
    return graph
