"""Topologies in GraphML, which other programs draw.

GraphML knows numbers, booleans and plain text. All other attributes of a graph, a node or an edge
stand together in one of the name `PACKED`, as JSON.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx

from topokit.files._checked_graphs import checked_attributes, checked_graph, node_name, renamed
from topokit.files._plain_values import from_plain, plain_attributes
from topokit.layers import Layers

PACKED = "topokit"
# Names that GraphML, or networkx in reading it, has a meaning for.
TAKEN = (PACKED, "id", "key", "source", "target", "node_default", "edge_default")
# What was written as JSON before PACKED was.
STRUCTURED = ("parameters", "changes")


def graphml_content(graph: nx.DiGraph, _: Layers) -> nx.DiGraph:
    """The graph as GraphML can hold it; raises what makes an attribute unfit for that."""
    named = nx.DiGraph()
    attributes = checked_attributes(plain_attributes(("the graph",), graph.graph))
    named.graph.update(_packed(attributes))
    for node, data in graph.nodes(data=True):
        named.add_node(node_name(node))
        named.nodes[node_name(node)].update(_packed(plain_attributes(("node", node), data)))
    for s, r, data in graph.edges(data=True):
        ends = node_name(s), node_name(r)
        named.add_edge(*ends)
        named.edges[ends].update(_packed(plain_attributes(("edge", s, "->", r), data)))
    return named


def save_graphml(named: nx.DiGraph, path: Path) -> None:
    """Write the graph."""
    nx.write_graphml_xml(named, path)


def read_graphml(path: Path) -> nx.DiGraph:
    """The graph of a file, whoever wrote it."""
    graph = renamed(nx.read_graphml(path), nx.read_graphml)
    nodes, edges = (graph.graph.pop(f"{kind}_default", {}) for kind in ("node", "edge"))
    graph.graph.update(_unpacked("the graph", graph.graph))
    for key in STRUCTURED:
        value = graph.graph.get(key)
        if isinstance(value, str) and value[:1] in ("{", "["):
            graph.graph[key] = json.loads(value)
    for node, data in graph.nodes(data=True):
        data.update(nodes | _unpacked(f"node {node}", data))
    for s, r, data in graph.edges(data=True):
        data.update(edges | _unpacked(f"edge {s} -> {r}", data))
    return checked_graph(graph)


def _packed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    held = {k: v for k, v in attributes.items() if _is_plain_name(k) and _is_held(v)}
    rest = {k: v for k, v in attributes.items() if k not in held}
    return held | ({PACKED: json.dumps(rest)} if rest else {})


def _is_plain_name(name: str) -> bool:
    return bool(name) and name.isprintable() and name not in TAKEN


def _is_held(value: Any) -> bool:
    """Whether GraphML, and XML, keep a value and its type."""
    if isinstance(value, str):
        return bool(value) and value.isprintable()
    return isinstance(value, bool | int | float)


def _unpacked(place: str, data: dict[str, Any]) -> dict[str, Any]:
    """All attributes, those of `PACKED` in its place, which is taken out of `data`."""
    if PACKED not in data:
        return dict(data)
    text = data.pop(PACKED)
    try:
        found = from_plain(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: the key {PACKED!r} must hold JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{place}: the key {PACKED!r} must hold an object; found {text[:60]!r}")
    return data | found
