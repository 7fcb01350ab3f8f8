"""Signals and gradients keep their size through deep sparse networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import topokit as tk
from topokit.networks import SparseLinear, dense_xavier, kaiming, xavier

DEPTH, BATCH = 20, 16
# What one edge of so many is kept, and a width that leaves a neuron 16 senders at least.
SPARSITIES = {"3/4": (4, 512), "15/16": (16, 512), "63/64": (64, 1024)}
CASES = {
    f"{name}-{kind}": (kind, share, width)
    for name, (share, width) in SPARSITIES.items()
    for kind in ("regular", "coins")
}


def one_layer(kind: str, share: int, width: int, seed: int) -> tk.Layers:
    if kind == "regular":
        return tk.topologies.random_regular.layers([width, width], width // share, seed=seed)
    # With coins a neuron may come out without a sender; a network does not mind.
    rng = np.random.default_rng(seed)
    receivers, senders = np.nonzero(rng.random((width, width)) < 1 / share)
    return tk.Layers(
        (width, width),
        (senders,),
        (receivers,),
        (np.ones(senders.size, bool),),
        (np.zeros(senders.size),),
    )


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def stack(request) -> tuple[int, list[tk.Layers]]:
    """What one edge of so many is kept of each layer, and the layers, built once for all laws."""
    kind, share, width = request.param
    return share, [one_layer(kind, share, width, number) for number in range(DEPTH)]


def sizes(stack: list[tk.Layers], init, relu: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean squares of the signals after each layer, and of the gradients before each."""
    rng = np.random.default_rng(1)
    width = stack[0].n_in
    signals, weights = [rng.normal(size=(BATCH, width))], []
    for layers in stack:
        matrix = np.zeros((width, width))
        (radii,) = init(layers)
        matrix[layers.senders[0], layers.receivers[0]] = radii * rng.uniform(-1, 1, radii.size)
        weights.append(matrix)
        after = signals[-1] @ matrix
        signals.append(np.maximum(after, 0) if relu else after)
    gradients = [rng.normal(size=(BATCH, width))]
    for signal, matrix in zip(signals[:0:-1], weights[::-1], strict=True):
        gradients.append((gradients[-1] * (signal > 0 if relu else 1)) @ matrix.T)
    return mean_squares(signals), mean_squares(gradients)


def mean_squares(arrays: list[np.ndarray]) -> np.ndarray:
    return np.array([np.mean(a**2) for a in arrays])


def test_xavier_keeps_signals_and_gradients_within_a_factor_of_two(stack) -> None:
    for found in sizes(stack[1], xavier, relu=False):
        assert found.min() > 0.5 * found[0]
        assert found.max() < 2 * found[0]


def test_kaiming_does_so_behind_every_relu(stack) -> None:
    for found in sizes(stack[1], kaiming, relu=True):
        assert found.min() > 0.5 * found[0]
        assert found.max() < 2 * found[0]


def test_dense_xavier_vanishes_with_the_sparsity(stack) -> None:
    share, layers = stack
    for found in sizes(layers, dense_xavier, relu=False):
        # One over the share a layer; the factor allows for chance over twenty layers.
        assert found[-1] < 4 * found[0] * (1 / share) ** DEPTH


@pytest.mark.parametrize(
    "layers",
    [
        tk.topologies.low_rank.layers(60, 40, 5),
        tk.topologies.clos.layers(36, 48, 6, 2, 8),
        tk.topologies.butterfly.layers(64),
        tk.topologies.erdos_renyi.layers([60, 20, 70], 0.4, seed=0),
    ],
    ids=["low rank", "clos", "butterfly", "random"],
)
def test_the_product_of_a_cascade_has_the_variance_of_a_dense_layer(layers) -> None:
    draws = 200
    keys = jax.random.split(jax.random.key(0), draws)
    linear = jax.vmap(lambda key: weights(SparseLinear(layers, key=key, init=xavier)))(keys)
    total = np.zeros(draws)
    for number in range(draws):
        product = np.eye(layers.n_in)
        rows = zip(
            layers.widths, layers.widths[1:], layers.senders, layers.receivers, linear, strict=False
        )
        for n_in, n_out, senders, receivers, values in rows:
            matrix = np.zeros((n_in, n_out))
            matrix[senders, receivers] = values[number]
            product = product @ matrix
        total[number] = (product**2).mean()
    error = total.std() / np.sqrt(draws)
    assert abs(total.mean() - 2 / (layers.n_in + layers.n_out)) < 4 * error


def weights(linear: SparseLinear) -> list[jax.Array]:
    return [layer.weight for layer in linear.layers]


def test_a_regular_layer_has_the_published_radius() -> None:
    layers = tk.topologies.random_regular.layers([64, 64], 4, seed=0)
    (radii,) = xavier(layers)
    np.testing.assert_allclose(radii, np.sqrt(6 / ((64 + 64) * 4 / 64)))
    np.testing.assert_allclose(kaiming(layers)[0], np.sqrt(2) * radii)
    np.testing.assert_allclose(dense_xavier(layers)[0], np.sqrt(6 / 128))


def test_beside_constants_the_trainable_edges_start_small() -> None:
    layers = tk.to_layers(tk.with_skip(tk.topologies.butterfly(16, 20)))
    signal = jax.random.normal(jax.random.key(1), (16,))
    out = SparseLinear(layers, key=jax.random.key(0), init=xavier)(signal)
    assert 0.3 < float(jnp.mean(out**2) / jnp.mean(signal**2)) < 30
