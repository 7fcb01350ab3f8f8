"""Rival scores against dense products, graph searches, conservation laws and closed forms."""

import math
from dataclasses import replace
from functools import reduce

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths
from strategies import layered_networks

import topokit as tk
from topokit.scores import (
    average_path_length,
    effective_edges,
    log_synflow,
    rivals,
    second_singular_values,
    synflow_shares,
)
from topokit.topologies import butterfly, clos, dense, hypercube, random_regular, torus

laws = settings(max_examples=80)
families = pytest.mark.parametrize(
    "layers",
    [
        butterfly.layers(16, 6),
        clos.layers(12, 12, 3, 4, 2),
        tk.with_diagonal(random_regular.layers([12, 18, 12], 3, seed=0)),
    ],
    ids=["butterfly", "clos", "diagonal"],
)


def draw_weights(layers, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s.size) for s in layers.senders]


def flow(weights, layers):
    """The definition, in dense matrices: 1^T |W_1| ... |W_L| 1."""
    matrices = [
        jnp.zeros(mask.shape).at[s, r].set(jnp.abs(w))
        for mask, s, r, w in zip(
            tk.to_masks(layers), layers.senders, layers.receivers, weights, strict=True
        )
    ]
    return reduce(jnp.matmul, matrices).sum()


def on_some_path(graph, edge, inputs, outputs):
    before = {edge[0]} | nx.ancestors(graph, edge[0])
    behind = {edge[1]} | nx.descendants(graph, edge[1])
    return bool(before & inputs) and bool(behind & outputs)


@families
def test_synflow_is_the_product_of_the_magnitudes_and_its_scores_are_the_gradient(layers):
    weights = draw_weights(layers)
    given = [jnp.asarray(w, jnp.float32) for w in weights]
    total, slopes = jax.device_get(jax.value_and_grad(flow)(given, layers))
    assert log_synflow(layers, weights) == pytest.approx(math.log(total), abs=1e-5)
    for share, w, slope in zip(synflow_shares(layers, weights), weights, slopes, strict=True):
        np.testing.assert_allclose(share, w * slope / total, rtol=1e-5)


@laws
@given(layered_networks(), st.integers(0, 2**32))
def test_synaptic_flow_is_conserved_by_every_layer_and_every_hidden_neuron(layers, seed):
    shares = synflow_shares(layers, seed=seed)
    assert [share.sum() for share in shares] == pytest.approx([1] * layers.depth)
    for number in range(1, layers.depth):
        width = layers.widths[number]
        into = np.bincount(layers.receivers[number - 1], shares[number - 1], width)
        out = np.bincount(layers.senders[number], shares[number], width)
        np.testing.assert_allclose(into, out, atol=1e-12)


@laws
@given(layered_networks())
def test_with_weights_of_one_synflow_counts_paths(layers):
    ones = [np.ones(s.size) for s in layers.senders]
    paths = int(count_paths(layers).sum())
    assert rivals(layers).effective_paths == paths == tk.scores.path_counts(layers).sum()
    assert log_synflow(layers, ones) == pytest.approx(math.log(paths), abs=1e-12)


