"""The masked networks of `analyses/accuracy_by_depth.py` are those of topokit."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import optax
import pytest

import topokit as tk
from analyses import _masked as masked
from topokit import networks

WIDTHS, CLASSES, SHARE = (64, 24, 16), 10, 0.25


def drawn(
    density: float, share: float, seed: int = 0
) -> tuple[list[np.ndarray], eqx.nn.Sequential]:
    rng = np.random.default_rng(seed)
    masks = masked.random_masks(WIDTHS, density, rng)
    return masks, masked.masked_network(masks, CLASSES, share, rng)


def matrices(model: eqx.nn.Sequential) -> list[np.ndarray]:
    """Weights, and biases, of all layers behind the first, which flattens."""
    return [np.asarray(layer.weight * layer.mask) for layer in model.layers[1:]]


def sparse_twin(model: eqx.nn.Sequential) -> eqx.nn.Sequential:
    """The same network of `SparseLinear`, each of one layer."""
    layers: list = [eqx.nn.Lambda(jnp.ravel)]
    for layer in model.layers[1:]:
        mask = np.asarray(layer.mask)
        receivers, senders = np.nonzero(mask.T)
        ones = np.ones(senders.size)
        topology = tk.Layers(mask.shape, (senders,), (receivers,), (ones > 0,), (0 * ones,))
        twin = networks.SparseLinear(topology, key=jax.random.key(0))
        layers.append(twin.with_weights([np.asarray(layer.weight)]))
    return eqx.nn.Sequential(layers)


@pytest.mark.parametrize("optimizer", [optax.adam(3e-3), optax.sgd(3e-2, 0.9)])
def test_a_masked_network_trains_as_sparse_layers_with_the_same_start_do(optimizer) -> None:
    _, start = drawn(SHARE, SHARE)
    digits = networks.load_digits()
    runs = [
        networks.train(model, digits, optimizer=optimizer, epochs=1, batch_size=100)
        for model in (start, sparse_twin(start))
    ]
    ours, theirs = (run.model.layers[1:] for run in runs)
    for now, twin, was in zip(ours, theirs, matrices(start), strict=True):
        moved = np.asarray(now.weight * now.mask) - was
        (matrix,) = networks.to_matrices(twin)
        np.testing.assert_allclose(moved, matrix - was, atol=1e-4 * np.abs(moved).max())
        np.testing.assert_allclose(now.bias, twin.bias, atol=1e-4)
    assert runs[0].epochs[0].train_loss == pytest.approx(runs[1].epochs[0].train_loss, rel=1e-5)


def test_both_starts_differ_by_the_root_of_the_density_alone() -> None:
    masks, plain = drawn(SHARE, 1.0)
    same, sparse = drawn(SHARE, SHARE)
    for mask, other in zip(masks, same, strict=True):
        np.testing.assert_array_equal(mask, other)
    *inside, last = zip(matrices(plain), matrices(sparse), strict=True)
    for one, other in inside:
        np.testing.assert_allclose(other, one / np.sqrt(SHARE), rtol=1e-6)
    np.testing.assert_array_equal(*last)


def test_weights_stay_within_the_published_radius_and_come_near_it() -> None:
    _, model = drawn(SHARE, SHARE)
    for (n_in, n_out), matrix in zip(pairwise(WIDTHS), matrices(model), strict=False):
        radius = np.sqrt(6 / ((n_in + n_out) * SHARE))
        assert 0.9 * radius < np.abs(matrix).max() <= radius


@pytest.mark.parametrize("density", [0.02, 0.05, 0.2])
def test_shares_of_pairs_with_a_path_are_those_that_networkx_finds(density) -> None:
    masks, _ = drawn(density, 1.0)
    graph = nx.DiGraph()
    graph.add_nodes_from((place, i) for place, width in enumerate(WIDTHS) for i in range(width))
    for place, mask in enumerate(masks):
        graph.add_edges_from(((place, i), (place + 1, j)) for i, j in np.argwhere(mask).tolist())
    outputs = {(len(masks), j) for j in range(WIDTHS[-1])}
    reached = [len(outputs & nx.descendants(graph, (0, i))) for i in range(WIDTHS[0])]
    found = masked.count_paths(masks)
    assert found.inputs == pytest.approx(np.mean(np.array(reached) > 0))
    assert found.hidden == pytest.approx(sum(reached) / (WIDTHS[0] * WIDTHS[-1]))
