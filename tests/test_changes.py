"""Changes to a topology: what each keeps, and what it does to the matrix."""

from functools import reduce

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import matrices, product
from scipy.linalg import block_diag
from strategies import layered_networks

import topokit as tk
from topokit import cascade, parallel, trim, with_diagonal, with_skip
from topokit.topologies import butterfly, clos, dense, low_rank, parallel_butterfly, random_regular

laws = settings(max_examples=60)


def relays(n: int) -> nx.DiGraph:
    return tk.from_masks([np.eye(n)], [np.zeros((n, n), bool)])


@laws
@given(layered_networks())
def test_a_diagonal_scales_each_output_by_one_trainable_weight(layers):
    changed = with_diagonal(layers)
    assert changed.depth == layers.depth + 1
    assert changed.n_trainable == layers.n_trainable + layers.n_out
    np.testing.assert_array_equal(matrices(changed, free=3.0)[-1], 3 * np.eye(layers.n_out))
    np.testing.assert_allclose(product(changed, free=3.0), 3 * product(layers, free=3.0))


@laws
@given(layered_networks(), st.integers(1, 5))
def test_the_matrix_of_a_cascade_is_the_product_of_its_parts(layers, hidden):
    back = random_regular.layers([layers.n_out, hidden, layers.n_in], 1, seed=0)
    joined = cascade([layers, back, with_skip(layers)])
    assert joined.depth == 2 * layers.depth + 2
    parts = [product(part, 0.5) for part in (layers, back, with_skip(layers))]
    np.testing.assert_allclose(product(joined, 0.5), reduce(np.matmul, parts))


def test_butterflies_in_a_cascade_are_a_deeper_butterfly():
    parts = [butterfly.layers(16, 4), butterfly.layers(16), butterfly.layers(16, 3)]
    assert cascade(parts) == butterfly.layers(16, 11)


@laws
@given(layered_networks(), st.data())
def test_side_by_side_the_matrix_is_block_diagonal(layers, data):
    size = layers.depth + 1
    widths = data.draw(st.lists(st.integers(1, 4), min_size=size, max_size=size))
    parts = [layers, random_regular.layers(widths, 1, seed=0), with_skip(layers)]
    joined = parallel(parts, shared=False)
    expected = np.asarray(block_diag(*[product(part, 2.0) for part in parts]))
    np.testing.assert_allclose(product(joined, 2.0), expected)
    assert joined.n_trainable == sum(part.n_trainable for part in parts)


@laws
@given(layered_networks().filter(lambda layers: layers.depth > 1), st.integers(1, 4))
def test_the_matrix_of_a_sum_is_the_sum_of_the_matrices(layers, width):
    widths = [layers.n_in, *[width] * (layers.depth - 1), layers.n_out]
    parts = [layers, random_regular.layers(widths, 1, seed=0), with_skip(layers)]
    summed = parallel(parts)
    np.testing.assert_allclose(product(summed, 2.0), np.sum([product(p, 2.0) for p in parts], 0))
    assert summed.n_trainable == sum(part.n_trainable for part in parts)


def test_a_sum_of_butterflies_is_a_parallel_butterfly():
    for depth in (2, 3, 4):
        for copies in (1, 2, 3):
            summed = parallel([butterfly.layers(8, depth)] * copies)
            assert summed == parallel_butterfly.layers(8, depth, copies)


def test_one_layer_networks_without_a_common_edge_can_be_summed():
    black = np.indices((4, 4)).sum(axis=0) % 2
    squares = parallel([tk.from_masks([black]), tk.from_masks([1 - black])])
    assert tk.to_layers(squares) == dense.layers(4, 4)


def test_relays_lengthen_a_network_for_a_sum_as_the_error_says():
    short, long = dense(4, 4), butterfly(4)
    with pytest.raises(ValueError, match="one depth.*topokit.cascade"):
        parallel([short, long])
    summed = tk.to_layers(parallel([cascade([short, relays(4)]), long]))
    assert summed.n_trainable == 16 + 16
    np.testing.assert_array_equal(product(summed), 2 * np.ones((4, 4)))


CHANGES = {
    "skip": with_skip,
    "diagonal": with_diagonal,
    "cascade": lambda topology: cascade([topology, topology]),
    "sum": lambda topology: parallel([topology, topology]),
    "side by side": lambda topology: parallel([topology, topology], shared=False),
    "trim": lambda topology: trim(topology, drop_inputs=[0]),
}


@pytest.fixture(params=list(CHANGES.values()), ids=list(CHANGES))
def change(request):
    return request.param


