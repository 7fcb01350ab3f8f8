"""Topologies in files: `.npz` (arrays, no pickle), `.json` (networkx node-link), `.graphml`.

What is written reads back equal, with the attributes that the form can hold: `.npz` what JSON can,
`.json` the same but for a node's `id` and an edge's `source` and `target`, `.graphml` numbers,
booleans and plain text. A file appears whole or not at all: it is written beside its place and then
moved there.
"""

import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np

from topokit._atomic import replacing
from topokit.layers import Layers, from_layers, make_layers, to_layers

ARRAYS = ("widths", "sizes", "senders", "receivers", "trainable", "constant", "attributes")


def write(topology: nx.DiGraph | Layers, path: str | os.PathLike[str]) -> None:
    """Save a topology; the ending of `path` says how.

    Args:
        topology: A valid graph or recipe. Attributes of the graph, its nodes and its edges are
            kept; they must be what JSON can hold.
        path: A name that ends in `.npz`, `.json` or `.graphml`. An existing file is replaced.

    Raises:
        ValueError: If the ending is another one, the topology is not valid, or an attribute
            cannot be saved.
        OSError: If the folder does not exist or cannot be written to.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.with_skip(tk.topologies.butterfly(8))
        >>> tk.write(graph, "mine.npz")
        >>> tk.read("mine.npz").edges == graph.edges
        True

    See Also:
        `read` and `read_layers`, the way back.
    """
    path = Path(path)
    save = _format(path, {".npz": _write_npz, ".json": _write_json, ".graphml": _write_graphml})
    layers = to_layers(topology)
    graph = from_layers(layers) if isinstance(topology, Layers) and save != _write_npz else topology
    try:
        with replacing(path) as part:
            save(graph, layers, part)
    except (TypeError, nx.NetworkXError) as error:
        raise ValueError(f"{path}: an attribute cannot be saved: {error}") from error


def read(path: str | os.PathLike[str]) -> nx.DiGraph:
    """Load a topology that `write` saved, or one in the same form from elsewhere.

    Args:
        path: A file that ends in `.npz`, `.json` or `.graphml`.

    Raises:
        ValueError: If the file does not hold a valid topology.
        OSError: If the file cannot be read.

    Examples:
        >>> import topokit as tk
        >>> tk.write(tk.topologies.butterfly(8), "mine.json")
        >>> tk.read("mine.json").name
        'butterfly(8)'

    See Also:
        `read_layers`, without a graph; `from_weights`, for files of weights.
    """
    path = Path(path)
    load = _format(path, {".npz": _read_npz, ".json": _read_json, ".graphml": _read_graphml})
    return _guarded(load, path)


def read_layers(path: str | os.PathLike[str]) -> Layers:
    """Load a topology as a recipe; from `.npz` without building a graph, for millions of edges.

    Args:
        path: A file that ends in `.npz`, `.json` or `.graphml`.

    Raises:
        ValueError: If the file does not hold a valid topology.
        OSError: If the file cannot be read.

    Examples:
        >>> import topokit as tk
        >>> tk.write(tk.topologies.butterfly.layers(1024), "large.npz")
        >>> tk.read_layers("large.npz").n_edges
        20480

    See Also:
        `read`, as a graph.
    """
    path = Path(path)
    if path.suffix != ".npz":
        return to_layers(read(path))
    return _guarded(lambda p: _unpack(_arrays(p)), path)


def _format(path: Path, formats: dict[str, Callable]) -> Callable:
    if path.suffix not in formats:
        raise ValueError(
            f"{path}: a topology is saved as {', '.join(formats)}; given the ending {path.suffix!r}"
        )
    return formats[path.suffix]


def _guarded(load: Callable[[Path], Any], path: Path) -> Any:
    """Whatever a malformed file does to a parser, say that it is not a topology."""
    try:
        return load(path)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        EOFError,
        OverflowError,
        MemoryError,
        RecursionError,
        NotImplementedError,
        ParseError,
        nx.NetworkXError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(f"{path} does not hold a topology: {error}") from error


def _write_npz(topology: nx.DiGraph | Layers, layers: Layers, path: Path) -> None:
    kept = {} if isinstance(topology, Layers) else _attributes(topology, layers)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            widths=np.array(layers.widths),
            sizes=np.array([s.size for s in layers.senders]),
            senders=np.concatenate(layers.senders),
            receivers=np.concatenate(layers.receivers),
            trainable=np.concatenate(layers.trainable),
            constant=np.concatenate(layers.constant),
            attributes=np.array(json.dumps(kept, default=_plain)),
        )


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is of {type(value).__name__}, which JSON cannot hold")


