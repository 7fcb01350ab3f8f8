"""The predicted loss by probes against the exact one, and its parts against exact moments."""

import copy
import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit import predicted_loss
from topokit.layers import draw_xavier
from topokit.scores import PredictedLoss
from topokit.scores.freedom._device_operator import device_operator
from topokit.scores.freedom._jacobian_operator import (
    jacobian_operator,
    linearize,
    whitened_operator,
)
from topokit.scores.freedom._lsqr_projection import left_to_find, little_of_all, project
from topokit.scores.freedom._powers_of_shortfall import mean_power

laws = settings(max_examples=25)
t = tk.topologies
families = {
    "butterfly": t.butterfly(32, 5),
    "deep butterfly": t.butterfly(32, 10),
    "skip butterfly": tk.with_skip(t.butterfly(16, 12)),
    "parallel butterfly with skip": tk.with_skip(t.parallel_butterfly(32, 5, 2)),
    "Clos": t.clos(32, 32, 8, 6, 8),
    "wide Clos": t.clos(24, 48, 6, 4, 6),
    "hypercube": t.hypercube(32, 3),
    "torus": t.torus((8, 4), 4),
    "torus with skip": tk.with_skip(t.torus((4, 4), 3)),
    "low rank": t.low_rank(32, 32, 8),
    "one layer": t.erdos_renyi([32, 20], 0.3, seed=0),
    "random": t.erdos_renyi([32, 24, 32], 0.3, seed=1),
    "random regular with skip": tk.with_skip(t.random_regular([32] * 6, 3, seed=0)),
    "radix-net": t.radix_net([[4, 8]]),
    "unconnected pairs": t.butterfly(32, 3),
    "small world": t.small_world(32, 4, 2, 0.3, seed=0),
}


def as_matrix(operator):
    return np.array([operator.forward(unit) for unit in np.eye(operator.shape[1])]).T


@pytest.mark.parametrize("topology", families.values(), ids=families)
def test_an_estimate_lies_near_the_exact_loss(topology):
    exact = predicted_loss(topology, method="exact")
    found = predicted_loss(topology, method="estimate")
    error = np.hypot(exact.standard_error, found.standard_error)
    assert abs(found - exact) <= 4 * error + 2 * found.drift + 1e-9
    assert exact.exact
    assert not found.exact
    assert found.converged


def test_standard_errors_are_honest():
    """Of 100 seeds about 68 lie within one of them and 95 within two."""
    topology = t.clos(16, 16, 4, 3, 4)
    truth = predicted_loss(topology, method="exact", n_samples=100)
    found = [
        predicted_loss(topology, method="estimate", n_samples=4, seed=4 * seed)
        for seed in range(100)
    ]
    strayed = np.array([(one - truth) / one.standard_error for one in found])
    assert 50 <= np.sum(abs(strayed) < 1) <= 90
    assert np.sum(abs(strayed) < 2) >= 85


@laws
@given(layered_networks())
def test_whitened_columns_span_what_the_jacobian_does(layers):
    tangent = linearize(layers, draw_xavier(layers, np.random.default_rng(0)))
    plain, turned = jacobian_operator(tangent), whitened_operator(tangent)
    assert turned.shape == plain.shape
    if not plain.shape[1]:
        return
    columns, others = as_matrix(plain), as_matrix(turned)
    rank = np.linalg.matrix_rank(columns, tol=1e-6)
    both = np.linalg.matrix_rank(np.hstack([columns, others]), tol=1e-6)
    assert rank == both == np.linalg.matrix_rank(others, tol=1e-6)
    sides = [np.random.default_rng(1).normal(size=n) for n in turned.shape]
    there, back = turned.forward(sides[1]), turned.backward(sides[0])
    assert sides[0] @ there == pytest.approx(back @ sides[1], abs=1e-8)


@pytest.mark.parametrize("name", ["wide Clos", "skip butterfly", "random"])
def test_on_a_device_the_jacobian_is_the_same(name):
    layers = tk.to_layers(families[name])
    weights = draw_xavier(layers, np.random.default_rng(0))
    here, there = jacobian_operator(linearize(layers, weights)), device_operator(layers, weights)
    assert here.shape == there.shape
    sides = [np.random.default_rng(1).normal(size=n).astype(np.float32) for n in here.shape]
    assert np.allclose(here.forward(sides[1]), there.forward(sides[1]), rtol=1e-3, atol=1e-3)
    assert np.allclose(here.backward(sides[0]), there.backward(sides[0]), rtol=1e-3, atol=1e-3)


