"""The canonical K by kinds of pairs: against the whole program, and colors against lists."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit.scores.control import _canonical
from topokit.scores.control._bound import Totals, least_totals
from topokit.scores.control._color_refinement import find_kinds
from topokit.scores.control._control_network import ControlNetwork, make_network
from topokit.scores.control._flow_network import FlowNetwork, neuron_by_neuron
from topokit.scores.control._flow_plan import Plan, plan_evenly, realize
from topokit.scores.control._merged_pairs import NotAlikeError, merge_pairs
from topokit.scores.control._pair_graph import PairGraph, count_pairs, make_pairs
from topokit.scores.control._pair_kinds import PairKinds, each_its_own, find_pair_kinds

t = tk.topologies
laws = settings(max_examples=40)
few = settings(laws, max_examples=10)
NETWORKS = {
    "torus": t.torus.layers((4, 3), 2),
    "torus, deeper": t.torus.layers((5, 5), 3),
    "hypercube": t.hypercube.layers(16, 2),
    "clos": t.clos.layers(12, 12, 3, 5, 3),
    "butterfly": t.butterfly.layers(16, 5),
    "low rank": t.low_rank.layers(7, 5, 3),
    "one layer": t.diagonals.layers(9, 6, 3),
    "skip": tk.with_skip(t.torus.layers((4, 4), 3)),
    "inputs of several kinds": t.low_rank.layers(6, 6, 5),
    "crowded": t.random_regular.layers([12, 12, 12, 12], 2, seed=1),
}


class Case(NamedTuple):
    """A network, its pairs, and their kinds."""

    network: ControlNetwork
    graph: PairGraph
    totals: Totals
    found: PairKinds
    kinds: np.ndarray


def make_case(layers) -> Case:
    network = make_network(layers)
    graph, kinds = make_pairs(network), find_kinds(network)
    found = find_pair_kinds(network, graph, kinds, most=graph.neuron.size)
    assert found is not None
    return Case(network, graph, least_totals(network), found, kinds)


def search(flows: FlowNetwork, totals: Totals, n_in: int):
    return _canonical._search(flows, totals, n_in, steps=10_000)


# ---- The graph of pairs


@laws
@given(layered_networks())
def test_pairs_are_who_reaches_whom_and_edges_lead_on(layers):
    network = make_network(layers)
    graph = make_pairs(network)
    pairs = list(zip(graph.neuron.tolist(), graph.column.tolist(), strict=True))
    assert pairs == [tuple(pair) for pair in np.argwhere(network.reach).tolist()]
    found = {
        (*pairs[a], *pairs[b])
        for edges in zip(graph.senders, graph.receivers, strict=True)
        for a, b in zip(*(ends.tolist() for ends in edges), strict=True)
    }
    expected = {
        (u, i, v, i)
        for u, v in zip(network.senders.tolist(), network.receivers.tolist(), strict=True)
        for i in np.flatnonzero(network.reach[u]).tolist()
    }
    assert found == expected
    assert count_pairs(network) == (len(pairs), len(expected))
    assert all((np.diff(senders) >= 0).all() for senders in graph.senders)


# ---- Kinds


def kinds_by_lists(case: Case):
    """Color refinement of pairs and neurons with counted colors for signatures."""
    network, graph = case.network, case.graph
    edges = [
        edge
        for ends in zip(graph.senders, graph.receivers, strict=True)
        for edge in zip(*(end.tolist() for end in ends), strict=True)
    ]
    of = graph.neuron.tolist()
    neurons = dict(enumerate(case.kinds.tolist()))
    pairs = {p: (neurons[v], network.inputs[graph.column[p]]) for p, v in enumerate(of)}
    while True:
        before, behind, own = (
            {key: Counter() for key in where} for where in (pairs, pairs, neurons)
        )
        for a, b in edges:
            behind[a][pairs[b]] += 1
            before[b][pairs[a]] += 1
        for p, v in enumerate(of):
            own[v][pairs[p]] += 1
        finer = named({v: (neurons[v], frozenset(own[v].items())) for v in neurons})
        parts = named(
            {
                p: (pairs[p], finer[v], *(frozenset(c[p].items()) for c in (before, behind)))
                for p, v in enumerate(of)
            }
        )
        if len(set(parts.values())) == len(set(pairs.values())) and len(set(finer.values())) == len(
            set(neurons.values())
        ):
            return list(parts.values()), list(finer.values())
        pairs, neurons = parts, finer


def named(colors):
    """The same colors with numbers for names."""
    names = {color: name for name, color in enumerate(dict.fromkeys(colors.values()))}
    return {key: names[color] for key, color in colors.items()}


def same_partition(one, other):
    return len(set(one)) == len(set(other)) == len(set(zip(one, other, strict=True)))


@few
@given(layered_networks(max_width=5))
def test_kinds_of_pairs_are_those_of_color_refinement(layers):
    case = make_case(layers)
    pairs, neurons = kinds_by_lists(case)
    assert same_partition(case.found.pair.tolist(), pairs)
    assert same_partition(case.found.neuron.tolist(), neurons)


@pytest.mark.parametrize("name", ["torus, deeper", "hypercube", "clos", "skip", "one layer"])
def test_kinds_of_pairs_of_regular_networks_are_those_of_color_refinement(name):
    case = make_case(NETWORKS[name])
    pairs, neurons = kinds_by_lists(case)
    assert same_partition(case.found.pair.tolist(), pairs)
    assert same_partition(case.found.neuron.tolist(), neurons)
    assert len(set(pairs)) < len(pairs)


def test_pairs_of_a_hypercube_at_one_distance_are_alike():
    case = make_case(t.hypercube.layers(64, 3))
    layer = np.digitize(case.graph.neuron, [64, 128])
    source = np.argsort(case.network.kind)[case.graph.column]
    distance = np.bitwise_count(source ^ case.graph.neuron % 64)
    places = set(zip(layer.tolist(), distance.tolist(), strict=True))
    assert len(places) == 2 + 3 + 4
    kinds = zip(layer.tolist(), distance.tolist(), case.found.pair.tolist(), strict=True)
    assert len(set(kinds)) == len(places)
    assert case.found.pair.max() + 1 == 5


@pytest.mark.parametrize("side", [13, 16])
def test_a_torus_has_a_kind_of_pairs_for_each_way_to_its_distance(side):
    """An unordered pair of distances along the axes, at most the depth together."""
    case = make_case(t.torus.layers((side, side), 6))
    ways = [sum(1 for a in range(d + 1) for b in range(a + 1) if a + b <= d) for d in range(1, 7)]
    assert case.found.pair.max() + 1 == sum(ways) == 49
    flows, _ = merge_pairs(*case[:4])
    assert flows.senders.size == 123


def test_too_many_kinds_end_the_refinement():
    network = make_network(NETWORKS["crowded"])
    graph, kinds = make_pairs(network), find_kinds(network)
    assert find_pair_kinds(network, graph, kinds, most=3) is None


# ---- What is not alike is not merged


@laws
@given(layered_networks(max_width=5), st.data())
def test_two_kinds_of_a_layer_are_never_alike(layers, data):
    """The partition is the coarsest one: whichever two kinds are taken for one, it is seen."""
    case = make_case(layers)
    rows = data.draw(st.sampled_from(case.graph.layers))
    first, last = case.found.pair[rows].min(), case.found.pair[rows].max()
    if first == last:
        return
    one, other = sorted(data.draw(st.sets(st.integers(first, last), min_size=2, max_size=2)))
    pair = np.where(case.found.pair == other, one, case.found.pair)
    wrong = case.found._replace(pair=pair - (pair > other))
    with pytest.raises(NotAlikeError):
        merge_pairs(*case[:3], wrong)


def test_colors_that_deceive_cost_time_and_nothing_else(monkeypatch):
    """Where the network as it is does not fit, each pair is then a kind of its own."""
    layers = t.torus.layers((12, 12), 2)
    expected = tk.controllability(layers).K

    def deceive(network, graph, kinds, *, most):
        found = find_pair_kinds(network, graph, kinds, most=most)
        assert found is not None
        rows = [np.full(rows.stop - rows.start, i) for i, rows in enumerate(graph.layers)]
        return found._replace(pair=np.concatenate(rows))

    monkeypatch.setattr(_canonical, "find_pair_kinds", deceive)
    np.testing.assert_allclose(tk.controllability(layers).K, expected, atol=5e-4)
    monkeypatch.setattr(_canonical, "LIMIT", 2**20)
    np.testing.assert_allclose(tk.controllability(layers).K, expected, atol=5e-4)


# ---- The merged program against the whole one


def compare(case: Case) -> None:
    n_in, flows = case.network.n_in, merge_pairs(*case[:4])
    whole = search(neuron_by_neuron(case.network), case.totals, n_in)
    merged = search(*flows, n_in)
    assert whole.converged
    assert merged.converged
    np.testing.assert_allclose(merged.K, whole.K, atol=1e-3)
    assert merged.losses[-1] == pytest.approx(whole.losses[-1], rel=1e-4, abs=1e-4)
    even = _canonical._spread(*flows, n_in)
    if even is not None:
        np.testing.assert_allclose(even.K, whole.K, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_kinds_of_pairs_have_the_K_of_the_whole_program(name):
    compare(make_case(NETWORKS[name]))


@few
@given(layered_networks(max_width=5, max_depth=3))
def test_kinds_of_pairs_have_the_K_of_the_whole_program_on_random_networks(layers):
    compare(make_case(layers))


@few
@given(layered_networks(max_width=5, max_depth=3))
def test_pairs_that_are_kinds_of_their_own_have_the_K_of_the_whole_program(layers):
    case = make_case(layers)
    compare(case._replace(found=each_its_own(case.network, case.graph)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_plan_for_kinds_is_one_for_the_whole_network(name):
    """Given to every pair of the kind, what is sent and added comes to the same K."""
    case = make_case(NETWORKS[name])
    flows, totals = merge_pairs(*case[:4])
    plan = plan_evenly(flows, totals.taken)
    rng = np.random.default_rng(0)
    plan = Plan(*(part * rng.uniform(0.5, 1, part.shape).astype(np.float32) for part in plan))
    network, kinds = case.network, case.found.pair
    place = {edge: e for e, edge in enumerate(zip(flows.senders, flows.receivers, strict=True))}
    sent = np.zeros((network.senders.size, network.inputs.size), np.float32)
    row_of = np.full(network.reach.shape, -1)
    row_of[network.reach] = kinds
    for e, (u, v) in enumerate(zip(network.senders, network.receivers, strict=True)):
        for i in np.flatnonzero(network.reach[u]):
            sent[e, i] = plan.sent[place[row_of[u, i], row_of[v, i]], 0]
    added = np.append(plan.added[:, 0], np.float32(0))[row_of]
    whole = Plan(sent, added, flows.expand(plan.K))
    expected = realize(neuron_by_neuron(network), whole)
    np.testing.assert_allclose(flows.expand(realize(flows, plan)), expected, atol=1e-5)


# ---- Where it is used


@pytest.mark.parametrize("name", NETWORKS)
def test_totals_of_kinds_count_every_neuron_and_input(name):
    case = make_case(NETWORKS[name])
    flows, totals = merge_pairs(*case[:4])
    whole = neuron_by_neuron(case.network)
    assert flows.neurons.sum() == case.network.gain.size
    assert flows.neurons @ flows.gain == whole.gain.sum()
    assert flows.neurons @ flows.room == whole.room.sum()
    assert flows.neurons @ flows.total(flows.reach) == whole.total(whole.reach).sum()
    ends = flows.neurons[-totals.taken.size :]
    assert ends @ totals.taken == pytest.approx(case.totals.taken.sum())


def test_lattices_of_short_reach_go_by_kinds_of_pairs(monkeypatch):
    tried = []
    monkeypatch.setattr(
        _canonical,
        "_spread",
        lambda flows, *rest, _own=_canonical._spread: (
            tried.append(flows.owner.size) or _own(flows, *rest)
        ),
    )
    tk.controllability(t.torus.layers((12, 12), 2))
    assert tried == [2 + 4]


def test_what_fits_by_pairs_alone_is_not_refused(monkeypatch):
    """Four inputs reach each output of a random network of 400 neurons."""
    layers = t.random_regular.layers([200, 200, 200], 2, seed=0)
    expected = tk.controllability(layers)
    monkeypatch.setattr(_canonical, "LIMIT", 2**19)
    found = tk.controllability(layers)
    np.testing.assert_allclose(found.K, expected.K, atol=1e-3)
    assert found.converged
    assert expected.converged
