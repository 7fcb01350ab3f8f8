"""Topologies in files: what is written reads back equal, and hostile files do no harm."""

import dataclasses
import io
import json
import pickle
import re
import tracemalloc
import zipfile
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit._escapes import printable
from topokit._limits import TooLargeError

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


def misplaced(path):
    """An archive whose list of contents lies far beyond the end of the file."""
    saved(path)
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xC3
    path.write_bytes(data)


LAUGHS = """<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
<graphml><graph edgedefault="directed"><node id="&b;"/></graph></graphml>"""


def kept(path, **parts):
    """An archive of two by two trainable edges with attributes beside its arrays."""
    saved(path, attributes=np.array(json.dumps(parts)))


HOSTILE = {
    "unknown-node.npz": lambda p: kept(p, nodes=[[5, 5, {}]]),
    "moved-node.npz": lambda p: kept(p, nodes=[[0, 1, {"layer": 1}]]),
    "unknown-edge.npz": lambda p: kept(p, edges=[[0, 0, 1, 7, {}]]),
    "frozen-edge.npz": lambda p: kept(p, edges=[[0, 0, 1, 1, {"trainable": False}]]),
    "twice.npz": lambda p: kept(p, edges=[[0, 0, 1, 1, {}], [0, 0, 1, 1, {"weight": 2}]]),
    "unknown-part.npz": lambda p: kept(p, weights=[]),
    "attribute-list.npz": lambda p: saved(p, attributes=np.array("[1, 2]")),
    "attributes.npz": lambda p: saved(p, attributes=np.array("[1, 2")),
    "same-key.npz": lambda p: saved(p, attributes=np.array('{"graph": {}, "graph": {}}')),
    "surplus.npz": lambda p: saved(p, weights=np.zeros(4)),
    "weight.npz": lambda p: saved(p, constant=np.ones(4)),
    "overflow.npz": lambda p: saved(
        p, widths=np.array([2] * 6), sizes=np.array([2**62] * 4 + [4], np.int64)
    ),
    "empty.npz": lambda p: p.write_bytes(b""),
    "flipped.npz": flipped,
    "misplaced.npz": misplaced,
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


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": np.array([10**7, 1]), "sizes": np.array([1])},
        {"widths": np.array([2**63, 2], np.uint64)},
        {"widths": np.ones(10**5, np.int8)},
        {"attributes": np.array(" " * 6 * 10**6)},
    ],
    ids=["neurons", "more neurons than a word counts", "layers", "attributes"],
)
def test_what_a_small_file_cannot_mean_is_refused_before_it_is_made(changes, tmp_path):
    path = tmp_path / "net.npz"
    one = {"senders": [0], "receivers": [0], "trainable": [True], "constant": [0.0]}
    held: Any = arrays(**{k: np.array(v) for k, v in one.items()}, **changes)
    np.savez_compressed(path, **held)
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="net.npz: .* is the most for a file of"):
        tk.read_layers(path)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


texts = st.text(
    st.characters(codec=None) | st.sampled_from("\x00\x08\x1f\x85\ud800\ufffe\r\n\t <&]")
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(
        [np.int8(-3), np.uint64(2**63), np.float32(0.1), np.bool_(True), np.str_("a")]
    )
    | st.sampled_from(["[2,2,2]", "{}", "null", "1", "true", '"a"', '{"__tuple__": []}', ""])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=5,
)
RESERVED = ("id", "key", "source", "target", "node_default", "edge_default", "topokit", "label", "")
RESERVED += ("sha256",)
MUST_BE_TEXT = ("name", "family")
keys = (texts | st.sampled_from(RESERVED)).filter(lambda key: key not in MUST_BE_TEXT)
attributes = st.dictionaries(keys, values, max_size=3)


