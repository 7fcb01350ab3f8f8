"""Graphs that other programs wrote: they are read as they are meant, and errors name the line."""

import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit._limits import TooLargeError


def linked(graph, name):
    return json.dumps(nx.node_link_data(graph, edges=name))


@given(layered_networks(), st.sampled_from(["edges", "links"]))
@settings(max_examples=25)
def test_what_any_networkx_wrote_as_json_is_read(tmp_path_factory, layers, name):
    graph = tk.from_layers(layers, name="n")
    path = tmp_path_factory.mktemp("files") / "net.json"
    path.write_text(linked(graph, name))
    assert nx.utils.graphs_equal(tk.read(path), graph)


@given(layered_networks())
@settings(max_examples=25)
def test_what_networkx_wrote_as_gml_or_lines_is_read(tmp_path_factory, layers):
    graph = tk.from_layers(layers, name="n")
    folder = tmp_path_factory.mktemp("files")
    nx.write_gml(graph, folder / "net.gml")
    again = tk.read(folder / "net.gml")
    assert again.name == "n"
    assert tk.to_layers(again) == layers
    fed = set(graph.nodes) - set(nx.isolates(graph))
    if fed == set(graph.nodes):
        nx.write_edgelist(graph, folder / "net.edgelist")
        assert tk.read_layers(folder / "net.edgelist") == layers


@st.composite
def dags(draw):
    """A directed acyclic graph whose nodes all have edges, in any order."""
    n = draw(st.integers(2, 7))
    pairs = [(a, b) for b in range(n) for a in range(b)]
    order = draw(st.permutations(range(1, n + 1)))
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    edges = [(order[a], order[b]) for a, b in chosen]
    kept = sorted({node for edge in edges for node in edge})
    number = {node: place for place, node in enumerate(kept, 1)}
    return nx.DiGraph([(number[a], number[b]) for a, b in edges])


@given(dags(), st.sampled_from(["real", "integer", "pattern"]), st.booleans())
@settings(max_examples=40)
def test_the_adjacency_matrix_of_a_graph_is_that_graph_in_layers(
    tmp_path_factory, dag, field, dense
):
    folder = tmp_path_factory.mktemp("files")
    matrix = nx.to_scipy_sparse_array(dag, nodelist=sorted(dag))
    whole = dense and field != "pattern"
    with (folder / "net.mtx").open("wb") as file:
        scipy.io.mmwrite(file, matrix.toarray() if whole else matrix, field=field)
    ordered = nx.DiGraph()
    ordered.add_nodes_from(sorted(dag))
    ordered.add_edges_from(dag.edges)
    expected = tk.layered(ordered)
    found = tk.read(folder / "net.mtx")
    assert tk.to_layers(found) == tk.to_layers(expected)
    assert dict(found.nodes(data="label")) == dict(expected.nodes(data="label"))
    nx.write_edgelist(dag, folder / "net.edgelist", data=False)
    lines = tk.read(folder / "net.edgelist")
    by_networkx = nx.read_edgelist(folder / "net.edgelist", create_using=nx.DiGraph)
    assert nx.utils.graphs_equal(lines, tk.layered(by_networkx))


def test_an_attribute_of_any_name_is_an_attribute(tmp_path):
    """Also one that networkx has an argument of that name for."""
    names = ("backend", "self", "incoming_graph_data", "u_of_edge", "node_for_adding", "attr")
    attributes = {name: [[0, 1]] for name in names}
    graph = tk.topologies.butterfly(4)
    for data in (graph.graph, graph.nodes[0, 0], graph.edges[(0, 0), (1, 0)]):
        data.update(attributes)
    for ending in ("npz", "json", "graphml"):
        tk.write(graph, tmp_path / f"net.{ending}")
        assert nx.utils.graphs_equal(tk.read(tmp_path / f"net.{ending}"), graph)
    (tmp_path / "net.edgelist").write_text(f"a b {attributes}\n")
    lines = tk.read(tmp_path / "net.edgelist")
    assert lines.edges[(0, 0), (1, 0)] == {"trainable": True} | attributes


