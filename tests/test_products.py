"""Sparse products equal dense ones, in value and in gradient, in every form and in tiles."""

from itertools import accumulate

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit.layers import draw_within, xavier_radii
from topokit.products import _end_to_end as network_module
from topokit.products import _error as tiles
from topokit.products import (
    arrange_goal,
    block_form,
    compile_product,
    dense_form,
    fastest_form,
    gather_form,
    multiply,
    total_error,
)
from topokit.products._blocks import Blocks
from topokit.products._column_plan import plan_product

BATCH = 3
REGULAR = {
    "butterfly": tk.topologies.butterfly.layers(16),
    "deep butterfly": tk.topologies.butterfly.layers(16, 9),
    "half a butterfly": tk.topologies.butterfly.layers(16, 2),
    "clos": tk.topologies.clos.layers(16, 12, 4, 3, 2),
    "low rank": tk.topologies.low_rank.layers(9, 7, 4),
    "dense": tk.topologies.dense.layers(5, 6),
    "torus": tk.topologies.torus.layers((4, 3), 3),
    "radix-net": tk.topologies.radix_net.layers([[3, 4], [2, 6]]),
    "wide radix-net": tk.topologies.radix_net.layers([[2, 2]], [1, 3, 2]),
    "parallel butterfly": tk.to_layers(tk.topologies.parallel_butterfly(8, 3, 2)),
    "skip clos": tk.to_layers(tk.with_skip(tk.topologies.clos(8, 8, 4, 3, 4))),
    "random": tk.topologies.erdos_renyi.layers([8, 12, 6], 0.4, seed=0),
    "diagonal": tk.to_layers(tk.with_diagonal(tk.topologies.hypercube(8, 2))),
}
DEFAULT = tk.ranking.default_topologies(160, n=16)


def random_weights(layers: tk.Layers, batch: int = BATCH, dtype: type = np.float32) -> np.ndarray:
    rng = np.random.default_rng(0)
    scales = np.concatenate([np.full(s.size, np.sqrt(w / s.size)) for s, w in by_layer(layers)])
    return (rng.normal(size=(layers.n_edges, batch)) * scales[:, None]).astype(dtype)


def by_layer(layers: tk.Layers) -> list[tuple[np.ndarray, int]]:
    return list(zip(layers.senders, layers.widths[1:], strict=True))


def dense_product(layers: tk.Layers, weights, cotangent) -> tuple[np.ndarray, np.ndarray]:
    """The definition, by numpy in double precision: the product, and its gradient by hand.

    Weights and gradient are `(edges, batch)`, product and cotangent `(n_out, n_in, batch)`.
    """
    places = list(zip(layers.senders, layers.receivers, strict=True))
    ends = np.cumsum([senders.size for senders, _ in places])[:-1]
    matrices = []
    for number, part in enumerate(np.split(np.asarray(weights, float), ends)):
        matrix = np.zeros((part.shape[1], *layers.widths[number : number + 2]))
        matrix[:, *places[number]] = part.T
        matrices.append(matrix)
    products = list(accumulate(matrices, np.matmul, initial=np.eye(layers.n_in)))
    back, gradient = np.asarray(cotangent, float).T, []
    for matrix, before, place in zip(matrices[::-1], products[-2::-1], places[::-1], strict=True):
        gradient.insert(0, (np.swapaxes(before, -1, -2) @ back)[:, *place].T)
        back = back @ np.swapaxes(matrix, -1, -2)
    return products[-1].T, np.concatenate(gradient)


@jax.jit
def product_and_gradient(network, weights, cotangent) -> tuple[jax.Array, jax.Array]:
    product, pull = jax.vjp(lambda w: multiply(network, w), weights)
    return product, pull(cotangent)[0]


def check_against_dense(layers: tk.Layers, form, batch: int) -> None:
    network = compile_product(layers, batch=batch, form=form)
    weights = jnp.asarray(random_weights(layers, batch))
    shape = (layers.n_out, layers.n_in, batch)
    cotangent = jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)
    found = product_and_gradient(network, weights, cotangent)
    for one, two in zip(found, dense_product(layers, weights, cotangent), strict=True):
        assert close(one, two)


def close(one, two) -> bool:
    return bool(np.allclose(one, two, rtol=2e-4, atol=1e-4))


@pytest.mark.parametrize(
    ("name", "batch"),
    [*((name, BATCH) for name in REGULAR), ("deep butterfly", 1), ("torus", 1), ("random", 1)],
)
def test_gathered_rows_have_the_value_and_gradient_of_dense_matrices(name, batch):
    check_against_dense(REGULAR[name], gather_form, batch)


@pytest.mark.parametrize("batch", [1, BATCH])
@pytest.mark.parametrize("form", [block_form, dense_form])
@pytest.mark.parametrize("name", ["clos", "low rank", "deep butterfly", "radix-net", "skip clos"])
def test_blocks_have_the_value_and_gradient_of_dense_matrices(name, form, batch):
    check_against_dense(REGULAR[name], form, batch)


