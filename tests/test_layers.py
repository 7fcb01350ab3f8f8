"""The recipe as a value, what it remembers, and its walks against products of dense matrices."""

import collections
import copy
import pickle
import sys
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths, matrices
from scipy.sparse.csgraph import maximum_flow
from strategies import layered_networks

import topokit as tk
from topokit import layers as ground
from topokit.layers import _carry

t = tk.topologies
laws = settings(max_examples=30)
PRIME = 2**31 - 1


def draw(layers, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(senders.size) for senders in layers.senders]


def dense(layers, weights, dtype: type = float):
    """Each layer as a matrix, senders by receivers."""
    result = []
    for number, (senders, receivers) in enumerate(
        zip(layers.senders, layers.receivers, strict=True)
    ):
        matrix = np.zeros(layers.widths[number : number + 2], dtype)
        matrix[senders, receivers] = weights[number]
        result.append(matrix)
    return result


# ---- The recipe as a value


def test_a_recipe_prints_in_one_line():
    clos, deep = t.clos.layers(32, 32, 8, 9, 8), t.butterfly.layers(32, 18)
    assert repr(clos) == "Layers(32 -> 72 -> 72 -> 32, 1,152 edges, 1,152 trainable)"
    assert repr(tk.with_skip(deep)) == (
        "Layers(32 -> 32 -> ... -> 32 -> 32, depth 18, 1,152 edges, 576 trainable)"
    )


@laws
@given(layered_networks())
def test_recipes_are_equal_where_all_their_arrays_are(layers):
    again = tk.to_layers(tk.from_layers(layers))
    assert again == layers
    assert hash(again) == hash(layers)
    assert layers != tuple(layers.columns)
    changed = replace(layers, trainable=tuple(~free for free in layers.trainable))
    assert changed != layers
    assert len({layers, again, changed}) == 2


def test_recipes_of_other_shapes_are_different():
    assert t.dense.layers(4, 3) != t.dense.layers(3, 4)
    assert t.butterfly.layers(8, 2) != t.butterfly.layers(8, 3)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda layers: pickle.loads(pickle.dumps(layers))]
)
def test_a_copy_is_equal_and_takes_nothing_along_that_is_remembered(copied):
    layers = t.butterfly.layers(16, 3)
    plain = len(pickle.dumps(layers))
    ground.live_edges(layers), ground.out_bundles(layers)
    assert len(pickle.dumps(layers)) == plain
    again = copied(layers)
    assert again == layers
    assert vars(again).keys() == {"widths", "senders", "receivers", "trainable", "constant"}


def test_a_recipe_cannot_be_changed():
    layers = t.butterfly.layers(4)
    again = pickle.loads(pickle.dumps(layers))
    for one in (layers, again):
        for column in one.columns:
            with pytest.raises(ValueError, match="read-only"):
                column[0][0] = column[0][0]
    with pytest.raises(AttributeError, match="cannot assign"):
        setattr(layers, "widths", (1, 1))  # noqa: B010 (what the type checker forbids)


def test_arrays_of_ones_own_stay_writable():
    senders = np.array([0, 1])
    one = (senders,), (np.array([0, 0]),), (np.ones(2, bool),), (np.zeros(2),)
    layers = tk.Layers((2, 1), *one)
    assert not layers.senders[0].flags.writeable
    assert senders.flags.writeable


def test_what_follows_from_a_recipe_is_worked_out_once():
    layers = t.butterfly.layers(8, 2)
    assert ground.live_edges(layers) is ground.live_edges(layers)
    assert ground.live_edges(layers) is not ground.live_edges(replace(layers))


