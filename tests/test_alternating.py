"""Alternating least squares: each layer against numpy's, and what every sweep keeps."""

from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import layered_networks

import topokit as tk
from topokit import reconstruct
from topokit.reconstruction import ALS, Adam, Chain, HierarchicalSVD, _als, end_to_end
from topokit.reconstruction import _normal_equations as _normal


def gaussian(n_targets: int, n_in: int, n_out: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))


def random_weights(layers, batch: int, seed: int = 0) -> list[np.ndarray]:
    """One array `(edges + 1, batch)` a layer: random, constants where there are, 0 at the end."""
    rng = np.random.default_rng(seed)
    result = []
    for trainable, constant in zip(layers.trainable, layers.constant, strict=True):
        weights = np.where(trainable[:, None], rng.normal(size=(trainable.size, batch)), 0)
        result.append(np.pad(weights + constant[:, None], ((0, 1), (0, 0))))
    return result


def dense(layers, weights: list[np.ndarray], target: int) -> list[np.ndarray]:
    result = []
    for layer, weight in enumerate(weights):
        matrix = np.zeros(layers.widths[layer : layer + 2])
        matrix[layers.senders[layer], layers.receivers[layer]] = weight[:-1, target]
        result.append(matrix)
    return result


def loss_of(layers, weights, targets) -> np.ndarray:
    products = end_to_end(layers, tuple(np.asarray(w)[:-1].T for w in weights))
    return ((products - targets) ** 2).sum((1, 2)) / (targets**2).sum((1, 2))


def best_loss_of_layer(layers, weights, layer: int, targets: np.ndarray) -> np.ndarray:
    """By numpy's least squares over the columns `p_u q_v` of the layer's trainable edges."""
    result = []
    free = layers.trainable[layer]
    edges = layers.senders[layer][free], layers.receivers[layer][free]
    for number, target in enumerate(targets):
        matrices = dense(layers, weights, number)
        before = reduce(np.matmul, [np.eye(layers.n_in), *matrices[:layer]])
        after = reduce(np.matmul, [*matrices[layer + 1 :], np.eye(layers.n_out)])
        columns = [
            np.outer(p, q).ravel() for p, q in zip(before.T[edges[0]], after[edges[1]], strict=True)
        ]
        columns = np.stack(columns, axis=1)
        fixed = matrices[layer].copy()
        fixed[edges] = 0
        rest = (target - before @ fixed @ after).ravel()
        solution = np.linalg.lstsq(columns, rest, rcond=None)[0]
        result.append(((rest - columns @ solution) ** 2).sum() / (target**2).sum())
    return np.array(result)


@partial(jax.jit, static_argnums=(0, 1))
def improved(
    layer: int,
    diagonal: bool,
    targets: jax.Array,
    wirings: list[_normal.LayerEdges],
    weights: list[jax.Array],
) -> jax.Array:
    """The weights of a layer after its step, between what lies before it and after it."""
    before, after = _als._ends(targets, diagonal)
    for number in range(layer):
        before = _normal.forward(before, wirings[number], weights[number])
    for number in reversed(range(layer + 1, len(wirings))):
        after = _normal.backward(after, wirings[number], weights[number])
    return _normal.improve(before, after, wirings[layer], weights[layer])


def improve(layers, weights, targets, layer: int) -> list[np.ndarray]:
    """In double precision."""
    with jax.enable_x64(True):
        wirings = _normal.wire(layers)
        diagonal = layers.n_trainable == layers.n_edges and _normal.is_diagonal(wirings)
        given = jnp.asarray(targets.transpose(2, 1, 0)), wirings, [jnp.asarray(w) for w in weights]
        new = improved(layer, diagonal, *given)
        return [*weights[:layer], np.asarray(new), *weights[layer + 1 :]]


NETWORKS = {
    "butterfly": tk.topologies.butterfly(8),
    "deep butterfly": tk.topologies.butterfly(8, 5),
    "skip butterfly": tk.with_skip(tk.topologies.butterfly(8)),
    "low rank": tk.topologies.low_rank(10, 9, 3),
    "Clos": tk.topologies.clos(8, 8, 2, 3, 4),
    "hypercube": tk.topologies.hypercube(8, 3),
}


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_layer_is_brought_to_the_least_squares_of_numpy(name, layer):
    layers = tk.to_layers(NETWORKS[name])
    targets = gaussian(2, layers.n_in, layers.n_out)
    weights = random_weights(layers, 2)
    found = loss_of(layers, improve(layers, weights, targets, layer), targets)
    assert np.allclose(found, best_loss_of_layer(layers, weights, layer, targets), rtol=1e-5)


