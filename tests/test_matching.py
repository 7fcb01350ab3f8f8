"""Constraint satisfaction against Hopcroft-Karp, and certificates that need no trust."""

from dataclasses import replace
from unittest import mock

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networkx.algorithms import bipartite
from scipy.sparse import csr_array
from scipy.sparse.csgraph import structural_rank
from strategies import layered_networks

import topokit as tk
from topokit import satisfiable_constraints
from topokit.scores import match_constraints
from topokit.scores.counts import _matching

laws = settings(max_examples=100)
t = tk.topologies


def incidence(topology):
    """Which trainable edge lies on a path of which pair, found on the graph node by node."""
    layers = tk.to_layers(topology)
    graph = tk.from_layers(layers)
    above, below = {}, {}
    for v in sorted(graph):
        above[v] = {v[1]} if v[0] == 0 else set().union(*(above[u] for u in graph.pred[v]))
    for v in sorted(graph, reverse=True):
        last = v[0] == layers.depth
        below[v] = {v[1]} if last else set().union(*(below[u] for u in graph.succ[v]))
    meets = np.zeros((layers.n_trainable, layers.n_in, layers.n_out), bool)
    edge = 0
    for layer in range(layers.depth):
        for s, r, free in zip(*(a[layer] for a in layers.columns[:3]), strict=True):
            if free:
                meets[edge][np.ix_(sorted(above[layer, s]), sorted(below[layer + 1, r]))] = True
                edge += 1
    return meets


def check_certificate(matching, meets):
    """The assignment proves that no fewer, the cover that no more can be matched."""
    edges = np.flatnonzero(matching.inputs >= 0)
    pairs = list(zip(matching.inputs[edges], matching.outputs[edges], strict=True))
    assert matching.size == len(edges) == len(set(pairs))
    assert all(meets[edge][pair] for edge, pair in zip(edges, pairs, strict=True))
    assert np.all((matching.inputs >= 0) == (matching.outputs >= 0))
    assert not meets[~matching.decisive][:, ~matching.crowded].any()
    assert matching.crowded.sum() + matching.decisive.sum() == matching.size


