"""Topologies as lists of edges, a line each: sender, receiver, and a weight or a dictionary.

Nodes are `(layer, index)`, as `networkx.write_edgelist` writes those of a topology; with any other
names, or numbers, the lines are a directed acyclic graph, which is brought into layers. What
follows `#` is a comment.
"""

import ast
import re
from pathlib import Path
from typing import Any

import networkx as nx

from topokit.files._checked_graphs import checked_graph, named_node, real, whole_lines
from topokit.layers import layered

NAME = r"(\(\d+, ?\d+\)|[^\s(){}]+)"
LINE = re.compile(rf"\s*{NAME}\s+{NAME}(?:\s+(\{{.*\}}|[^\s{{}}]+))?\s*")


def read_edge_list(path: Path) -> nx.DiGraph:
    """The graph of a file; an error names the line."""
    dag, lines = nx.DiGraph(), {}
    for number, text in whole_lines(path):
        line = text.partition("#")[0]
        if line.strip():
            sender, receiver, data = _edge(f"line {number}", line)
            if dag.has_edge(sender, receiver):
                first = lines[sender, receiver]
                raise ValueError(f"line {number}: the edge stands in line {first} already")
            lines[sender, receiver] = number
            dag.add_edge(sender, receiver)
            dag.edges[sender, receiver].update(data)
    nodes = {name: node for name in dag if (node := named_node(name)) is not None}
    if not nodes or len(nodes) < len(dag):
        return checked_graph(layered(dag))
    graph = nx.relabel_nodes(dag, nodes)
    for node, data in graph.nodes(data=True):
        data["layer"] = node[0]
    return checked_graph(graph)


def _edge(place: str, line: str) -> tuple[str, str, dict[str, Any]]:
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(
            f"{place}: expected a sender, a receiver, and perhaps a weight or a dictionary; found "
            f"{line.strip()[:60]!r}"
        )
    return match[1], match[2], _data(place, match[3])


def _data(place: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = ast.literal_eval(text) if text.startswith("{") else real(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    if isinstance(value, float):
        return {"weight": value}
    raise ValueError(
        f"{place}: expected a finite weight or a dictionary of names; found {text[:60]!r}"
    )