@laws
@given(layered_networks(), st.sampled_from([-3.0, 0.1, 1.0, 20.0]))
def test_scaling_one_layer_scales_the_flow_and_leaves_the_shares(layers, factor):
    weights = draw_weights(layers)
    scaled = [factor * weights[0], *weights[1:]]
    gain = log_synflow(layers, scaled) - log_synflow(layers, weights)
    assert gain == pytest.approx(math.log(abs(factor)))
    for one, other in zip(
        synflow_shares(layers, weights), synflow_shares(layers, scaled), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_synflow_draws_sparse_xavier_and_keeps_constants():
    """The mean of |w| under U(-r, r) is r / 2; `r = sqrt(6 / (4 + 4))` in a hypercube of 8."""
    layers = hypercube.layers(8, 1)
    flows = [math.exp(log_synflow(layers, seed=seed)) for seed in range(800)]
    expected = layers.n_edges * math.sqrt(6 / 8) / 2
    assert abs(np.mean(flows) - expected) < 5 * np.std(flows) / math.sqrt(len(flows))
    constant = tk.from_masks([-3.0 * np.eye(5)], trainable=[np.zeros((5, 5), bool)])
    assert log_synflow(constant) == pytest.approx(math.log(15))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_flow_of_deep_networks_neither_overflows_nor_vanishes(scale):
    layers = butterfly.layers(4, 2000)
    weights = [np.full(s.size, scale) for s in layers.senders]
    assert log_synflow(layers, weights) == pytest.approx(
        math.log(4) + 2000 * math.log(2 * scale), rel=1e-12
    )
    np.testing.assert_allclose(synflow_shares(layers, weights)[1000], 1 / 8, rtol=1e-6)
    assert rivals(butterfly.layers(4, 300)).effective_paths == 4 * 2**300


@laws
@given(layered_networks())
def test_effective_edges_lie_on_a_path_from_an_input_to_an_output(layers):
    graph, found = tk.from_layers(layers), rivals(layers)
    inputs = {(0, i) for i in range(layers.n_in)}
    outputs = {(layers.depth, o) for o in range(layers.n_out)}
    expected = [
        [
            on_some_path(graph, ((number, i), (number + 1, j)), inputs, outputs)
            for i, j in zip(senders, receivers, strict=True)
        ]
        for number, (senders, receivers) in enumerate(
            zip(layers.senders, layers.receivers, strict=True)
        )
    ]
    assert [on.tolist() for on in effective_edges(layers)] == expected
    assert found.effective_edges == sum(map(sum, expected))
    nodes = [v for v in graph if on_some_path(graph, (v, v), inputs, outputs)]
    assert found.effective_nodes == len(nodes)


@laws
@given(layered_networks())
def test_an_edge_without_a_share_of_the_flow_is_not_effective(layers):
    for share, on in zip(synflow_shares(layers), effective_edges(layers), strict=True):
        assert np.array_equal(share > 0, on)


@laws
@given(layered_networks())
def test_the_average_path_length_is_that_of_networkx(layers):
    graph = tk.from_layers(layers).to_undirected()
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    found = [length for row in lengths.values() for length in row.values() if length]
    assert average_path_length(layers) == pytest.approx(np.mean(found))


@families
def test_the_average_path_length_of_families_is_that_of_networkx(layers, monkeypatch):
    graph = tk.from_layers(layers).to_undirected()
    expected = nx.average_shortest_path_length(graph)
    assert average_path_length(layers) == pytest.approx(expected)
    monkeypatch.setattr("topokit.scores.literature._distances.WORDS_AT_ONCE", 1)
    assert average_path_length(layers) == pytest.approx(expected)


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (3, 5), (64, 65), (200, 1)])
def test_in_a_dense_layer_neurons_of_one_side_are_two_apart(n_in, n_out):
    pairs = math.comb(n_in + n_out, 2)
    expected = 2 - n_in * n_out / pairs
    assert average_path_length(dense.layers(n_in, n_out)) == pytest.approx(expected)


def test_the_rivals_of_a_dense_layer():
    found = rivals(dense(6, 4))
    assert (found.edges, found.trainable, found.effective_edges) == (24, 24, 24)
    assert (found.effective_nodes, found.effective_paths) == (10, 24)
    assert found.spectral_gap_min == found.spectral_gap_mean == found.graph_spectral_gap == 1
    assert found.ramanujan_share == 1
    assert found.ramanujan_margin == pytest.approx((math.sqrt(5) + math.sqrt(3)) / math.sqrt(24))


def test_the_rivals_of_a_butterfly():
    found = rivals(butterfly(16))
    assert (found.edges, found.effective_nodes, found.effective_paths) == (128, 80, 256)
    assert found.spectral_gap_min == pytest.approx(0, abs=1e-12)
    assert (found.ramanujan_share, found.difference_of_bound) == (1, None)
    assert found.ramanujan_margin == pytest.approx(0, abs=1e-12)


@settings(laws, max_examples=30)
@given(layered_networks())
def test_rivals_are_plain_numbers_of_graph_and_recipe_alike_within_their_ranges(layers):
    found = rivals(layers)
    assert found == rivals(tk.from_layers(layers))
    assert {type(value) for value in found._asdict().values()} <= {int, float, type(None)}
    assert 1 <= found.effective_edges <= found.edges
    assert found.trainable == layers.n_trainable
    gaps = 1 - second_singular_values(layers)
    assert found.spectral_gap_min == pytest.approx(gaps.min(), abs=1e-12)
    assert found.spectral_gap_mean == pytest.approx(gaps.mean(), abs=1e-12)
    assert 0 <= found.spectral_gap_min <= found.spectral_gap_mean <= 1
    assert 0 <= found.graph_spectral_gap <= 1
    assert 0 <= found.ramanujan_share <= 1
    assert -1 <= found.ramanujan_margin <= 1
    assert found.average_path_length >= 1


def test_where_every_path_is_stopped_nothing_flows():
    layers = butterfly.layers(8)
    weights = [np.ones(16), np.zeros(16), np.ones(16)]
    assert log_synflow(layers, weights) == -math.inf
    with pytest.raises(ValueError, match="weights let nothing flow"):
        synflow_shares(layers, weights)


def test_only_the_flow_depends_on_the_seed():
    first, second = (rivals(torus((4, 3), 3), seed=seed) for seed in (0, 1))
    assert first.log_synflow != second.log_synflow
    assert first == replace(second, log_synflow=first.log_synflow)


def test_unfit_arguments_are_named():
    layers = butterfly.layers(8)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0; given -1"):
        rivals(layers, seed=-1)
    with pytest.raises(ValueError, match=r"weights must hold .* given \[\(16,\), \(3,\)\]"):
        log_synflow(layers, [np.ones(16), np.ones(3)])
    with pytest.raises(ValueError, match="weights must be finite"):
        synflow_shares(layers, [np.ones(16), np.ones(16), np.full(16, np.nan)])
    with pytest.raises(ValueError, match="the graph is empty"):
        rivals(nx.DiGraph())
