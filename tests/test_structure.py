"""Paths, bandwidth and counts against enumeration, flows and ranks."""

import math
from unittest import mock

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit import structure
from topokit.scores import bandwidth, path_counts

laws = settings(max_examples=60)


def ends(layers):
    inputs = [(0, i) for i in range(layers.n_in)]
    outputs = [(layers.depth, o) for o in range(layers.n_out)]
    return inputs, outputs


def dense(*widths):
    return tk.to_layers(tk.from_masks([np.ones(s) for s in zip(widths, widths[1:], strict=False)]))


def random_product(layers, rng):
    """The end-to-end matrix at random weights."""
    matrix = np.eye(layers.n_in)
    for mask in tk.to_masks(layers):
        matrix = matrix @ (mask * rng.uniform(1, 2, mask.shape) * rng.choice([-1, 1], mask.shape))
    return matrix


@laws
@given(layered_networks(max_width=4))
def test_path_counts_are_those_of_enumeration(layers):
    graph = tk.from_layers(layers)
    inputs, outputs = ends(layers)
    expected = [[len(list(nx.all_simple_paths(graph, i, o))) for o in outputs] for i in inputs]
    assert path_counts(layers).tolist() == expected
    with mock.patch("topokit.scores.counts._paths._fit_int64", return_value=False):
        exact = path_counts(layers)
    assert (exact.dtype, exact.tolist()) == (object, expected)


@laws
@given(layered_networks())
def test_bandwidth_is_the_maximum_flow_through_neurons_of_capacity_one(layers):
    inputs, outputs = ends(layers)
    split = nx.DiGraph()
    for layer, width in enumerate(layers.widths):
        split.add_edges_from(
            (((layer, i), "in"), ((layer, i), "out"), {"capacity": 1}) for i in range(width)
        )
    split.add_edges_from(
        ((s, "out"), (r, "in"), {"capacity": 1}) for s, r in tk.from_layers(layers).edges
    )
    split.add_edges_from(("source", (i, "in"), {"capacity": 1}) for i in inputs)
    split.add_edges_from(((o, "out"), "sink", {"capacity": 1}) for o in outputs)
    assert bandwidth(layers) == nx.maximum_flow_value(split, "source", "sink")


@laws
@given(layered_networks())
def test_bandwidth_is_the_rank_of_a_random_end_to_end_matrix(layers):
    rng = np.random.default_rng(0)
    assert bandwidth(layers) == np.linalg.matrix_rank(random_product(layers, rng), tol=1e-6)


@laws
@given(layered_networks())
def test_structure_agrees_with_the_graph(layers):
    graph, found = tk.from_layers(layers), structure(layers)
    counts = path_counts(layers)
    fan_in = [degree for (layer, _), degree in graph.in_degree if layer > 0]
    fan_out = [degree for (layer, _), degree in graph.out_degree if layer < layers.depth]
    trainable = [free for _, _, free in graph.edges(data="trainable") if free]
    assert found == structure(graph)
    assert (found.n_in, found.n_out, found.depth) == (*counts.shape, len(layers.widths) - 1)
    assert (found.edges, found.trainable) == (graph.number_of_edges(), len(trainable))
    assert found.density == pytest.approx(found.edges / sum(m.size for m in tk.to_masks(layers)))
    assert (found.paths_min, found.paths_max) == (counts.min(), counts.max())
    assert found.paths_mean == pytest.approx(counts.mean())
    assert found.reachable == pytest.approx((counts > 0).mean())
    assert (found.fan_in_min, found.fan_in_max) == (min(fan_in), max(fan_in))
    assert (found.fan_out_min, found.fan_out_max) == (min(fan_out), max(fan_out))


@pytest.mark.parametrize("depth", [20, 21, 22, 80, 400])
def test_paths_of_deep_dense_networks_are_counted_exactly(depth):
    layers = dense(*[8] * (depth + 1))
    found = structure(layers)
    assert np.all(path_counts(layers) == 8 ** (depth - 1))
    assert found.paths_min == found.paths_mean == found.paths_max == 8 ** (depth - 1)


def test_a_mean_beyond_all_floats_is_an_integer_rounded_down():
    odd = np.ones((2, 2))
    odd[0, 0] = 0
    found = structure(tk.from_masks([np.ones((2, 2))] * 1100 + [odd]))
    assert isinstance(found.paths_mean, int)
    assert found.paths_mean == (found.paths_min + found.paths_max) // 2 == 3 * 2**1098


def test_counts_in_blocks_of_inputs_are_the_counts_at_once(monkeypatch):
    whole = path_counts(tk.topologies.clos(16, 12, 4, 3, 2))
    monkeypatch.setattr("topokit.scores.counts._paths.TERMS_AT_ONCE", 200)
    assert np.array_equal(path_counts(tk.topologies.clos(16, 12, 4, 3, 2)), whole)


@pytest.mark.parametrize(
    ("topology", "expected", "paths"),
    [
        (tk.topologies.dense(6, 9), 6, 1),
        (tk.topologies.low_rank(32, 20, 5), 5, 5),
        (tk.topologies.butterfly(32, 5), 32, 1),
        (tk.topologies.butterfly(32, 10), 32, 32),
        (tk.topologies.clos(32, 32, 8, 9, 8), 32, 9),
        (tk.topologies.clos(32, 32, 8, 2, 8), 16, 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_families_have_their_bandwidth_and_path_diversity(topology, expected, paths):
    found = structure(topology)
    assert found.bandwidth == expected
    assert found.paths_min == found.paths_max == paths


def test_numbers_are_plain():
    for name, value in structure(tk.topologies.butterfly(8))._asdict().items():
        assert type(value) in (int, float), name
    assert math.isclose(structure(tk.topologies.butterfly(8)).density, 48 / (3 * 64))


def test_unreachable_pairs_are_counted():
    graph = tk.from_masks([np.eye(3), np.eye(3)])
    found = structure(graph)
    assert (found.paths_min, found.paths_max, found.bandwidth) == (0, 1, 3)
    assert found.reachable == pytest.approx(1 / 3)


@pytest.mark.parametrize("function", [structure, bandwidth, path_counts])
def test_an_empty_graph_is_an_error(function):
    with pytest.raises(ValueError, match="the graph is empty"):
        function(nx.DiGraph())