def test_a_score_works_nothing_out_twice():
    """A graph is compiled once, and walked once for each thing to know of its edges."""
    graph, runs = t.butterfly(16, 4), collections.Counter()
    rooms = {"_on_paths", "_bundles", "_graph", "_make_layers", "_spanning_edges"}

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and Path(code.co_filename).stem in rooms:
            runs[code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        tk.score(graph)
    finally:
        sys.setprofile(before)
    once = {"live_edges", "live_neurons", "fed_neurons", "spanning_edges", "edge_arrays"}
    assert {name: runs[name] for name in once} == dict.fromkeys(once, 1)
    assert runs["in_bundles"] + runs["out_bundles"] <= 4


def test_keeping_every_edge_keeps_the_recipe_and_others_keep_their_neurons():
    layers = t.butterfly.layers(4)
    every = [np.ones(senders.size, bool) for senders in layers.senders]
    assert ground.keep_edges(layers, every) is layers
    some = ground.keep_edges(layers, [senders == 0 for senders in layers.senders])
    assert some.widths == layers.widths
    for mask, kept in zip(tk.to_masks(layers), tk.to_masks(some), strict=True):
        assert np.array_equal(kept[0], mask[0])
        assert not kept[1:].any()


# ---- Values carried over layers


@laws
@given(layered_networks(), st.integers(0, 3))
def test_numbers_are_carried_as_by_dense_products(layers, seed):
    weights = draw(layers, seed)
    product = np.linalg.multi_dot([np.eye(layers.n_in), *dense(layers, weights)])
    found = ground.end_to_end_matrix(layers, weights)
    np.testing.assert_allclose(found, product, atol=1e-12)
    eye, ones = np.eye(layers.n_out), np.ones(layers.n_in)
    back = ground.backward(layers, eye, weights, algebra=ground.NUMBERS)
    np.testing.assert_allclose(back[0], product, atol=1e-12)
    assert [len(held) for held in back] == [*layers.widths]
    sums = ground.at_outputs(layers, ones, weights, algebra=ground.NUMBERS)
    np.testing.assert_allclose(sums, ones @ product, atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 7, 2**17])
@pytest.mark.parametrize("few", [0, 2**12])
def test_how_many_are_carried_at_a_time_changes_nothing(monkeypatch, at_once, few):
    monkeypatch.setattr(_carry, "AT_ONCE", at_once)
    monkeypatch.setattr(_carry, "FEW", few)
    masks = [np.ones((5, 4)), np.diag([1, 0, 1, 1])[:, [0, 1, 1, 2, 3]], np.eye(5)[:, :4]]
    layers = tk.trim(ground.sort_layers((5, 4, 5, 4), *zip(*map(ends, masks), strict=True)))
    counts = count_paths(layers)
    for algebra, kind in ((ground.NUMBERS, np.int64), (ground.EXACT, object)):
        start = np.eye(layers.n_in, dtype=np.int64).astype(kind)
        assert np.array_equal(ground.at_outputs(layers, start, algebra=algebra).T, counts)
    assert np.array_equal(ground.ancestors(layers)[-1].T, counts > 0)
    assert np.array_equal(ground.descendants(layers)[0], counts > 0)


def ends(mask):
    receivers, senders = np.nonzero(mask.T)
    return senders, receivers


@pytest.mark.parametrize("summed", [1, 2**15])
@laws
@given(layered_networks(), st.integers(0, 2**32 - 1))
def test_residues_are_those_of_exact_products(summed, layers, seed):
    rng = np.random.default_rng(seed)
    weights = [rng.integers(PRIME - 9, PRIME, senders.size) for senders in layers.senders]
    exact = reduce(np.matmul, dense(layers, weights, object), np.eye(layers.n_in, dtype=object))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_carry, "SUMMED", summed)
        start = np.eye(layers.n_in, dtype=np.int64)
        found = ground.at_outputs(layers, start, weights, algebra=ground.residues(PRIME))
        few = ground.at_outputs(layers, start, algebra=ground.residues(5))
    assert np.array_equal(found.T, (exact % PRIME).astype(np.int64))
    assert np.array_equal(few.T, count_paths(layers) % 5)


def test_the_largest_residues_add_up_without_an_overflow():
    width = _carry.SUMMED
    layers = t.dense.layers(width, 1)
    start = np.full(width, PRIME - 1)
    for weight in (PRIME - 1, 2**30 - 1, 2**16 - 1):
        weights = [np.full(width, weight)]
        found = ground.at_outputs(layers, start, weights, algebra=ground.residues(PRIME))
        assert found.item() == (PRIME - 1) * weight * width % PRIME