def test_a_projection_takes_the_arrays_of_a_device():
    layers = tk.to_layers(families["Clos"])
    weights = draw_xavier(layers, np.random.default_rng(0))
    probe = np.random.default_rng(1).choice([-1.0, 1.0], layers.n_in * layers.n_out)
    here, there = (
        project(operator, vector, enough=little_of_all(1e-4), max_steps=100)
        for operator, vector in (
            (jacobian_operator(linearize(layers, weights)), probe),
            (device_operator(layers, weights), jnp.asarray(probe, jnp.float32)),
        )
    )
    assert there.rest == pytest.approx(here.rest, rel=1e-3)
    assert np.allclose(here.image, there.image, atol=0.02)


@pytest.mark.parametrize("topology", [t.clos(12, 20, 4, 3, 4), t.low_rank(9, 14, 3)])
def test_the_columns_of_the_last_layer_are_orthonormal(topology):
    layers = tk.to_layers(topology)
    tangent = linearize(layers, draw_xavier(layers, np.random.default_rng(0)))
    last = layers.senders[-1].size
    columns = as_matrix(whitened_operator(tangent))[:, -last:]
    assert np.allclose(columns.T @ columns, np.eye(last), atol=1e-8)


@laws
@given(
    st.floats(0.05, 0.95), st.floats(0.01, 0.9), st.sampled_from([1.0, 4 / 3, 2.0, 8 / 3, 3.2, 3.9])
)
def test_a_mean_power_is_exact_where_moments_are(mean, share, power):
    total = 1 / share - 1
    y = np.random.default_rng(0).beta(mean * total, (1 - mean) * total, 4000)
    found = mean_power([y, y, y, y], power)
    assert found.value == pytest.approx(np.mean(y**power), rel=0.03, abs=2e-3)
    assert found.variance >= 0


def test_the_noise_of_a_mean_power_is_bounded():
    """Probes of a random projector: the variance over many draws is at most what each one says."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((200, 70)))[0]
    y = 1 - (basis**2).sum(axis=1)
    found = []
    for _ in range(300):
        probes = [rng.choice([-1.0, 1.0], 200) for _ in range(4)]
        found.append(mean_power([1 - z * (basis @ (basis.T @ z)) for z in probes], 8 / 3))
    values = np.array([one.value for one in found])
    said = np.mean([one.variance for one in found])
    assert values.mean() == pytest.approx(np.mean(y ** (8 / 3)), abs=4 * values.std() / 300**0.5)
    assert 0.3 * said < values.var() < 1.2 * said


def test_what_is_left_to_find_is_the_rest_of_a_geometric_series():
    rests = [10 + 5 * 0.8**k for k in range(41)]
    assert left_to_find(rests) == pytest.approx(rests[-1] - 10)
    assert left_to_find([3.0, 1.0]) == 3.0
    assert left_to_find([5.0, 4.0, 3.0, 2.0, 1.0]) == 1.0  # no slower yet


def test_where_everything_can_be_set_almost_nothing_is_left():
    found = predicted_loss(t.low_rank(20, 20, 24), method="estimate")
    assert found < 0.002


def test_too_few_steps_are_told():
    topology = tk.with_skip(t.torus((8, 4), 5))
    short, long = (
        predicted_loss(topology, method="estimate", n_samples=2, max_steps=n) for n in (6, 400)
    )
    assert not short.converged
    assert short.drift > long.drift
    assert short > long
    assert "not converged" in repr(short)


def test_large_networks_have_a_prediction():
    found = predicted_loss(t.random_regular([512] * 4, 8, seed=0))
    assert not found.exact
    assert found.converged
    assert 0 < found.standard_error < 0.005
    # At most what no sharing of weights allows, at least what rank allows.
    share = 3 * 512 * 8 / 512**2
    assert (1 - share) ** 4 < found < 1 - share / 2


def test_a_single_layer_of_any_size_is_exact():
    layer = t.erdos_renyi.layers([784, 300], 0.1, seed=0)
    found = predicted_loss(layer)
    assert found == pytest.approx(1 - layer.n_edges / (784 * 300), rel=1e-12)
    assert found.exact
    assert found.standard_error == 0


def test_a_predicted_loss_is_a_number_that_goes_everywhere():
    found = PredictedLoss(0.25, 0.01, exact=False, drift=0.002, converged=False)
    assert found + 1 == 1.25
    assert json.loads(json.dumps(found)) == 0.25
    assert f"{found:.3f}" == "0.250"
    for same in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert same == found
        assert vars(same) == vars(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "guess"}, "method must be 'auto', 'exact' or 'estimate'; given 'guess'"),
        ({"accuracy": 0}, "accuracy must be a number in"),
        ({"max_steps": 0}, "max_steps must be an integer of at least 1"),
        ({"n_samples": 0}, "n_samples must be an integer of at least 1"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        predicted_loss(t.butterfly(4), **arguments)
