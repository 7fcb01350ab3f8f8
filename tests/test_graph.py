"""The convention: graphs, recipes and masks say the same thing, and wrong ones are told apart."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk


@st.composite
def dags(draw: st.DrawFn) -> nx.DiGraph:
    """A directed acyclic graph on strings, without isolated nodes, that has an edge."""
    n = draw(st.integers(2, 8))
    pairs = [(f"n{i}", f"n{j}") for i in range(n) for j in range(i + 1, n)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True))
    dag = nx.DiGraph(chosen)
    for edge in chosen:
        if draw(st.booleans()):
            dag.edges[edge].update(trainable=False, weight=draw(st.sampled_from([-2.0, 0.5])))
    return dag


@given(layered_networks())
def test_a_recipe_survives_the_way_through_a_graph(layers):
    assert tk.to_layers(tk.from_layers(layers)) == layers


@given(layered_networks())
def test_masks_and_their_trainable_part_give_the_same_wiring_back(layers):
    masks = tk.to_masks(layers)
    constants = [np.zeros(m.shape) for m in masks]
    for array, senders, receivers, values in zip(
        constants, layers.senders, layers.receivers, layers.constant, strict=True
    ):
        array[senders, receivers] = values
    trainable = tk.to_masks(layers, trainable=True)
    values = [np.where(t, 1.0, c) for t, c in zip(trainable, constants, strict=True)]
    numbers = [np.where(m, v, 0.0) for m, v in zip(masks, values, strict=True)]
    assert tk.to_layers(tk.from_masks(numbers, trainable)) == layers
    fixed = tk.to_masks(layers, trainable=False)
    for mask, free, held in zip(masks, trainable, fixed, strict=True):
        assert np.array_equal(mask, free | held)
        assert not (free & held).any()


def test_a_mask_entry_says_that_its_row_feeds_its_column():
    graph = tk.from_masks([np.array([[1, 0, 1], [0, 1, 0]])])
    assert set(graph.edges) == {((0, 0), (1, 0)), ((0, 0), (1, 2)), ((0, 1), (1, 1))}


def test_edges_come_sorted_by_receiver_and_then_by_sender():
    rng = np.random.default_rng(0)
    layers = tk.to_layers(tk.from_masks([rng.random((9, 7)) < 0.6]))
    pairs = list(zip(layers.receivers[0].tolist(), layers.senders[0].tolist(), strict=True))
    assert pairs == sorted(pairs)


def test_edges_that_the_user_adds_with_networkx_are_trainable():
    graph = tk.from_masks([np.eye(3)])
    graph.add_edge((0, 0), (1, 2))
    assert tk.to_layers(graph).n_trainable == 4


def test_constant_edges_keep_their_value_and_default_to_one():
    graph = tk.from_masks([np.eye(2)])
    graph.edges[(0, 0), (1, 0)].update(trainable=False)
    graph.edges[(0, 1), (1, 1)].update(trainable=False, weight=-0.25)
    assert tk.to_layers(graph).constant[0].tolist() == [1.0, -0.25]


def test_a_recipe_is_its_own_recipe():
    layers = tk.to_layers(tk.from_masks([np.eye(2)]))
    assert tk.to_layers(layers) is layers


@given(dags())
def test_layered_keeps_the_paths_between_sources_and_sinks(dag):
    graph = tk.layered(dag)
    layers = tk.to_layers(graph)
    sources = [n for n in dag if dag.in_degree(n) == 0]
    sinks = [n for n in dag if dag.out_degree(n) == 0]
    assert [graph.nodes[0, i]["label"] for i in range(layers.n_in)] == sources
    last = layers.depth
    assert [graph.nodes[last, i]["label"] for i in range(layers.n_out)] == sinks
    for i, source in enumerate(sources):
        for o, sink in enumerate(sinks):
            before = len(list(nx.all_simple_paths(dag, source, sink)))
            assert len(list(nx.all_simple_paths(graph, (0, i), (last, o)))) == before


@given(dags())
def test_layered_adds_only_relays_of_constant_one(dag):
    graph = tk.layered(dag)
    own = [n for n in graph if not str(graph.nodes[n]["label"]).startswith("relay of ")]
    assert len(own) == dag.number_of_nodes()
    into_relays = [d for _, r, d in graph.edges(data=True) if r not in own]
    assert all(d == {"trainable": False, "weight": 1.0} for d in into_relays)
    kept = [d for _, r, d in graph.edges(data=True) if r in own]
    originals = [{"trainable": True} | d for _, _, d in dag.edges(data=True)]
    assert sorted(map(str, kept)) == sorted(map(str, originals))


def test_layered_shares_one_chain_of_relays_between_the_jumps_of_a_node():
    dag = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")])
    graph = tk.layered(dag)
    labels = [graph.nodes[node]["label"] for node in sorted(graph)]
    assert labels == ["a", "b", "relay of a", "c", "relay of a", "d"]


def test_layered_leaves_a_graph_in_the_convention_as_it_is():
    graph = tk.topologies.butterfly(8)
    again = tk.layered(graph)
    assert set(again.edges) == set(graph.edges)
    assert tk.to_layers(again) == tk.to_layers(graph)


def with_node(node, **data):
    graph = tk.from_masks([np.eye(2), np.eye(2)])
    graph.add_node(node, **data)
    return graph


def with_edge(sender, receiver, **data):
    graph = tk.from_masks([np.eye(2), np.eye(2)])
    graph.add_edge(sender, receiver, **data)
    return graph


def without(*nodes):
    graph = tk.from_masks([np.ones((2, 2)), np.ones((2, 2))])
    graph.remove_nodes_from(nodes)
    return graph


EYE = np.eye(2)
ONE = np.array([0])
WRONG_GRAPHS = {
    "multigraph": (lambda: nx.MultiDiGraph([((0, 0), (1, 0))]), "given MultiDiGraph"),
    "empty": (nx.DiGraph, "is empty"),
    "cycle": (lambda: nx.DiGraph([("a", "b"), ("b", "a")]), "cycle"),
    "names": (lambda: nx.DiGraph([("a", "b")]), "topokit.layered"),
    "layer attribute": (lambda: with_node((1, 2), layer=2), "layer=2"),
    "negative layer": (lambda: with_node((-1, 0)), "layer -1|without a gap"),
    "gap between layers": (lambda: with_node((4, 0)), "layer 3 has no node"),
    "gap between nodes": (lambda: without((1, 0)), "none with index 0"),
    "jump": (lambda: with_edge((0, 0), (2, 1)), "topokit.layered"),
    "backwards": (lambda: with_edge((2, 0), (1, 1)), "must lead from a layer to the next"),
    "self-loop": (lambda: with_edge((1, 0), (1, 0)), "must lead from a layer to the next"),
    "trainable": (lambda: with_edge((0, 0), (1, 1), trainable="no"), "trainable must be a bool"),
    "weight": (lambda: with_edge((0, 0), (1, 1), trainable=False, weight="x"), "be a number"),
    "NaN": (lambda: with_edge((0, 0), (1, 1), trainable=False, weight=np.nan), "weight nan"),
    "infinite": (lambda: with_edge((0, 0), (1, 1), trainable=False, weight=np.inf), "weight inf"),
    "zero": (lambda: with_edge((0, 0), (1, 1), trainable=False, weight=0), "remove the edge"),
    "no edges": (lambda: with_node((3, 0)), "no edge: every layer needs"),
    "lost output": (lambda: with_node((2, 2)), "1 of 3 outputs cannot be reached"),
}


@pytest.mark.parametrize(("make", "message"), WRONG_GRAPHS.values(), ids=WRONG_GRAPHS)
def test_a_wrong_graph_is_refused_with_an_instruction(make, message):
    with pytest.raises(ValueError, match=message):
        tk.to_layers(make())


WRONG_MASKS = {
    "none": ([], None, "masks is empty"),
    "text": ([np.array([["a"]])], None, "must be a matrix"),
    "NaN": ([np.array([[np.nan]])], None, "NaN"),
    "empty layer": ([np.zeros((2, 2))], None, "no edge"),
    "no neurons": ([np.zeros((0, 2))], None, "positive integer"),
    "chain": ([np.ones((2, 3)), np.ones((2, 2))], None, "3 receivers but masks\\[1\\] has 2"),
    "dead output": ([np.array([[1, 0]])], None, "cannot be reached"),
    "dead path": ([np.array([[1, 0]]), np.array([[0], [1]])], None, "cannot be reached"),
    "trainable count": ([EYE], [], "0 arrays for 1 masks"),
    "trainable shape": ([EYE], [np.ones((3, 3), bool)], "booleans in the shape of its mask"),
}


@pytest.mark.parametrize(("masks", "trainable", "message"), WRONG_MASKS.values(), ids=WRONG_MASKS)
def test_wrong_masks_are_refused_with_an_instruction(masks, trainable, message):
    with pytest.raises(ValueError, match=message):
        tk.from_masks(masks, trainable)


WRONG_ARRAYS = {
    "depth": (([3], [], []), "L at least 1"),
    "count": (([2, 2, 2], [ONE], [ONE]), "L \\+ 1 widths"),
    "width": (([2, 0], [ONE], [ONE]), "widths\\[1\\] must be a positive integer"),
    "length": (([2, 2], [np.array([0, 1])], [ONE]), "of one length"),
    "range": (([2, 2], [ONE + 2], [ONE]), "senders must lie in \\[0, 2\\)"),
    "negative": (([2, 2], [ONE], [ONE - 1]), "receivers must lie in"),
    "twice": (([1, 1], [np.array([0, 0])], [np.array([0, 0])]), "more than once"),
}


@pytest.mark.parametrize(("arrays", "message"), WRONG_ARRAYS.values(), ids=WRONG_ARRAYS)
def test_wrong_arrays_are_refused_with_an_instruction(arrays, message):
    with pytest.raises(ValueError, match=message):
        tk.make_layers(*arrays)


WRONG_DAGS = {
    "multigraph": (nx.MultiDiGraph([(0, 1)]), "given MultiDiGraph"),
    "cycle": (nx.DiGraph([(0, 1), (1, 2), (2, 0)]), "cycle"),
    "no edge": (nx.empty_graph(3, create_using=nx.DiGraph), "no edge"),
    "alone": (nx.DiGraph({0: [1], 2: []}), "node 2 has no edge"),
}


@pytest.mark.parametrize(("dag", "message"), WRONG_DAGS.values(), ids=WRONG_DAGS)
def test_layered_refuses_what_is_not_a_connected_dag(dag, message):
    with pytest.raises(ValueError, match=message):
        tk.layered(dag)


@pytest.mark.parametrize("name", ["layers", "graph", "incoming_graph_data", 7])
def test_any_attribute_of_a_graph_goes_through_every_change(name):
    graph = tk.topologies.butterfly(4)
    graph.graph[name] = "kept"
    for change in (tk.with_skip, tk.with_diagonal, tk.trim, tk.layered):
        assert change(graph).graph[name] == "kept"


def test_nodes_of_numpy_integers_are_integers():
    graph = nx.DiGraph([((np.int64(0), np.int64(0)), (np.int64(1), np.int64(0)))])
    assert tk.to_layers(graph).widths == (1, 1)


def test_a_constant_beyond_the_range_of_floats_is_refused():
    graph = tk.from_masks([np.eye(2)])
    graph.edges[(0, 0), (1, 0)].update(trainable=False, weight=10**400)
    with pytest.raises(ValueError, match="that a float can hold"):
        tk.to_layers(graph)
