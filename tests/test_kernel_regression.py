"""Tangent kernels against Jacobians written out, and their regressions against refitting."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import topokit as tk
from topokit import networks
from topokit.networks import _kernel_regression, _tangent_kernel

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
VECTORS, IMAGES = RNG.standard_normal((14, 6)), RNG.standard_normal((9, 2, 4, 4))
LABELS = np.arange(14) % 3


def dense(key):
    return networks.mlp((6,), [7], 3, key=key)


def sparse(key):
    """A cascade with constant edges, which no weight moves."""
    wiring = tk.with_skip(tk.topologies.random_regular([6, 6, 6], 3, seed=0))
    first = networks.SparseLinear(wiring, key=key)
    last = eqx.nn.Linear(6, 3, key=key)
    return eqx.nn.Sequential([first, eqx.nn.Lambda(jax.nn.relu), last])


def convolution(key):
    conv = eqx.nn.Conv2d(2, 4, 3, key=key)
    layers = [conv, eqx.nn.Lambda(jax.nn.relu), eqx.nn.Lambda(jnp.ravel)]
    model = eqx.nn.Sequential([*layers, eqx.nn.Linear(16, 3, key=key)])
    return networks.sparsify(model, networks.random_with(0.5, dense_below=1), key=key)


def normalized(key):
    norm = eqx.nn.BatchNorm(6, axis_name="batch", mode="batch")
    return eqx.nn.Sequential([norm, eqx.nn.Linear(6, 3, key=key)])


class Held(eqx.Module):
    """A model some of whose layers have no gradients."""

    model: eqx.nn.Sequential
    held: list[int]

    def __call__(self, x):
        for number, layer in enumerate(self.model.layers):
            x = (still(layer) if number in self.held else layer)(x)
        return x


def still(layer: Any) -> Any:
    """A layer that has no gradient."""
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)
    return eqx.combine(jax.lax.stop_gradient(weights), rest)


def has_wiring(layer: Any) -> bool:
    return isinstance(layer, networks.SparseLinear | networks.SparseConv2d)


def written_out(model: Any, state: Any, x: np.ndarray) -> np.ndarray:
    """The full kernel from one flat vector of all weights, and forward differentiation."""
    model = eqx.nn.inference_mode(model)
    weights, rest = eqx.partition(model, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(weights)

    def outputs(flat):
        whole = eqx.combine(unravel(flat), rest)
        rows = [
            whole(v) if state is None else whole(v, state)[0] for v in jnp.asarray(x, flat.dtype)
        ]
        return jnp.concatenate(rows)

    jacobian = np.asarray(jax.jacfwd(outputs)(flat), float).reshape(-1, flat.size)
    return jacobian @ jacobian.T


@pytest.mark.parametrize(
    ("build", "x"),
    [(dense, VECTORS), (sparse, VECTORS), (convolution, IMAGES), (normalized, VECTORS)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_kernels_are_products_of_the_jacobian(build, x):
    model, state = eqx.nn.make_with_state(build)(key=KEY)
    state = state if build is normalized else None
    expected = written_out(model, state, x)
    scale = np.abs(expected).max()
    full = networks.tangent_kernel(model, x, state=state, full=True)
    assert np.allclose(full, expected, atol=1e-5 * scale)
    traces = np.einsum("icjc->ij", expected.reshape(len(x), 3, len(x), 3))
    kernel = networks.tangent_kernel(model, x, state=state)
    assert np.allclose(kernel, traces, atol=1e-5 * scale)


@pytest.mark.parametrize(("build", "x"), [(sparse, VECTORS), (convolution, IMAGES)])
def test_the_kernel_of_sparse_layers_is_that_of_a_model_that_holds_all_else(build, x):
    model = build(key=KEY)
    dense = [n for n, layer in enumerate(model.layers) if not has_wiring(layer)]
    held = Held(model, dense)
    expected = written_out(held, None, x)
    full = networks.tangent_kernel(model, x, full=True, sparse_only=True)
    np.testing.assert_allclose(full, expected, atol=1e-5 * np.abs(expected).max())


def test_a_layer_that_a_rule_leaves_dense_counts_as_dense():
    few = networks.random_with(0.3, dense_below=4)
    model = networks.sparsify(networks.mlp((6,), [7], 3, key=KEY), few, key=KEY)
    last = len(model.layers) - 1
    assert has_wiring(model.layers[last])
    expected = networks.tangent_kernel(Held(model, [last]), VECTORS)
    found = networks.tangent_kernel(model, VECTORS, sparse_only=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_without_sparse_layers_all_weights_count():
    every, sparse = (
        networks.tangent_kernel(dense(KEY), VECTORS, sparse_only=s) for s in (False, True)
    )
    np.testing.assert_array_equal(sparse, every)


def test_a_regression_learns_by_the_sparse_layers_unless_it_is_told_not_to():
    model = sparse(KEY)
    held = Held(model, [2])
    found, whole = (
        networks.kernel_regression(one, VECTORS, LABELS, sparse_only=False).error
        for one in (held, model)
    )
    assert networks.kernel_regression(model, VECTORS, LABELS).error == pytest.approx(found)
    assert networks.batch_scores(model, VECTORS, LABELS).error == pytest.approx(found)
    every = networks.batch_scores(model, VECTORS, LABELS, sparse_only=False)
    assert every.error == pytest.approx(whole)
    assert abs(found - whole) > 1e-3


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("sizes", [(5000, 2500, 1500), (1, 1, 1)])
def test_kernels_are_the_same_however_few_gradients_are_held(full, sizes, monkeypatch):
    expected = networks.tangent_kernel(dense(KEY), VECTORS, full=full)
    for name, size in zip(("HELD", "PASSING", "AT_ONCE"), sizes, strict=True):
        monkeypatch.setattr(_tangent_kernel, name, size)
    found = networks.tangent_kernel(dense(KEY), VECTORS, full=full)
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_the_kernel_of_a_linear_model_is_that_of_its_inputs_and_a_constant():
    model = eqx.nn.Linear(6, 4, key=KEY)
    expected = 4 * (VECTORS @ VECTORS.T + 1)
    assert np.allclose(networks.tangent_kernel(model, VECTORS), expected, rtol=1e-5, atol=1e-4)


def test_a_function_with_its_parameters_is_a_model():
    model = dense(KEY)
    weights, rest = eqx.partition(model, eqx.is_inexact_array)
    apart = jax.tree_util.Partial(lambda weights, x: eqx.combine(weights, rest)(x), weights)
    kernels = [networks.tangent_kernel(one, VECTORS) for one in (model, apart)]
    assert np.allclose(*kernels, rtol=1e-6)


def scaled(factor):
    """The dense model with all weights so many times as large."""
    return jax.tree.map(lambda leaf: leaf * factor if eqx.is_array(leaf) else leaf, dense(KEY))


def of_kind(kind):
    """The dense model with weights of a type."""
    return jax.tree.map(lambda leaf: leaf.astype(kind) if eqx.is_array(leaf) else leaf, dense(KEY))


KEPT = jnp.ones((3, 6), jnp.float32)


def looping(weights, x):
    """A loop whose rounds nobody knows before."""
    return jax.lax.while_loop(lambda v: v.sum() > 9, lambda v: v / 2, weights @ x)


def noisy(n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Targets that are linear but for noise, so that some ridge in between is the best."""
    x = np.random.default_rng(1).standard_normal((n, 6))
    return x, x[:, :3] + 0.3 * np.random.default_rng(2).standard_normal((n, 3))


