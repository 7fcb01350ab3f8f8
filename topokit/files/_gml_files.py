"""Topologies in GML, as networkx writes it: labels such as `(0, 3)`, booleans as 0 and 1."""

import re
from io import BytesIO
from pathlib import Path

import networkx as nx

from topokit._regular_files import whole_bytes
from topokit.files._checked_graphs import checked_graph, renamed

BLOCK = re.compile(rb"\b(?:node|edge)\s*\[")
LONGEST_BLOCK = 1000  # characters that there may be for each node and edge
LONGEST_REST = 10**6  # and for what is said of the graph


def read_gml(path: Path) -> nx.DiGraph:
    """The graph of a file."""
    content = whole_bytes(path)
    blocks = sum(1 for _ in BLOCK.finditer(content))
    if len(content) > LONGEST_REST + LONGEST_BLOCK * blocks:
        raise ValueError(
            f"it has {len(content):,} characters for {blocks:,} nodes and edges; take out what is "
            "no topology"
        )
    graph = renamed(nx.read_gml(BytesIO(content)), nx.read_gml)
    for _, _, data in graph.edges(data=True):
        if type(data.get("trainable")) is int and data["trainable"] in (0, 1):
            data["trainable"] = bool(data["trainable"])
    return checked_graph(graph)