def bipartite_graph(meets):
    """The graph that topokit never writes down: edges e, constraints (i, o)."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(meets)))
    graph.add_edges_from((e, (i, o)) for e, i, o in np.argwhere(meets).tolist())
    return graph


def few_offers():
    """One constraint offered for each edge at first, so that the searches have to find the rest."""
    return mock.patch.object(_matching, "PROBES", 1)


@laws
@given(layered_networks())
def test_the_size_is_that_of_hopcroft_karp(layers):
    meets = incidence(layers)
    found = bipartite.hopcroft_karp_matching(bipartite_graph(meets), range(len(meets)))
    assert satisfiable_constraints(layers) == len(found) // 2
    with few_offers():
        assert satisfiable_constraints(layers) == len(found) // 2


@laws
@given(layered_networks())
def test_assignment_and_cover_prove_the_size(layers):
    meets = incidence(layers)
    check_certificate(match_constraints(layers), meets)
    with few_offers():
        check_certificate(match_constraints(layers), meets)


@laws
@given(layered_networks())
def test_crowded_is_what_alternating_paths_from_unmatched_edges_reach(layers):
    meets = incidence(layers)
    graph = bipartite_graph(meets)
    found = bipartite.hopcroft_karp_matching(graph, range(len(meets)))
    # Any edge meets the constraint; only its owner goes on from there.
    paths = nx.DiGraph((e, c) if found.get(e) != c else (c, e) for e, c in graph.edges)
    paths.add_nodes_from(range(len(meets)))
    starts = [e for e in range(len(meets)) if e not in found]
    reached = set().union(*({e} | nx.descendants(paths, e) for e in starts))
    matching = match_constraints(layers)
    assert set(map(tuple, np.argwhere(matching.crowded).tolist())) == reached - set(
        range(len(meets))
    )
    assert set(np.flatnonzero(~matching.decisive).tolist()) == reached & set(range(len(meets)))


@laws
@given(layered_networks(), st.data())
def test_a_trainable_edge_more_never_lowers_the_size(layers, data):
    layer = data.draw(st.integers(0, layers.depth - 1))
    absent = np.argwhere(~tk.to_masks(layers)[layer].astype(bool))
    assume(len(absent))
    edge = absent[data.draw(st.integers(0, len(absent) - 1))]
    masks = [mask.astype(bool) for mask in tk.to_masks(layers)]
    trainable = [np.zeros_like(mask) for mask in masks]
    for flags, s, r, free in zip(trainable, *layers.columns[:3], strict=True):
        flags[s, r] = free
    masks[layer][tuple(edge)] = trainable[layer][tuple(edge)] = True
    more = tk.to_layers(tk.from_masks(masks, trainable))
    assert more.n_trainable == layers.n_trainable + 1
    assert satisfiable_constraints(more) >= satisfiable_constraints(layers)


@laws
@given(layered_networks(trainable=True), st.data())
def test_an_edge_made_constant_costs_one_constraint_at_most(layers, data):
    edge = data.draw(st.integers(0, layers.n_edges - 1))
    free = np.arange(layers.n_edges) != edge
    ends = np.cumsum([s.size for s in layers.senders])[:-1]
    trainable = tuple(np.split(free, ends))
    constant = tuple(np.where(flags, 0.0, 1.0) for flags in trainable)
    fewer = replace(layers, trainable=trainable, constant=constant)
    matching = match_constraints(layers)
    lost = matching.size - satisfiable_constraints(fewer)
    # It costs nothing where others can stand in, which is sure of an edge that is not decisive.
    assert lost in ((0, 1) if matching.decisive[edge] else (0,))


@laws
@given(layered_networks(max_depth=1, trainable=True))
def test_a_single_layer_has_an_edge_for_each_pair_it_joins(layers):
    assert satisfiable_constraints(layers) == layers.n_edges


table = {
    "hypercube, 6 layers": (t.hypercube(32, 6), 1152, 1024),
    "Clos (8, 9, 8)": (t.clos(32, 32, 8, 9, 8), 1152, 1024),
    "butterfly, 5 layers": (t.butterfly(32, 5), 320, 320),
    "butterfly, 10 layers": (t.butterfly(32, 10), 640, 640),
    "butterfly, 18 layers": (t.butterfly(32, 18), 1152, 1024),
    "butterfly, 36 layers": (t.butterfly(32, 36), 2304, 1024),
    "torus 8 x 4, 2 layers": (t.torus((8, 4), 2), 320, 320),
    "torus 8 x 4, 7 layers": (t.torus((8, 4), 7), 1120, 1024),
    "low rank 4": (t.low_rank(32, 32, 4), 256, 256),
    "low rank 8": (t.low_rank(32, 32, 8), 512, 512),
    "low rank 18": (t.low_rank(32, 32, 18), 1152, 1024),
    "hypercube, 6 layers with skip": (tk.with_skip(t.hypercube(32, 6)), 960, 960),
    "hypercube, 7 layers with skip": (tk.with_skip(t.hypercube(32, 7)), 1120, 1024),
    "butterfly, 18 layers with skip": (tk.with_skip(t.butterfly(32, 18)), 576, 576),
    "butterfly, 30 layers with skip": (tk.with_skip(t.butterfly(32, 30)), 960, 960),
    "butterfly, 36 layers with skip": (tk.with_skip(t.butterfly(32, 36)), 1152, 1024),
}


@pytest.mark.parametrize(("topology", "trainable", "expected"), table.values(), ids=table)
def test_published_networks_have_their_satisfiable_constraints(topology, trainable, expected):
    meets = incidence(topology)
    matching = match_constraints(topology)
    assert (len(meets), matching.size) == (trainable, expected)
    check_certificate(matching, meets)


@pytest.mark.parametrize(
    "topology",
    [
        t.erdos_renyi([24, 7, 30, 5, 24], 0.6, seed=1),
        t.random_regular([24, 6, 30], 3, seed=2),
        tk.with_skip(t.clos(24, 36, 6, 4, 6)),
        tk.with_diagonal(t.butterfly(16, 2)),
        t.radix_net([[4, 4]], widths=[1, 2, 1]),
    ],
    ids=lambda graph: graph.name,
)
def test_the_size_is_the_structural_rank_of_the_jacobian(topology):
    meets = incidence(topology)
    jacobian = csr_array(meets.reshape(len(meets), -1).astype(np.int8))
    assert satisfiable_constraints(topology) == structural_rank(jacobian)


def test_surplus_edges_crowd_around_the_pair_they_share():
    # Input 0 is a chain of three free weights for one pair; input 1 has one for two pairs.
    split = np.array([[1, 0, 0], [0, 1, 1]])
    free = [np.eye(2, dtype=bool), np.diag([True, False]), (split > 0) & ([[True], [False]])]
    matching = match_constraints(tk.from_masks([np.eye(2), np.eye(2), split], free))
    assert matching.size == 2
    assert matching.crowded.tolist() == [[True, False, False], [False, False, False]]
    assert matching.decisive.tolist() == [False, True, False, False]


def test_edges_off_every_path_and_constant_edges_match_nothing():
    dead_end = np.array([[1, 1], [0, 0]])
    graph = tk.from_masks([dead_end, np.array([[1], [0]])])
    matching = match_constraints(graph)
    assert matching.size == 1
    assert matching.inputs[1] == matching.outputs[1] == -1
    constants = tk.from_masks([np.ones((2, 3))], [np.zeros((2, 3), bool)])
    assert match_constraints(constants).inputs.shape == (0,)
    assert satisfiable_constraints(constants) == 0


def test_what_cannot_fit_in_memory_is_refused_with_the_number():
    with pytest.raises(ValueError, match=r"match_constraints .* needs [\d,.]+ TiB"):
        satisfiable_constraints(t.butterfly.layers(2**17, 1))