def refitted(kernel: np.ndarray, y: np.ndarray, ridge: float, train: np.ndarray) -> float:
    """The squared error of each example when all others are fitted."""
    total, rows = 0.0, len(kernel) // len(y)
    grid = kernel.reshape(len(y), rows, len(y), rows)
    mean = y[train].mean(0)
    for out in train:
        rest = np.setdiff1d(train, out)
        known = grid[rest][:, :, rest].reshape(len(rest) * rows, -1)
        asked = grid[out][:, rest].reshape(rows, -1)
        wanted = (y[rest] - mean).reshape(len(known), -1)
        found = asked @ np.linalg.solve(known + ridge * np.eye(len(known)), wanted)
        total += ((y[out] - mean - found.reshape(-1)) ** 2).sum()
    return total


@pytest.mark.parametrize("full", [False, True])
def test_the_ridge_is_the_one_of_the_least_error_when_each_example_is_left_out(full):
    x, y = noisy()
    model = dense(KEY)
    found = networks.kernel_regression(model, x, y, full=full)
    kernel = networks.tangent_kernel(model, x, full=full).astype(float)
    train = np.setdiff1d(np.arange(24), np.arange(1, 24, 2))  # every other one is held out
    rows = (train[:, None] * 3 + np.arange(3)).ravel() if full else train
    scale = np.trace(kernel[np.ix_(rows, rows)]) / len(rows)
    ridges = _kernel_regression.RIDGES
    errors = [refitted(kernel, y, scale * ridge, train) for ridge in ridges]
    best = int(np.argmin(errors))
    assert 0 < best < len(ridges) - 1
    assert found.ridges == pytest.approx([ridges[best]])


