"""What control cannot exceed, against flows found in other ways and closed forms."""

from itertools import chain, combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.optimize import minimize
from strategies import layered_networks

import topokit as tk
from topokit.scores.control import _level_flow
from topokit.scores.control._bound import (
    control_bound,
    control_capacity,
    least_totals,
    proven_loss,
)
from topokit.scores.control._color_refinement import find_kinds
from topokit.scores.control._control_network import make_network

laws = settings(max_examples=100)
t = tk.topologies


def most_control(layers, outputs):
    """The most control that some outputs can have in all, by networkx on the whole graph."""
    graph = nx.DiGraph()
    graph.add_nodes_from(["more", "less"])
    whole = tk.from_layers(layers)
    inputs = {(0, i) for i in range(layers.n_in)}
    fed = {v: len(inputs & (nx.ancestors(whole, v) | {v})) for v in whole}
    for v in whole:
        if v[0] > 0:
            edges = [data for u, _, data in whole.in_edges(v, data=True) if fed[u]]
            trainable = sum(data["trainable"] for data in edges)
            graph.add_edge("more", (v, "in"), capacity=max(0, min(trainable, len(edges) - 1)))
            graph.add_edge((v, "in"), (v, "out"), capacity=max(0, fed[v] - 1))
            for w in whole.successors(v):
                graph.add_edge((v, "out"), (w, "in"))
    for k in outputs:
        graph.add_edge(((layers.depth, k), "out"), "less")
    return nx.maximum_flow_value(graph, "more", "less")


def subsets(n):
    return chain.from_iterable(combinations(range(n), size) for size in range(1, n + 1))


def least_loss(layers):
    """What outputs can control is a polymatroid: each set of them at most its maximum flow."""
    sets = list(subsets(layers.n_out))
    inside = np.array([[k in chosen for k in range(layers.n_out)] for chosen in sets], float)
    most = np.array([most_control(layers, chosen) for chosen in sets], float)
    found = minimize(
        lambda T: np.sum((layers.n_in - 1 - T) ** 2),
        np.zeros(layers.n_out),
        jac=lambda T: 2 * (T - layers.n_in + 1),
        bounds=[(0, None)] * layers.n_out,
        constraints={"type": "ineq", "fun": lambda T: most - inside @ T, "jac": lambda _: -inside},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert found.success, found.message
    return found.fun


@laws
@given(layered_networks(max_width=4))
def test_the_bound_is_the_least_loss_of_any_flow(layers):
    least, bound = least_loss(layers), control_bound(layers)
    assert bound == pytest.approx(least, rel=1e-5, abs=1e-4)
    assert bound <= least + 1e-6


@laws
@given(layered_networks(max_width=5))
def test_totals_are_what_outputs_can_have_and_their_prices_prove_it(layers):
    """No set of outputs has more than its maximum flow, and primal and dual value are one."""
    totals = least_totals(make_network(layers))
    for chosen in subsets(layers.n_out):
        assert totals.taken[list(chosen)].sum() <= most_control(layers, chosen) + 1e-9
    loss = np.sum((layers.n_in - 1 - totals.taken) ** 2)
    assert totals.bound == pytest.approx(loss, rel=1e-12, abs=1e-9)


def test_outputs_of_many_levels_have_their_own():
    """Output `k` of a chain of blocks is fed by a block of `k + 2` inputs of its own."""
    sizes = range(2, 40)
    mask = np.asarray(block_diag(*(np.ones((size, 1), bool) for size in sizes)))
    totals = least_totals(make_network(tk.from_masks([mask])))
    assert totals.taken.tolist() == [size - 1 for size in sizes]
    assert totals.bound == sum((sum(sizes) - size) ** 2 for size in sizes)


def test_fractions_that_32_bits_do_not_hold_come_near(monkeypatch):
    layers = t.erdos_renyi.layers([16, 16, 16], 0.2, seed=1)
    exact = least_totals(make_network(layers))
    monkeypatch.setattr(_level_flow, "ENDLESS", 2**9)
    rough = least_totals(make_network(layers))
    assert rough.bound <= exact.bound * (1 + 1e-12)
    assert rough.bound == pytest.approx(exact.bound, rel=1e-2)
    assert np.unique(exact.taken).size > 5


def test_a_wide_random_network_has_its_bound_and_the_totals_attain_it():
    """65,536 hidden neurons and outputs: none is like another."""
    layers = t.random_regular.layers([64, *[8192] * 8], 4, seed=0)
    totals = least_totals(make_network(layers))
    assert totals.taken.sum() == pytest.approx(control_capacity(layers), rel=1e-12)
    assert np.sum((63 - totals.taken) ** 2) == pytest.approx(totals.bound, rel=1e-9)


@laws
@given(layered_networks())
def test_the_capacity_is_a_maximum_flow(layers):
    assert control_capacity(layers) == most_control(layers, range(layers.n_out))


@laws
@given(layered_networks(max_width=4), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0]))
def test_any_prices_prove_a_bound(layers, seed, scale):
    network = make_network(layers)
    prices = scale * np.random.default_rng(seed).exponential(size=network.gain.size)
    assert proven_loss(network, prices) <= control_bound(layers) * (1 + 1e-5) + 1e-4


