"""Degrees of freedom and leverage against derivatives, singular values and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import qr
from strategies import layered_networks, networks_with_twins

import topokit as tk
from topokit import degrees_of_freedom, leverage, satisfiable_constraints
from topokit.scores.freedom import _leverage
from topokit.scores.freedom._rank_mod_p import PRIME

laws = settings(max_examples=100)
t = tk.topologies


def any_scale(_fan_in, _fan_out):
    return 1.0


def sparse_xavier(fan_in, fan_out):
    return np.sqrt(6 / (fan_in + fan_out))


def jacobian(layers, rng, scale=any_scale):
    """`dW_d/dw` at random weights: `W_d` is linear in each weight, so a unit change gives it."""
    masks, free = tk.to_masks(layers), tk.to_masks(layers, trainable=True)
    weights = []
    for layer, mask in enumerate(masks):
        fan_in, fan_out = mask.sum(0)[None], mask.sum(1)[:, None]
        weights.append(rng.uniform(-1, 1, mask.shape) * scale(fan_in, fan_out))
        fixed = ~layers.trainable[layer]
        places = layers.senders[layer][fixed], layers.receivers[layer][fixed]
        weights[-1][~free[layer]] = 0
        weights[-1][places] = layers.constant[layer][fixed]
    columns = []
    for layer, mask in enumerate(free):
        for place in np.argwhere(mask):
            unit = np.zeros(mask.shape)
            unit[tuple(place)] = 1
            product = np.eye(layers.n_in)
            for factor in [*weights[:layer], unit, *weights[layer + 1 :]]:
                product = product @ factor
            columns.append(product.ravel())
    return np.array(columns).reshape(-1, layers.n_in * layers.n_out).T


def rank_in_another_field(layers, modulus=2**61 - 1):
    """The rank of the whole Jacobian in Python's integers, at random weights."""
    rng = np.random.default_rng(5)
    weights, units = [], []
    for place, free in enumerate(layers.trainable):
        weight = np.zeros(layers.widths[place : place + 2], object)
        drawn = [int(w) for w in rng.integers(1, 2**60, free.size)]
        for edge, pair in enumerate(
            zip(layers.senders[place], layers.receivers[place], strict=True)
        ):
            top, bottom = float(layers.constant[place][edge]).as_integer_ratio()
            weight[pair] = drawn[edge] if free[edge] else top * pow(bottom, -1, modulus)
            units += [(place, pair)] * bool(free[edge])
        weights.append(weight)
    rows = []
    for place, (sender, receiver) in units:
        before = np.eye(layers.n_in, dtype=int).astype(object)
        for weight in weights[:place]:
            before = before @ weight % modulus
        after = np.eye(layers.widths[place + 1], dtype=int).astype(object)
        for weight in weights[place + 1 :]:
            after = after @ weight % modulus
        rows.append(np.outer(before[:, sender], after[receiver]).ravel() % modulus)
    return rank_of_rows(rows, modulus)


def rank_of_rows(rows, modulus):
    rank = 0
    while rows:
        pivot = rows.pop()
        places = np.flatnonzero(pivot)
        if places.size:
            rank += 1
            inverse = pow(int(pivot[places[0]]), -1, modulus)
            rows = [(row - row[places[0]] * inverse % modulus * pivot) % modulus for row in rows]
    return rank


def ratios_and_magnitudes(layers):
    """What a network can set if it wastes nothing: fan-in less one a neuron, one an output."""
    return layers.n_edges - sum(layers.widths[1:]) + layers.n_out


@laws
@given(layered_networks(max_depth=3))
def test_degrees_of_freedom_are_the_rank_of_the_jacobian(layers):
    matrix = jacobian(layers, np.random.default_rng(0))
    expected = np.linalg.matrix_rank(matrix) if matrix.size else 0
    assert degrees_of_freedom(layers) == expected


@laws
@given(layered_networks(max_depth=7, max_width=5), st.booleans())
def test_degrees_of_freedom_are_the_rank_in_any_large_field(layers, diagonal):
    network = tk.with_diagonal(layers) if diagonal else layers
    assert degrees_of_freedom(network) == rank_in_another_field(network)


@laws
@given(networks_with_twins(max_width=3))
def test_neurons_with_twins_are_counted_as_any(layers):
    assert degrees_of_freedom(layers) == rank_in_another_field(layers)


@laws
@given(layered_networks(max_depth=5), st.data())
def test_another_trainable_edge_never_lowers_the_degrees_of_freedom(layers, data):
    free = tk.to_masks(layers, trainable=True)
    place = data.draw(st.integers(0, layers.depth - 1))
    edge = [data.draw(st.integers(0, n - 1)) for n in free[place].shape]
    assume(not free[place][tuple(edge)])
    # It is new, or takes the place of a constant edge.
    others = (layers.senders[place] != edge[0]) | (layers.receivers[place] != edge[1])
    columns = [list(column) for column in layers.columns]
    for column, value in zip(columns, (*edge, True, 0.0), strict=True):
        column[place] = np.append(column[place][others], value)
    senders, receivers, trainable, constant = columns
    more = tk.make_layers(layers.widths, senders, receivers, trainable=trainable, constant=constant)
    assert degrees_of_freedom(more) >= degrees_of_freedom(layers)


