"""Topologies as lists of edges, a line each: sender, receiver, and a weight or a dictionary.

Nodes are `(layer, index)`, as `networkx.write_edgelist` writes those of a topology; with any other
names, or numbers, the lines are a directed acyclic graph, which is brought into layers. What
follows `#` is a comment.
"""

import ast
import re
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._escapes import shown
from topokit.files._checked_graphs import (
    checked_graph,
    in_layers,
    named_node,
    real,
    whole_lines,
)
from topokit.files._plain_values import DEEPEST, plain

NAME = r"(\(\d+, ?\d+\)|[^\s(){}]+)"
LINE = re.compile(rf"\s*{NAME}\s+{NAME}(?:\s+(\{{.*\}}|[^\s{{}}]+))?\s*", re.ASCII)
# What a dictionary is written with: the parser of Python meets nothing else.
STRING = re.compile(r"'(?:[^'\\]|\\[\\'\"nrtuUx])*+'|\"(?:[^\"\\]|\\[\\'\"nrtuUx])*+\"")
TOKENS = re.compile(
    r"(?:\s|[\[\](){},:]|True|False|None|-?(?:0|[1-9]\d*+)(?:\.\d*+)?(?:e[+-]?\d++)?)*+", re.ASCII
)
QUOTED = 60


def read_edge_list(path: Path) -> nx.DiGraph:
    """The graph of a file; an error names the line."""
    dag, lines = nx.DiGraph(), {}
    for number, text in whole_lines(path, "#"):
        line = text.partition("#")[0]
        if line.strip():
            sender, receiver, data = _edge(f"line {number}", line)
            if dag.has_edge(sender, receiver):
                first = lines[sender, receiver]
                raise ValueError(f"line {number}: the edge stands in line {first} already")
            lines[sender, receiver] = number
            dag.add_edge(sender, receiver)
            dag.edges[sender, receiver].update(data)
    if not any(map(_is_in_brackets, dag)):
        return in_layers(dag, path)
    graph = nx.relabel_nodes(dag, _nodes(dag))
    for node, data in graph.nodes(data=True):
        data["layer"] = node[0]
    return checked_graph(graph)


def _is_in_brackets(name: str) -> bool:
    return name.startswith("(")


def _nodes(dag: nx.DiGraph) -> dict[str, tuple[int, int]]:
    """The nodes that names stand for."""
    nodes = {name: named_node(name) for name in dag}
    wrong = next((name for name, node in nodes.items() if node is None), None)
    if wrong is not None:
        raise ValueError(
            f"node '{shown(wrong, QUOTED)}' stands beside nodes such as '(0, 1)': give all of them "
            "as (layer, index), or none"
        )
    if len(set(nodes.values())) < len(nodes):
        raise ValueError("two names stand for one node, as (0, 1) and (0,1)")
    return {name: node for name, node in nodes.items() if node is not None}


def _edge(place: str, line: str) -> tuple[str, str, dict[str, Any]]:
    match = LINE.fullmatch(line) if line.replace("\t", " ").isprintable() else None
    if match is None:
        raise ValueError(
            f"{place}: expected a sender, a receiver, and perhaps a weight or a dictionary; found "
            f"'{shown(line.strip(), QUOTED)}'"
        )
    return match[1], match[2], _data(place, match[3])


def _data(place: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = _dictionary(text) if text.startswith("{") else real(text)
    except (ValueError, SyntaxError):
        value = None
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    if isinstance(value, float):
        return {"weight": value}
    raise ValueError(
        f"{place}: expected a finite weight or a dictionary of names, each given once; found "
        f"'{shown(text, QUOTED)}'"
    )


def _dictionary(text: str) -> Any:
    """The value of a display as Python writes it, if it is made of known tokens and not deep."""
    bare = STRING.sub(" None ", text)
    steps = accumulate((c in "([{") - (c in ")]}") for c in bare)
    if not TOKENS.fullmatch(bare) or max(steps) > DEEPEST:
        raise ValueError
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        keys = [ast.dump(key) for key in node.keys if key] if isinstance(node, ast.Dict) else []
        if len({*keys}) < len(keys) or isinstance(node, ast.Constant) and node.value == inf:
            raise ValueError
    value = ast.literal_eval(tree)
    plain(value)  # raises what no file is given, such as a set
    return value