@laws
@given(layered_networks())
def test_the_bound_is_no_less_than_even_totals_of_the_capacity_allow(layers):
    """By convexity: the loss is least where all outputs control equally much."""
    short = layers.n_in - 1 - control_capacity(layers) / layers.n_out
    assert control_bound(layers) >= layers.n_out * short**2 * (1 - 1e-6) - 1e-4


@pytest.mark.parametrize(
    "layers",
    [
        t.hypercube.layers(32, 6),
        t.clos.layers(32, 32, 8, 9, 8),
        t.butterfly.layers(32, 18),
        t.torus.layers((8, 4), 7),
        t.butterfly.layers(32, 5),
        t.butterfly.layers(32, 10),
    ],
)
def test_while_nothing_is_full_capacity_counts_degrees_of_freedom(layers):
    """All but one weight of each neuron, and a magnitude for each output."""
    capacity = control_capacity(layers)
    assert capacity == layers.n_edges - sum(layers.widths[1:])
    assert capacity + layers.n_out == tk.degrees_of_freedom(layers)


@pytest.mark.parametrize(("topology", "count"), [("butterfly 18", 576), ("butterfly 30", 960)])
def test_constants_set_the_magnitudes_so_that_capacity_is_all(topology, count):
    layers = tk.with_skip(t.butterfly.layers(32, int(topology.split()[1])))
    assert control_capacity(layers) == tk.degrees_of_freedom(layers) == count


def test_a_dense_layer_controls_every_ratio():
    dense = t.dense(7, 5)
    assert control_capacity(dense) == 6 * 5
    assert control_bound(dense) == 0


def test_a_diagonal_controls_nothing():
    diagonal = tk.from_masks([np.eye(4, dtype=bool)])
    assert control_capacity(diagonal) == 0
    assert control_bound(diagonal) == 4 * 3**2


@pytest.mark.parametrize(("n", "m", "rank"), [(32, 32, 8), (9, 5, 2), (6, 10, 3), (4, 4, 1)])
def test_low_rank_in_closed_form(n, m, rank):
    """All pass through `rank` neurons, each of which holds `n - 1`; outputs add `rank - 1` each."""
    total = min(rank * (n - 1) + m * (rank - 1), m * (n - 1))
    low_rank = t.low_rank(n, m, rank)
    assert control_capacity(low_rank) == total
    assert control_bound(low_rank) == pytest.approx(m * (n - 1 - total / m) ** 2, rel=1e-6)


def test_a_constant_weight_adds_no_ratio_but_one_for_each_neuron_is_free():
    masks = [np.ones((3, 2), bool)]
    one_fixed, two_fixed = np.ones((3, 2), bool), np.ones((3, 2), bool)
    one_fixed[0], two_fixed[:2] = False, False
    totals = [control_capacity(tk.from_masks(masks, [free])) for free in (one_fixed, two_fixed)]
    assert totals == [2 * 2, 2 * 1]


def test_an_edge_from_no_input_has_no_ratio_to_set():
    """Hidden neuron 1 is fed by nothing: output 0 has one signal, though two edges."""
    masks = [np.array([[1, 0], [1, 0], [1, 0]]), np.array([[1, 1], [1, 0]])]
    layers = tk.to_layers(tk.from_masks(masks))
    assert control_capacity(layers) == 2
    assert tk.degrees_of_freedom(layers) == control_capacity(layers) + layers.n_out


# ---- Kinds


def kinds_by_lists(network):
    """Color refinement with sorted lists of colors for signatures."""
    layer = {v: d for d, part in enumerate(network.layers) for v in range(part.start, part.stop)}
    colors = {v: (layer[v], network.gain[v], network.room[v]) for v in layer}
    edges = list(zip(network.senders.tolist(), network.receivers.tolist(), strict=True))
    while True:
        names = {color: name for name, color in enumerate(sorted(set(colors.values())))}
        old = {v: names[color] for v, color in colors.items()}
        colors = {
            v: (
                old[v],
                tuple(sorted(old[a] for a, b in edges if b == v)),
                tuple(sorted(old[b] for a, b in edges if a == v)),
            )
            for v in layer
        }
        if len(set(colors.values())) == len(names):
            return [old[v] for v in sorted(layer)]


@laws
@given(layered_networks(max_width=5))
def test_kinds_are_those_of_color_refinement(layers):
    network = make_network(layers)
    found, expected = find_kinds(network).tolist(), kinds_by_lists(network)
    assert len(set(found)) == len(set(expected)) == len(set(zip(found, expected, strict=True)))


@laws
@given(layered_networks(max_width=4))
def test_what_is_alike_has_the_same_totals(layers):
    network = make_network(layers)
    kinds, taken = find_kinds(network)[network.outputs], least_totals(network).taken
    for kind in np.unique(kinds):
        assert np.ptp(taken[kinds == kind]) <= 1e-9 * layers.n_in


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        (t.clos.layers(64, 64, 8, 5, 8), 3),
        (t.butterfly.layers(64, 9), 9),
        (t.torus.layers((5, 4), 3), 3),
        (tk.with_skip(t.hypercube.layers(16, 4)), 4),
    ],
)
def test_a_regular_topology_has_one_kind_a_layer(layers, count):
    assert find_kinds(make_network(layers)).max() + 1 == count
