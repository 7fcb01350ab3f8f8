"""Sparse products equal dense ones, in value and in gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit.products import (
    compile_network,
    from_slots,
    multiply,
    sparse_xavier,
    to_slots,
    xavier_radii,
)

BATCH = 3


def random_weights(layers: tk.Layers) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(s.size, BATCH)).astype(np.float32) for s in layers.senders]


def dense_product(layers: tk.Layers, weights: list) -> jax.Array:
    """The definition: a product of dense matrices, `(n_out, n_in, batch)`."""
    product = jnp.broadcast_to(jnp.eye(layers.n_in), (BATCH, layers.n_in, layers.n_in))
    for number, weight in enumerate(weights):
        shape = (BATCH, *layers.widths[number : number + 2])
        place = (slice(None), layers.senders[number], layers.receivers[number])
        product = product @ jnp.zeros(shape).at[place].set(weight.T)
    return product.T


def close(one, two) -> bool:
    return bool(np.allclose(one, two, rtol=2e-4, atol=2e-4))


@given(layered_networks())
@settings(derandomize=True, deadline=None, max_examples=12)
def test_the_sparse_product_and_its_gradient_equal_the_dense_ones(layers):
    network = compile_network(layers)
    weights = random_weights(layers)
    slots = to_slots(layers, network, weights)
    cotangent = np.random.default_rng(1).normal(size=(layers.n_out, layers.n_in, BATCH))
    product, pull = jax.vjp(lambda w: multiply(network, w), [jnp.asarray(s) for s in slots])
    expected, pull_dense = jax.vjp(lambda w: dense_product(layers, w), weights)
    assert close(product, expected)
    gradient = [np.asarray(g) for g in pull(jnp.asarray(cotangent, jnp.float32))[0]]
    expected_gradient = pull_dense(jnp.asarray(cotangent, jnp.float32))[0]
    for one, two in zip(from_slots(layers, gradient), expected_gradient, strict=True):
        assert close(one, two)


@given(layered_networks())
@settings(derandomize=True, deadline=None, max_examples=40)
def test_slots_give_every_edge_back(layers):
    network = compile_network(layers)
    weights = random_weights(layers)
    for one, two in zip(
        from_slots(layers, to_slots(layers, network, weights)), weights, strict=True
    ):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("name", sorted(tk.ranking.default_topologies()))
def test_the_default_topologies_multiply_as_scipy_does(name):
    layers = tk.to_layers(tk.ranking.default_topologies()[name])
    network = compile_network(layers)
    weights = [w / np.sqrt(w.shape[0] / layers.n_in) for w in random_weights(layers)]
    slots = [jnp.asarray(s) for s in to_slots(layers, network, weights)]
    assert close(multiply(network, slots), dense_product(layers, weights))


def test_equal_layers_are_stacked_into_one_run():
    network = compile_network(tk.topologies.butterfly.layers(16, 12))
    assert [run.senders.shape for run in network.runs] == [(1, 16, 2), (11, 16, 2)]


def test_xavier_uses_the_fans_of_each_edge():
    layers = tk.to_layers(tk.from_masks([np.array([[1, 1, 1], [0, 0, 1]])]))
    by_edge = dict(
        zip(
            zip(layers.senders[0], layers.receivers[0], strict=True),
            xavier_radii(layers)[0],
            strict=True,
        )
    )
    assert by_edge[0, 0] == pytest.approx(np.sqrt(6 / (1 + 3)))
    assert by_edge[0, 2] == pytest.approx(np.sqrt(6 / (2 + 3)))
    assert by_edge[1, 2] == pytest.approx(np.sqrt(6 / (2 + 1)))


def test_xavier_equals_the_paper_where_degrees_are_equal():
    layers = tk.topologies.torus.layers((8, 4), 1)
    density = tk.structure(layers).density
    assert np.allclose(xavier_radii(layers)[0], np.sqrt(6 / ((32 + 32) * density)))


def test_xavier_draws_fill_their_range_evenly():
    draws = sparse_xavier(np.array([0.5, 2.0]), 20_000, np.random.default_rng(0))
    assert draws.shape == (2, 20_000)
    for row, radius in zip(draws, (0.5, 2.0), strict=True):
        assert np.abs(row).max() <= radius
        assert row.std() == pytest.approx(radius / np.sqrt(3), rel=0.02)
        assert abs(row.mean()) < 0.02 * radius