def odd_network() -> nx.DiGraph:
    """A butterfly with constants of several values and a few edges missing."""
    graph = butterfly(8)
    graph.remove_edges_from([((0, 1), (1, 0)), ((1, 4), (2, 6))])
    for edge, weight in {((0, 2), (1, 3)): -2.5, ((2, 2), (3, 6)): 1e-3}.items():
        graph.edges[edge].update(trainable=False, weight=weight)
    return graph


def test_a_graph_gives_a_graph_and_a_recipe_the_same_recipe(change):
    changed = change(odd_network())
    assert isinstance(changed, nx.DiGraph)
    assert tk.to_layers(changed) == change(tk.to_layers(odd_network()))


def test_constants_of_any_value_survive(change):
    constants = np.concatenate(change(tk.to_layers(odd_network())).constant)
    assert {-2.5, 1e-3} <= set(constants.tolist())


def test_the_given_topology_is_left_as_it_was(change):
    graph, layers = odd_network(), tk.to_layers(odd_network())
    change(graph)
    change(layers)
    assert nx.utils.graphs_equal(graph, odd_network())
    assert layers == tk.to_layers(odd_network())


def test_names_tell_the_change():
    graph = butterfly(8, depth=4)
    assert with_skip(graph).name == "butterfly(8, depth=4) + skip"
    assert with_skip(graph, placement="crossing").name == "butterfly(8, depth=4) + crossing skip"
    assert with_diagonal(with_skip(graph)).name == "butterfly(8, depth=4) + skip + diagonal"
    assert trim(graph).name == "butterfly(8, depth=4) trimmed"
    assert with_skip(nx.DiGraph(odd_network().edges)).name == "topology + skip"
    parts = [graph, graph, dense(8, 8)]
    assert cascade(parts).name == "cascade(2 x butterfly(8, depth=4), dense(8, 8))"
    blocks = parallel(parts[:2], shared=False)
    assert blocks.name == "parallel(2 x butterfly(8, depth=4), shared=False)"


def test_family_parameters_and_labels_stay_where_the_neurons_stay():
    graph = clos(4, 4, 2, 2, 2)
    graph.nodes[1, 2]["label"] = "wire"
    for changed in (with_skip(graph), with_diagonal(graph), trim(graph)):
        assert changed.graph["family"] == "clos"
        assert changed.graph["parameters"] == graph.graph["parameters"]
        assert changed.nodes[1, 2]["label"] == "wire"
        assert graph.name == "clos(4, 4, 2, 2, 2)"


CASES = [
    ("placement must be one of straight, crossing", lambda: with_skip(butterfly(4), placement="x")),
    ("placement='random' needs a seed", lambda: with_skip(butterfly(4), placement="random")),
    ("weight must be finite and not 0; given 0", lambda: with_skip(butterfly(4), weight=0.0)),
    ("weight must be finite and not 0", lambda: with_skip(butterfly(4), weight=float("nan"))),
    ("seed must be an integer", lambda: with_skip(butterfly(4), placement="random", seed=-1)),
    ("topologies is empty", lambda: cascade([])),
    ("topologies is empty", lambda: parallel([])),
    (
        r"topologies\[0\] has 8 outputs but topologies\[1\] has 4 inputs",
        lambda: cascade([butterfly(8), butterfly(4)]),
    ),
    ("one number of inputs; given", lambda: parallel([low_rank(3, 2, 2), low_rank(4, 2, 2)])),
    ("one number of outputs; given", lambda: parallel([low_rank(3, 2, 2), low_rank(3, 4, 2)])),
    (r"one depth; given \[1, 2\]", lambda: parallel([dense(4, 4), butterfly(4)], shared=False)),
    (r"edge \(0, 0\) is in 2 of them", lambda: parallel([dense(4, 4), dense(4, 4)])),
    (
        "drop_inputs holds 4, but the indices go from 0 to 3",
        lambda: trim(dense(4, 4), drop_inputs=[4]),
    ),
    (
        r"drop_outputs\[0\] must be an integer of at least 0",
        lambda: trim(dense(4, 4), drop_outputs=[-1]),
    ),
    ("trim leaves no path", lambda: trim(dense(4, 4), drop_inputs=range(4))),
    ("trim leaves no path", lambda: trim(dense.layers(4, 4), drop_outputs=range(4))),
    ("the graph is empty", lambda: trim(nx.DiGraph())),
    ("is not a pair", lambda: trim(nx.DiGraph([("a", "b")]))),
]


@pytest.mark.parametrize(("message", "call"), CASES, ids=[message for message, _ in CASES])
def test_changes_that_cannot_be_made_are_refused_with_the_reason(message, call):
    with pytest.raises(ValueError, match=message):
        call()
