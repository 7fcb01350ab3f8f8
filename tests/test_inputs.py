"""Losses over examples of inputs: against least squares, the plain ones, and each other."""

import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit._inputs import components_of
from topokit.reconstruction import ALS, LBFGS, Adam, Chain, HierarchicalSVD
from topokit.scores.freedom import _input_estimate

T = tk.topologies
RNG = np.random.default_rng(0)
N = 8
MIXED = RNG.standard_normal((40, N)) @ RNG.standard_normal((N, N)) * np.linspace(0.2, 2, N)
LAYER = T.random_regular.layers([N, 6], 3, seed=0)
CASCADES = {
    "butterfly": T.butterfly.layers(N),
    "low rank": T.low_rank.layers(N, 6, 2),
    "random": T.random_regular.layers([N, N, 6], 3, seed=1),
    "skip": tk.with_skip(T.butterfly.layers(N, 4)),
}
TARGETS = RNG.standard_normal((3, N, 6))


def left(x: np.ndarray, targets: np.ndarray, products: np.ndarray) -> np.ndarray:
    """The relative squared error of the outputs."""
    errors, whole = ((x @ m) ** 2 for m in (targets - products, targets))
    return errors.sum((1, 2)) / whole.sum((1, 2))


def least_squares(x: np.ndarray, target: np.ndarray) -> float:
    """What the best weights of `LAYER` leave, output by output."""
    wanted, total = x @ target, 0.0
    for output in range(LAYER.n_out):
        seen = x[:, LAYER.senders[0][LAYER.receivers[0] == output]]
        best = np.linalg.lstsq(seen, wanted[:, output])[0]
        total += ((wanted[:, output] - seen @ best) ** 2).sum()
    return total / (wanted**2).sum()


def test_components_are_those_of_the_second_moments():
    components = components_of(3 * MIXED, N)
    moments = MIXED.T @ MIXED
    expected = moments * N / np.trace(moments)
    assert np.allclose(components.moments, expected)
    assert np.allclose(components.root.T @ components.root, expected)
    assert np.allclose(components.root @ components.root.T, np.diag(components.variances))


def test_inputs_that_are_alike_are_their_own_components():
    turned = np.linalg.qr(RNG.standard_normal((N, N)))[0]
    assert (components_of(turned, N).axes == np.eye(N)).all()


def test_a_single_layer_is_predicted_exactly():
    """The mean over Gaussian targets is a trace: that over all unit targets, one at a time."""
    total, whole = 0.0, 0.0
    for place in range(N):
        target = np.zeros((N, LAYER.n_out))
        target[place] = 1.0
        size = (MIXED[:, place] ** 2).sum() * LAYER.n_out
        total += least_squares(MIXED, target) * size
        whole += size
    found = tk.predicted_loss(LAYER, inputs=MIXED)
    assert float(found) == pytest.approx(total / whole)
    assert found.exact
    assert found.standard_error == 0


def test_inputs_without_variance_and_copies_of_inputs_are_no_trouble():
    x = MIXED.copy()
    x[:, 0], x[:, 1] = 0.0, x[:, 2]
    found = tk.predicted_loss(LAYER, inputs=x)
    targets = RNG.standard_normal((400, N, LAYER.n_out))
    sizes = ((x @ targets) ** 2).sum((1, 2))
    shares = np.array([least_squares(x, target) for target in targets])
    assert float(found) == pytest.approx((shares * sizes).sum() / sizes.sum(), abs=0.03)


def test_scale_and_turns_of_examples_change_nothing():
    turned = np.linalg.qr(RNG.standard_normal((40, 40)))[0] @ MIXED
    root = np.linalg.cholesky(MIXED.T @ MIXED).T
    for layers in (LAYER, CASCADES["random"]):
        expected = tk.predicted_loss(layers, inputs=MIXED)
        for same in (1e-3 * MIXED, turned, root):
            assert tk.predicted_loss(layers, inputs=same) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", CASCADES)
