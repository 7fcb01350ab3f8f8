"""Topologies in GraphML, which other programs draw.

GraphML knows numbers, booleans and plain text. All other attributes of a graph, a node or an edge
stand together in one of the name `PACKED`, as JSON.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._escapes import shown
from topokit.files._checked_graphs import (
    checked_attributes,
    checked_graph,
    node_name,
    nodes_of_names,
)
from topokit.files._content_sums import SUM, check_no_other_sum, check_sum, content_sum
from topokit.files._graphml_parser import parse_graphml
from topokit.files._plain_values import from_plain, plain_attributes
from topokit.layers import Layers

PACKED = "topokit"
# Names that GraphML, or networkx in reading it, has a meaning for.
TAKEN = (PACKED, SUM, "id", "key", "source", "target", "node_default", "edge_default")
# What was written as JSON before PACKED was.
STRUCTURED = ("parameters", "changes")


def graphml_content(graph: nx.DiGraph, _: Layers) -> nx.DiGraph:
    """The graph as GraphML can hold it; raises what makes an attribute unfit for that."""
    named = nx.DiGraph()
    attributes = checked_attributes(plain_attributes(("the graph",), graph.graph))
    named.graph.update(_packed(attributes) | {SUM: content_sum(graph)})
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
    found = parse_graphml(path)
    _check_defaults(found.defaults)
    nodes = nodes_of_names(found.nodes, nx.read_graphml)
    graph = nx.DiGraph()
    expected = found.graph.pop(SUM, None)
    graph.graph.update(found.defaults["graph"] | _unpacked("the graph", found.graph))
    for key in STRUCTURED:
        value = graph.graph.get(key)
        if isinstance(value, str) and value[:1] in ("{", "["):
            graph.graph[key] = from_plain(value)
    for name, data in found.nodes.items():
        graph.add_node(nodes[name])
        unpacked = found.defaults["node"] | _unpacked(f"node {nodes[name]}", data)
        graph.nodes[nodes[name]].update(unpacked)
    for (s, r), data in found.edges.items():
        graph.add_edge(nodes[s], nodes[r])
        unpacked = found.defaults["edge"] | _unpacked(f"edge {nodes[s]} -> {nodes[r]}", data)
        graph.edges[nodes[s], nodes[r]].update(unpacked)
    checked_graph(graph)
    if expected is None:
        check_no_other_sum(graph)
    else:
        check_sum(graph, expected)
    return graph


def _check_defaults(defaults: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a default of what is said of each element, or of the whole, alone."""
    for domain, data in defaults.items():
        if taken := data.keys() & {PACKED, SUM}:
            raise ValueError(f"the key {min(taken)!r} may have no default; found one of a {domain}")


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
        raise ValueError(f"{place}: the key {PACKED!r} must hold an object, no {shown(text, 60)}")
    if twice := data.keys() & found.keys():
        raise ValueError(f"{place}: '{shown(min(twice), 60)}' stands in the key {PACKED!r}, too")
    return data | found
