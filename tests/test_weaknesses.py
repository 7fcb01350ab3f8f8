"""Reach, cuts, variance and waste against slower ways to find them."""

from functools import reduce
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from recipes import count_paths
from strategies import layered_networks

import topokit as tk
from topokit.diagnosis._bottleneck import find_bottleneck, minimum_cut
from topokit.diagnosis._fairness import variance_shares
from topokit.diagnosis._reach import find_reach
from topokit.diagnosis._waste import find_waste, row_leverage
from topokit.layers import ancestors

T = tk.topologies
networks = settings(max_examples=60)
few = settings(networks, max_examples=25)


def permuted(layers: tk.Layers, seed: int) -> tk.Layers:
    """The same network with its hidden neurons in another order."""
    rng = np.random.default_rng(seed)
    hidden = [rng.permutation(width) for width in layers.widths[1:-1]]
    orders = [np.arange(layers.n_in), *hidden, np.arange(layers.n_out)]
    return tk.make_layers(
        layers.widths,
        [order[s] for order, s in zip(orders, layers.senders, strict=False)],
        [order[r] for order, r in zip(orders[1:], layers.receivers, strict=True)],
        trainable=layers.trainable,
        constant=[np.where(t, 1.0, c) for t, c in zip(*layers.columns[2:], strict=True)],
    )


def idle_shares(layers: tk.Layers, weights: list[np.ndarray]) -> np.ndarray:
    """For each edge, the square of its part within the null space of the relative Jacobian."""
    masks = []
    for shape, (s, r, w) in zip(
        pairwise(layers.widths), zip(*layers.columns[:2], weights, strict=True), strict=True
    ):
        masks.append(np.zeros(shape))
        masks[-1][s, r] = w
    columns = []
    for layer, (senders, receivers) in enumerate(zip(*layers.columns[:2], strict=True)):
        for s, r in zip(senders, receivers, strict=True):
            single = np.zeros_like(masks[layer])
            single[s, r] = masks[layer][s, r]
            columns.append(reduce(np.matmul, [*masks[:layer], single, *masks[layer + 1 :]]).ravel())
    *_, rows = np.linalg.svd(np.array(columns).T)
    return np.sum(rows[tk.degrees_of_freedom(layers) :] ** 2, axis=0)


# Reach and bottlenecks


@given(layered_networks())
@networks
def test_pairs_without_a_path_or_with_constants_alone_are_those_of_the_path_counts(layers):
    reach, reached = find_reach(layers)
    paths = count_paths(layers)
    fixed = reduce(np.matmul, [m.astype(int) for m in tk.to_masks(layers, trainable=False)])
    assert np.array_equal(reached, paths > 0)
    assert reach.unreached == np.sum(paths == 0)
    assert reach.frozen == np.sum((paths > 0) & (paths == fixed))


@given(layered_networks(max_depth=3))
@networks
def test_reach_is_complete_where_every_useful_neuron_has_all_inputs(layers):
    graph = tk.from_layers(layers)
    ends = [(layers.depth, o) for o in range(layers.n_out)]
    useful = set(ends).union(*(nx.ancestors(graph, end) for end in ends))
    full = [
        all(row.all() for i, row in enumerate(rows) if (layer, i) in useful and row.any())
        for layer, rows in enumerate(ancestors(layers))
    ]
    assert find_reach(layers)[0].complete_after == next((i for i, f in enumerate(full) if f), None)


@given(layered_networks())
@networks
def test_the_cut_is_the_smallest_that_parts_inputs_from_outputs(layers):
    graph = tk.from_layers(layers)
    graph.add_edges_from(("in", (0, i)) for i in range(layers.n_in))
    graph.add_edges_from(((layers.depth, o), "out") for o in range(layers.n_out))
    cut = minimum_cut(layers)
    assert len(set(cut)) == len(nx.minimum_node_cut(graph, "in", "out"))
    graph.remove_nodes_from(cut)
    assert not nx.has_path(graph, "in", "out")


@given(layered_networks())
@networks
def test_no_layer_passes_less_than_the_whole(layers):
    found = find_bottleneck(layers)
    assert found.bandwidth <= min(found.passing) <= min(found.neurons)


# Shares of the variance


