"""Topologies in GML, as networkx writes it: labels such as `(0, 3)`, booleans as 0 and 1."""

from io import BytesIO
from pathlib import Path

import networkx as nx

from topokit._regular_files import whole_bytes
from topokit.files._checked_graphs import checked_graph, renamed


def read_gml(path: Path) -> nx.DiGraph:
    """The graph of a file."""
    content = whole_bytes(path)
    graph = renamed(nx.read_gml(BytesIO(content)), nx.read_gml)
    for _, _, data in graph.edges(data=True):
        if type(data.get("trainable")) is int and data["trainable"] in (0, 1):
            data["trainable"] = bool(data["trainable"])
    return checked_graph(graph)
