"""Topologies in files: what is written reads back equal, and hostile files do no harm."""

import io
import json
import pickle
import zipfile
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk

ENDINGS = (".npz", ".json", ".graphml")


@pytest.mark.parametrize("ending", ENDINGS)
@given(layers=layered_networks())
@settings(max_examples=25)
def test_a_saved_topology_reads_back_equal(ending, layers, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / f"net{ending}"
    graph = tk.from_layers(layers, name="n", family="f", parameters={"shape": [2, 3], "n": 4})
    tk.write(graph, path)
    again = tk.read(path)
    assert nx.utils.graphs_equal(again, graph)
    assert again.graph == graph.graph
    assert tk.read_layers(path) == layers


@pytest.mark.parametrize("ending", ENDINGS)
def test_attributes_of_nodes_and_edges_are_kept(ending, tmp_path):
    graph = tk.layered(nx.DiGraph([("a", "b"), ("b", "c"), ("a", "c")]))
    graph.add_edge((0, 0), (1, 1))
    graph.edges[(0, 0), (1, 0)]["note"] = "first"
    tk.write(graph, tmp_path / f"net{ending}")
    assert nx.utils.graphs_equal(tk.read(tmp_path / f"net{ending}"), graph)


@pytest.mark.parametrize("ending", ENDINGS)
def test_numpy_attributes_read_back_as_the_same_numbers(ending, tmp_path):
    graph = tk.from_masks([np.eye(2)])
    graph.edges[(0, 0), (1, 0)].update(trainable=False, weight=np.float64(0.1))
    tk.write(graph, tmp_path / f"net{ending}")
    assert nx.utils.graphs_equal(tk.read(tmp_path / f"net{ending}"), graph)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recipe_is_saved_like_its_graph(ending, tmp_path):
    layers = tk.topologies.butterfly.layers(8)
    tk.write(layers, tmp_path / f"net{ending}")
    assert tk.read_layers(tmp_path / f"net{ending}") == layers


def test_the_same_topology_is_saved_as_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        tk.write(tk.topologies.erdos_renyi([8, 8], 0.5, seed=1), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_write_leaves_the_old_file_and_no_other(ending, tmp_path):
    path = tmp_path / f"net{ending}"
    tk.write(tk.from_masks([np.eye(2)]), path)
    before = path.read_bytes()
    graph = tk.from_masks([np.eye(2)])
    graph.graph["note"] = {"set": {1, 2}}
    with pytest.raises(ValueError, match="attribute cannot be saved"):
        tk.write(graph, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_ending_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"given the ending '\.pkl'"):
        tk.write(tk.from_masks([np.eye(2)]), tmp_path / "net.pkl")
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        tk.read(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError):
        tk.write(tk.from_masks([np.eye(2)]), tmp_path / "none" / "net.npz")


class Bomb:
    """Unpickling one would raise."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def arrays(**changes):
    layers = tk.to_layers(tk.from_masks([np.ones((2, 2))]))
    good = {
        "widths": np.array([2, 2]),
        "sizes": np.array([4]),
        "senders": layers.senders[0],
        "receivers": layers.receivers[0],
        "trainable": layers.trainable[0],
        "constant": layers.constant[0],
        "attributes": np.array("{}"),
    }
    return good | changes


def saved(path, **changes):
    kept: dict[str, Any] = {k: a for k, a in arrays(**changes).items() if a is not None}
    np.savez(path, **kept)


def link(**changes):
    return json.dumps(nx.node_link_data(tk.from_masks([np.eye(2)]), edges="edges") | changes)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def huge(path):
    """An archive whose array claims more elements than any memory holds."""
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999,), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name in arrays():
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + b"\x76\x00" + header)


def flipped(path):
    """One byte of the compressed arrays is another."""
    tk.write(tk.topologies.hypercube(32, 3), path)
    data = bytearray(path.read_bytes())
    place = data.index(b"senders.npy") + 60
    data[place] ^= 0xFF
    path.write_bytes(data)


LAUGHS = """<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
<graphml><graph edgedefault="directed"><node id="&b;"/></graph></graphml>"""

HOSTILE_ATTRIBUTES = {
    "unknown-node.npz": lambda p: saved(p, attributes=np.array('{"nodes": [[5, 5, {}]]}')),
    "attribute-list.npz": lambda p: saved(p, attributes=np.array("[1, 2]")),
    "attributes.npz": lambda p: saved(p, attributes=np.array("[1, 2")),
}

HOSTILE = {
    "empty.npz": lambda p: p.write_bytes(b""),
    "flipped.npz": flipped,
    "noise.npz": lambda p: p.write_bytes(bytes(range(256))),
    "truncated.npz": lambda p: (saved(p), p.write_bytes(p.read_bytes()[:200])),
    "single-array.npz": lambda p: p.write_bytes(npy(np.eye(2))),
    "pickle.npz": lambda p: saved(p, widths=np.array([Bomb()])),
    "pure-pickle.npz": lambda p: p.write_bytes(pickle.dumps(Bomb())),
    "missing.npz": lambda p: saved(p, senders=None),
    "floats.npz": lambda p: saved(p, senders=np.zeros(4)),
    "sizes.npz": lambda p: saved(p, sizes=np.array([7])),
    "negative-sizes.npz": lambda p: saved(p, sizes=np.array([-4])),
    "range.npz": lambda p: saved(p, senders=np.array([0, 1, 0, 9])),
    "nan.npz": lambda p: saved(p, trainable=np.zeros(4, bool), constant=np.full(4, np.nan)),
    "huge.npz": huge,
    "empty.json": lambda p: p.write_text(""),
    "number.json": lambda p: p.write_text("3"),
    "deep.json": lambda p: p.write_text("[" * 100_000),
    "latin.json": lambda p: p.write_bytes(b"\xff\xfe\x00"),
    "graph.json": lambda p: p.write_text(link(graph=[])),
    "name.json": lambda p: p.write_text(link(graph={"name": 5})),
    "lists.json": lambda p: p.write_text(link(nodes=3)),
    "undirected.json": lambda p: p.write_text(link(directed=False)),
    "multigraph.json": lambda p: p.write_text(link(multigraph=True)),
    "no-edges.json": lambda p: p.write_text(link(edges=[])),
    "text.graphml": lambda p: p.write_text("hello"),
    "html.graphml": lambda p: p.write_text("<html></html>"),
    "names.graphml": lambda p: nx.write_graphml(nx.DiGraph([("a", "b")]), p),
    "undirected.graphml": lambda p: nx.write_graphml(nx.Graph([("a", "b")]), p),
    "laughs.graphml": lambda p: p.write_text(LAUGHS),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_malformed_or_hostile_file_is_one_value_error(name, tmp_path):
    path = tmp_path / name
    HOSTILE[name](path)
    with pytest.raises(ValueError, match="does not hold a topology"):
        tk.read(path)
    with pytest.raises(ValueError, match="does not hold a topology"):
        tk.read_layers(path)


@pytest.mark.parametrize("name", HOSTILE_ATTRIBUTES)
def test_attributes_that_fit_no_graph_are_one_value_error(name, tmp_path):
    path = tmp_path / name
    HOSTILE_ATTRIBUTES[name](path)
    with pytest.raises(ValueError, match="does not hold a topology"):
        tk.read(path)
    assert tk.read_layers(path).n_edges == 4