@laws
@given(layered_networks())
def test_a_semiring_of_ones_own_finds_the_widest_path(layers):
    """The greatest of the least weights on a path: maximum joins, minimum passes on."""
    weights = draw(layers)
    widest = ground.semiring(np.fmax, np.minimum)
    start = np.where(np.eye(layers.n_in, dtype=bool), np.inf, np.nan)
    expected = start
    for mask, matrix in zip(tk.to_masks(layers), dense(layers, weights), strict=True):
        passed = np.minimum(expected[:, :, None], np.where(mask, matrix, np.nan))
        expected = np.fmax.reduce(passed, axis=1)
    found = ground.at_outputs(layers, start, weights, algebra=widest)
    np.testing.assert_array_equal(found.T, expected)


@laws
@given(layered_networks())
def test_the_factors_make_the_jacobian(layers):
    weights, step = draw(layers), 1e-6
    every = [np.ones(senders.size, bool) for senders in layers.senders]
    a, b = ground.edge_factors(layers, weights, every)
    columns = np.einsum("ei,eo->eio", a, b)
    numbered = np.split(np.arange(layers.n_edges), np.cumsum([w.size for w in weights])[:-1])
    for number, places in enumerate(numbered):
        for edge, column in enumerate(columns[places]):
            moved = [w.copy() for w in weights]
            moved[number][edge] += step
            change = ground.end_to_end_matrix(layers, moved)
            change = (change - ground.end_to_end_matrix(layers, weights)) / step
            np.testing.assert_allclose(column, change, atol=1e-7)


# ---- What lies on a path


@laws
@given(layered_networks())
def test_an_edge_is_live_where_the_paths_through_it_are_more_than_none(layers):
    ones = [np.ones(shape) for shape in layers.widths]
    whole = [m != 0 for m in matrices(layers)]
    before = [reduce(np.matmul, whole[:n], ones[0][None]) for n in range(layers.depth + 1)]
    behind = [
        reduce(lambda x, m: m @ x, whole[: n - 1 : -1] if n else whole[::-1], ones[-1])
        for n in range(layers.depth + 1)
    ]
    for n, alive in enumerate(ground.live_neurons(layers)):
        assert np.array_equal(alive, (before[n][0] > 0) & (behind[n] > 0))
    rows = zip(ground.live_edges(layers), layers.senders, layers.receivers, strict=True)
    for n, (on, s, r) in enumerate(rows):
        assert np.array_equal(on, before[n][0][s] * behind[n + 1][r] > 0)


# ---- Numbers, flows and tables


@laws
@given(layered_networks())
def test_numbered_edges_are_those_of_the_graph(layers):
    graph = tk.from_layers(layers)
    first = ground.first_numbers(layers).tolist()
    assert first[-1] == len(graph)
    found = set(zip(*(ends.tolist() for ends in ground.numbered_edges(layers)), strict=True))
    assert found == {(first[a] + i, first[b] + j) for (a, i), (b, j) in graph.edges}


def test_a_flow_keeps_within_the_room_of_each_neuron():
    senders, receivers = np.array([0, 1, 2, 2]), np.array([2, 2, 3, 4])
    room, entering = np.array([5, 5, 4, 1, 9]), np.array([3, 2, 2, 0, 0])
    leaving = np.array([0, 0, 0, 9, 2])
    graph = ground.split_flow(senders, receivers, room=room, entering=entering, leaving=leaving)
    assert maximum_flow(graph, 10, 11).flow_value == 3  # 1 by neuron 3, 2 by neuron 4


@laws
@given(st.lists(st.integers(0, 5), max_size=20), st.integers(0, 8))
def test_a_table_holds_the_members_of_each_owner_in_their_order(owners, n_owners):
    members = 100 + np.arange(len(owners))
    table = ground.padded_table(np.array(owners, int), members, blank=-1, n_owners=n_owners)
    assert len(table) == max([n_owners, *(owner + 1 for owner in owners)])
    for owner, row in enumerate(table):
        own = [m for m, o in zip(members, owners, strict=True) if o == owner]
        assert [m for m in row if m >= 0] == row[: len(own)].tolist() == own


def test_arrays_of_any_library_are_cut_by_layer():
    layers = t.clos.layers(4, 4, 2, 3, 2)
    ends = np.cumsum([senders.size for senders in layers.senders])[:-1]
    values = np.arange(2 * layers.n_edges).reshape(-1, 2)
    for found, expected in zip(
        ground.split_by_layer(layers, values), np.split(values, ends), strict=True
    ):
        assert np.array_equal(found, expected)
