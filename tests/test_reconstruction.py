"""Reconstruction: known optima are reached, published losses are met, results are honest."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit import reconstruct
from topokit.reconstruction import Adam, Reconstruction, check_arguments, end_to_end

pytestmark = pytest.mark.optimized
QUICK = Adam(max_steps=60)


def gaussian(n_targets: int, n_in: int, n_out: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))


def relative_error(topology, result: Reconstruction, targets: np.ndarray) -> np.ndarray:
    products = end_to_end(topology, result.weights)
    return ((products - targets) ** 2).sum((1, 2)) / (targets**2).sum((1, 2))


@given(layered_networks())
@settings(max_examples=3)
def test_the_loss_is_that_of_the_returned_weights(layers):
    targets = gaussian(3, layers.n_in, layers.n_out)
    result = reconstruct(layers, targets, solver=QUICK)
    assert np.allclose(result.loss, relative_error(layers, result, targets), atol=1e-4)
    assert np.allclose(result.loss, result.losses.min(axis=1))
    assert result.losses.shape == (3, 60)
    for weights, trainable, constant in zip(
        result.weights, layers.trainable, layers.constant, strict=True
    ):
        assert weights.shape == (3, trainable.size)
        assert np.allclose(weights[:, ~trainable], constant[~trainable])


@pytest.mark.parametrize("rank", [4, 8, 18])
def test_low_rank_reaches_the_eckart_young_loss(rank):
    targets = gaussian(8, 32, 32)
    squares = np.linalg.svd(targets, compute_uv=False) ** 2
    best = squares[:, rank:].sum(1) / squares.sum(1)
    result = reconstruct(tk.topologies.low_rank(32, 32, rank), targets, solver=Adam(max_steps=1500))
    assert np.allclose(result.loss, best, rtol=1e-4)


def test_a_rectangular_low_rank_reaches_it_too():
    targets = gaussian(4, 12, 20)
    squares = np.linalg.svd(targets, compute_uv=False) ** 2
    best = squares[:, 3:].sum(1) / squares.sum(1)
    result = reconstruct(tk.topologies.low_rank(12, 20, 3), targets, solver=Adam(max_steps=1500))
    assert np.allclose(result.loss, best, rtol=1e-4)


def test_two_block_diagonal_layers_reach_the_best_blockwise_rank_one_matrix():
    n, routers = 16, 4
    size = n // routers
    targets = gaussian(4, n, n)
    blocks = targets.reshape(4, routers, size, routers, size).swapaxes(2, 3)
    squares = np.linalg.svd(blocks, compute_uv=False) ** 2
    best = squares[..., 1:].sum((1, 2, 3)) / squares.sum((1, 2, 3))
    topology = tk.topologies.monarch(n, n, routers)
    result = reconstruct(topology, targets, solver=Adam(max_steps=1500), restarts=4)
    assert np.allclose(result.loss, best, rtol=1e-3)


def test_a_product_of_the_same_topology_is_recovered_by_a_diagonal():
    topology = tk.from_masks([np.eye(5)] * 3)
    targets = np.stack([np.diag([1.0, -2.0, 3.0, 0.5, 1.5])])
    result = reconstruct(topology, targets, solver=Adam(max_steps=800), restarts=16)
    assert result.loss[0] < 1e-8


# Mean relative loss that plain Adam reached in 1,500 steps on unit Gaussian targets, n = 32: the
# first and the last of each family; `analyses/published_losses.py` has all between them.
PUBLISHED = {
    ("butterfly", 10): 0.341,
    ("butterfly", 20): 0.120,
    ("hypercube", 3): 0.266,
    ("hypercube", 6): 0.012,
    ("torus", 4): 0.262,
    ("torus", 7): 0.030,
    ("clos", 4): 0.287,
    ("clos", 9): 0.0012,
}

# Figures at the optimum of shallow topologies, where only the sample of targets decides. Theirs
# was an easy one: the figures for low rank lie below the mean of the Eckart-Young optimum over
# thousands of targets, by up to 0.9 of its standard deviation.
PUBLISHED_ON_AN_EASY_SAMPLE = {
    ("butterfly", 5): 0.630,
    ("hypercube", 2): 0.539,
    ("clos", 2): 0.587,
}


def sized(family: str, size: int):
    return {
        "butterfly": lambda: tk.topologies.butterfly(32, size),
        "hypercube": lambda: tk.topologies.hypercube(32, size),
        "torus": lambda: tk.topologies.torus((8, 4), size),
        "clos": lambda: tk.topologies.clos(32, 32, 8, size, 8),
    }[family]()


@pytest.mark.parametrize(("family", "size"), PUBLISHED)
def test_the_published_loss_is_met_in_1500_steps(family, size):
    result = reconstruct(sized(family, size), gaussian(16, 32, 32), solver=Adam(max_steps=1500))
    assert result.loss.mean() <= PUBLISHED[family, size]


@pytest.mark.parametrize(("family", "size"), PUBLISHED_ON_AN_EASY_SAMPLE)
def test_a_figure_from_an_easy_sample_is_met_within_one_deviation(family, size):
    result = reconstruct(
        sized(family, size), gaussian(16, 32, 32), solver=Adam(max_steps=1500), restarts=4
    )
    assert result.loss.mean() - result.loss.std() <= PUBLISHED_ON_AN_EASY_SAMPLE[family, size]


def test_skip_connections_help_a_butterfly_at_equal_trainable_edges():
    """NeuroFabric VII.A: 640 trainable edges, .34 without and at most .13 with skips."""
    targets = gaussian(4, 32, 32)
    plain = reconstruct(tk.topologies.butterfly(32, 10), targets, solver=Adam(max_steps=1500))
    skipping = tk.with_skip(tk.topologies.butterfly(32, 20))
    assert tk.to_layers(skipping).n_trainable == 640
    skipped = reconstruct(skipping, targets, solver=Adam(max_steps=1500))
    assert skipped.loss.mean() <= 0.13 < plain.loss.mean()


def test_the_scale_of_the_targets_does_not_matter_where_all_edges_train():
    targets = gaussian(2, 8, 8)
    topology = tk.topologies.butterfly(8)
    one = reconstruct(topology, targets, solver=QUICK)
    thousand = reconstruct(topology, 1000 * targets, solver=QUICK)
    assert np.allclose(one.loss, thousand.loss, rtol=1e-3)
    assert np.allclose(relative_error(topology, thousand, 1000 * targets), thousand.loss, atol=1e-5)


def test_a_diagonal_layer_makes_skip_connections_free_of_scale():
    targets = gaussian(2, 8, 8)
    skipping = tk.with_skip(tk.topologies.butterfly(8, 6))
    diagonal = tk.with_diagonal(skipping)
    solver = Adam(max_steps=300)
    apart = [reconstruct(skipping, s * targets, solver=solver).loss for s in (1, 1024)]
    assert not np.allclose(*apart, rtol=1e-2)
    same = [reconstruct(diagonal, s * targets, solver=solver).loss for s in (1, 1024)]
    assert np.allclose(*same, rtol=1e-2)


def test_restarts_never_hurt_and_the_first_start_is_among_them():
    targets = gaussian(4, 8, 8)
    topology = tk.topologies.butterfly(8)
    single = reconstruct(topology, targets, solver=QUICK)
    many = reconstruct(topology, targets, solver=QUICK, restarts=8)
    assert many.loss.mean() < single.loss.mean()
    assert many.loss.shape == (4,)


def test_l1_settles_more_entries_exactly_than_l2():
    targets = gaussian(4, 8, 8)
    topology = tk.topologies.butterfly(8, 4)
    solver = Adam(max_steps=2000, learning_rate=0.1)
    counts = []
    for loss in (jnp.square, jnp.abs):
        result = reconstruct(topology, targets, solver=solver, loss=loss)
        counts.append((np.abs(end_to_end(topology, result.weights) - targets) < 1e-2).sum())
    assert counts[1] > 1.5 * counts[0]


@pytest.mark.parametrize("cost", [np.square, np.abs, lambda x: np.sqrt(1 + x**2) - 1])
def test_the_loss_of_any_cost_is_relative_to_the_target_at_its_true_scale(cost):
    targets = 5.0 * gaussian(3, 8, 8)
    topology = tk.topologies.butterfly(8)
    traced = {np.square: jnp.square, np.abs: jnp.abs}.get(cost, lambda x: jnp.sqrt(1 + x**2) - 1)
    result = reconstruct(topology, targets, solver=QUICK, loss=traced)
    error = cost(targets - end_to_end(topology, result.weights)).sum((1, 2))
    assert np.allclose(result.loss, error / cost(targets).sum((1, 2)), rtol=1e-4)


def test_the_same_key_gives_the_same_bytes_and_another_key_others():
    targets = gaussian(2, 8, 8)
    topology = tk.topologies.hypercube(8, 2)
    runs = [reconstruct(topology, targets, solver=QUICK, key=jax.random.key(k)) for k in (1, 1, 2)]
    assert runs[0].losses.tobytes() == runs[1].losses.tobytes()
    assert runs[0].losses.tobytes() != runs[2].losses.tobytes()


def test_an_integer_seed_stands_for_its_key():
    targets, topology = gaussian(2, 8, 8), tk.topologies.butterfly(8)
    one, two = (reconstruct(topology, targets, solver=QUICK, key=k) for k in (3, jax.random.key(3)))
    assert one.losses.tobytes() == two.losses.tobytes()


def test_chunks_do_not_change_what_is_found(monkeypatch):
    targets = gaussian(5, 8, 8)
    topology = tk.topologies.low_rank(8, 8, 2)
    solver = Adam(max_steps=800)
    whole = reconstruct(topology, targets, solver=solver)
    monkeypatch.setattr("topokit.reconstruction._reconstruct.CHUNK", 2 * 8 * 8)
    chunked = reconstruct(topology, targets, solver=solver)
    assert np.allclose(whole.loss, chunked.loss, rtol=1e-3)


def test_one_matrix_is_a_stack_of_one():
    target = gaussian(1, 8, 8)
    topology = tk.topologies.butterfly(8)
    one, stack = (reconstruct(topology, t, solver=QUICK) for t in (target[0], target))
    assert one.loss.shape == (1,)
    assert np.array_equal(one.loss, stack.loss)


# A number whose square is infinite, and one whose square is 0, in the precision of JAX.
HUGE = 10 * float(jnp.finfo(jnp.result_type(float)).max) ** 0.5
TINY = float(jnp.finfo(jnp.result_type(float)).tiny)
WRONG = {
    "shape": (np.ones((3, 8, 7)), {}, r"targets must have shape \(8, 8\)"),
    "empty": (np.ones((0, 8, 8)), {}, "targets must have shape"),
    "NaN": (np.full((8, 8), np.nan), {}, "finite real numbers"),
    "infinite": (np.full((8, 8), np.inf), {}, "finite real numbers"),
    "huge": (np.full((8, 8), HUGE), {}, re.escape(f"is {HUGE:.3g}") + ".*near unit variance"),
    "tiny": (np.full((8, 8), TINY), {}, "near unit variance"),
    "solver": (np.eye(8), {"solver": Adam}, "solver must be an object"),
    "loss of two": (np.eye(8), {"loss": jnp.subtract}, "loss must be the cost of one entry"),
    "loss is reduced": (np.eye(8), {"loss": jnp.sum}, "loss must be the cost of one entry"),
    "patience": (np.eye(8), {"solver": Adam(patience=0)}, "patience must be an integer"),
    "tolerance": (np.eye(8), {"solver": Adam(tolerance=-1.0)}, "tolerance must be a number"),
    "zero": (np.stack([np.eye(8), np.zeros((8, 8))]), {}, "target 1 is zero"),
    "restarts": (np.eye(8), {"restarts": 0}, "restarts must be an integer of at least 1"),
    "steps": (
        np.eye(8),
        {"solver": Adam(max_steps=0)},
        "max_steps must be an integer of at least 1",
    ),
    "rate": (np.eye(8), {"solver": Adam(learning_rate=-1.0)}, "learning_rate must be"),
}


@pytest.mark.parametrize(("targets", "options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_refused_with_an_instruction(targets, options, message):
    with pytest.raises(ValueError, match=message):
        reconstruct(tk.topologies.butterfly(8), targets, **options)


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"patience", "tolerance", "steps", "rate"}))
def test_what_is_not_for_the_solver_to_say_can_be_refused_beforehand(name):
    targets, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        check_arguments(tk.topologies.butterfly(8), targets, **options)


def test_arguments_that_fit_come_back_as_a_stack():
    assert np.array_equal(check_arguments(tk.topologies.butterfly(8), np.eye(8)), np.eye(8)[None])
