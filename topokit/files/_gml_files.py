"""Topologies in GML, as networkx writes it: labels such as `(0, 3)`, booleans as 0 and 1.

Of a key that is given twice networkx makes a list, and takes whatever is not 0 for true; what says
which graph it is must stand there once.
"""

import re
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import networkx as nx

from topokit._escapes import shown
from topokit._regular_files import whole_bytes
from topokit.files._checked_graphs import checked_graph, renamed

BLOCK = re.compile(rb"\b(?:node|edge)\s*\[")
LONGEST_BLOCK = 1000  # characters that there may be for each node and edge
LONGEST_REST = 10**6  # and for what is said of the graph
TOKEN = re.compile(r'"[^"]*"|#[^\n]*|[][]|[^][\s"#]+')
DEPTH = 2  # of nodes and edges, in the graph
SINGLE = {"node": ("id", "label"), "edge": ("source", "target")}


def read_gml(path: Path) -> nx.DiGraph:
    """The graph of a file."""
    content = whole_bytes(path)
    blocks = sum(1 for _ in BLOCK.finditer(content))
    if len(content) > LONGEST_REST + LONGEST_BLOCK * blocks:
        raise ValueError(
            f"it has {len(content):,} characters for {blocks:,} nodes and edges; take out what is "
            "no topology"
        )
    _check_single(content.decode("ascii", errors="replace"))
    graph = renamed(nx.read_gml(BytesIO(content)), nx.read_gml)
    for _, _, data in graph.edges(data=True):
        if type(data.get("trainable")) is int and data["trainable"] in (0, 1):
            data["trainable"] = bool(data["trainable"])
    return checked_graph(graph)


def _check_single(text: str) -> None:
    """Refuse a file that says twice, or not by 0 or 1, what networkx believes it of."""
    key, opened, given = "", [], [defaultdict[str, list[str]](list)]
    for token in TOKEN.findall(text):
        if token[0] == "#":
            continue
        if token == "]" and opened:
            said = given.pop()
            if len(opened) <= DEPTH:
                _check_element(opened, said)
            opened.pop()
        elif not key:
            key = token
        else:
            given[-1][key].append(token)
            if token == "[":
                opened.append(key)
                given.append(defaultdict(list))
            key = ""


def _check_element(opened: list[str], given: dict[str, list[str]]) -> None:
    """Refuse a graph of two directions, and a node or an edge of two names."""
    if opened == ["graph"] and given.get("directed", ["1"]) not in (["0"], ["1"]):
        said = shown(" and ".join(given["directed"]), 60)
        raise ValueError(f"the graph's key 'directed' must be 1, given once; found {said}")
    for key in SINGLE.get(opened[-1], ()) if opened[:-1] == ["graph"] else ():
        if len(given.get(key, ())) > 1:
            whose = " ".join([opened[-1], *given.get("id", ())[:1]])
            said = shown(" and ".join(given[key]), 60)
            raise ValueError(f"{shown(whose, 60)}: the key '{key}' is given twice: {said}")
