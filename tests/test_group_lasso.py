"""Group lasso: the proximal operator by other means, exact zeros, and what they cost."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import minimize
from stacks import relu, sparse, stack

import topokit as tk
from topokit import networks
from topokit.networks import group_lasso, neuron_groups, shrink
from topokit.networks._group_lasso import shrink_groups
from topokit.networks._linear import edges

RATE = 0.1


def groups_by_definition(model: Any) -> list[list[tuple[Any, ...]]]:
    """The entries of each group, one by one: (layer, part, index...)."""
    groups: dict[tuple, list[tuple[Any, ...]]] = {}
    places = [p for p, layer in enumerate(model.layers) if layer is not relu]
    for place in places:
        layer: Any = model.layers[place]
        last = place == places[-1]
        if isinstance(layer, eqx.nn.Linear):
            for receiver, sender in np.ndindex(layer.weight.shape):
                neuron = (place, sender, "out") if last else (place, 0, receiver)
                groups.setdefault(neuron, []).append((place, 0, receiver, sender))
            depth = 1
        else:
            for number, each in enumerate(layer.layers):
                for k, receiver in enumerate(edges(each)[1].tolist()):
                    groups.setdefault((place, number, receiver), []).append((place, number, k))
            depth = len(layer.layers)
        bias: Any = layer.bias
        for neuron in range(0 if last else bias.size):
            groups.setdefault((place, depth - 1, neuron), []).append((place, "bias", neuron))
    return list(groups.values())


def in_numpy(model: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a) if eqx.is_array(a) else a, model)


def entry(model: Any, where: tuple[Any, ...]) -> float:
    layer, (_, part, *index) = model.layers[where[0]], where
    if part == "bias":
        return float(layer.bias[index[0]])
    array = layer.weight if isinstance(layer, eqx.nn.Linear) else layer.layers[part].weight
    return float(array[tuple(index)])


def updated(
    model: Any, strength: float, gradient: Any, *, steps: int = 1, momentum: float = 0.0
) -> Any:
    """The model after steps of proximal gradient descent."""
    lasso = group_lasso(model, strength, learning_rate=RATE / (1 - momentum))
    optimizer = optax.chain(optax.sgd(RATE, momentum or None), lasso)
    weights = eqx.filter(model, eqx.is_inexact_array)
    state = optimizer.init(weights)

    @jax.jit
    def step(_: Any, carry: tuple) -> tuple:
        weights, state = carry
        updates, state = optimizer.update(gradient(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    weights, _ = jax.lax.fori_loop(0, steps, step, (weights, state))
    return eqx.combine(weights, model)


def test_every_group_is_soft_thresholded_as_a_whole() -> None:
    """Entry by entry against Yuan and Lin's closed form, after a step of gradient descent."""
    model = stack()
    slopes = jax.tree.map(jnp.sin, eqx.filter(model, eqx.is_inexact_array))
    plain = updated(model, 0.0, lambda _: slopes)
    strength = 3.0
    after = updated(model, strength, lambda _: slopes)
    groups, n_dead = groups_by_definition(model), 0
    plain, after = in_numpy(plain), in_numpy(after)
    for group in groups:
        w = np.array([entry(plain, where) for where in group])
        factor = max(0.0, 1 - RATE * strength * np.sqrt(w.size) / np.linalg.norm(w))
        new = np.array([entry(after, where) for where in group])
        np.testing.assert_allclose(new, factor * w, atol=1e-6)
        assert factor > 0 or not new.any()
        n_dead += factor == 0
    assert 5 < n_dead < 25
    assert np.array_equal(after.layers[-1].bias, plain.layers[-1].bias)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.7, 5.0])
def test_the_operator_minimizes_what_it_is_the_minimum_of(threshold: float) -> None:
    """`|v - w|^2 / 2 + threshold sqrt(p) |v|` by a general solver, for each hidden neuron."""
    model = eqx.nn.Sequential([sparse(tk.topologies.dense.layers(4, 3), 0), relu, *stack().layers])
    groups = neuron_groups()(eqx.nn.Sequential([model.layers[0], relu, sparse_outputs()]))[0]
    arrays = [part.leaf(model) for part in groups.parts]
    shrunk = shrink_groups(groups, arrays, threshold)
    rows = np.column_stack([np.reshape(arrays[0], (3, 4)), arrays[1]]).astype(float)
    mine = np.column_stack([np.reshape(shrunk[0], (3, 4)), shrunk[1]])
    for row, own in zip(rows, mine, strict=True):

        def cost(v: np.ndarray, row: np.ndarray = row) -> float:
            penalty = threshold * np.sqrt(v.size) * np.linalg.norm(v)
            return float(np.sum((v - row) ** 2) / 2 + penalty)

        found = minimize(cost, row / 2, method="Powell", options={"xtol": 1e-9, "ftol": 1e-14})
        assert cost(own) <= found.fun + 1e-6
        np.testing.assert_allclose(own, found.x, atol=2e-3)