def test_weights_and_attributes_of_lines_are_kept(tmp_path):
    text = "# a graph\na b 0.5\nb c {'trainable': False, 'weight': -2.0}  # fixed\n\na c\n"
    (tmp_path / "net.edgelist").write_text(text)
    graph = tk.read(tmp_path / "net.edgelist")
    assert graph.edges[(0, 0), (1, 0)] == {"trainable": True, "weight": 0.5}
    assert graph.edges[(1, 0), (2, 0)] == {"trainable": False, "weight": -2.0}
    assert tk.structure(graph).edges == 4


def test_a_file_that_was_cut_is_no_graph(tmp_path):
    """Wherever a file ends early, it is refused, or says the same but for blanks at its end."""
    graph = tk.topologies.erdos_renyi([3, 12, 2], 0.6, seed=1)
    names = {node: str(place) for place, node in enumerate(graph)}
    dag = nx.relabel_nodes(graph, names)
    with (tmp_path / "whole.mtx").open("wb") as file:
        scipy.io.mmwrite(file, nx.to_scipy_sparse_array(dag), field="pattern")
    nx.write_edgelist(dag, tmp_path / "whole.edgelist", data=False)
    whole = (tmp_path / "whole.mtx").read_bytes()
    for end in range(len(whole)):
        (tmp_path / "cut.mtx").write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"line|the file ends after"):
            tk.read(tmp_path / "cut.mtx")
    lines = (tmp_path / "whole.edgelist").read_bytes()
    for end in range(1, len(lines)):
        (tmp_path / "cut.edgelist").write_bytes(lines[:end])
        if lines[end - 1 : end] != b"\n":
            with pytest.raises(ValueError, match="the last one, has no end"):
                tk.read(tmp_path / "cut.edgelist")


def edited(**changes: Any) -> str:
    data = nx.node_link_data(tk.from_masks([np.eye(2)]), edges="edges")
    return json.dumps({k: v for k, v in (data | changes).items() if v is not None})


node, edge = {"id": [0, 0], "layer": 0}, {"source": [0, 0], "target": [1, 0]}
HEAD = "%%MatrixMarket matrix coordinate pattern general\n"
GML = 'graph [\n  directed 1\n  node [ id 0 label "(0, 0)" ]\n'


def graphml(inner: str, before: str = "", after: str = "") -> str:
    """GraphML with a key for strings and one for edges, two nodes, and whatever else is said."""
    return (
        f'<?xml version="1.0"?>{before}<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="t" attr.name="note" attr.type="string"/>'
        '<key id="w" for="edge" attr.name="weight" attr.type="double"/>'
        '<graph edgedefault="directed"><node id="(0, 0)"/><node id="(1, 0)"/>'
        f"{inner}</graph>{after}</graphml>"
    )


JOINED = '<edge source="(0, 0)" target="(1, 0)"/>'
NOTE = '<data key="t">a</data>'
SECOND = '<graph edgedefault="directed"/>'
CONSTANT = graphml(
    JOINED.replace("/>", '><data key="f">false</data><data key="w">1</data></edge>')
).replace("<graph ", '<key id="f" for="edge" attr.name="trainable" attr.type="boolean"/><graph ')