def test_a_linear_model_foretells_as_ridge_regression_does():
    x, y = noisy()
    found = networks.kernel_regression(eqx.nn.Linear(6, 3, key=KEY), x, y)
    train, held_out = np.arange(0, 24, 2), np.arange(1, 24, 2)
    features = np.concatenate([x, np.ones((24, 1))], axis=1)
    mean, known = y[train].mean(0), features[train]
    ridge = found.ridges[0] * (known**2).sum() / len(train)
    normal = known.T @ known + ridge * np.eye(7)
    weights = np.linalg.solve(normal, known.T @ (y[train] - mean))
    missing = y[held_out] - mean
    left = ((missing - features[held_out] @ weights) ** 2).sum() / (missing**2).sum()
    assert found.error == pytest.approx(left, rel=1e-4)
    assert found.accuracy is None
    assert (found.n_train, found.n_held_out) == (12, 12)


def test_what_is_held_out_chooses_nothing_and_is_all_that_is_judged():
    x, y = noisy()
    model = dense(KEY)
    found = networks.kernel_regression(model, x, y)
    y[1::2] *= -1
    other = networks.kernel_regression(model, x, y)
    assert (found.ridges == other.ridges).all()
    assert found.error != other.error


def test_draws_are_models_of_their_keys_and_the_result_is_their_mean():
    found = networks.kernel_regression(dense, VECTORS, LABELS, draws=3, seed=5)
    alone = [
        networks.kernel_regression(dense(key=jax.random.key(seed)), VECTORS, LABELS)
        for seed in (5, 6, 7)
    ]
    assert found.errors.tolist() == [one.error for one in alone]
    assert found.accuracies is not None
    assert found.accuracies.tolist() == [one.accuracy for one in alone]
    assert found.error == pytest.approx(np.mean([one.error for one in alone]))
    expected = np.std([one.error for one in alone], ddof=1) / 3**0.5
    assert found.error_standard_error == pytest.approx(expected)
    assert alone[0].error_standard_error is None


def test_easy_labels_are_learned_and_random_ones_are_not():
    x = np.random.default_rng(3).standard_normal((200, 6))
    easy = networks.kernel_regression(dense, x, (x[:, 0] > 0).astype(int), draws=2)
    drawn = np.random.default_rng(4).integers(0, 2, 200)
    hard = networks.kernel_regression(dense, x, drawn, draws=2)
    assert easy.accuracy is not None
    assert hard.accuracy is not None
    assert easy.error < 0.8 < 0.9 < hard.error
    assert easy.accuracy > 0.8 > 0.65 > hard.accuracy


HALF_ALIKE = np.full((14, 3), 0.1)  # but for two examples that are learned from
HALF_ALIKE[0], HALF_ALIKE[2] = 0.6, -0.4


