"""Without its dead neurons a network is smaller, and answers the same."""

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import relu, sparse, stack
from strategies import layered_networks

import topokit as tk
from topokit import networks
from topokit.networks import shrink

laws = settings(max_examples=6)


def with_zeros(model: Any, data: st.DataObject) -> Any:
    """Random hidden neurons deaf, mute, or both; some of the deaf with a bias, some edges at 0."""
    weights, static = eqx.partition(model, eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(weights)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    share = data.draw(st.sampled_from([0.1, 0.4, 0.7]))
    thin = [np.where(rng.random(leaf.shape) < share, 0, leaf) for leaf in leaves]
    return eqx.combine(jax.tree.unflatten(tree, map(jnp.asarray, thin)), static)


@st.composite
def stacks(draw: st.DrawFn) -> eqx.nn.Sequential:
    """Random cascades, with constant edges, and dense layers in turns; with and without biases."""
    recipes = [draw(layered_networks(max_width=6, max_depth=2)) for _ in range(2)]
    layers: list[Any] = []
    for number, recipe in enumerate(recipes):
        linear = sparse(recipe, number, bias=draw(st.booleans()))
        n_next = recipes[1].n_in if number == 0 else 3
        biased, key = draw(st.booleans()), jax.random.key(10 + number)
        dense = eqx.nn.Linear(recipe.n_out, n_next, use_bias=biased, key=key)
        layers += [linear, eqx.nn.Lambda(jnp.cos), dense, relu]
    return eqx.nn.Sequential(layers)


def examples(n_in: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((7, n_in)).astype(np.float32)


def values(model: Any) -> np.ndarray:
    """By definition, from dense matrices."""
    x = examples(matrices(model)[0].shape[0])
    for layer in model.layers:
        if isinstance(layer, eqx.nn.Lambda):
            x = np.asarray(layer(jnp.asarray(x)))
            continue
        for matrix in matrices(eqx.nn.Sequential([layer])):
            x = x @ matrix
        x = x if layer.bias is None else x + np.asarray(layer.bias)
    return x


@given(stacks(), st.data())
@laws
def test_the_function_stays_when_neurons_and_edges_go(model: Any, data: st.DataObject) -> None:
    """Cosine makes constants of the deaf, 1 where the bias is 0, which have to be folded."""
    model = with_zeros(model, data)
    expected = values(model)
    if 0 in alive_by_search(model):
        with pytest.raises(ValueError, match="are constants"):
            shrink(model)
        np.testing.assert_allclose(expected, np.broadcast_to(expected[0], expected.shape))
        return
    small = shrink(model)
    np.testing.assert_allclose(values(small), expected, rtol=1e-4, atol=1e-5)
    again = shrink(small)
    assert sizes(again) == sizes(small), "one pass takes all"
    assert alive_by_search(small) == neurons(small) == alive_by_search(model)


def neurons(model: Any) -> list[int]:
    """Hidden neurons a layer, those inside of cascades too."""
    counts = [n for layer in linears(model) for n in outputs(layer)]
    return counts[:-1]


def linears(model: Any) -> list[Any]:
    return [layer for layer in model.layers if not isinstance(layer, eqx.nn.Lambda)]


def outputs(layer: Any) -> list[int]:
    if isinstance(layer, eqx.nn.Linear):
        return [layer.weight.shape[0]]
    return [each.wiring.n_out for each in layer.layers]


def matrices(model: Any) -> list[np.ndarray]:
    """`(senders, receivers)`, layer by layer."""
    found = []
    for layer in linears(model):
        dense = isinstance(layer, eqx.nn.Linear)
        found += [np.asarray(layer.weight).T] if dense else networks.to_matrices(layer)
    return found


def alive_by_search(model: Any) -> list[int]:
    """By definition: hidden neurons on a path of nonzero weights from an input to an output."""
    masks = [(matrix != 0).astype(float) for matrix in matrices(model)]
    counts = []
    for layer in range(1, len(masks)):
        to = np.linalg.multi_dot([np.ones((1, len(masks[0]))), *masks[:layer]])
        back = np.linalg.multi_dot([*masks[layer:], np.ones((masks[-1].shape[1], 1))])
        counts.append(int(((to[0] > 0) & (back[:, 0] > 0)).sum()))
    return counts


def sizes(model: Any) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))]


