"""Topologies as networkx writes graphs into JSON: lists of nodes and edges, by name of their ends.

Until version 3.6 networkx called the list of edges `links`; both are read.
"""

import json
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._escapes import shown
from topokit._regular_files import whole_bytes
from topokit.files._checked_graphs import checked_attributes, checked_graph, node_pair
from topokit.files._content_sums import SUM, check_sum, content_sum
from topokit.files._plain_values import from_plain, plain_attributes
from topokit.layers import Layers

KEYS = ("directed", "multigraph", "graph", "nodes", SUM)
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
    content |= {SUM: content_sum(graph)}
    return json.dumps(content | {"nodes": nodes, "edges": edges})


def save_text(content: str, path: Path) -> None:
    """Write a text."""
    path.write_text(content, encoding="utf-8")


def read_json(path: Path) -> nx.DiGraph:
    """The graph of a file, whoever wrote it."""
    data = from_plain(whole_bytes(path))
    if not isinstance(data, dict) or data.get("directed") is not True:
        raise ValueError("expected the node-link form of a directed graph")
    if data.get("multigraph", False) is not False:
        raise ValueError("expected a graph without two edges of the same ends, no multigraph")
    found = [key for key in LISTS if key in data]
    missing = [
        key for key in ("nodes", *(found or LISTS[:1])) if not isinstance(data.get(key), list)
    ]
    if missing:
        raise ValueError(f"expected lists of nodes and edges; there are no {' and '.join(missing)}")
    if len(found) > 1:
        raise ValueError("there are both 'edges' and 'links'; keep one of them")
    surplus = next((key for key in data if key not in (*KEYS, *found)), None)
    if surplus is not None:
        raise ValueError(f"the key '{shown(surplus, 60)}' has no meaning here: take it out")
    graph = nx.DiGraph()
    graph.graph.update(checked_attributes(data.get("graph", {})))
    for number, entry in enumerate(data["nodes"]):
        _add_node(graph, f"nodes[{number}]", entry)
    for number, entry in enumerate(data[found[0]]):
        _add_edge(graph, f"{found[0]}[{number}]", entry)
    checked_graph(graph)
    if SUM in data:
        check_sum(graph, data[SUM])
    return graph


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
    found = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(found, list) and [*map(type, found)] == [int, int]:
        return node_pair(found)
    raise ValueError(f"{place}: {key!r} must be [layer, index]; found {shown(found, 60)}")


def _without(entry: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}