def test_inputs_that_are_alike_and_independent_give_the_plain_loss(name):
    layers = CASCADES[name]
    plain = tk.predicted_loss(layers, method="exact")
    assert tk.predicted_loss(layers, inputs=np.eye(N)) == pytest.approx(plain, rel=1e-5, abs=1e-9)
    assert tk.predicted_loss(LAYER, inputs=np.eye(N)) == pytest.approx(1 - 3 / N)


def test_inputs_that_are_alike_give_the_plain_loss_between_constants_of_any_size():
    masks = [np.diag([1e160, 1e-170]), np.array([[1.0, 1.0], [0.0, 1.0]])]
    graph = tk.from_masks(
        [*masks, masks[0]], [np.zeros((2, 2), bool), masks[1] > 0, np.zeros((2, 2), bool)]
    )
    assert tk.predicted_loss(graph, inputs=np.eye(2)) == pytest.approx(0.25)


def test_inputs_that_mix_what_floats_cannot_tell_apart_are_refused():
    first = np.diag([1e20, 1e-20, 1.0])
    masks, fixed = [first, np.ones((3, 2)), np.ones((2, 3))], np.zeros((3, 3), bool)
    free = [fixed, np.ones((3, 2), bool), np.ones((2, 3), bool)]
    with pytest.raises(ValueError, match="bring the constants within"):
        tk.predicted_loss(tk.from_masks(masks, free), inputs=MIXED[:, :3])


@pytest.mark.parametrize("depth", [1, 2])
def test_constants_alone_leave_all(depth):
    fixed = tk.from_masks([np.eye(N)] * depth, [np.zeros((N, N), bool)] * depth)
    for inputs in (np.eye(N), MIXED):
        assert tk.predicted_loss(fixed, inputs=inputs) == pytest.approx(1.0)


def test_a_prediction_foretells_what_training_leaves_of_inputs_that_vary_together():
    few = RNG.standard_normal((60, 3)) @ RNG.standard_normal((3, 16))
    x = few + 0.2 * RNG.standard_normal((60, 16))
    layers = T.random_regular.layers([16, 16, 16], 4, seed=0)
    targets = RNG.standard_normal((6, 16, 16))
    trained = tk.reconstruct(layers, targets, inputs=x).loss.mean()
    predicted, plain = tk.predicted_loss(layers, inputs=x), tk.predicted_loss(layers)
    assert abs(trained - predicted) < 0.1 < plain - trained


@pytest.mark.parametrize("name", CASCADES)
def test_an_estimate_over_inputs_is_the_exact_loss_within_its_error(name):
    """Of the same weights: what differs is the components that are drawn."""
    layers = CASCADES[name]
    for seed in range(3):
        exact, found = (
            tk.predicted_loss(layers, inputs=MIXED, n_samples=1, seed=seed, method=method)
            for method in ("exact", "estimate")
        )
        assert not found.exact
        assert abs(found - exact) <= 3 * found.standard_error + 1e-6


def test_estimates_over_inputs_have_no_bias_and_some_outputs_are_enough(
    monkeypatch,
):
    layers, exact, found = CASCADES["random"], [], []
    monkeypatch.setattr(_input_estimate, "OUTPUTS", 3)
    for seed in range(40):
        for values, method in ((exact, "exact"), (found, "estimate")):
            values.append(
                tk.predicted_loss(layers, inputs=MIXED, n_samples=1, seed=seed, method=method)
            )
    assert layers.n_out > 3
    misses = np.array(found) - exact
    errors = np.array([each.standard_error for each in found])
    assert abs(misses.mean()) < 3 * misses.std() / len(misses) ** 0.5
    assert 0.5 < np.sqrt((misses**2).mean() / (errors**2).mean()) < 2


def test_a_cascade_whose_map_fits_no_memory_is_estimated_over_inputs():
    layers = T.random_regular.layers([200] * 3, 10, seed=0)
    found = tk.predicted_loss(layers, inputs=np.diag(np.arange(200.0)), n_samples=1)
    assert not found.exact
    assert 0 < found.standard_error < 0.02


def test_full_freedom_leaves_nothing():
    assert tk.predicted_loss(T.dense(N, 6), inputs=MIXED) == pytest.approx(0, abs=1e-9)
    assert tk.predicted_loss(tk.cascade([T.dense(N, N), T.dense(N, 6)]), inputs=MIXED) == 0


