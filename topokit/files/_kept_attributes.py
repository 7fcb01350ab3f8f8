"""What the arrays of an archive do not say of a graph: attributes of it, its nodes and its edges.

They are kept as JSON, those of a node or an edge whole wherever they are not those of the bare
graph. What they say of layers and constants must be what the arrays say.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from topokit._escapes import shown
from topokit.files._checked_graphs import checked_attributes, node_pair
from topokit.files._plain_values import plain_attributes
from topokit.layers import Layers, from_layers, said_of

Node = tuple[int, int]
Attributes = dict[str, Any]


class KeptAttributes(NamedTuple):
    """Attributes of the graph, and all those of some nodes and of some edges."""

    graph: Attributes
    nodes: dict[Node, Attributes]
    edges: dict[tuple[Node, Node], Attributes]

    def put(self, graph: nx.DiGraph) -> None:
        """Give them to the bare graph."""
        graph.graph.update(self.graph)
        for place, data in (*self.nodes.items(), *self.edges.items()):
            held = graph.edges[place] if place in self.edges else graph.nodes[place]
            held.clear()
            held.update(data)


def attributes_of(topology: nx.DiGraph | Layers) -> Attributes:
    """What a topology says of itself, as a file can keep it."""
    return checked_attributes(plain_attributes(("the graph",), said_of(topology)))


def attributes_to_keep(graph: nx.DiGraph, layers: Layers) -> dict[str, Any]:
    """Whatever the arrays of a recipe do not say of its graph."""
    bare = from_layers(layers)
    nodes = ((n, plain_attributes(("node", n), d)) for n, d in graph.nodes(data=True))
    edges = (
        (s, r, plain_attributes(("edge", s, "->", r), d)) for s, r, d in graph.edges(data=True)
    )
    return {
        "graph": attributes_of(graph),
        "nodes": [[*node_pair(n), d] for n, d in nodes if not _same(d, bare.nodes[n])],
        "edges": [
            [*node_pair(s), *node_pair(r), d] for s, r, d in edges if not _same(d, bare.edges[s, r])
        ],
    }


def kept_attributes(kept: Any, layers: Layers) -> KeptAttributes:
    """What `attributes_to_keep` kept, held against the arrays.

    Raises:
        ValueError: If it is something else, or the arrays say otherwise.
    """
    if not isinstance(kept, dict) or kept.keys() - {*KeptAttributes._fields}:
        raise ValueError(
            f"its attributes must be an object of {', '.join(KeptAttributes._fields)}; found "
            f"{shown(kept, 60)}"
        )
    nodes, edges = {}, {}
    for layer, index, data in _rows(kept, "nodes", 2):
        node = (layer, index)
        _check_node(node, data, layers)
        _add(nodes, node, data)
    for *ends, data in _rows(kept, "edges", 4):
        edge = (ends[0], ends[1]), (ends[2], ends[3])
        _check_edge(*edge, data, layers)
        _add(edges, edge, data)
    return KeptAttributes(checked_attributes(kept.get("graph", {})), nodes, edges)


def _same(data: Attributes, bare: Attributes) -> bool:
    """Whether attributes are those of the bare graph, also in type."""
    return data == bare and all(type(data[name]) is type(bare[name]) for name in bare)


def _rows(kept: dict[str, Any], name: str, n_numbers: int) -> Iterable[list]:
    """Lists of so many integers and a dictionary."""
    rows = kept.get(name, [])
    for row in rows if isinstance(rows, list) else [rows]:
        kinds = [type(part) for part in row] if isinstance(row, list) else []
        if kinds != [int] * n_numbers + [dict]:
            raise ValueError(f"its attributes hold {shown(row, 60)} in {name}")
        yield row


def _add(found: dict[Any, Attributes], place: Any, data: Attributes) -> None:
    if place in found:
        raise ValueError(f"its attributes are given twice for {place}")
    found[place] = data


def _check_node(node: Node, data: Attributes, layers: Layers) -> None:
    layer, index = node
    if not (0 <= layer < len(layers.widths) and 0 <= index < layers.widths[layer]):
        raise ValueError(f"its attributes name the node {shown(node, 60)}, which its arrays lack")
    if isinstance(data.get("layer"), bool) or data.get("layer", layer) not in (layer, None):
        raise ValueError(
            f"its attributes say layer={shown(data['layer'], 60)} of the node {node}, whose layer "
            f"is {layer}"
        )


def _check_edge(sender: Node, receiver: Node, data: Attributes, layers: Layers) -> None:
    place = _place(sender, receiver, layers)
    if place is None:
        raise ValueError(
            f"its attributes name the edge {shown(sender, 40)} -> {shown(receiver, 40)}, which its "
            "arrays lack"
        )
    trainable = bool(layers.trainable[sender[0]][place])
    constant = float(layers.constant[sender[0]][place])
    said, weight = data.get("trainable", True), data.get("weight", 1.0)
    if said is not trainable or not trainable and not _is_number(weight, constant):
        raise ValueError(
            f"its attributes say trainable={shown(said, 40)}, weight={shown(weight, 40)} of the "
            f"edge {sender} -> {receiver}, its arrays trainable={trainable}, weight={constant}"
        )


def _is_number(weight: Any, constant: float) -> bool:
    try:
        return type(weight) in (int, float) and float(weight) == constant
    except OverflowError:
        return False


def _place(sender: Node, receiver: Node, layers: Layers) -> int | None:
    """Where an edge stands among those of its layer, which are sorted by receiver and sender."""
    layer = sender[0]
    if not 0 <= layer < layers.depth or receiver[0] != layer + 1:
        return None
    receivers, senders = layers.receivers[layer], layers.senders[layer]
    if not 0 <= receiver[1] < layers.widths[layer + 1] or not 0 <= sender[1] < layers.widths[layer]:
        return None
    start, stop = np.searchsorted(receivers, [receiver[1], receiver[1] + 1])
    place = start + int(np.searchsorted(senders[start:stop], sender[1]))
    return int(place) if place < stop and senders[place] == sender[1] else None