WRONG: dict[str, tuple[str, str]] = {
    "key.json": ('{"directed": true, "directed": true}', "the key 'directed' is given twice"),
    "surplus.json": (edited(node_count=1), "the key 'node_count' has no meaning here"),
    "true.json": (edited(nodes=[{"id": [False, 0]}]), r"nodes\[0\]: 'id' must be \[layer, index\]"),
    "multi.json": (edited(multigraph="no"), "no multigraph"),
    "sum.json": (edited(sha256="0" * 64), "its content is not that of its sha256"),
    "large.json": ('{"directed": true, "graph": {"a": 1e999}}', "the number 1e999 is too large"),
    "entity.graphml": (
        graphml(JOINED + "&a;", '<!DOCTYPE x [<!ENTITY a "ha">]>'),
        "line 1: it declares a document type",
    ),
    "edges.json": (
        edited(nodes=[], edges=[], graph={"incoming_graph_data": [[[0, 0], [1, 0]]]}),
        "the graph is empty",
    ),
    "words.gml": (GML + "  a [ b 1 ]\n" * 100_000 + "]\n", "characters for 1 nodes and edges"),
    "long.edgelist": (f"a b {{'x': [{'1,' * 50_000}]}}\n", "line 1 has more than 100,000 charact"),
    "idle.edgelist": ("a b\n" + "#\n" * 10_002, "line 10003: there are over 10,000 lines of"),
    "idle.mtx": (HEAD + "%\n" * 10_002, "line 10001: there are over 10,000 lines of"),
    "same.graphml": (graphml('<node id="(00, 0)"/>'), r"node '\(00, 0\)' is not of the form"),
    "blank.graphml": (graphml('<node id="(0,0)"/>' + JOINED), "the same layer and index"),
    "node.graphml": (graphml('<node id="(0, 0)"/>'), r"the node '\(0, 0\)' is there already"),
    "graphs.graphml": (graphml(JOINED, after=SECOND), "expected one directed graph"),
    "port.graphml": (graphml("<port/>"), "<port> in <graph> is not understood"),
    "end.graphml": (graphml(JOINED.replace("0, ", "7, ")), "which is none of the nodes"),
    "data.graphml": (graphml(JOINED + NOTE + NOTE), "'t' is not declared for a graph, or given tw"),
    "domain.graphml": (graphml('<data key="w">1</data>'), "'w' is not declared for a graph"),
    "words.graphml": (graphml("words"), "'words' stands outside an attribute"),
    "number.graphml": (
        graphml(JOINED.replace("/>", '><data key="w">1_0</data></edge>')),
        "line 1: '1_0' is no double",
    ),
    "same.gml": (GML + '  node [ id 1 label "(00, 0)" ]\n]\n', r"'\(00, 0\)' is not of the form"),
    "mixed.edgelist": ("(0, 0) (1, 0)\n(00, 0) (1, 0)\n", r"'\(00, 0\)' stands beside nodes"),
    "blank.edgelist": ("(0, 0) (1, 0)\n(0,0) (1, 0)\n", "two names stand for one node"),
    "keys.edgelist": ("a b {'weight': 1, 'weight': 2}\n", "each given once"),
    "digits.edgelist": ("a b \u0661\n", "line 1: expected a finite weight"),
    "digits.mtx": (HEAD + "2 2 \u0661\n1 2\n", "line 2 must hold the sizes"),
    "two.json": (edited(links=[]), "both 'edges' and 'links'"),
    "no.json": (edited(edges=None), "there are no edges"),
    "id.json": (edited(nodes=[node, {"layer": 0}]), r"nodes\[1\]: 'id' must be \[layer, index\]"),
    "text.json": (edited(nodes=[{"id": "(0, 0)"}]), r"nodes\[0\]: 'id' .* found \(0, 0\)"),
    "again.json": (edited(nodes=[node, node]), r"nodes\[1\]: the node \(0, 0\) is there already"),
    "end.json": (edited(edges=[edge, {"source": [0, 0]}]), r"edges\[1\]: 'target' must be"),
    "strange.json": (
        edited(edges=[edge | {"target": [7, 0]}]),
        r"edges\[0\]: its target \(7, 0\) is none of the nodes",
    ),
    "twice.json": (edited(edges=[edge, edge]), r"edges\[1\]: the edge .* is there already"),
    "old.json": (edited(edges=None, links=[edge, 3]), r"links\[1\]: 'source' must be"),
    "flag.json": (edited(edges=[edge | {"trainable": 1}]), "trainable must be a bool; given 1"),
    "weight.json": (
        edited(edges=[edge | {"trainable": False, "weight": True}]),
        "a constant edge must be a number .* given 'True'",
    ),
    "digit.json": (
        edited(edges=[edge | {"trainable": False, "weight": "1"}]),
        "a constant edge must be a number .* given '1'",
    ),
    "layer.json": (
        edited(nodes=[node, {"id": [1, 0], "layer": True}], edges=[edge]),
        r"node \(1, 0\) has the attribute layer=True; it must equal 1",
    ),
    "weight.graphml": (
        CONSTANT.replace('"double"', '"string"'),
        "a constant edge must be a number .* given '1'",
    ),
    "truth.graphml": (
        CONSTANT.replace('"double"', '"boolean"'),
        "a constant edge must be a number .* given 'True'",
    ),
    "text.edgelist": (
        "a b {'trainable': False, 'weight': '1'}\n",
        "a constant edge must be a number .* given '1'",
    ),
    "default.graphml": (
        graphml(JOINED).replace(
            "<graph ", '<key id="p" attr.name="topokit"><default>{}</default></key><graph '
        ),
        "the key 'topokit' may have no default; found one of a graph",
    ),
    "deep.json": (
        edited(
            nodes=[node | {"a": json.loads("[" * 120 + "]" * 120)}, {"id": [1, 0]}], edges=[edge]
        ),
        r"node \(0, 0\): 'a': it is nested more than 100 times",
    ),
    "set.edgelist": ("a b {'a': {1, 2}}\n", "line 1: expected a finite weight or a dict"),
    "return.edgelist": ("a b\rb c\n", "line 1 has a carriage return within"),
    "return.mtx": (HEAD + "2 2 1\r1 2\n", "line 2 has a carriage return within"),
    "packed.graphml": (
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns"><key id="t" '
        'for="node" attr.name="topokit" attr.type="string"/><graph edgedefault="directed">'
        '<node id="(0, 0)"><data key="t">{</data></node></graph></graphml>',
        r"node \(0, 0\): the key 'topokit' must hold JSON",
    ),
    "twice.graphml": (
        '<?xml version="1.0"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph '
        'edgedefault="directed"><node id="(0, 0)"/><node id="(1, 0)"/><edge source="(0, 0)" '
        'target="(1, 0)"/><edge source="(0, 0)" target="(1, 0)"/></graph></graphml>',
        "two edges of the same ends",
    ),
    "names.gml": ('graph [ directed 1 node [ id 0 label "a" ] ]\n', "node 'a' is not of the form"),
    "plain.gml": (GML.replace("directed 1", "") + "]\n", "expected a directed simple graph"),
    "both.gml": (GML.replace("directed 1", "directed 0 directed 1") + "]\n", "once; found 0 and 1"),
    "two.gml": (GML.replace("directed 1", "directed 2") + "]\n", "'directed' must be 1.* found 2"),
    "word.gml": (GML.replace("directed 1", 'directed "0"') + "]\n", "'directed' must be 1"),
    "list.gml": (GML.replace("directed 1", "directed [ a 1 ]") + "]\n", "'directed' must be 1"),
    "nan.gml": (GML.replace("directed 1", "directed NAN") + "]\n", "'directed' must be 1"),
    "labels.gml": (
        GML + '  node [ id 7 label "(1, 0)" label "(1, 1)" ]\n]\n',
        'node 7: the key \'label\' is given twice: "\\(1, 0\\)" and "\\(1, 1\\)"',
    ),
    "ends.gml": (
        GML + "  edge [ source 0 source 0 target 0 ]\n]\n",
        "edge: the key 'source' is given twice: 0 and 0",
    ),
    "label.gml": ("graph [ directed 1 node [ id 0 ] ]\n", "no 'label' attribute"),
    "end.gml": (GML + "  edge [ source 0 target 5 ]\n]\n", "undefined target 5"),
    "cut.gml": (GML, "expected|EOF|end"),
    "sign.gml": (GML + "  ?\n]\n", "line 4|4,|cannot tokenize"),
    "flag.gml": (
        GML + '  node [ id 1 label "(1, 0)" ]\n  edge [ source 0 target 1 trainable "yes" ]\n]\n',
        "trainable must be a bool; given 'yes'",
    ),
    "one.edgelist": ("a b\nc\n", "line 2: expected a sender, a receiver"),
    "four.edgelist": ("a b 1.0 2.0\n", "line 1: expected a sender"),
    "weight.edgelist": ("a b\nb c heavy\n", "line 2: expected a finite weight"),
    "nan.edgelist": ("a b nan\n", "line 1: expected a finite weight"),
    "call.edgelist": ("a b {'a': open('x')}\n", "line 1: expected a finite weight or a dict"),
    "twice.edgelist": ("a b\n\na b\n", "line 3: the edge stands in line 1 already"),
    "cycle.edgelist": ("a b\nb a\n", "the graph has a cycle"),
    "empty.edgelist": ("# nothing\n", "the graph has no edge"),
    "jump.edgelist": ("(0, 0) (1, 0)\n(0, 0) (2, 0)\n(1, 0) (2, 0)\n", "to the next one"),
    "head.mtx": ("2 2 1\n1 2\n", "line 1 must be '%%MatrixMarket"),
    "empty.mtx": ("", "line 1 must be"),
    "complex.mtx": (HEAD.replace("pattern", "complex"), "line 1: .*none of real numbers"),
    "both.mtx": (HEAD.replace("general", "symmetric") + "2 2 1\n2 1\n", "joins nodes both ways"),
    "sizes.mtx": (HEAD + "% a word\n2 2\n", "line 3 must hold the sizes"),
    "layer.mtx": (HEAD + "2 3 1\n1 3\n", r"this one is 2 x 3.*from_weights\(\[scipy.io.mmread"),
    "row.mtx": (HEAD + "2 2 1\n1 3\n", "line 3: expected a row and a column from 1 to 2"),
    "zero.mtx": (HEAD + "2 2 1\n0 1\n", "line 3: expected a row and a column"),
    "word.mtx": (HEAD + "2 2 1\n1 two\n", "line 3: expected 2 finite numbers; found '1 two'"),
    "more.mtx": (HEAD + "2 2 1\n1 2\n2 1\n", "line 4: the file goes on after 1 entries"),
    "less.mtx": (HEAD + "2 2 2\n1 2\n", "the file ends after 1 of 2 entries"),
    "twice.mtx": (HEAD + "2 2 2\n1 2\n1 2\n", r"line 4: entry \(1, 2\) is given again"),
    "large.mtx": (HEAD + "99999999999999 99999999999999 1\n1 2\n", "row and column 3 are empty"),
    "loop.mtx": (HEAD + "2 2 2\n1 2\n1 1\n", "the graph has a cycle"),
    "nan.mtx": (HEAD.replace("pattern", "real") + "2 2 1\n1 2 nan\n", "line 3: expected 3 finite"),
    "python.mtx": (HEAD + "2 2 1\n1 0_2\n", "line 3: expected 2 finite numbers"),
    "python.edgelist": ("a b 1_0\n", "line 1: expected a finite weight"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_key_or_the_line_that_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    text, message = WRONG[name]
    (tmp_path / name).write_text(text, newline="")
    with pytest.raises(ValueError, match=message) as error:
        tk.read(tmp_path / name)
    assert f"{name} does not hold a topology: " in str(error.value)


def test_zeros_of_a_matrix_are_no_edges_and_bounded(tmp_path, monkeypatch):
    path = tmp_path / "net.mtx"
    path.write_text("%%MatrixMarket matrix array integer general\n2 2\n0\n0\n5\n0\n")
    assert tk.read(path).edges == tk.from_masks([np.eye(1)]).edges
    monkeypatch.setattr("topokit.files._matrix_market.MOST_ZEROS", 2)
    with pytest.raises(ValueError, match="line 6: there are over 2 entries of 0"):
        tk.read(path)


def test_no_letter_of_the_name_of_a_sum_turns_it_off(tmp_path: Path) -> None:
    tk.write(tk.topologies.butterfly(4), tmp_path / "net.graphml")
    whole = (tmp_path / "net.graphml").read_text()
    for place in range(len("sha256")):
        damaged = f"{'sha256'[:place]}r{'sha256'[place + 1 :]}"
        (tmp_path / "net.graphml").write_text(whole.replace('"sha256"', f'"{damaged}"'))
        with pytest.raises(ValueError, match=f"'{damaged}' looks like a damaged sha256"):
            tk.read(tmp_path / "net.graphml")


@pytest.mark.parametrize("ending", ["edgelist", "mtx"])
def test_jumps_that_a_small_file_cannot_mean_are_refused(ending, tmp_path):
    """A path of 2,000 edges, and one more from each of its nodes to its end: two million relays."""
    n = 2000
    rows = [f"{i} {i + 1}" for i in range(1, n)] + [f"{i} {n}" for i in range(1, n - 1)]
    head = f"{HEAD}{n} {n} {len(rows)}\n" if ending == "mtx" else ""
    path = tmp_path / f"net.{ending}"
    path.write_text(head + "\n".join(rows) + "\n")
    with pytest.raises(TooLargeError, match="its jumps over layers would take .* TOPOKIT_MEMORY"):
        tk.read(path)
