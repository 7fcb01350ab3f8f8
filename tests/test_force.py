"""Force regularization: closed forms against pair loops, and what filters do under it."""

from itertools import permutations
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from topokit import networks

SHAPES = {"a matrix": (5, 7), "more filters than entries": (6, 3), "a pair": (2, 4)}
FORCES = {
    "l2": (networks.l2_force, lambda away: away),
    "l1": (networks.l1_force, lambda away: away / np.linalg.norm(away)),
}


def drawn(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    scales = np.random.default_rng(seed + 1).uniform(0.2, 3.0, (shape[0], 1))
    rows = np.random.default_rng(seed).standard_normal((shape[0], int(np.prod(shape[1:]))))
    return (scales * rows).astype(np.float32).reshape(shape)


def by_pairs(filters: np.ndarray, force: Any) -> np.ndarray:
    """Equation (4) as it stands."""
    filters = filters.astype(float)
    sizes = np.linalg.norm(filters, axis=1)
    directions = filters / sizes[:, None]
    change = np.zeros_like(filters)
    for i, j in permutations(range(len(filters)), 2):
        f = force(directions[j] - directions[i])
        change[i] += sizes[i] * (f - (f @ directions[i]) * directions[i])
    return change


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("pull", FORCES.values(), ids=FORCES)
def test_a_force_is_the_sum_over_all_pairs(pull: Any, shape: tuple[int, ...]) -> None:
    filters = drawn(shape)
    found, expected = np.asarray(pull[0](jnp.asarray(filters))), by_pairs(filters, pull[1])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("pull", FORCES.values(), ids=FORCES)
def test_a_force_is_perpendicular_to_each_filter(pull: Any) -> None:
    filters = jnp.asarray(drawn((6, 9)))
    change = pull[0](filters)
    cosines = (change * filters).sum(1) / jnp.linalg.norm(filters, axis=1)
    np.testing.assert_allclose(cosines / jnp.linalg.norm(change, axis=1), 0, atol=1e-5)


@pytest.mark.parametrize("pull", FORCES.values(), ids=FORCES)
def test_a_force_follows_the_size_of_each_filter_as_far_as_numbers_go(pull: Any) -> None:
    """Only directions count: to the last bit, for powers of two change none."""
    filters, sizes = jnp.asarray(drawn((5, 7))), 2.0 ** np.array([[100], [0], [-100], [3], [60]])
    sizes = jnp.asarray(sizes, jnp.float32)
    np.testing.assert_array_equal(pull[0](sizes * filters), sizes * pull[0](filters))


def test_an_adaptive_force_is_as_long_as_gradients_of_any_size() -> None:
    weights, gradient = (jnp.asarray(drawn((4, 5), seed)) for seed in (0, 7))
    rule = untyped(networks.force(0.25, adaptive=True))
    still, _ = rule.update(gradient, rule.init(weights), weights)
    for power in (-90, 90):
        scale = 2.0**power
        found, _ = rule.update(scale * gradient, rule.init(weights), weights / scale)
        np.testing.assert_array_equal(found, scale * still)


def test_the_l2_force_goes_down_its_potential() -> None:
    filters = jnp.asarray(drawn((5, 6)))

    def potential(filters: jax.Array) -> jax.Array:
        units = filters / jnp.linalg.norm(filters, axis=1, keepdims=True)
        return jnp.square(units[:, None] - units).sum() / 4  # each pair stands there twice

    squares = jnp.square(filters).sum(1, keepdims=True)
    downhill = -squares * jax.grad(potential)(filters)
    np.testing.assert_allclose(networks.l2_force(filters), downhill, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pull", FORCES.values(), ids=FORCES)
def test_filters_that_have_met_and_filters_of_zeros_stay(pull: Any) -> None:
    same = jnp.asarray([[1.0, 2.0, 2.0], [0.5, 1.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(pull[0](same), 0, atol=1e-6)
    lone = jnp.asarray([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(pull[0](lone), 0, atol=1e-6)


@pytest.mark.parametrize("pull", FORCES.values(), ids=FORCES)
def test_filters_come_together_and_keep_their_length_but_for_the_step(pull: Any) -> None:
    weights = {"kernel": jnp.asarray(drawn((6, 2, 3, 3)))}
    optimizer = optax.chain(networks.force(0.02, pull=pull[0]), optax.sgd(0.05))
    still = jax.tree.map(jnp.zeros_like, weights)

    def step(_: int, carry: tuple) -> tuple:
        weights, state = carry
        updates, state = optimizer.update(still, state, weights)
        return optax.apply_updates(weights, updates), state

    begun = optimizer.init(weights)
    after, state = jax.lax.fori_loop(0, 400, step, (weights, begun))
    before, after = (w["kernel"].reshape(6, -1) for w in (weights, after))
    assert state[0].step == 400
    assert spread(after) < 0.7 * spread(before)
    lengths = jnp.linalg.norm(after, axis=1) / jnp.linalg.norm(before, axis=1)
    assert ((lengths >= 1) & (lengths < 1.02)).all()


def spread(filters: jax.Array) -> float:
    units = filters / jnp.linalg.norm(filters, axis=1, keepdims=True)
    return float(jnp.linalg.norm(units[:, None] - units, axis=2).sum())


def untyped(thing: Any) -> Any:
    """What optax calls a tree of any leaves is one array in some of these tests."""
    return thing


def lenet() -> Any:
    return networks.lenet5((1, 8, 8), key=jax.random.key(0))


def changes(transformation: optax.GradientTransformation, model: Any, gradient: Any) -> Any:
    """What a force takes off the gradients."""
    weights = eqx.filter(model, eqx.is_inexact_array)
    updates, _ = transformation.update(gradient, transformation.init(weights), weights)
    return jax.tree.map(lambda g, u: g - u, gradient, updates)


def test_the_published_step_is_taken() -> None:
    """Equation (5) with the decay of weights and momentum, twice, by hand."""
    weights, gradient = (jnp.asarray(drawn((4, 5), seed)) for seed in (0, 7))
    rate, momentum, decay, strength = 0.1, 0.9, 0.01, 0.05
    optimizer = optax.chain(
        optax.add_decayed_weights(decay), networks.force(strength), optax.sgd(rate, momentum)
    )
    by_hand, speed, state = np.asarray(weights, float), 0.0, optimizer.init(weights)
    for _ in range(2):
        updates, state = optimizer.update(gradient, state, weights)
        weights = untyped(optax.apply_updates(weights, updates))
        slope = np.asarray(gradient) + decay * by_hand
        slope -= strength * by_pairs(by_hand, FORCES["l2"][1])
        speed = momentum * speed + slope
        by_hand = by_hand - rate * speed
    np.testing.assert_allclose(weights, by_hand, rtol=1e-4, atol=1e-5)


def test_it_acts_on_kernels_of_the_layers_that_are_named() -> None:
    model = lenet()
    gradient = jax.tree.map(jnp.ones_like, eqx.filter(model, eqx.is_inexact_array))
    names = list(networks.kernels(model))
    every = changes(networks.force(0.1), model, gradient)
    two = changes(networks.force(0.1, layers={names[1]: 1.0, names[2]: 0.5}), model, gradient)
    for place, name in enumerate(names):
        number = int(name.split(".")[1])
        whole, part = every.layers[number], two.layers[number]
        assert not whole.bias.any()
        filters = model.layers[number].weight.reshape(len(whole.weight), -1)
        expected = 0.1 * networks.l2_force(filters).reshape(whole.weight.shape)
        np.testing.assert_allclose(whole.weight, expected, atol=1e-6)
        factor = {1: 1.0, 2: 0.5}.get(place, 0.0)
        np.testing.assert_allclose(part.weight, factor * expected, atol=1e-6)


def test_an_adaptive_force_is_a_share_of_each_gradient() -> None:
    model = lenet()
    slopes = jax.tree.map(lambda w: 3 * w, eqx.filter(model, eqx.is_inexact_array))
    taken = changes(networks.force(0.2, adaptive=True), model, slopes)
    for part, slope in zip(jax.tree.leaves(taken), jax.tree.leaves(slopes), strict=True):
        expected = 0.2 * jnp.linalg.norm(slope.ravel()) if networks.is_kernel(slope) else 0.0
        assert jnp.linalg.norm(part.ravel()) == pytest.approx(float(expected), rel=1e-3)


def test_a_strength_may_follow_a_schedule() -> None:
    weights = jnp.asarray(drawn((3, 4)))
    still = jnp.zeros_like(weights)
    change = untyped(networks.force(optax.piecewise_constant_schedule(1.0, {1: 0.0})))
    first, state = change.update(still, change.init(weights), weights)
    second, _ = change.update(still, state, weights)
    np.testing.assert_allclose(first, -networks.l2_force(weights))
    assert not second.any()


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_strength_is_a_number_of_at_least_0(strength: Any) -> None:
    with pytest.raises(ValueError, match=r"strength must be a number in \[0"):
        networks.force(strength)
    with pytest.raises(ValueError, match=r"strength\(0\) must be a number in \[0"):
        networks.force(lambda step: step + strength)


def test_wrong_arguments_are_named() -> None:
    weights = eqx.filter(lenet(), eqx.is_inexact_array)
    with pytest.raises(ValueError, match=r"'layers.2', which is none; there are \['layers.1.weig"):
        networks.force(0.1, layers=["layers.2"]).init(weights)
    with pytest.raises(ValueError, match="'layers.1.bias', which is none"):
        networks.force(0.1, layers=["layers.1.bias"]).init(weights)
    with pytest.raises(ValueError, match=r"layers must be a list of names.*'layers.1'"):
        networks.force(0.1, layers="layers.1")
    with pytest.raises(ValueError, match=r"layers\['layers.1'\] must be a number"):
        networks.force(0.1, layers={"layers.1": float("nan")})
    with pytest.raises(ValueError, match="must have matrices or kernels"):
        networks.force(0.1).init({"weight": jnp.ones(3), "bias": jnp.ones((3, 1, 1))})
    with pytest.raises(ValueError, match="params"):
        networks.force(0.1).update(weights, networks.force(0.1).init(weights))