def test_a_thinned_stack_of_every_kind_answers_the_same_when_called() -> None:
    rng, model = np.random.default_rng(0), stack()
    mute = [rng.random(n) < 0.4 for n in (8, 12, 8, 8)]

    def thin(place: int, senders: np.ndarray, receivers: np.ndarray) -> Any:
        layer: Any = model.layers[place]
        if isinstance(layer, eqx.nn.Linear):
            weight = jnp.where(senders, 0, jnp.where(receivers[:, None], 0, layer.weight))
            return eqx.tree_at(lambda d: d.weight, layer, weight)
        first, *rest = networks.to_matrices(layer)
        return layer.with_weights([np.where(receivers, 0, first) if not rest else first, *rest])

    new = [thin(0, mute[0], mute[1]), thin(2, mute[1], mute[2])]
    thinned = eqx.tree_at(lambda m: [m.layers[0], m.layers[2]], model, new)
    small: Any = shrink(thinned)
    x = examples(8)
    np.testing.assert_allclose(jax.vmap(small)(x), jax.vmap(thinned)(x), rtol=1e-4, atol=1e-5)
    assert neurons(small) == alive_by_search(thinned)
    assert sum(neurons(small)) < sum(neurons(model))
    assert small.layers[2].weight.shape == tuple(
        np.logical_not(m).sum() for m in (mute[2], mute[1])
    )


def test_the_smaller_network_is_counted_in_bytes() -> None:
    """A row and a column of zeros: a neuron less, with its weights, its bias and its wiring."""
    model = networks.mlp((6,), (10, 5), 3, key=jax.random.key(0))
    model = networks.sparsify(model, networks.dense(), key=jax.random.key(1))
    first, second = model.layers[1], model.layers[3]
    matrix, bias = networks.to_matrices(first)[0], first.bias + 1
    matrix[:, :4], bias = 0, bias.at[:4].set(0)
    model = eqx.tree_at(
        lambda m: (m.layers[1], m.layers[3]),
        model,
        (first.with_weights([matrix], bias), second.with_weights(networks.to_matrices(second))),
    )
    small = shrink(model)
    n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(eqx.filter(small, eqx.is_inexact_array)))
    widths = (6, 6, 5, 3)
    size = jnp.result_type(float).itemsize
    assert n_bytes == size * sum(a * b + b for a, b in pairwise(widths))
    assert [layer.layers[0].wiring.n_in for layer in linears(small)] == [6, 6, 5]
    assert tk.score(networks.to_topology(small.layers[1])).edges == 36


def test_an_output_that_nothing_reaches_keeps_its_bias() -> None:
    outputs = sparse(tk.topologies.dense.layers(4, 3), 0)
    (matrix,) = networks.to_matrices(outputs)
    matrix[:, 1] = 0
    model = eqx.nn.Sequential([outputs.with_weights([matrix])])
    small = shrink(model)
    np.testing.assert_array_equal(values(small), values(model))
    assert small.layers[0].layers[0].wiring.n_edges == 9


def test_a_stack_that_is_none_is_named() -> None:
    linear = eqx.nn.Linear(4, 4, key=jax.random.key(0))
    softmax, norm = eqx.nn.Lambda(jax.nn.softmax), eqx.nn.LayerNorm(4)
    functions = (jnp.sort, jax.lax.cummax, lambda x: x[::-1], lambda x: x * jnp.ones(4), jnp.sum)
    functions += (lambda x: x * jnp.minimum(1, 30 / jnp.linalg.norm(x)),)
    for between in (softmax, norm, *map(eqx.nn.Lambda, functions)):
        with pytest.raises(ValueError, match="(?s)layer 1 .* by itself"):
            shrink(eqx.nn.Sequential([linear, between, linear]))
    with pytest.raises(ValueError, match="no SparseLinear"):
        shrink(eqx.nn.Sequential([norm]))
    wide = eqx.nn.Linear(5, 2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="layer 0 of the model has 4 outputs, but layer 2 takes 5"):
        shrink(eqx.nn.Sequential([linear, relu, wide]))
    model = eqx.nn.Sequential([norm, linear, relu, linear, softmax])
    assert sizes(shrink(model)) == sizes(model)
    nothing = jax.tree.map(jnp.zeros_like, linear)
    with pytest.raises(ValueError, match="layer 0 of the model .* constants"):
        shrink(eqx.nn.Sequential([nothing, relu, linear]))
