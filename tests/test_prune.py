"""Pruning: exact counts at the scheduled steps, and no way back for what is pruned."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import topokit as tk
from topokit.files._from_weights import from_weights
from topokit.networks._prune import (
    apply_masks,
    by_layer,
    by_network,
    is_kernel,
    magnitude_masks,
    prune,
)
from topokit.networks._schedules import one_shot, zhu_gupta

laws = settings(max_examples=25)
# Few shapes, for each is compiled; few values, so that magnitudes are often equal.
shapes = st.sampled_from([(3, 4), (7, 5)])
matrices = shapes.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([-2, -1, 0, 0.5, 1, 2, 3]))
)


def smallest_out(weights, n_pruned, alive=None):
    """By definition: what is pruned already goes first, then the smallest, in their order."""
    alive = np.ones(weights.shape, bool) if alive is None else alive.copy()
    scores = [
        (abs(w) if a else -1, i)
        for i, (w, a) in enumerate(zip(weights.flat, alive.flat, strict=True))
    ]
    for _, place in sorted(scores)[:n_pruned]:
        alive.flat[place] = False
    return alive


def moved(change, updates, params, state=None) -> tuple[Any, Any]:
    """Weights and state after an update."""
    updates, state = change.update(updates, change.init(params) if state is None else state, params)
    return optax.apply_updates(params, updates), state


@given(matrices, st.data())
@laws
def test_each_layer_loses_exactly_its_smallest_weights(weights, data):
    n_pruned = data.draw(st.integers(0, weights.size))
    (mask,) = magnitude_masks([weights], n_pruned / weights.size)
    assert np.array_equal(mask, smallest_out(weights, n_pruned))


@given(st.lists(matrices, min_size=2, max_size=2), st.data())
@laws
def test_a_network_loses_exactly_its_smallest_weights_wherever_they_are(weights, data):
    together = np.concatenate([w.ravel() for w in weights])
    n_pruned = data.draw(st.integers(0, together.size))
    masks = magnitude_masks(weights, n_pruned / together.size, scope=by_network)
    expected = smallest_out(together, n_pruned)
    assert np.array_equal(np.concatenate([np.ravel(m) for m in masks]), expected)
    assert [m.shape for m in masks] == [w.shape for w in weights]


@pytest.mark.parametrize("sparsity", [0.5, 0.75, 0.9, 0.95, 0.99])
def test_the_layers_of_a_large_network_keep_the_nearest_number_of_weights(sparsity):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ((784, 300), (300, 100), (100, 10))]
    exact = Fraction(str(1 - sparsity)).limit_denominator(100)
    for mask in magnitude_masks(weights, sparsity):
        assert int(mask.sum()) == round(mask.size * exact)


@pytest.mark.parametrize(("scope", "parts"), [(by_layer, 2), (by_network, 1)])
def test_after_each_update_the_zeros_are_those_of_the_schedule_at_that_step(scope, parts):
    """Step by step against numpy: `w + u`, prune to `s(t)`, never look back."""
    rng = np.random.default_rng(1)
    # Whole numbers, so that magnitudes are often equal and weights that are kept often zero.
    weights = list(rng.integers(-3, 4, (2, 6, 5)).astype(np.float32) * [[[1]], [[2]]])
    updates = list(rng.integers(-1, 2, (2, 40, 6, 5)).astype(np.float32))
    schedule = zhu_gupta(0.8, start=4, every=3, times=6)
    change = prune(schedule, scope=scope)

    def step(carry, update):
        params, state = moved(change, update, *carry)
        return (params, state), (params, state.masks)

    start: Any = [jnp.asarray(w, jnp.float32) for w in weights]
    _, (seen, masks) = jax.lax.scan(step, (start, change.init(start)), updates)
    mine, alive = np.array(weights), np.ones((2, 6, 5), bool)
    for t in range(40):
        mine += np.array(updates)[:, t]
        kept = 60 // parts * (1 - Fraction(float(schedule(t))))
        rows = zip(mine.reshape(parts, -1), alive.reshape(parts, -1), strict=True)
        pruned = [smallest_out(w, w.size - round(kept), a) for w, a in rows]
        alive = np.reshape(pruned, alive.shape)
        mine[~alive] = 0
        assert np.array_equal(np.array(masks)[:, t], alive)
        assert np.array_equal(np.array(seen)[:, t], mine)


def train(optimizer, params, loss, *, steps) -> tuple[Any, Any, Any]:
    """All weights and masks that a run passes through."""

    @jax.jit
    def run(params):
        def step(carry, _):
            params, state = moved(optimizer, jax.grad(loss)(carry[0]), *carry)
            return (params, state), (params, state[-1].masks)

        return jax.lax.scan(step, (params, optimizer.init(params)), length=steps)

    (params, state), history = run(params)
    return params, state, history


def perceptron(widths, *, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"layer{n}": {
            "weight": jnp.asarray(rng.standard_normal(s) / np.sqrt(s[0]), jnp.float32),
            "bias": jnp.zeros(s[1]),
        }
        for n, s in enumerate(pairwise(widths))
    }


def predict(params, x):
    first, last = params["layer0"], params["layer1"]
    return jnp.tanh(x @ first["weight"] + first["bias"]) @ last["weight"] + last["bias"]


def made_loss():
    """A function of few of many inputs, so that pruning has something to find."""
    x = jax.random.normal(jax.random.key(0), (64, 12))
    y = jnp.stack([jnp.tanh(x[:, 0] + x[:, 1]), x[:, 2] - x[:, 3]], axis=1)
    return lambda params: jnp.mean((predict(params, x) - y) ** 2)


@pytest.fixture(scope="module")
def trained():
    """600 steps of Adam with momentum and decay, pruned to a quarter on the way."""
    schedule = zhu_gupta(0.75, start=50, every=25, times=6)
    optimizer = optax.chain(optax.adamw(0.01, weight_decay=0.01), prune(schedule))
    return train(optimizer, perceptron((12, 16, 2)), made_loss(), steps=600)


@pytest.mark.parametrize("name", ["layer0", "layer1"])
def test_pruned_weights_stay_zero_though_their_moments_do_not(trained, name):
    _, state, (weights, masks) = trained
    mask, weight = (np.asarray(tree[name]["weight"]) for tree in (masks, weights))
    assert not (mask[1:] & ~mask[:-1]).any(), "a mask has grown"
    assert np.array_equal(weight, np.where(mask, weight, 0))
    assert mask[-1].sum() == mask[-1].size / 4
    assert np.array_equal(mask[200], mask[-1]), "300 steps and more without a pruning"
    assert (state[0][0].mu[name]["weight"][~mask[-1]] != 0).any(), "nothing tried to revive them"
    assert masks[name]["bias"] is None


def test_a_pruned_perceptron_is_a_topology_that_can_be_scored(trained):
    params, state, _ = trained
    loss, start = made_loss(), perceptron((12, 16, 2))
    assert float(loss(params)) < 0.1 * float(loss(start))
    topology = from_weights([params[name]["weight"] for name in ("layer0", "layer1")])
    masks = [state[-1].masks[name]["weight"] for name in ("layer0", "layer1")]
    assert all(map(np.array_equal, tk.to_masks(topology), masks))
    assert tk.score(topology).edges == 48 + 8


@pytest.mark.parametrize("kind", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("kind_of_update", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_pruned_weights_are_exactly_zero_whatever_the_precision(kind, kind_of_update):
    weights = jax.random.normal(jax.random.key(0), (30, 20), kind)
    updates = jax.random.normal(jax.random.key(1), (30, 20), kind_of_update)
    after, state = moved(prune(one_shot(0.5, step=0)), updates, weights)
    assert after.dtype == kind
    assert int(state.masks.sum()) == 300
    assert np.array_equal(np.asarray(after != 0), state.masks)


def test_a_schedule_that_falls_brings_nothing_back():
    change = prune(lambda step: jnp.where(step == 1, 0.5, 0.25))
    weights = jnp.arange(1.0, 9.0).reshape(2, 4)
    state: Any = change.init(weights)
    zeros = []
    for _ in range(4):
        weights, state = moved(change, jnp.ones((2, 4)), weights, state)
        zeros.append(int((weights == 0).sum()))
    assert zeros == [2, 4, 4, 4]
    assert state.share == 0.5


def test_a_weight_that_came_to_zero_by_itself_is_pruned_after_those_that_were():
    weights: Any = jnp.array([[3.0, 2.0, 2.0, 1.0]])
    change = prune(lambda step: jnp.where(step == 0, 0.25, 0.5))
    weights, state = moved(change, jnp.zeros((1, 4)), weights)
    _, state = moved(change, jnp.array([[-3.0, -2.0, 0.0, 0.0]]), weights, state)
    assert state.masks.tolist() == [[False, True, True, False]]


def test_a_scope_of_ones_own_brings_nothing_back_either():
    def all_or_nothing(magnitudes, share):
        return [jnp.full(m.shape, share > 0.45) for m in magnitudes]

    change = prune(zhu_gupta(0.5, start=0, every=1, times=2), scope=all_or_nothing)
    weights: Any = jnp.ones((2, 4))
    state: Any = change.init(weights)
    for _ in range(3):
        weights, state = moved(change, jnp.ones((2, 4)), weights, state)
    assert state.share == 0.5
    assert not weights.any()


def test_pruning_once_while_training_is_pruning_the_trained():
    weights = {"w": jax.random.normal(jax.random.key(0), (9, 7)), "b": jnp.ones(7)}
    zeros = jax.tree.map(jnp.zeros_like, weights)
    after, state = moved(prune(one_shot(0.6, step=0)), zeros, weights)
    masks = magnitude_masks(weights, 0.6)
    assert np.array_equal(state.masks["w"], masks["w"])
    pruned = apply_masks(weights, masks)
    assert all(np.array_equal(pruned[name], after[name]) for name in weights)


class Convolutional(eqx.Module):
    """Kernels, biases with axes of length 1, wiring in integers, and functions."""

    convolution: eqx.nn.Conv2d
    dense: eqx.nn.Linear
    senders: jax.Array
    activation: object = jax.nn.relu


def zeros(model) -> list[int]:
    return [int((w == 0).sum()) for w in (model.convolution.weight, model.dense.weight)]


def test_a_partitioned_equinox_module_loses_kernels_and_matrices_alone():
    first, second = jax.random.split(jax.random.key(0))
    model = Convolutional(
        eqx.nn.Conv2d(1, 6, 5, key=first), eqx.nn.Linear(6, 4, key=second), jnp.ones((3, 3), int)
    )
    optimizer = optax.chain(optax.sgd(0.1), prune(one_shot(0.5, step=0)))
    params = eqx.filter(model, eqx.is_array)
    gradient = jax.tree.map(jnp.ones_like, eqx.filter(model, eqx.is_inexact_array))
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    after: Any = eqx.apply_updates(model, updates)
    assert zeros(after) == [75, 12]
    assert bool((after.convolution.bias != 0).all())
    assert np.array_equal(after.senders, model.senders)
    assert zeros(apply_masks(model, magnitude_masks(model, 0.5))) == [75, 12]


def test_matrices_and_kernels_are_pruned_and_nothing_else():
    shapes = {(3, 4): True, (3, 1): True, (1, 3): True, (6, 1, 5, 5): True, (8, 4, 1, 1): True,
              (6, 1, 1): False, (6,): False, (): False}  # fmt: skip
    assert {shape: is_kernel(jnp.ones(shape)) for shape in shapes} == shapes
    assert not any(map(is_kernel, (None, 3, "w", jnp.ones((2, 2), int), jnp.ones((2, 2), bool))))


def test_optax_masked_says_what_is_pruned():
    weights = {"first": jnp.ones((2, 4)), "last": jnp.ones((4, 2))}
    change = optax.masked(prune(one_shot(0.5, step=0)), {"first": True, "last": False})
    after, _ = moved(change, weights, weights)
    assert [int((after[name] == 0).sum()) for name in weights] == [4, 0]


def test_a_weight_that_is_no_number_stays_to_be_seen():
    weights = jnp.array([[1.0, jnp.nan, 3.0, 4.0]])
    assert magnitude_masks(weights, 0.75).tolist() == [[False, True, False, False]]


def test_nothing_to_prune_is_no_error():
    assert by_network([], 0.5) == []
    assert magnitude_masks({"bias": jnp.ones(3)}, 0.5, scope=by_network) == {"bias": None}


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="sparsity"):
        magnitude_masks([jnp.ones((2, 2))], float("nan"))
    change = prune(one_shot(0.5, step=0))
    with pytest.raises(ValueError, match="params"):
        change.update({}, change.init({}))