def sparse_outputs() -> networks.SparseLinear:
    return sparse(tk.topologies.dense.layers(3, 2), 9)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_descent_ends_at_the_minimum_that_a_convex_solver_finds(momentum: float) -> None:
    """Linear regression with a group an input: two of six inputs matter, some others vanish."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 6))
    goal = x[:, :2] @ rng.standard_normal((2, 3)) + 0.1 * rng.standard_normal((60, 3))
    strength = 0.15

    def cost(flat: np.ndarray) -> float:
        w = flat.reshape(3, 6)
        error = np.sum((x @ w.T - goal) ** 2) / 120
        # smooth by 1e-9, so that a quasi-Newton method can pass through 0
        return float(error + strength * np.sqrt(3) * np.sqrt((w**2).sum(0) + 1e-9).sum())

    model = eqx.nn.Sequential([eqx.nn.Linear(6, 3, use_bias=False, key=jax.random.key(0))])

    def loss(m: Any) -> jax.Array:
        return jnp.sum((jnp.asarray(x, jnp.float32) @ m.layers[0].weight.T - goal) ** 2) / 120

    after = updated(model, strength, jax.grad(loss), steps=2000, momentum=momentum)
    weight = np.asarray(after.layers[0].weight)
    found = minimize(cost, np.ones(18), method="BFGS")
    np.testing.assert_allclose(weight, found.x.reshape(3, 6), atol=2e-3)
    assert cost(weight.ravel()) <= found.fun + 1e-4
    assert (weight == 0).all(0).tolist() == [False, False, True, True, True, True]


@pytest.mark.parametrize("optimizer", [optax.adam(1.0), optax.sgd(0.1, momentum=0.9)])
def test_noise_alone_brings_groups_back_below_a_strength_that_is_known(optimizer: Any) -> None:
    """A mean over time of unit noise that forgets .1 a step has variance .1 / 1.9."""
    model = networks.mlp((64,), [16], 2, key=jax.random.key(0))
    filters = networks.filter_groups(["layers.1"])
    border = (0.1 / 1.9) ** 0.5

    @jax.jit
    def step(carry: tuple, key: Any) -> tuple:
        weights, state, strength = carry
        noise = jax.tree.map(lambda w: jax.random.normal(key, w.shape), weights)
        updates, state = optimizer.update(noise, state, weights)
        moved = optax.apply_updates(weights, updates)
        (groups,) = filters(model)
        (part,) = groups.parts
        shrunk = shrink_groups(groups, [part.leaf(moved)], strength)
        return (eqx.tree_at(part.leaf, moved, shrunk[0]), state, strength), None

    begun = jax.tree.map(jnp.zeros_like, eqx.filter(model, eqx.is_inexact_array))
    keys = jax.random.split(jax.random.key(1), 400)
    for strength, rest in ((0.7 * border, False), (1.4 * border, True)):
        carry = begun, optimizer.init(begun), jnp.asarray(strength)
        (weights, *_), _ = jax.lax.scan(step, carry, keys)
        silent = ~np.asarray(weights.layers[1].weight).any(1)
        assert silent.mean() > 0.9 if rest else not silent.any()


@pytest.mark.parametrize("kind", [jnp.float32, jnp.bfloat16])
def test_zeros_are_exact_whatever_the_precision(kind: Any) -> None:
    model = jax.tree.map(lambda a: a.astype(kind) if eqx.is_inexact_array(a) else a, stack())
    slopes = jax.tree.map(lambda w: 0.37 * w, eqx.filter(model, eqx.is_inexact_array))
    after = eqx.filter(updated(model, 100.0, lambda _: slopes), eqx.is_inexact_array)
    *before, last = jax.tree.leaves(after)
    assert [leaf.dtype for leaf in (*before, last)] == [kind] * (len(before) + 1)
    assert not any(leaf.any() for leaf in before)
    assert last.any(), "the bias of the outputs is in no group"


def test_groups_that_two_families_share_count_once() -> None:
    """In dense layers channels are shapes."""
    model = networks.mlp((1, 4, 4), [8], 3, key=jax.random.key(0))
    weights = eqx.filter(model, eqx.is_inexact_array)
    still = jax.tree.map(jnp.zeros_like, weights)

    def step(families: Any) -> Any:
        lasso = group_lasso(model, 0.05, learning_rate=1.0, groups=families, sweeps=40)
        return lasso.update(still, lasso.init(weights), weights)[0]

    once, shared = networks.channel_groups(), networks.shape_groups()
    assert eqx.tree_equal(step([once, shared]), step(once), rtol=1e-6, atol=1e-7)
    assert len(networks.dead_groups(model, [once, shared])) == 2


def test_training_with_the_penalty_removes_neurons_and_keeps_the_accuracy() -> None:
    data = networks.load_digits(validation=0)
    model = networks.mlp(data.shape, (100, 100), 10, key=jax.random.key(0))
    model = networks.sparsify(model, networks.random_with(0.3), key=jax.random.key(1))
    before = networks.train(model, data, optimizer=optax.adam(3e-3), epochs=10, batch_size=20)
    optimizer = optax.chain(optax.adam(3e-3), group_lasso(model, 0.25, learning_rate=3e-3))
    after = networks.train(before.model, data, optimizer=optimizer, epochs=15, batch_size=20)
    assert after.opt_state[-1].step == 15 * (len(data.train_x) // 20)
    small: Any = shrink(after.model)
    hidden = [small.layers[1].n_out, small.layers[3].n_out]
    assert sum(hidden) < 140
    assert networks.n_parameters(small) < networks.n_parameters(model) / 2
    accuracy = networks.evaluate(small, data.test_x, data.test_y).accuracy
    assert accuracy == pytest.approx(after.test.accuracy, abs=0.003)
    assert accuracy > before.test.accuracy - 0.04


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="no SparseLinear"):
        group_lasso(eqx.nn.Sequential([relu]), 0.1, learning_rate=0.1)
    with pytest.raises(ValueError, match="strength"):
        group_lasso(stack(), -1.0, learning_rate=0.1)
    change = group_lasso(stack(), 0.1, learning_rate=0.1)
    with pytest.raises(ValueError, match="params"):
        change.update({}, change.init({}))
