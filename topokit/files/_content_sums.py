"""The sum of all that a graph says, kept in files of text, where one bit makes another topology.

It guards against damage, not against whoever would forge it. Files without one are read as well:
other programs write none. Archives need none, for they have a sum of every array.
"""

import hashlib
import json
from typing import Any

import networkx as nx

from topokit.files._checked_graphs import node_pair
from topokit.files._plain_values import plain

SUM = "sha256"


def content_sum(graph: nx.DiGraph) -> str:
    """The SHA-256 sum of the attributes, nodes and edges of a graph, whatever order they are in."""
    nodes = [[*node_pair(node), plain(data)] for node, data in graph.nodes(data=True)]
    edges = [[*node_pair(s), *node_pair(r), plain(d)] for s, r, d in graph.edges(data=True)]
    rows = [sorted(rows, key=lambda row: row[:-1]) for rows in (nodes, edges)]
    content = [plain(graph.graph), *rows]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_sum(graph: nx.DiGraph, expected: Any) -> None:
    """Refuse a graph whose file gives another sum."""
    if expected != content_sum(graph):
        raise ValueError(
            f"its content is not that of its {SUM}: it was damaged, or changed by hand, and then "
            f"{SUM} has to be taken out"
        )
