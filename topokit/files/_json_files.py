"""Topologies as networkx writes graphs into JSON: lists of nodes and edges, by name of their ends.

Until version 3.6 networkx called the list of edges `links`; both are read.
"""

import json
from pathlib import Path
from typing import Any

import networkx as nx

from topokit.files._checked_graphs import checked_attributes, checked_graph, node_pair
from topokit.files._plain_values import from_plain, plain_attributes
from topokit.layers import Layers

LISTS = ("edges", "links")


def json_content(graph: nx.DiGraph, _: Layers) -> str:
    """The text of a file; raises what makes an attribute unfit for one."""
    nodes = [
        plain_attributes(("node", n), d, ("id",)) | {"id": node_pair(n)}
        for n, d in graph.nodes(data=True)
    ]
    edges = [
        plain_attributes(("edge", s, "->", r), d, ("source", "target"))
        | {"source": node_pair(s), "target": node_pair(r)}
        for s, r, d in graph.edges(data=True)
    ]
    attributes = checked_attributes(plain_attributes(("the graph",), graph.graph))
    content = {"directed": True, "multigraph": False, "graph": attributes}
    return json.dumps(content | {"nodes": nodes, "edges": edges})


def save_text(content: str, path: Path) -> None:
    """Write a text."""
    path.write_text(content, encoding="utf-8")


def read_json(path: Path) -> nx.DiGraph:
    """The graph of a file, whoever wrote it."""
    data = from_plain(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not data.get("directed") or data.get("multigraph"):
        raise ValueError("expected the node-link form of a directed simple graph")
    found = [key for key in LISTS if isinstance(data.get(key), list)]
    missing = [] if isinstance(data.get("nodes"), list) else ["nodes"]
    missing += [] if found else ["edges"]
    if missing:
        raise ValueError(f"expected lists of nodes and edges; there are no {' and '.join(missing)}")
    if len(found) > 1:
        raise ValueError("there are both 'edges' and 'links'; keep one of them")
    graph = nx.DiGraph(**checked_attributes(data.get("graph", {})))
    for number, entry in enumerate(data["nodes"]):
        _add_node(graph, f"nodes[{number}]", entry)
    for number, entry in enumerate(data[found[0]]):
        _add_edge(graph, f"{found[0]}[{number}]", entry)
    return checked_graph(graph)


def _add_node(graph: nx.DiGraph, place: str, entry: Any) -> None:
    node = _pair(place, entry, "id")
    if node in graph:
        raise ValueError(f"{place}: the node {node} is there already")
    graph.add_node(node)
    graph.nodes[node].update(_without(entry, "id"))


def _add_edge(graph: nx.DiGraph, place: str, entry: Any) -> None:
    sender, receiver = _pair(place, entry, "source"), _pair(place, entry, "target")
    for key, node in (("source", sender), ("target", receiver)):
        if node not in graph:
            raise ValueError(f"{place}: its {key} {node} is none of the nodes")
    if graph.has_edge(sender, receiver):
        raise ValueError(f"{place}: the edge {sender} -> {receiver} is there already")
    graph.add_edge(sender, receiver)
    graph.edges[sender, receiver].update(_without(entry, "source", "target"))


def _pair(place: str, entry: Any, key: str) -> tuple[int, int]:
    match entry.get(key) if isinstance(entry, dict) else None:
        case [int() as layer, int() as index]:
            return node_pair((layer, index))
        case found:
            raise ValueError(f"{place}: {key!r} must be [layer, index]; found {str(found)[:60]}")


def _without(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}