def test_the_shares_of_the_variance_are_those_of_group_means():
    rng = np.random.default_rng(0)
    reached = rng.random((5, 4)) < 0.7
    K = np.where(reached, rng.random((5, 4)), 0.0)
    within_all = np.var(K) * K.size
    within_reached = K[reached].var() * reached.sum()
    columns = zip(K.T, reached.T, strict=True)
    within_outputs = sum(k[on].var() * on.sum() for k, on in columns)
    expected = -np.diff(np.array([within_all, within_reached, within_outputs, 0.0])) / within_all
    assert variance_shares(K, reached) == pytest.approx(tuple(expected))


# Wasted weights


@given(layered_networks())
@networks
def test_the_waste_by_layer_adds_up_to_edges_less_degrees_of_freedom(layers):
    waste = find_waste(layers)
    assert waste.total == layers.n_trainable - tk.degrees_of_freedom(layers) >= waste.known
    assert np.sum(waste.wasted or ()) == pytest.approx(waste.total, abs=1e-9)


@given(layered_networks(max_depth=3, trainable=True))
@few
def test_where_scales_alone_are_wasted_the_shares_are_those_of_the_null_space(layers):
    waste = find_waste(layers)
    assume(waste.total == waste.known)
    rng = np.random.default_rng(0)
    weights = [rng.choice([-1, 1], s.size) * rng.uniform(0.5, 2, s.size) for s in layers.senders]
    shares = np.split(idle_shares(layers, weights), np.cumsum(waste.trainable)[:-1])
    assert waste.wasted == pytest.approx([part.sum() for part in shares], abs=1e-6)


def test_one_neuron_between_layers_wastes_one_weight_evenly():
    assert find_waste(T.low_rank.layers(5, 3, 1)).wasted == pytest.approx((5 / 8, 3 / 8))


def test_a_low_rank_layer_wastes_the_square_of_its_rank_half_on_each_side():
    waste = find_waste(T.low_rank.layers(12, 12, 4))
    assert (waste.total, sum(waste.scales)) == (16, 4)
    assert waste.wasted == pytest.approx((8, 8), rel=0.1)


def test_deep_butterflies_waste_resistances_that_add_up_to_their_hidden_neurons():
    layers = T.butterfly.layers(16, 8)
    graph = nx.MultiGraph()
    for layer, (senders, receivers) in enumerate(zip(*layers.columns[:2], strict=True)):
        for s, r in zip(senders.tolist(), receivers.tolist(), strict=True):
            ends = (
                "ground" if layer == 0 else (layer, s),
                "ground" if layer == 7 else (layer + 1, r),
            )
            graph.add_edge(*ends, layer=layer)
    distance: Any = nx.resistance_distance(graph)
    expected = np.zeros(8)
    for one, other, layer in graph.edges(data="layer"):
        expected[layer] += distance[one][other]
    waste = find_waste(layers)
    assert waste.wasted == pytest.approx(expected)
    assert expected.sum() == pytest.approx(16 * 7)


@given(layered_networks(trainable=True))
@few
def test_the_order_of_hidden_neurons_does_not_matter_where_scales_are_wasted(layers):
    waste = find_waste(layers)
    assume(waste.total == waste.known)
    assert find_waste(permuted(layers, 1)).wasted == pytest.approx(waste.wasted)


@pytest.mark.parametrize(
    "layers", [T.low_rank.layers(4, 5, 2), T.hypercube.layers(4, 3), T.clos.layers(4, 4, 2, 4, 2)]
)
def test_where_more_than_scales_is_wasted_the_shares_are_those_of_the_null_space(layers):
    rng = np.random.default_rng(0)
    weights = [rng.choice([-1, 1], s.size) * rng.uniform(0.5, 2, s.size) for s in layers.senders]
    rank = tk.degrees_of_freedom(layers)
    assert layers.n_trainable - rank > sum(layers.widths[1:-1])
    found = row_leverage(layers, weights, list(layers.trainable), rank)
    assert 1 - found == pytest.approx(idle_shares(layers, weights), abs=1e-8)


def test_edges_on_no_path_make_no_neuron_mix():
    """Hidden neuron 2 hears nothing: the constants from it set no output's scale."""
    first, second = np.array([[1, 1, 0], [1, 0, 0]], bool), np.ones((3, 2), bool)
    free = [np.array([[0, 1, 0], [1, 0, 0]], bool), np.array([[1, 1], [1, 1], [0, 0]], bool)]
    skips = tk.diagnose(tk.from_masks([first, second], free)).skips
    assert (skips.mixing, skips.fixed, skips.several) == (3, 1, 0)
