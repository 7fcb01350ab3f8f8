"""Readers of topologies and of weights under attack, and what reads their files more slowly.

A topology is compared as its edges, each with its constant or none, and its neurons; all its other
attributes too, where the format keeps them.
"""

import ast
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file, save_file

import topokit as tk
from analyses.benchmarks._fuzzing import Reader


def _topology(seed: int) -> nx.DiGraph:
    """A small random topology, of other layers and constants for each seed."""
    random = Random(seed)  # noqa: S311
    widths = [random.randint(1, 5) for _ in range(random.randint(2, 4))]
    graph = tk.from_masks([_mask(random, *shape) for shape in pairwise(widths)])
    for edge in random.sample(sorted(graph.edges), graph.number_of_edges() // 3):
        graph.edges[edge].update(trainable=False, weight=round(random.uniform(-2, 2), 3))
    graph.graph["note"] = {"a list": [1, 2.5, None], "a pair": (True, "x")}
    graph.nodes[0, 0]["note"] = "first"
    graph.edges[min(graph.edges)]["color"] = "red"
    return graph


def _mask(random: Random, n: int, m: int) -> np.ndarray:
    """A mask in which every neuron has an edge."""
    mask = np.array([[random.random() < 0.4 for _ in range(m)] for _ in range(n)])
    places = np.arange(max(n, m))
    mask[places % n, places % m] = True
    return mask


def _content(graph: nx.DiGraph, *, all_of_it: bool = False) -> Any:
    """Neurons and edges; with all attributes if they are asked for."""
    edges = {(s, r): _constant(data) for s, r, data in graph.edges(data=True)}
    if not all_of_it:
        return set(graph), edges
    parts = [graph.graph, dict(graph.nodes(data=True)), sorted(graph.edges(data=True))]
    return set(graph), edges, repr(parts)


def _constant(data: dict[str, Any]) -> float | None:
    return None if data.get("trainable", True) else float(data.get("weight", 1.0))


def _write(path: Path, seed: int) -> None:
    tk.write(_topology(seed), path)


def _write_by_networkx(path: Path, seed: int) -> None:
    """Without a sum."""
    graph = _topology(seed)
    if path.suffix == ".json":
        path.write_text(
            json.dumps(nx.node_link_data(graph, edges="edges" if seed % 2 else "links"))
        )
        return
    graph.graph.pop("note")
    nx.write_graphml_xml(graph, path)


def _read(path: Path, *, all_of_it: bool = False) -> Any:
    """What `read` finds, which `read_layers` must find, too."""
    graph = _both(partial(tk.read, path), partial(tk.read_layers, path))
    return _content(graph, all_of_it=all_of_it)


def _both(read: Callable[[], nx.DiGraph], read_layers: Callable[[], tk.Layers]) -> nx.DiGraph:
    try:
        graph = read()
    except (ValueError, OSError) as refused:
        try:
            read_layers()
        except (ValueError, OSError):
            raise refused from None
        raise RuntimeError("read_layers reads what read refuses") from None
    assert tk.to_layers(graph) == read_layers(), "read and read_layers differ"
    return graph


def _npz(path: Path) -> Any:
    """By numpy alone, edge by edge."""
    with np.load(path) as file:
        held = dict(file)
    rows = zip(*(held[name].tolist() for name in EDGE_ARRAYS), strict=True)
    layers = [layer for layer, size in enumerate(held["sizes"].tolist()) for _ in range(size)]
    edges = {
        ((layer, s), (layer + 1, r)): None if trainable else constant
        for layer, (s, r, trainable, constant) in zip(layers, rows, strict=True)
    }
    nodes = {(n, i) for n, width in enumerate(held["widths"].tolist()) for i in range(width)}
    kept = json.loads(str(held["attributes"]))
    for *ends, data in kept.get("edges", []):
        assert edges[tuple(ends[:2]), tuple(ends[2:])] == _constant(data)
    return nodes, edges


EDGE_ARRAYS = ("senders", "receivers", "trainable", "constant")


def _json(path: Path) -> Any:
    """As networkx reads it, which makes each pair of a list a node."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return _content(nx.node_link_graph(data, edges="edges" if "edges" in data else "links"))


def _pairs(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph of pairs that its names stand for."""
    assert isinstance(graph, nx.DiGraph)
    pairs = {name: ast.literal_eval(name) for name in graph}
    assert len({*pairs.values()}) == len(pairs)
    return nx.relabel_nodes(graph, pairs)


def _graphml(path: Path) -> Any:
    graph = _pairs(nx.read_graphml(path))
    default = graph.graph.get("edge_default", {})
    for _, _, data in graph.edges(data=True):
        data.update({**default, **json.loads(data.pop("topokit", "{}")), **data})
    return _content(graph)


def _write_gml(path: Path, seed: int) -> None:
    graph = _topology(seed)
    graph.graph.pop("note")
    nx.write_gml(graph, path)


def _gml(path: Path) -> Any:
    return _content(_pairs(nx.read_gml(path)))


def _write_lines(path: Path, seed: int) -> None:
    """Every second file has names that are no pairs."""
    graph = _topology(seed)
    names = {node: f"n{node[0]}_{node[1]}" for node in graph}
    nx.write_edgelist(nx.relabel_nodes(graph, names) if seed % 2 else graph, path)


def _lines(path: Path) -> Any:
    """Each line by the parser of Python, with the names in quotes."""
    dag = nx.DiGraph()
    for line in path.read_text(encoding="utf-8").split("\n"):
        bare = line.partition("#")[0].strip()
        if not bare:
            continue
        if bare.startswith("("):
            sender, _, rest = bare.partition(")")
            receiver, _, data = rest.partition(")")
            ends = [ast.literal_eval(f"{part.strip()})") for part in (sender, receiver)]
        else:
            *ends, data = (*bare.split(None, 2), "")[:3]
        data = data.strip()
        held = {} if not data else ast.literal_eval(data) if data[0] == "{" else None
        assert not dag.has_edge(*ends)
        dag.add_edge(*ends, **({"weight": float(data)} if held is None else held))
    return _content(dag if isinstance(next(iter(dag)), tuple) else tk.layered(dag))


def _write_matrix(path: Path, seed: int) -> None:
    graph = nx.convert_node_labels_to_integers(_topology(seed), 1)
    rows = [f"{s} {r} {s / 4}" for s, r in graph.edges]
    head = "%%MatrixMarket matrix coordinate real general\n% a comment\n"
    n = len(graph)
    path.write_text(head + "\n".join([f"{n} {n} {len(rows)}", *rows]) + "\n")


def _matrix(path: Path) -> Any:
    """By words; scipy's own reader follows damaged lines out of bounds."""
    first, *rest = path.read_text(encoding="utf-8").split("\n")
    form, field = first.split()[2:4]
    rows = [line.split() for line in rest if line.strip() and not line.lstrip().startswith("%")]
    n = int(rows[0][0])
    dag = nx.DiGraph()
    dag.add_nodes_from(range(1, n + 1))
    for place, row in enumerate(rows[1:]):
        if form.lower() == "array":
            row = [place % n + 1, place // n + 1, *row]
        value = float(row[2]) if field.lower() != "pattern" else 1.0
        if value:
            dag.add_edge(int(row[0]), int(row[1]), weight=value)
    return _content(tk.layered(dag))


def _weights(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 6, 4)
    arrays = {}
    for layer, (n, m) in enumerate(pairwise(widths)):
        arrays[f"{layer}.kernel"] = rng.integers(0, 3, (n, m)).astype(np.float32)
        arrays[f"{layer}.kernel"][0] = 1
        arrays[f"{layer}.bias"] = np.zeros(m, np.float32)
    return arrays


def _write_weights(path: Path, seed: int) -> None:
    (save_file if path.suffix == ".safetensors" else _savez)(_weights(seed), path)


def _savez(arrays: dict[str, np.ndarray], path: Path) -> None:
    np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]


def _read_weights(path: Path) -> Any:
    return _content(tk.from_weights(path))


def _weights_reference(path: Path) -> Any:
    """Of the same arrays, read by numpy and by safetensors."""
    if path.suffix == ".safetensors":
        return _content(tk.from_weights(load_file(path)))
    with np.load(path) as file:
        return _content(tk.from_weights(dict(file)))


def _write_sparse(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.integers(0, 2, (4, 5))
    dense[0] = 1
    forms = [sp.csr_array, sp.csc_array, sp.coo_array, sp.bsr_array, sp.dia_array, sp.csr_matrix]
    sp.save_npz(path, forms[seed % len(forms)](dense * 1.5))


def _read_sparse(path: Path) -> Any:
    return _content(tk.from_weights(path, transpose=False))


def _sparse(path: Path) -> Any:
    return _content(tk.from_masks([sp.load_npz(path).toarray() != 0]))


READERS = [
    Reader("topology .npz", "net.npz", _write, _read, _npz),
    Reader("topology .json", "net.json", _write, _read, _json),
    Reader("topology .graphml", "net.graphml", _write, _read, _graphml),
    Reader("networkx .json", "net.json", _write_by_networkx, _read, _json),
    Reader("networkx .graphml", "net.graphml", _write_by_networkx, _read, _graphml),
    Reader("topology .gml", "net.gml", _write_gml, _read, _gml),
    Reader("topology .edgelist", "net.edgelist", _write_lines, _read, _lines),
    Reader("topology .mtx", "net.mtx", _write_matrix, _read, _matrix),
    Reader("weights .npz", "net.npz", _write_weights, _read_weights, _weights_reference),
    Reader(
        "weights .safetensors",
        "net.safetensors",
        _write_weights,
        _read_weights,
        _weights_reference,
    ),
    Reader("sparse matrix .npz", "net.npz", _write_sparse, _read_sparse, _sparse),
]