def as_read(value):
    """A value with Python's numbers, and the type beside each, so that 1, 1.0 and true differ."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {key: as_read(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [as_read(item) for item in value]
    return type(value), "nan" if value != value else value


def content(graph):
    """All that a graph says."""
    nodes = {node: as_read(data) for node, data in graph.nodes(data=True)}
    edges = {(s, r): as_read(data) for s, r, data in graph.edges(data=True)}
    return as_read(graph.graph), nodes, edges


@pytest.mark.parametrize("ending", ENDINGS)
@given(layered_networks(max_width=3, max_depth=2), attributes, st.data())
@settings(max_examples=60)
def test_whatever_is_written_reads_back_equal(ending, tmp_path_factory, layers, of_graph, data):
    graph = tk.from_layers(layers, name=printable(data.draw(texts)))
    graph.graph.update(of_graph)
    for places in (graph.nodes, graph.edges):
        place = data.draw(st.sampled_from(sorted(places)))
        places[place].update(data.draw(attributes))
    path = tmp_path_factory.mktemp("files") / f"net{ending}"
    if ending == ".json" and has_reserved(graph):
        with pytest.raises(ValueError, match="an attribute cannot be saved: the name"):
            tk.write(graph, path)
        assert not path.exists()
    else:
        tk.write(graph, path)
        assert content(tk.read(path)) == content(graph)


def has_reserved(graph):
    edges = [data for _, _, data in graph.edges(data=True)]
    nodes = [data for _, data in graph.nodes(data=True)]
    return any("id" in d for d in nodes) or any({"source", "target"} & {*d} for d in edges)


whole = st.sampled_from([int, np.int8, np.int64, np.uint16])


@pytest.mark.parametrize("ending", ENDINGS)
@given(
    layers=layered_networks(),
    kinds=st.tuples(whole, whole),
    real=st.sampled_from([float, np.float32, np.float64]),
)
@settings(max_examples=25)
def test_numbers_of_numpy_in_nodes_and_flags_are_those_of_python(
    ending, tmp_path_factory, layers, kinds, real
):
    plain = tk.from_layers(layers)
    for _, _, data in plain.edges(data=True):
        data |= {"weight": float(np.float32(data["weight"]))} if "weight" in data else {}
    graph = nx.relabel_nodes(plain, {n: (kinds[0](n[0]), kinds[1](n[1])) for n in plain})
    for node, data in graph.nodes(data=True):
        data["layer"] = node[0]
    for _, _, data in graph.edges(data=True):
        data["trainable"] = np.bool_(data["trainable"])
        data |= {"weight": real(data["weight"])} if "weight" in data else {}
    path = tmp_path_factory.mktemp("files") / f"net{ending}"
    tk.write(graph, path)
    again = tk.read(path)
    assert content(again) == content(plain)
    assert {type(part) for node in again for part in node} == {int}


UNFIT: dict[str, tuple[Any, str]] = {
    "a set": ({"note": [{1}]}, r"'note'|\{1\} is of set"),
    "a number for a key": ({5: "five"}, "the key 5 must be a text"),
    "a number for a key within": ({"note": {5: "five"}}, "the key 5 must be a text"),
    "the mark of a tuple": ({"note": {"__tuple__": [1]}}, "'__tuple__' must be another text"),
    "an array": ({"note": np.eye(2)}, "is of ndarray"),
    "a complex number": ({"note": 1j}, "is of complex"),
    "bytes": ({"note": b"a"}, "is of bytes"),
    "a name that is no text": ({"name": 3}, "the graph's name must be text"),
    "a family that is no text": ({"family": ["a"]}, "the graph's family must be text"),
    "a name that controls a terminal": ({"name": "\x1b[2J"}, r"must be one line .*; given '\\x1b"),
    "a family of two lines": ({"family": "a\nb"}, "the graph's family must be one line"),
    "half a letter in a name": ({"name": "a\ud800"}, r"the graph's name must .* given 'a\\ud800'"),
    "a book for a name": ({"name": "a" * 10**5}, "name must have at most 10,000 characters; given"),
    "a number too long": ({"note": 10**5000}, "is of int|Exceeds"),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", UNFIT)
def test_what_could_not_be_read_is_not_written(ending, what, tmp_path):
    graph = tk.from_masks([np.eye(2)])
    graph.graph.update(UNFIT[what][0])
    with pytest.raises(ValueError, match=UNFIT[what][1]):
        tk.write(graph, tmp_path / f"net{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recipe_that_nothing_checked_is_checked_before_it_is_written(ending, tmp_path):
    layers = dataclasses.replace(tk.topologies.butterfly.layers(4), widths=(4, 4, 5))
    with pytest.raises(ValueError, match="1 of 5 outputs cannot be reached"):
        tk.write(layers, tmp_path / f"net{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_drawing_of_another_program_is_brought_into_layers_and_saved(ending, tmp_path):
    drawing = nx.DiGraph([("a", "b"), ("b", "c"), ("a", "c")], edge_default={"trainable": True})
    nx.write_graphml(drawing, tmp_path / "drawing.graphml")
    graph = tk.layered(nx.read_graphml(tmp_path / "drawing.graphml"))
    assert "node_default" in graph.graph, "networkx leaves it there"
    tk.write(graph, tmp_path / f"net{ending}")
    assert content(tk.read(tmp_path / f"net{ending}")) == content(graph)


def test_defaults_of_graphml_hold_where_nothing_else_is_said(tmp_path):
    text = """<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">
    <key id="t" for="edge" attr.name="trainable" attr.type="boolean"><default>false</default></key>
    <key id="w" for="edge" attr.name="weight" attr.type="double"><default>2.5</default></key>
    <graph edgedefault="directed"><node id="(0, 0)"/><node id="(1, 0)"/><node id="(1, 1)"/>
    <edge source="(0, 0)" target="(1, 0)"/><edge source="(0, 0)" target="(1, 1)">
    <data key="t">true</data></edge></graph></graphml>"""
    (tmp_path / "net.graphml").write_text(text)
    layers = tk.read_layers(tmp_path / "net.graphml")
    assert layers.trainable[0].tolist() == [False, True]
    assert layers.constant[0].tolist() == [2.5, 0.0]


def test_an_archive_with_something_before_it_is_damaged(tmp_path):
    tk.write(tk.topologies.dense(2, 2), tmp_path / "net.npz")
    content = (tmp_path / "net.npz").read_bytes()
    (tmp_path / "net.npz").write_bytes(b"xyz" + content)
    with pytest.raises(ValueError, match="net.npz does not hold .*: it is no archive"):
        tk.read(tmp_path / "net.npz")


def test_what_the_system_says_is_said_of_the_file_that_was_named(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    long = tmp_path / ("n" * 240 + ".npz")
    tk.write(tk.topologies.dense(2, 2), long)
    assert tk.read(long).number_of_edges() == 4
    for path in (tmp_path / "none" / "net.npz", tmp_path / "folder.npz"):
        with pytest.raises(OSError, match=re.escape(str(path))) as caught:
            tk.write(tk.topologies.dense(2, 2), path)
        assert ".part" not in str(caught.value)
