"""Trimming, against reachability in networkx."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import product
from strategies import layered_networks

import topokit as tk
from topokit import trim
from topokit.layers import sort_layers
from topokit.topologies import butterfly, dense, low_rank, radix_net

laws = settings(max_examples=60)


@laws
@given(layered_networks(), st.data())
def test_trim_keeps_the_neurons_between_what_is_left_and_nothing_else(layers, data):
    drop_in = data.draw(st.sets(st.integers(0, layers.n_in - 1), max_size=layers.n_in - 1))
    drop_out = data.draw(st.sets(st.integers(0, layers.n_out - 1), max_size=layers.n_out - 1))
    graph = tk.from_layers(layers)
    kept = survivors(graph, layers.depth, drop_in, drop_out)
    if not any(layer == layers.depth for layer, _ in kept):
        with pytest.raises(ValueError, match="trim leaves no path"):
            trim(layers, drop_inputs=drop_in, drop_outputs=drop_out)
        return
    small = trim(layers, drop_inputs=drop_in, drop_outputs=drop_out)
    widths = [sum(node[0] == layer for node in kept) for layer in range(layers.depth + 1)]
    assert list(small.widths) == widths
    rows = [i for layer, i in sorted(kept) if layer == 0]
    columns = [o for layer, o in sorted(kept) if layer == layers.depth]
    np.testing.assert_allclose(product(small, 2.0), product(layers, 2.0)[np.ix_(rows, columns)])
    assert trim(small) == small
    from_graph = trim(graph, drop_inputs=drop_in, drop_outputs=drop_out)
    assert tk.to_layers(from_graph) == small


def survivors(graph: nx.DiGraph, depth: int, drop_in: set, drop_out: set) -> set:
    """Nodes between a kept input and a kept output, by the reachability of networkx."""
    starts = {n for n in graph if n[0] == 0 and n[1] not in drop_in}
    ends = {n for n in graph if n[0] == depth and n[1] not in drop_out}
    after = starts.union(*(nx.descendants(graph, n) for n in starts))
    before = ends.union(*(nx.ancestors(graph, n) for n in ends))
    return starts | (after & before)


def test_trim_cures_an_unreachable_output():
    graph = butterfly(4)
    graph.remove_edges_from(list(graph.in_edges((2, 3))))
    with pytest.raises(ValueError, match="topokit.trim"):
        tk.to_layers(graph)
    assert tk.to_layers(trim(graph)).widths == (4, 4, 3)


def test_trim_cures_the_gaps_that_removed_nodes_leave():
    graph = butterfly(8)
    graph.remove_nodes_from([(0, 2), (1, 5), (3, 0)])
    with pytest.raises(ValueError, match="topokit.trim"):
        tk.to_layers(graph)
    assert tk.to_layers(trim(graph)).widths == (7, 7, 8, 7)


def test_the_indices_to_drop_are_those_of_the_graph_also_where_it_has_gaps():
    graph = dense(4, 3)
    nx.set_node_attributes(graph, {node: str(node) for node in graph}, "label")
    graph.remove_node((0, 1))
    small = trim(graph, drop_inputs=[2], drop_outputs=[0])
    labels = dict(small.nodes(data="label"))
    assert labels == {(0, 0): "(0, 0)", (0, 1): "(0, 3)", (1, 0): "(1, 1)", (1, 1): "(1, 2)"}
    with pytest.raises(ValueError, match="drop_inputs holds 1"):
        trim(graph, drop_inputs=[1])


def test_inputs_stay_even_if_nothing_is_left_for_them():
    graph = low_rank(3, 2, 2)
    graph.remove_edges_from([((0, 0), (1, 0)), ((0, 0), (1, 1))])
    assert tk.to_layers(trim(graph)).widths == (3, 2, 2)


def test_trimming_a_radix_net_gives_the_shape_of_lenet_300_100():
    layers = trim(radix_net.layers([[10, 10]], [8, 3, 1]), drop_inputs=range(16))
    assert layers.widths == (784, 300, 100)
    assert layers.n_edges == 784 * 30 + 300 * 10


def test_trim_takes_a_recipe_with_unreachable_outputs():
    ones = np.array([0, 1])
    layers = sort_layers([2, 3], [ones], [ones])
    assert trim(layers).widths == (2, 2)