def _attributes(graph: nx.DiGraph, layers: Layers) -> dict[str, Any]:
    """Of the graph, its nodes and its edges: whatever the arrays do not say."""
    plain = from_layers(layers)
    return {
        "graph": graph.graph,
        "nodes": [[*n, d] for n, d in graph.nodes(data=True) if d != plain.nodes[n]],
        "edges": [[*s, *r, d] for s, r, d in graph.edges(data=True) if d != plain.edges[s, r]],
    }


def _read_npz(path: Path) -> nx.DiGraph:
    arrays = _arrays(path)
    kept = json.loads(str(arrays["attributes"]))
    graph = from_layers(_unpack(arrays))
    graph.graph.update(_checked_attributes(kept.get("graph", {})))
    for layer, index, data in kept.get("nodes", []):
        _replace(graph.nodes[layer, index], data)
    for sender_layer, sender, receiver_layer, receiver, data in kept.get("edges", []):
        _replace(graph.edges[(sender_layer, sender), (receiver_layer, receiver)], data)
    to_layers(graph)
    return graph


def _checked_attributes(attributes: Any) -> dict[str, Any]:
    """Attributes of a graph; what has a meaning here must be text."""
    if not isinstance(attributes, dict):
        raise ValueError(f"the graph's attributes must be an object; given {attributes!r}")
    for key in ("name", "family"):
        if not isinstance(attributes.get(key, ""), str):
            raise ValueError(f"the graph's {key} must be text; given {attributes[key]!r}")
    return attributes


def _replace(attributes: dict[str, Any], data: dict[str, Any]) -> None:
    attributes.clear()
    attributes.update(data)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no archive of arrays, or a damaged one")
        file.seek(0)
        return _load_arrays(file)


def _load_arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as archive:
        missing = [name for name in ARRAYS if name not in archive]
        if missing:
            raise ValueError(f"the arrays {', '.join(missing)} are missing")
        return {name: archive[name] for name in ARRAYS}


def _unpack(arrays: dict[str, np.ndarray]) -> Layers:
    for name, kinds in zip(ARRAYS[:-1], ("iu", "iu", "iu", "iu", "b", "f"), strict=True):
        if arrays[name].ndim != 1 or arrays[name].dtype.kind not in kinds:
            raise ValueError(f"array {name} has the wrong shape or type")
    ends = np.concatenate([[0], np.cumsum(arrays["sizes"])])
    columns = ARRAYS[2:-1]
    if (arrays["sizes"] < 0).any() or any(arrays[c].size != ends[-1] for c in columns):
        raise ValueError("the edge arrays do not have the length that sizes says")
    senders, receivers, trainable, constant = (
        [arrays[column][start:stop] for start, stop in pairwise(ends)] for column in columns
    )
    widths = arrays["widths"].tolist()
    return make_layers(widths, senders, receivers, trainable=trainable, constant=constant)


def _write_json(graph: nx.DiGraph, _: Layers, path: Path) -> None:
    path.write_text(
        json.dumps(nx.node_link_data(graph, edges="edges"), default=_plain), encoding="utf-8"
    )


def _read_json(path: Path) -> nx.DiGraph:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or not data.get("directed") or data.get("multigraph"):
        raise ValueError("expected the node-link form of a directed simple graph")
    missing = [key for key in ("nodes", "edges") if not isinstance(data.get(key), list)]
    if missing:
        raise ValueError(f"expected lists of nodes and edges; there are no {' and '.join(missing)}")
    _checked_attributes(data.get("graph", {}))
    graph = nx.node_link_graph(data, edges="edges", multigraph=False)
    to_layers(graph)
    return graph


def _write_graphml(graph: nx.DiGraph, _: Layers, path: Path) -> None:
    named = nx.relabel_nodes(graph, {node: str(node) for node in graph})
    named.graph = {
        key: json.dumps(value) if isinstance(value, dict | list | tuple) else value
        for key, value in graph.graph.items()
    }
    nx.write_graphml_xml(named, path)


def _read_graphml(path: Path) -> nx.DiGraph:
    named = nx.read_graphml(path)
    if not named.is_directed() or named.is_multigraph():
        raise ValueError("expected a directed simple graph")
    graph = nx.relabel_nodes(named, {name: _node(name) for name in named})
    graph.graph = {
        key: json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
        for key, value in named.graph.items()
        if key not in ("node_default", "edge_default")
    }
    to_layers(graph)
    return graph


def _node(name: str) -> tuple[int, int]:
    match = re.fullmatch(r"\((\d+), (\d+)\)", name)
    if match is None:
        raise ValueError(f"node {name!r} is not of the form '(layer, index)'")
    return int(match[1]), int(match[2])