@laws
@given(layered_networks(max_depth=5))
def test_degrees_of_freedom_satisfiable_constraints_trainable_edges_ascend(layers):
    assert degrees_of_freedom(layers) <= satisfiable_constraints(layers) <= layers.n_trainable


@laws
@given(layered_networks())
def test_leverage_sums_to_the_degrees_of_freedom(layers):
    shares = leverage(layers, n_samples=2)
    assert shares.shape == (layers.n_in, layers.n_out)
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.sum() == pytest.approx(degrees_of_freedom(layers), abs=1e-9)


@laws
@given(layered_networks(max_depth=3))
def test_leverage_is_zero_where_no_trainable_edge_lies_on_a_path(layers):
    moved = (jacobian(layers, np.random.default_rng(0)) != 0).any(axis=1)
    shares = leverage(layers, n_samples=2).ravel()
    assert np.all(shares[~moved] == pytest.approx(0, abs=1e-12))


@laws
@given(layered_networks(max_depth=1))
def test_a_single_layer_controls_its_trainable_edges_and_nothing_else(layers):
    assert np.allclose(leverage(layers), tk.to_masks(layers, trainable=True)[0])


@laws
@given(layered_networks(trainable=True))
def test_scaling_a_hidden_neuron_wastes_one_weight(layers):
    assume((np.concatenate([m.any(0) for m in tk.to_masks(layers)])).all())
    assume((np.concatenate([m.any(1) for m in tk.to_masks(layers)])).all())
    assert degrees_of_freedom(layers) <= ratios_and_magnitudes(layers)


table = {
    "hypercube, 6 layers": (t.hypercube(32, 6), 992),
    "Clos (8, 9, 8)": (t.clos(32, 32, 8, 9, 8), 1008),
    "butterfly, 5 layers": (t.butterfly(32, 5), 192),
    "butterfly, 10 layers": (t.butterfly(32, 10), 352),
    "butterfly, 18 layers": (t.butterfly(32, 18), 608),
    "torus 8 x 4, 7 layers": (t.torus((8, 4), 7), 928),
}
skip_table = {
    "hypercube, 6 layers": (t.hypercube(32, 6), 960),
    "hypercube, 7 layers": (t.hypercube(32, 7), 1024),
    "butterfly, 18 layers": (t.butterfly(32, 18), 576),
    "butterfly, 30 layers": (t.butterfly(32, 30), 960),
    "butterfly, 36 layers": (t.butterfly(32, 36), 1024),
}


@pytest.mark.parametrize(("topology", "expected"), table.values(), ids=table)
def test_published_networks_waste_nothing_but_scales(topology, expected):
    assert degrees_of_freedom(topology) == expected
    assert ratios_and_magnitudes(tk.to_layers(topology)) == expected


@pytest.mark.parametrize(("topology", "expected"), skip_table.values(), ids=skip_table)
def test_skip_connections_leave_every_weight_or_every_entry_free(topology, expected):
    skipping = tk.to_layers(tk.with_skip(topology))
    assert degrees_of_freedom(skipping) == expected
    assert expected == min(skipping.n_trainable, 32 * 32)


@pytest.mark.parametrize(
    ("n_in", "n_out", "rank"),
    [(32, 32, 8), (32, 32, 18), (32, 32, 4), (12, 20, 5), (20, 12, 12), (6, 9, 1), (6, 9, 8)],
)
def test_low_rank_layers_have_the_dimension_of_their_variety(n_in, n_out, rank):
    effective = min(rank, n_in, n_out)
    expected = effective * (n_in + n_out - effective)
    assert degrees_of_freedom(t.low_rank(n_in, n_out, rank)) == expected


def test_a_diagonal_adds_what_the_other_weights_lack():
    straight = tk.with_skip(t.butterfly(16, 4))
    assert degrees_of_freedom(straight) == 64
    assert degrees_of_freedom(tk.with_diagonal(straight)) == 80
    assert degrees_of_freedom(tk.with_diagonal(t.butterfly(16, 4))) == 16 * 5


def test_constants_that_cancel_leave_nothing_to_move():
    split, join = np.array([[1, 1]]), np.array([[1], [-1]])
    free = [np.ones((1, 1), bool), np.zeros((1, 2), bool), np.zeros((2, 1), bool)]
    cancelling = tk.from_masks([np.ones((1, 1)), split, join], free)
    assert satisfiable_constraints(cancelling) == 1
    assert degrees_of_freedom(cancelling) == 0
    assert np.array_equal(leverage(cancelling), [[0.0]])
    adding = tk.from_masks([np.ones((1, 1)), split, abs(join)], free)
    assert degrees_of_freedom(adding) == 1