class Module:
    """What PyTorch has for a model: it can be called, and JAX sees no array in it."""

    def __call__(self, x):
        return x


WRONG = [
    ({"model": Module()}, "model must be an Equinox model, or a function"),
    ({"model": 3}, "model must be an Equinox model, or a function"),
    ({"model": lambda *, key: len(str(key))}, "which made"),
    ({"draws": 2}, "draws=2 needs a function that makes the model from the keyword key"),
    ({"model": dense, "draws": 0}, "draws must be an integer of at least 1"),
    ({"model": dense, "seed": -1}, "seed must be"),
    ({"held_out": 1.0}, r"held_out must be a number in \(0, 1\)"),
    ({"x": VECTORS[:, :5]}, r"cannot take an example of shape \(5,\)"),
    ({"x": VECTORS[:5], "y": LABELS[:5]}, "at least 8 examples"),
    ({"x": np.full((14, 6), np.nan)}, "x must be finite"),
    ({"x": np.zeros((14, 6), int)}, "x must be an array of floats"),
    ({"y": LABELS[:-1]}, "y must have one row for each of the 14 examples"),
    ({"y": np.zeros(14, int)}, "y must be of several classes; all 14 labels are 0"),
    ({"y": LABELS + 1}, "y must be labels from 0 to 2, for the model returns 3 numbers; given 3"),
    ({"y": LABELS - 1}, "y must count classes from 0"),
    ({"y": np.zeros((14, 3, 1))}, r"floats of shape \(14, 3\)"),
    ({"y": np.zeros(14)}, r"floats of shape \(14, 3\)"),
    ({"y": np.zeros((14, 3))}, "y must differ from example to example"),
    ({"y": np.full((14, 3), np.inf)}, "y must be finite"),
    ({"y": np.array(["a"] * 14)}, "y must be integers"),
    (
        {"model": eqx.nn.Sequential([dense(KEY), eqx.nn.Lambda(jnp.sum)])},
        r"must return a vector of one example, .* it returns",
    ),
    ({"y": 1e155 * VECTORS[:, :3]}, "y must be of a size whose squares fit"),
    ({"y": 1e-170 * VECTORS[:, :3]}, "y must be of a size whose squares fit"),
    ({"y": HALF_ALIKE}, "among the examples held out"),
    ({"model": of_kind(jnp.bfloat16)}, "weights of float32 or float64; given bfloat16"),
    ({"model": of_kind(jnp.complex64)}, "weights of float32 or float64; given complex64"),
    ({"model": eqx.nn.Linear(0, 3, use_bias=False, key=KEY)}, "float32 or float64; given none"),
    ({"model": jax.tree_util.Partial(looping, KEPT)}, "jax.lax.scan"),
    ({"model": scaled(np.nan)}, "must have finite weights"),
    ({"model": eqx.nn.make_with_state(normalized)(key=KEY)[0]}, "give state="),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said[:30] for _, said in WRONG])
def test_what_cannot_be_scored_is_refused_in_one_line(given, said):
    arguments = {"model": dense(KEY), "x": VECTORS, "y": LABELS} | given
    with pytest.raises(ValueError, match=said):
        networks.kernel_regression(**arguments)


def test_more_examples_than_memory_holds_are_refused_before_work():
    x = np.zeros((20_000, 6), np.float32)
    with pytest.raises(ValueError, match=r"tangent kernel of 20000 examples needs .* give fewer"):
        networks.tangent_kernel(dense(KEY), x)
    with pytest.raises(ValueError, match="full=False"):
        networks.tangent_kernel(dense(KEY), x[:5000], full=True)


def test_gradients_that_overflow_are_said():
    with pytest.raises(ValueError, match="overflow"):
        networks.tangent_kernel(scaled(1e25), VECTORS)


def test_partial_models_of_the_package_are_drawn():
    build = partial(networks.mlp, (6,), [5], 3)
    assert networks.kernel_regression(build, VECTORS, LABELS, draws=2).errors.shape == (2,)
