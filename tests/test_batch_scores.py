"""Scores of untrained networks on a batch, each against a second way to the same number."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.flatten_util import ravel_pytree

import topokit as tk
from topokit import networks

KEY = jax.random.key(0)
X = np.random.default_rng(0).standard_normal((12, 6)).astype(np.float32)
LABELS = np.arange(12) % 3
RELU = eqx.nn.Lambda(jax.nn.relu)


def sparse(key, *, bias: bool = True) -> eqx.nn.Sequential:
    """Two cascades with a ReLU after each, one of them with constant edges."""
    one, two = wirings()
    keys = jax.random.split(key)
    layers: list[Any] = []
    for wiring, key in zip((one, two), keys, strict=True):
        layers += [networks.SparseLinear(wiring, key=key, bias=bias), RELU]
    return eqx.nn.Sequential(layers)


def wirings():
    first = tk.with_skip(tk.topologies.random_regular([6, 6, 6], 3, seed=0), weight=-0.5)
    return first, tk.topologies.low_rank(6, 4, 2)


class Recurrent(eqx.Module):
    """The same ReLUs again and again."""

    weight: jax.Array
    rounds: int

    def __call__(self, x):
        return lax.fori_loop(0, self.rounds, lambda _, h: jax.nn.relu(self.weight @ h), x)


class Branched(eqx.Module):
    weight: jax.Array

    def __call__(self, x):
        return lax.cond(x[0] > 0, jax.nn.relu, lambda x: -x, self.weight @ x)


class Clipped(eqx.Module):
    """Gates of several kinds, some within other functions, and maxima that are none."""

    conv: eqx.nn.Conv2d

    def __call__(self, x):
        image = jax.nn.relu6(self.conv(x.reshape(1, 2, 3)))
        pooled = jax.checkpoint(lambda v: jnp.maximum(jnp.zeros_like(v), v - 0.1))(image.max(0))
        return jax.vmap(lambda row: jnp.maximum(row, row[0]))(pooled).ravel()


def test_patterns_are_the_signs_before_each_relu():
    model = networks.mlp((6,), [5, 7], 3, key=KEY)
    _, one, _, two, _, _ = model.layers
    first = jax.vmap(one)(X)
    second = jax.vmap(two)(jnp.maximum(first, 0))
    expected = np.concatenate([first > 0, second > 0], axis=1)
    assert (networks.activation_patterns(model, X) == expected).all()


def test_patterns_of_loops_are_those_of_all_rounds():
    weight = jax.random.normal(KEY, (6, 6))
    h, expected = jnp.asarray(X), []
    for _ in range(3):
        h = h @ weight.T
        expected.append(h > 0)
        h = jnp.maximum(h, 0)
    found = networks.activation_patterns(Recurrent(weight, 3), X)
    assert (found == np.concatenate(expected, axis=1)).all()


def test_gates_are_found_within_other_functions_and_maxima_over_axes_are_none():
    model = Clipped(eqx.nn.Conv2d(1, 4, 1, key=KEY))
    before = jax.vmap(lambda x: model.conv(x.reshape(1, 2, 3)))(X)
    after = jnp.clip(before, 0, 6).max(1) - 0.1
    expected = np.concatenate([p.reshape(12, -1) > 0 for p in (before, after)], axis=1)
    assert (networks.activation_patterns(model, X) == expected).all()


def test_naswot_counts_the_gates_at_which_examples_agree():
    model = networks.mlp((6,), [40], 3, key=KEY)
    patterns = networks.activation_patterns(model, X)
    agreeing = [
        [sum(a == b for a, b in zip(p, q, strict=True)) for p in patterns] for q in patterns
    ]
    sign, expected = np.linalg.slogdet(np.array(agreeing, float))
    assert sign == 1
    assert networks.naswot(model, X) == pytest.approx(expected)
    assert networks.naswot(model, X) < 12 * np.log(40)
    assert networks.naswot(model, np.concatenate([X, X[:1]])) == -np.inf
    few = networks.mlp((6,), [10], 3, key=KEY)
    assert networks.naswot(few, X) == -np.inf  # 12 examples and 10 gates


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (eqx.nn.Linear(6, 3, key=KEY), "it has no pattern of gates"),
        (Branched(jax.random.normal(KEY, (6, 6))), "inside of a 'cond'"),
    ],
)
def test_models_without_patterns_are_refused(model, said):
    with pytest.raises(ValueError, match=said):
        networks.naswot(model, X)


def test_the_spectrum_of_a_kernel_is_that_of_its_eigenvalues():
    kernel = networks.tangent_kernel(networks.mlp((6,), [9], 3, key=KEY), X)
    values = np.linalg.svd(kernel.astype(float), compute_uv=False)
    shares = values / values.sum()
    expected = np.prod(shares**-shares)
    assert networks.effective_rank(kernel) == pytest.approx(expected, rel=1e-5)
    assert networks.condition_number(kernel) == pytest.approx(values[0] / values[-1], rel=1e-2)
    basis = np.linalg.qr(X.T.astype(float))[0][:, :4]
    assert networks.effective_rank(basis @ basis.T) == pytest.approx(4)
    assert networks.condition_number(basis @ basis.T) == np.inf


@pytest.mark.parametrize(
    "kernel",
    [
        np.ones(3),
        np.ones((2, 3)),
        np.full((2, 2), np.nan),
        np.triu(np.ones((2, 2))),
        np.eye(2, dtype=int),
        -np.eye(3),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
        np.diag([1.0, 1.0, -1e-3]),
        np.diag([1.7e308, -1.7e308]),
    ],
)
@pytest.mark.parametrize("score", [networks.effective_rank, networks.condition_number])
def test_what_is_no_kernel_is_refused(score, kernel):
    with pytest.raises(ValueError, match="kernel must be"):
        score(kernel)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-30, 1e30, 1.7e308])
def test_the_spectrum_of_a_kernel_has_no_unit(scale):
    assert networks.effective_rank(scale * np.eye(3)) == pytest.approx(3)
    assert networks.condition_number(scale * np.eye(3)) == pytest.approx(1)
    if scale < 1e-300:  # too few digits are left of other numbers
        return
    root = np.random.default_rng(3).standard_normal((4, 4))
    kernel = root @ root.T / 100
    for score in (networks.effective_rank, networks.condition_number):
        assert score(scale * kernel) == pytest.approx(score(kernel), rel=1e-6)


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
def test_what_rounding_leaves_below_zero_is_no_fault(array):
    thin = np.random.default_rng(4).standard_normal((60, 3)).astype(np.float32)
    values = np.linalg.svd(thin.astype(float), compute_uv=False) ** 2
    shares = values / values.sum()
    kernel = array(thin @ thin.T)
    assert networks.effective_rank(kernel) == pytest.approx(np.prod(shares**-shares), rel=1e-3)
    assert networks.condition_number(kernel) > 1e5


def test_a_kernel_of_zeros_has_no_spectrum():
    with pytest.raises(ValueError, match="not zero"):
        networks.condition_number(np.zeros((3, 3)))


def test_the_flow_of_a_network_without_biases_is_that_of_its_topologies():
    model = sparse(KEY, bias=False)
    weights = [layer.weights() for linear in model.layers[::2] for layer in linear.layers]
    whole = tk.cascade([*wirings()])
    expected = tk.scores.log_synflow(whole, [np.asarray(w) for w in weights])
    assert networks.synflow(model, (6,)) == pytest.approx(expected, rel=1e-5)


def test_nothing_flows_through_zeros():
    model = jax.tree.map(lambda w: 0 * w if eqx.is_array(w) else w, eqx.nn.Linear(6, 3, key=KEY))
    assert networks.synflow(model, (6,)) == -np.inf


@pytest.mark.parametrize("labeled", [True, False])
def test_grasp_is_that_of_the_hessian_written_out(labeled):
    layer = (
        eqx.nn.Linear if labeled else lambda *_, key: networks.SparseLinear(wirings()[1], key=key)
    )
    model = eqx.nn.Sequential([layer(6, 4, key=KEY), RELU, eqx.nn.Linear(4, 3, key=KEY)])
    weights, rest = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(weights)
    numbers = np.random.default_rng(1).standard_normal((12, 3))

    def loss(flat):
        found = jax.vmap(eqx.combine(unravel(flat), rest))(jnp.asarray(X))
        if labeled:
            return optax.softmax_cross_entropy_with_integer_labels(found, LABELS).mean()
        return 0.5 * ((found - numbers) ** 2).sum(axis=1).mean()

    expected = jax.jit(lambda w: -w @ jax.hessian(loss)(w) @ jax.grad(loss)(w))(flat)
    found = networks.grasp(model, X, LABELS if labeled else numbers)
    assert found == pytest.approx(float(expected), rel=1e-3)


class Doubtful(eqx.Module):
    weight: jax.Array

    def __call__(self, x):
        return lax.while_loop(lambda v: v.sum() > 9, lambda v: v / 2, self.weight @ x)


def test_grasp_of_a_model_without_gradients_is_refused():
    with pytest.raises(ValueError, match="the model must have gradients; take jax.lax.scan"):
        networks.grasp(Doubtful(jax.random.normal(KEY, (3, 6))), X, LABELS)


def test_ntk_sap_is_the_trace_of_the_kernel_on_average_and_of_no_step_where_outputs_are_linear():
    model = eqx.nn.Linear(6, 3, key=KEY)
    trace = np.trace(networks.tangent_kernel(model, X)) / 12
    found = networks.ntk_sap(model, X, probes=400, seed=1)
    assert abs(found - trace) < 5 * (2 / 400) ** 0.5 * trace
    wide = networks.ntk_sap(model, X, probes=400, seed=1, step=1.0)
    assert found == pytest.approx(wide, rel=1e-3)


def test_ntk_sap_moves_no_constant():
    layer = networks.SparseLinear(wirings()[0], key=KEY, bias=False)
    moved = np.trace(networks.tangent_kernel(layer, X)) / 12
    found = networks.ntk_sap(layer, X, probes=400)
    assert abs(found - moved) < 5 * (2 / 400) ** 0.5 * moved


@pytest.mark.parametrize("given", [{"step": 0.0}, {"step": np.nan}, {"probes": 0}, {"seed": -1}])
def test_ntk_sap_refuses_numbers_out_of_range(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        networks.ntk_sap(eqx.nn.Linear(6, 3, key=KEY), X, **given)


def test_all_scores_together_are_those_alone():
    model = networks.mlp((6,), [40], 3, key=KEY)
    found = networks.batch_scores(model, X, LABELS, seed=3)
    kernel = networks.tangent_kernel(model, X)
    regression = networks.kernel_regression(model, X, LABELS)
    alone = {
        "error": regression.error,
        "accuracy": regression.accuracy,
        "naswot": networks.naswot(model, X),
        "trace": float(np.trace(kernel, dtype=float)) / 12,
        "effective_rank": networks.effective_rank(kernel),
        "condition": networks.condition_number(kernel),
        "synflow": networks.synflow(model, (6,)),
        "grasp": networks.grasp(model, X, LABELS),
        "ntk_sap": networks.ntk_sap(model, X, seed=3),
    }
    assert {name: getattr(found, name) for name in alone} == alone
    assert found.draws == (tuple(alone.values()),)
    assert set(found.standard_errors.values()) == {None}


def test_scores_are_means_over_draws_and_none_where_there_is_no_number():
    def build(*, key):
        return eqx.nn.Linear(6, 3, key=key)

    found = networks.batch_scores(build, X, draws=3, seed=2)
    assert found.error is found.accuracy is found.grasp is found.naswot is None
    flows = [networks.synflow(build(key=jax.random.key(seed)), (6,)) for seed in (2, 3, 4)]
    assert found.synflow == pytest.approx(np.mean(flows))
    assert found.standard_errors["synflow"] == pytest.approx(np.std(flows, ddof=1) / 3**0.5)
    assert found.standard_errors["error"] is None
    numbers = networks.batch_scores(build, X, X[:, :3], draws=1)
    assert numbers.error is not None
    assert numbers.accuracy is None


def test_a_model_that_no_weight_moves_has_no_scores():
    model = jax.tree_util.Partial(lambda _, x: x[:3], jnp.ones(2, jnp.float32))
    with pytest.raises(ValueError, match="weights that move its outputs"):
        networks.batch_scores(model, X)


def test_more_draws_than_one_need_what_makes_models():
    with pytest.raises(ValueError, match="draws=3 needs a function"):
        networks.batch_scores(eqx.nn.Linear(6, 3, key=KEY), X, draws=3)