def test_constants_count_exactly_where_floats_round():
    # 0.1 + 0.2 is not 0.3 in binary: the two paths do not cancel, by 2^-54.
    split, join = np.array([[0.1, 0.2, 0.3]]), np.array([[1], [1], [-1]])
    free = [np.ones((1, 1), bool), np.zeros((1, 3), bool), np.zeros((3, 1), bool)]
    assert degrees_of_freedom(tk.from_masks([np.ones((1, 1)), split, join], free)) == 1


def test_deep_products_neither_overflow_nor_vanish():
    deep = tk.from_masks(
        [np.full((2, 2), 3.0), *[np.full((2, 2), 7.0)] * 600, np.ones((2, 2))],
        [np.ones((2, 2), bool), *[np.zeros((2, 2), bool)] * 600, np.ones((2, 2), bool)],
    )
    assert degrees_of_freedom(deep) == 3
    assert leverage(deep).sum() == pytest.approx(3)


def test_leverage_of_a_low_rank_layer_leaves_out_what_is_orthogonal_to_both_factors():
    # By symmetry an input's share of a random space of dimension r is r / n_in on average.
    shares = leverage(t.low_rank(6, 9, 2), n_samples=500)
    assert np.allclose(shares, 1 - (1 - 2 / 6) * (1 - 2 / 9), atol=0.03)


def test_leverage_is_the_mean_projector_at_sparse_xavier_weights():
    masks = [np.array([[1, 1], [0, 1], [0.5, 1], [1, 0]]), np.array([[1, 0, 1], [1, 1, 2]])]
    layers = tk.to_layers(tk.from_masks(masks, [mask == 1 for mask in masks]))
    rng, expected = np.random.default_rng(1), np.zeros(12)
    for _ in range(1000):
        matrix = jacobian(layers, rng, sparse_xavier)
        expected += np.diag(matrix @ np.linalg.pinv(matrix)) / 1000
    assert degrees_of_freedom(layers) == 9
    assert np.allclose(leverage(layers, n_samples=1000).ravel(), expected, atol=0.03)


@pytest.mark.parametrize(
    "topology",
    [t.clos(8, 8, 4, 2, 4), t.low_rank(9, 7, 3), t.hypercube(8, 2), tk.with_skip(t.butterfly(8))],
)
def test_both_factorizations_give_one_leverage(monkeypatch, topology):
    found = leverage(topology, n_samples=2)
    used = []
    monkeypatch.setattr(_leverage, "WELL_CONDITIONED", np.inf)
    monkeypatch.setattr(_leverage, "qr", lambda *a, **k: used.append(a) or qr(*a, **k))
    assert np.allclose(leverage(topology, n_samples=2), found, rtol=0, atol=1e-8)
    assert len(used) == 2


def test_ill_conditioned_columns_go_to_the_factorization_that_stands_them(monkeypatch):
    widths = (16, *[2] * 30, 16)
    topology = tk.from_masks([np.ones(pair) for pair in pairwise(widths)])
    used = []
    monkeypatch.setattr(_leverage, "qr", lambda *a, **k: used.append(a) or qr(*a, **k))
    shares = leverage(topology, n_samples=1)
    assert used
    assert shares.sum() == pytest.approx(degrees_of_freedom(topology), abs=1e-9)


def test_leverage_depends_on_the_seed_alone():
    topology = t.butterfly(16, 4)
    assert np.array_equal(leverage(topology, seed=3), leverage(topology, seed=3))
    assert not np.array_equal(leverage(topology, seed=3), leverage(topology, seed=4))


@pytest.mark.parametrize(
    ("name", "arguments"), [("n_samples", {"n_samples": 0}), ("seed", {"n_samples": 1, "seed": -1})]
)
def test_draws_and_seed_must_be_counts(name, arguments):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least"):
        leverage(t.butterfly(4), **arguments)


def test_what_cannot_fit_in_memory_is_refused_with_the_number():
    with pytest.raises(ValueError, match=r"degrees_of_freedom .* needs [\d.]+ GiB"):
        degrees_of_freedom(t.butterfly.layers(1024, 40))
    with pytest.raises(ValueError, match=r"leverage .* needs [\d.]+ GiB"):
        leverage(t.butterfly.layers(256, 8))


def test_a_constant_that_is_a_multiple_of_the_prime_is_still_no_zero():
    graph = tk.topologies.butterfly(8, 4)
    usual = tk.degrees_of_freedom(tk.with_skip(graph))
    for weight in (float(PRIME), 2.0 * PRIME):
        assert tk.degrees_of_freedom(tk.with_skip(graph, weight=weight)) == usual
