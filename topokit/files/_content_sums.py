"""The sum of all that a graph says, kept in files of text, where one bit makes another topology.

It guards against damage, not against whoever would forge it. Files without one are read as well:
other programs write none. Archives need none, for they have a sum of every array.
"""

import hashlib
import json
import re
from difflib import SequenceMatcher
from typing import Any

import networkx as nx

from topokit._escapes import shown
from topokit.files._checked_graphs import node_pair
from topokit.files._plain_values import plain

SUM = "sha256"
DIGITS = re.compile("[0-9a-f]{64}")
ALIKE = 0.6  # of the letters of two names, from which one may be the other, damaged


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


def check_no_other_sum(graph: nx.DiGraph) -> None:
    """Refuse a graph whose sum stands under another name, as where a letter of it was damaged."""
    for name, value in graph.graph.items():
        alike = SequenceMatcher(None, name, SUM).ratio() >= ALIKE
        if alike and isinstance(value, str) and DIGITS.fullmatch(value):
            raise ValueError(
                f"the graph's attribute '{shown(name, 60)}' looks like a damaged {SUM}: give it "
                "that name, or take it out if it was changed by hand"
            )