@pytest.mark.parametrize(
    "solver", [Adam(max_steps=800), ALS(), LBFGS()], ids=lambda s: type(s).__name__
)
def test_reconstruction_reaches_the_least_squares_of_a_layer(solver):
    found = tk.reconstruct(LAYER, TARGETS, inputs=MIXED, solver=solver)
    expected = [least_squares(MIXED, target) for target in TARGETS]
    assert np.allclose(found.loss, expected, rtol=1e-3)


def test_the_loss_is_that_of_the_outputs_and_weights_are_those_of_the_topology():
    layers = CASCADES["skip"]
    targets = TARGETS @ RNG.standard_normal((6, N))
    found = tk.reconstruct(layers, targets, inputs=MIXED, solver=Adam(max_steps=300), restarts=2)
    assert [w.shape for w in found.weights] == [(3, s.size) for s in layers.senders]
    fixed = ~layers.trainable[0]
    assert (found.weights[0][:, fixed] == layers.constant[0][fixed]).all()
    products = tk.reconstruction.end_to_end(layers, found.weights)
    assert np.allclose(found.loss, left(MIXED, targets, products), rtol=1e-4)
    plain = tk.reconstruct(layers, targets, solver=Adam(max_steps=300), restarts=2)
    products = tk.reconstruction.end_to_end(layers, plain.weights)
    assert found.loss.mean() < left(MIXED, targets, products).mean()


def test_few_examples_are_met_exactly_by_as_few_ranks():
    few = RNG.standard_normal((2, N))
    found = tk.reconstruct(CASCADES["low rank"], TARGETS, inputs=few)
    assert (found.loss < 1e-4).all()


WRONG = [
    (MIXED[:, :5], r"inputs must be examples, an array \(n, 8\)"),
    (np.zeros((3, N)), "zeros alone"),
    (np.full((3, N), np.nan), "infinite or missing"),
    (np.zeros((0, N)), "inputs must be examples"),
    (MIXED[0], "inputs must be examples"),
    (np.full((3, N), "a"), "inputs must be examples"),
    (np.full((3, N), np.longdouble("1e400")), "infinite or missing"),
    (np.ma.masked_less(MIXED, 0), "masked array"),
]


@pytest.mark.parametrize(("inputs", "said"), WRONG)
def test_what_are_no_inputs_is_refused(inputs, said):
    with pytest.raises(ValueError, match=said):
        tk.predicted_loss(LAYER, inputs=inputs)
    with pytest.raises(ValueError, match=said):
        tk.reconstruct(LAYER, TARGETS, inputs=inputs)


def test_more_inputs_than_their_moments_fit_memory_for_are_refused_before_work():
    n = 50_000
    layers = tk.to_layers(T.random_regular([n, 1], n, seed=0))
    with pytest.raises(ValueError, match="second moments of 50000 inputs needs"):
        tk.predicted_loss(layers, inputs=np.ones((1, n)))


def test_targets_without_outputs_over_the_inputs_are_refused():
    x, target = MIXED.copy(), np.zeros((N, 6))
    x[:, 0], target[0] = 0.0, 1.0
    with pytest.raises(ValueError, match="target 0 is not zero, but its outputs"):
        tk.reconstruct(LAYER, target, inputs=x)


def test_what_knows_no_inputs_says_so():
    large = T.random_regular.layers([300] * 3, 40, seed=0)
    for method in ("exact", "estimate"):
        with pytest.raises(ValueError, match="needs .* GiB"):
            tk.predicted_loss(large, inputs=np.eye(300), method=method)
    with pytest.raises(ValueError, match="squared errors alone"):
        tk.reconstruct(LAYER, TARGETS, inputs=MIXED, loss=jnp.abs)
    for solver in (HierarchicalSVD(), Chain((HierarchicalSVD(), ALS()))):
        with pytest.raises(ValueError, match="HierarchicalSVD knows no inputs"):
            tk.reconstruct(CASCADES["low rank"], TARGETS, inputs=MIXED, solver=solver)