@given(layered_networks())
@settings(max_examples=8)
def test_random_networks_have_the_value_and_gradient_of_dense_matrices(layers):
    check_against_dense(layers, fastest_form, BATCH)


@pytest.mark.parametrize("topology", DEFAULT.values(), ids=DEFAULT)
def test_the_default_topologies_multiply_as_dense_matrices_do(topology):
    layers = tk.to_layers(topology)
    check_against_dense(layers, fastest_form, BATCH)


def test_double_precision_is_kept():
    layers = REGULAR["deep butterfly"]
    cotangent = np.ones((16, 16, BATCH))
    with jax.enable_x64(True):
        weights = jnp.asarray(random_weights(layers, dtype=np.float64))
        found = product_and_gradient(compile_product(layers), weights, jnp.asarray(cotangent))
    for one, two in zip(found, dense_product(layers, weights, cotangent), strict=True):
        assert one.dtype == np.float64
        assert np.allclose(one, two, rtol=1e-12, atol=1e-13)


def test_long_runs_of_equal_layers_are_scanned_and_equal_the_dense_product(monkeypatch):
    monkeypatch.setattr(network_module, "SCANNED", 4)
    layers = REGULAR["deep butterfly"]
    assert len(compile_product(layers).stages) == 5
    check_against_dense(layers, gather_form, BATCH)
    check_against_dense(layers, gather_form, 1)


def test_a_butterfly_adds_nothing_until_every_neuron_sees_every_input():
    steps, columns = plan_product(REGULAR["deep butterfly"])
    assert [step.parts for step in steps] == [2] * 4 + [1] * 5
    assert all(step.spread is None for step in steps)
    assert sorted(columns) == list(range(16))


def test_a_torus_is_spread_out_after_its_first_layer():
    steps, _ = plan_product(REGULAR["torus"])
    assert [step.spread is None for step in steps] == [False, True, True]


def test_complete_pieces_become_blocks():
    network = compile_product(REGULAR["clos"], form=block_form)
    blocks = network.stages[-1].wiring
    assert isinstance(blocks, Blocks)
    assert (blocks.senders.blocks, blocks.senders.size) == (2, 3)
    assert (blocks.receivers.blocks, blocks.receivers.size) == (2, 6)


@pytest.mark.parametrize("batch", [1, BATCH])
@pytest.mark.parametrize("name", ["deep butterfly", "torus", "random"])
def test_tiles_of_columns_change_neither_error_nor_gradient(name, batch, monkeypatch):
    monkeypatch.setattr(tiles, "TILE", 4)
    monkeypatch.setattr(tiles, "TILED", 1)
    layers = REGULAR[name]
    network = compile_product(layers, form=gather_form)
    weights = jnp.asarray(random_weights(layers, batch))
    rng = np.random.default_rng(2)
    goal = jnp.asarray(rng.normal(size=(layers.n_out, layers.n_in, batch)), jnp.float32)
    unit = jnp.full(batch, 2, goal.dtype)
    seed = jnp.arange(1, 1 + batch, dtype=goal.dtype)

    @jax.jit
    def error_and_gradient(network, w, goal) -> tuple[jax.Array, jax.Array]:
        aim = jnp.asarray(arrange_goal(network, goal))
        error, pull = jax.vjp(lambda w: total_error(network, w, aim, jnp.square, unit=unit), w)
        return error, pull(seed)[0]

    off = np.asarray(goal) - dense_product(layers, weights, goal)[0]
    error, gradient = error_and_gradient(network, weights, goal)
    assert close(error, 4 * (off**2).sum((0, 1)))
    assert close(gradient, dense_product(layers, weights, -8 * off * np.asarray(seed))[1])


def test_an_error_is_differentiable_in_the_weights_alone():
    layers = REGULAR["torus"]
    network, weights = compile_product(layers), jnp.asarray(random_weights(layers))
    goal, unit = jnp.ones((12, 12, BATCH)), jnp.ones(BATCH)

    def error(weights, goal, unit) -> jax.Array:
        return total_error(network, weights, goal, jnp.square, unit=unit).sum()

    of_weights, of_goal, of_unit = jax.grad(error, argnums=(0, 1, 2))(weights, goal, unit)
    assert np.any(of_weights)
    assert not np.any(of_goal)
    assert not np.any(of_unit)


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
    draws = draw_within(np.array([0.5, 2.0]), 20_000, np.random.default_rng(0))
    assert draws.shape == (2, 20_000)
    for row, radius in zip(draws, (0.5, 2.0), strict=True):
        assert np.abs(row).max() <= radius
        assert row.std() == pytest.approx(radius / np.sqrt(3), rel=0.02)
        assert abs(row.mean()) < 0.02 * radius