@given(layered_networks(max_width=4, max_depth=3), st.integers(0, 2))
@settings(max_examples=6)
def test_it_is_so_in_any_network_with_any_constants(layers, layer):
    layer = layer % layers.depth
    assume(layers.trainable[layer].any())
    targets = gaussian(1, layers.n_in, layers.n_out)
    weights = random_weights(layers, 1)
    found = loss_of(layers, improve(layers, weights, targets, layer), targets)
    assert np.allclose(found, best_loss_of_layer(layers, weights, layer, targets), rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_a_layer_vanishes_after_its_step(name):
    layers = tk.to_layers(NETWORKS[name])
    targets = gaussian(2, layers.n_in, layers.n_out)
    weights = improve(layers, random_weights(layers, 2), targets, 1)
    for number, target in enumerate(targets):
        matrices = dense(layers, weights, number)
        before, after = matrices[0], reduce(np.matmul, [*matrices[2:], np.eye(layers.n_out)])
        residual = target - before @ matrices[1] @ after
        slope = (before.T @ residual @ after.T)[layers.senders[1], layers.receivers[1]]
        assert np.abs(slope[layers.trainable[1]]).max() < 1e-6 * np.abs(target).sum()


@pytest.mark.parametrize("name", NETWORKS)
def test_no_sweep_raises_the_loss(name):
    layers = tk.to_layers(NETWORKS[name])
    targets = gaussian(3, layers.n_in, layers.n_out)
    result = reconstruct(layers, targets, solver=ALS(max_steps=30, tolerance=0.0))
    assert (np.diff(result.losses, axis=1) <= 2e-6 * result.losses[:, 1:]).all()
    assert (result.losses[:, 0] < 1).all()


@pytest.mark.parametrize("name", ["butterfly", "low rank", "Clos"])
def test_it_never_loses_what_came_before_it(name):
    targets = gaussian(3, 10, 9) if name == "low rank" else gaussian(3, 8, 8)
    svd = reconstruct(NETWORKS[name], targets, solver=HierarchicalSVD())
    both = reconstruct(NETWORKS[name], targets, solver=Chain((HierarchicalSVD(), ALS(max_steps=5))))
    descent = Chain((Adam(max_steps=50), ALS(max_steps=5)))
    adam = reconstruct(NETWORKS[name], targets, solver=descent)
    assert (both.loss <= svd.loss * (1 + 1e-6)).all()
    assert (adam.loss <= adam.losses[:, :50].min(axis=1) * (1 + 1e-6)).all()


@pytest.mark.parametrize(
    ("topology", "size"),
    [
        (tk.topologies.butterfly(16), 1),
        (tk.topologies.low_rank(6, 5, 3), 3),
        (tk.topologies.hypercube(8, 3), 32),
    ],
    ids=["butterfly", "low rank", "hypercube"],
)
def test_normal_equations_fall_into_the_smallest_blocks(topology, size):
    wirings = _normal.wire(tk.to_layers(topology))
    assert max(wiring.blocks.shape[1] for wiring in wirings) == size


def test_one_target_takes_the_same_way_as_many():
    targets = gaussian(2, 8, 8)
    both = reconstruct(NETWORKS["Clos"], targets, solver=Chain((HierarchicalSVD(), ALS())))
    one = reconstruct(NETWORKS["Clos"], targets[:1], solver=Chain((HierarchicalSVD(), ALS())))
    assert np.allclose(both.loss[0], one.loss[0], rtol=1e-3)


def test_too_large_normal_equations_are_refused_before_they_are_built(monkeypatch):
    monkeypatch.setattr("topokit.reconstruction._als.MEMORY_LIMIT", 2**12)
    with pytest.raises(ValueError, match="ALS of this topology needs .* itself 4 KiB; use Adam"):
        reconstruct(tk.topologies.hypercube(8, 3), gaussian(1, 8, 8), solver=ALS())
    reconstruct(tk.topologies.butterfly(8), gaussian(1, 8, 8), solver=ALS(max_steps=1))
