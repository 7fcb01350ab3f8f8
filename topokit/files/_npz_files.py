"""Topologies as arrays in an archive, without pickle; what the arrays do not say is JSON."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from topokit._archives import read_archive
from topokit.files._checked_graphs import checked_attributes, node_pair
from topokit.files._plain_values import from_plain, plain_attributes
from topokit.layers import Layers, from_layers, make_layers, to_layers

EDGES = {"senders": ("iu", 1), "receivers": ("iu", 1), "trainable": ("b", 1), "constant": ("f", 1)}
ARRAYS = {"widths": ("iu", 1), "sizes": ("iu", 1), **EDGES, "attributes": ("U", 0)}


def npz_content(topology: nx.DiGraph | Layers, layers: Layers) -> dict[str, np.ndarray]:
    """The arrays of an archive; raises what makes an attribute unfit for one."""
    kept = {} if isinstance(topology, Layers) else _attributes(topology, layers)
    return {
        "widths": np.array(layers.widths),
        "sizes": np.array([s.size for s in layers.senders]),
        "senders": np.concatenate(layers.senders),
        "receivers": np.concatenate(layers.receivers),
        "trainable": np.concatenate(layers.trainable),
        "constant": np.concatenate(layers.constant),
        "attributes": np.array(json.dumps(kept)),
    }


def save_npz(content: Any, path: Path) -> None:
    """Write the arrays."""
    with path.open("wb") as file:
        np.savez_compressed(file, **content)


def read_npz(path: Path) -> nx.DiGraph:
    """The graph of an archive, with its attributes."""
    arrays = _arrays(path)
    kept = from_plain(str(arrays["attributes"]))
    graph = from_layers(_unpack(arrays))
    graph.graph.update(checked_attributes(kept.get("graph", {})))
    for layer, index, data in kept.get("nodes", []):
        _replace(graph.nodes[layer, index], data)
    for sender_layer, sender, receiver_layer, receiver, data in kept.get("edges", []):
        _replace(graph.edges[(sender_layer, sender), (receiver_layer, receiver)], data)
    to_layers(graph)
    return graph


def read_npz_layers(path: Path) -> Layers:
    """The recipe of an archive."""
    return _unpack(_arrays(path))


def _attributes(graph: nx.DiGraph, layers: Layers) -> dict[str, Any]:
    """Of the graph, its nodes and its edges: whatever the arrays do not say."""
    bare = from_layers(layers)
    nodes = ((n, plain_attributes(("node", n), d)) for n, d in graph.nodes(data=True))
    edges = (
        (s, r, plain_attributes(("edge", s, "->", r), d)) for s, r, d in graph.edges(data=True)
    )
    return {
        "graph": checked_attributes(plain_attributes(("the graph",), graph.graph)),
        "nodes": [[*node_pair(n), d] for n, d in nodes if not _same(d, bare.nodes[n])],
        "edges": [
            [*node_pair(s), *node_pair(r), d] for s, r, d in edges if not _same(d, bare.edges[s, r])
        ],
    }


def _same(data: dict[str, Any], bare: dict[str, Any]) -> bool:
    """Whether attributes are those of the bare graph, also in type."""
    return data == bare and all(type(data[name]) is type(bare[name]) for name in bare)


def _replace(attributes: dict[str, Any], data: dict[str, Any]) -> None:
    attributes.clear()
    attributes.update(data)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        return read_archive(file, ARRAYS)


def _unpack(arrays: dict[str, np.ndarray]) -> Layers:
    ends = np.concatenate([[0], np.cumsum(arrays["sizes"])])
    if (arrays["sizes"] < 0).any() or any(arrays[c].size != ends[-1] for c in EDGES):
        raise ValueError("the edge arrays do not have the length that sizes says")
    senders, receivers, trainable, constant = (
        [arrays[column][start:stop] for start, stop in pairwise(ends)] for column in EDGES
    )
    widths = arrays["widths"].tolist()
    return make_layers(widths, senders, receivers, trainable=trainable, constant=constant)
