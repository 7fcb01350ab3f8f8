"""Estimates of the degrees of freedom against exact counts, and their parts against matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import layered_networks

import topokit as tk
from topokit import degrees_of_freedom, leverage
from topokit.layers import draw_xavier, edge_factors, live_weights
from topokit.scores import path_counts
from topokit.scores.freedom import _jacobian_operator
from topokit.scores.freedom._estimate import estimate_freedom, estimate_leverage
from topokit.scores.freedom._isometric_weights import flat_weights
from topokit.scores.freedom._jacobian_operator import jacobian_operator, linearize
from topokit.scores.freedom._lsqr_projection import Operator, little_of_all, project
from topokit.scores.freedom._scale_invariances import idle_directions, with_idle
from topokit.scores.freedom._spanning_edges import count_spanning

laws = settings(max_examples=15)
t = tk.topologies
families = {
    "butterfly": t.butterfly(16, 4),
    "deep butterfly": t.butterfly(8, 6),
    "skip butterfly": tk.with_skip(t.butterfly(8, 7)),
    "skip butterfly with a diagonal": tk.with_diagonal(tk.with_skip(t.butterfly(8, 5))),
    "parallel butterfly": t.parallel_butterfly(8, 3, 2),
    "Clos": t.clos(12, 8, 2, 3, 2),
    "hypercube": t.hypercube(8, 2),
    "torus": t.torus((4, 4), 3),
    "low rank": t.low_rank(14, 9, 4),
    "saturated": t.low_rank(6, 9, 20),
    "dense": t.dense(7, 11),
    "random": t.erdos_renyi([12, 10, 14], 0.3, seed=1),
    "radix-net": t.radix_net([[2, 2, 2]]),
    "blocks": tk.parallel([t.low_rank(6, 5, 2), t.low_rank(4, 7, 3)], shared=False),
    "unconnected pairs": t.butterfly(16, 2),
}


def as_operator(matrix):
    return Operator(matrix.shape, lambda x: matrix @ x, lambda y: matrix.T @ y)


def as_matrix(operator):
    return np.array([operator.forward(unit) for unit in np.eye(operator.shape[1])]).T


def missing(layers, exact):
    """How many columns or entries, whichever are probed, the rank falls short of at most."""
    kept = count_spanning(layers)
    return min(kept, np.count_nonzero(path_counts(layers))) - exact


@pytest.mark.parametrize("topology", families.values(), ids=families)
def test_half_the_bits_leave_an_estimate_where_it_is(topology, monkeypatch):
    """The same weights and probes: only rounding differs."""
    double = estimate_freedom(topology, n_samples=2)
    monkeypatch.setattr(_jacobian_operator, "LARGE", 0)
    assert _jacobian_operator.precision(tk.to_layers(topology)) is np.float32
    single = estimate_freedom(topology, n_samples=2)
    near = 0.01 * degrees_of_freedom(topology) + double.drift
    assert abs(single.degrees_of_freedom - double.degrees_of_freedom) <= near


@pytest.mark.parametrize("topology", families.values(), ids=families)
def test_an_estimate_lies_near_the_exact_count(topology):
    exact = degrees_of_freedom(topology)
    found = estimate_freedom(topology, n_samples=4)
    assert abs(found.degrees_of_freedom - exact) <= 5 * found.standard_error + found.drift + 1e-6


@laws
@given(layered_networks())
def test_an_estimate_strays_no_further_than_missing_columns_allow(layers):
    exact, probes = degrees_of_freedom(layers), 4
    found = estimate_freedom(layers, n_samples=probes, tolerance=1e-6)
    # A probe's variance is at most twice the trace of the complement's projector.
    allowed = 5 * np.sqrt(2 * missing(layers, exact) / probes)
    assert abs(found.degrees_of_freedom - exact) <= allowed + found.drift + 1e-3


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (t.butterfly.layers(32, 8), 32 * 9),
        (t.clos.layers(32, 32, 4, 4, 4), 320 - 2 * 16),
        (tk.with_skip(t.butterfly.layers(16, 8)), 16 * 8),
        (t.low_rank.layers(16, 20, 40), 16 * 20),
    ],
)
def test_what_wastes_nothing_is_counted_without_variance(layers, expected):
    found = estimate_freedom(layers, n_samples=2)
    assert found.standard_error < 0.5
    assert expected - 1 < found.degrees_of_freedom < expected + 1e-6


@pytest.mark.parametrize("topology", families.values(), ids=families)
def test_the_bound_holds_and_is_named_where_it_is_met(topology):
    exact = degrees_of_freedom(topology)
    found = estimate_freedom(topology, n_samples=4)
    assert exact <= found.bound
    if found.at_bound:
        assert found.bound - exact <= 2 * found.error + 1


def test_too_few_steps_lower_an_estimate_and_say_so():
    topology = t.butterfly(16, 6)
    counts = [estimate_freedom(topology, n_samples=2, max_steps=n) for n in (2, 8, 32)]
    values = [found.degrees_of_freedom for found in counts]
    assert values == sorted(values)
    assert values[-1] <= 112
    assert not counts[0].converged
    assert counts[0].drift > counts[1].drift > counts[2].drift


@laws
@given(layered_networks())
def test_the_operator_is_the_jacobian_with_columns_of_length_one(layers):
    weights = draw_xavier(layers, np.random.default_rng(0))
    tangent = linearize(layers, weights)
    operator = jacobian_operator(tangent)
    a, b = edge_factors(layers, weights, live_weights(layers))
    columns = np.einsum("eo,ei->eoi", b, a).reshape(len(a), layers.n_in * layers.n_out).T
    lengths = np.linalg.norm(columns, axis=0)
    here = lengths > 1e-12 * lengths.max(initial=0)
    assert operator.shape == (columns.shape[0], here.sum())
    if here.any():
        assert np.allclose(abs(as_matrix(operator)), abs(columns[:, here] / lengths[here]))
    sides = [np.random.default_rng(1).normal(size=n) for n in operator.shape]
    there, back = operator.forward(sides[1]), operator.backward(sides[0])
    assert sides[0] @ there == pytest.approx(back @ sides[1], abs=1e-9)


@laws
@given(layered_networks(trainable=True))
def test_idle_directions_move_nothing_and_are_independent(layers):
    tangent = linearize(layers, flat_weights(layers, np.random.default_rng(0)))
    operator, idle = jacobian_operator(tangent), idle_directions(layers, tangent).toarray()
    assert np.allclose(as_matrix(operator) @ idle, 0)
    assert np.linalg.matrix_rank(idle) == idle.shape[1] if idle.size else True
    kept = count_spanning(layers)
    assert operator.shape[1] - idle.shape[1] == kept


def spreads(layers):
    """The largest singular value over the least that counts, of flat weights and of drawn ones."""
    rng, found = np.random.default_rng(0), []
    for weights in (flat_weights(layers, rng), draw_xavier(layers, rng)):
        tangent = linearize(layers, weights)
        idle = idle_directions(layers, tangent)
        values = np.linalg.svd(as_matrix(with_idle(jacobian_operator(tangent), idle)))[1]
        n_idle = idle.toarray().shape[1]
        found.append(values[0] / values[degrees_of_freedom(layers) + n_idle - 1])
    return found


def test_flat_layers_keep_small_singular_values_large():
    flat, drawn = spreads(t.butterfly.layers(16, 16))
    assert flat < min(drawn, 1000)


def test_where_every_pair_has_one_path_all_weights_have_the_same_singular_values():
    flat, drawn = spreads(t.butterfly.layers(16, 4))
    assert flat == pytest.approx(drawn, rel=1e-9)


def test_flat_layers_keep_the_ratios_of_constants():
    graph = tk.from_masks([np.full((3, 3), 1.0) + 4 * np.eye(3)], [~np.eye(3, k=1, dtype=bool)])
    layers = tk.to_layers(graph)
    fixed = ~layers.trainable[0]
    ratios = flat_weights(layers, np.random.default_rng(0))[0][fixed] / layers.constant[0][fixed]
    assert np.allclose(ratios, ratios[0])
    assert ratios[0] != 0


@laws
@given(
    arrays(float, (7, 5), elements=st.sampled_from([0.0, 1.0, -1.0, 2.0])),
    arrays(float, 7, elements=st.floats(-3, 3, width=16)),
)
def test_a_projection_is_that_of_least_squares(matrix, vector):
    expected = matrix @ np.linalg.lstsq(matrix, vector)[0]
    found = project(as_operator(matrix), vector, enough=little_of_all(0), max_steps=50)
    assert np.allclose(found.image, expected, atol=1e-6)
    assert found.rest == pytest.approx(((vector - expected) ** 2).sum(), abs=1e-6)


shallow = {
    "torus": t.torus((3, 4), 2),
    "random": t.erdos_renyi([16, 12, 14], 0.3, seed=3),
    "skip": tk.with_skip(t.butterfly(16, 4)),
    "one layer": t.butterfly(16, 1),
}


@pytest.mark.parametrize("topology", shallow.values(), ids=shallow)
def test_estimated_leverage_agrees_with_the_map(topology):
    exact = leverage(topology, n_samples=30)
    found = estimate_leverage(topology, n_samples=40)
    for axis, means, errors in (
        (1, found.inputs, found.inputs_error),
        (0, found.outputs, found.outputs_error),
    ):
        assert np.all(abs(means - exact.mean(axis)) <= 5 * errors + 0.02)
    assert found.mean_square_shortfall == pytest.approx(((1 - exact) ** 2).mean(), abs=0.03)
    assert found.inputs.mean() == pytest.approx(found.outputs.mean())


def test_estimated_leverage_of_a_single_layer_has_the_right_errors():
    found = estimate_leverage(t.butterfly(16, 1), n_samples=4)
    assert np.allclose(found.inputs, 2 / 16)
    assert np.allclose(found.inputs_error, 0)


@pytest.mark.parametrize(
    ("estimate", "field"),
    [(estimate_freedom, "degrees_of_freedom"), (estimate_leverage, "inputs")],
)
def test_estimates_depend_on_the_seed_alone(estimate, field):
    topology = t.low_rank(8, 8, 3)
    one, same, other = [estimate(topology, n_samples=2, seed=seed) for seed in (3, 3, 4)]
    assert one == same
    assert not np.array_equal(getattr(one, field), getattr(other, field))


def test_constants_that_cancel_leave_nothing_to_estimate():
    split, join = np.array([[1, 1]]), np.array([[1], [-1]])
    free = [np.ones((1, 1), bool), np.zeros((1, 2), bool), np.zeros((2, 1), bool)]
    cancelling = tk.from_masks([np.ones((1, 1)), split, join], free)
    assert estimate_freedom(cancelling).degrees_of_freedom == 0
    found = estimate_leverage(cancelling)
    assert found.mean_square_shortfall == 1
    assert not found.inputs.any()


@pytest.mark.parametrize("estimate", [estimate_freedom, estimate_leverage])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 1}, "n_samples must be an integer of at least 2"),
        ({"max_steps": 0}, "max_steps must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"tolerance": 2.0}, "tolerance must be a number in"),
    ],
)
def test_arguments_out_of_range_are_named(estimate, arguments, message):
    with pytest.raises(ValueError, match=message):
        estimate(t.butterfly(4), **arguments)


@pytest.mark.parametrize("estimate", [estimate_freedom, estimate_leverage])
def test_what_cannot_fit_in_memory_is_refused_before_it_is_taken(estimate):
    with pytest.raises(ValueError, match=r"needs [\d.]+ GiB .* topokit.structure"):
        estimate(t.butterfly.layers(16384, 1))
