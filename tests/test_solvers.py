"""Solvers: each alone, against closed forms, and what all of them promise."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

import topokit as tk
from topokit import reconstruct
from topokit._limits import TooLargeError
from topokit.reconstruction import (
    ALS,
    LBFGS,
    Adam,
    Chain,
    HierarchicalSVD,
    Problem,
    Solution,
    end_to_end,
)
from topokit.reconstruction._iterate import Stall, iterate

SVD_THEN_ALS = Chain((HierarchicalSVD(), ALS(max_steps=30)))
ITERATIVE = [Adam(max_steps=40), LBFGS(max_steps=40), ALS(max_steps=5)]
CLOSED = [HierarchicalSVD(), SVD_THEN_ALS]
names = pytest.mark.parametrize("solver", [*ITERATIVE, *CLOSED], ids=lambda s: type(s).__name__)


def gaussian(n_targets: int, n_in: int, n_out: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))


def truncation_loss(matrices: np.ndarray, rank: int) -> np.ndarray:
    """Eckart and Young, summed over the blocks of each target: `(targets, blocks, n, m)`."""
    squares = np.linalg.svd(matrices, compute_uv=False) ** 2
    return squares[..., rank:].sum((1, 2)) / squares.sum((1, 2))


def random_product(topology, n_targets: int, seed: int = 0) -> np.ndarray:
    layers = tk.to_layers(topology)
    rng = np.random.default_rng(seed)
    return end_to_end(layers, tuple(rng.normal(size=(n_targets, s.size)) for s in layers.senders))


@names
def test_the_loss_is_that_of_the_returned_weights(solver):
    topology, targets = tk.topologies.butterfly(8), gaussian(3, 8, 8)
    result = reconstruct(topology, targets, solver=solver)
    products = end_to_end(topology, result.weights)
    loss = ((products - targets) ** 2).sum((1, 2)) / (targets**2).sum((1, 2))
    assert np.allclose(result.loss, loss, rtol=1e-4)
    assert np.allclose(result.loss, result.losses.min(axis=1), rtol=1e-5)
    assert (result.steps <= result.losses.shape[1]).all()
    assert result.seconds > 0


@names
def test_the_scale_of_the_targets_does_not_matter(solver):
    topology, targets = tk.topologies.butterfly(8), gaussian(3, 8, 8)
    one, two = (reconstruct(topology, s * targets, solver=solver) for s in (1, 1e6))
    assert np.allclose(one.loss, two.loss, rtol=1e-3)


@pytest.mark.parametrize("solver", ITERATIVE, ids=lambda s: type(s).__name__)
def test_constants_stay_what_they_are(solver):
    layers = tk.to_layers(tk.with_skip(tk.topologies.butterfly(8)))
    result = reconstruct(layers, gaussian(2, 8, 8), solver=solver)
    assert (result.loss < 1).all()
    for weights, trainable in zip(result.weights, layers.trainable, strict=True):
        assert (weights[:, ~trainable] == 1).all()
        assert (weights[:, trainable] != 1).all()


@pytest.mark.parametrize("solver", CLOSED, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(("n_in", "n_out", "rank"), [(32, 32, 4), (32, 32, 18), (12, 20, 3)])
def test_low_rank_is_at_the_eckart_young_optimum(solver, n_in, n_out, rank):
    targets = gaussian(4, n_in, n_out)
    result = reconstruct(tk.topologies.low_rank(n_in, n_out, rank), targets, solver=solver)
    assert np.allclose(result.loss, truncation_loss(targets[:, None], rank), rtol=1e-5)


@pytest.mark.parametrize("solver", CLOSED, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("n_in", "n_out", "blocks", "rank"), [(16, 16, 4, 1), (32, 32, 4, 2), (11, 9, 3, 2)]
)
def test_monarch_is_at_its_blockwise_optimum(solver, n_in, n_out, blocks, rank):
    targets = gaussian(4, n_in, n_out)
    rows = np.array_split(targets, blocks, axis=1)
    tiles = [tile for row in rows for tile in np.array_split(row, blocks, axis=2)]
    lost = [(np.linalg.svd(t, compute_uv=False)[:, rank:] ** 2).sum(1) for t in tiles]
    topology = tk.topologies.monarch(n_in, n_out, blocks, rank)
    result = reconstruct(topology, targets, solver=solver)
    assert np.allclose(result.loss, sum(lost) / (targets**2).sum((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("n", [2, 64, 256])
def test_a_hadamard_matrix_is_a_butterfly(n):
    result = reconstruct(tk.topologies.butterfly(n), hadamard(n) * 1.0, solver=HierarchicalSVD())
    assert result.loss[0] < 1e-6


@pytest.mark.parametrize(
    "topology",
    [
        tk.topologies.butterfly(32),
        tk.topologies.rectangular_butterfly(12, 7, [3, 2, 2]),
        tk.topologies.low_rank(9, 7, 2),
        tk.topologies.monarch(16, 16, 4),
    ],
    ids=["butterfly", "rectangular butterfly", "low rank", "Monarch"],
)
def test_a_product_of_the_same_supports_is_recovered(topology):
    result = reconstruct(topology, random_product(topology, 3), solver=HierarchicalSVD())
    assert (result.loss < 1e-10).all()


def test_alternating_after_the_svd_beats_many_starts_of_adam_on_a_butterfly():
    topology, targets = tk.topologies.butterfly(16), gaussian(8, 16, 16)
    closed = reconstruct(topology, targets, solver=SVD_THEN_ALS)
    adam = reconstruct(topology, targets, solver=Adam(max_steps=300), restarts=4)
    assert closed.loss.mean() < 1.02 * adam.loss.mean()


def test_dead_neurons_and_single_layers_have_a_closed_form_too():
    masks = [np.array([[1, 1, 0], [0, 1, 1]]), np.array([[1, 0], [0, 1], [1, 1]])]
    targets = gaussian(2, 2, 2)
    result = reconstruct(tk.from_masks(masks[:1]), targets @ np.eye(2, 3), solver=HierarchicalSVD())
    kept = (targets @ np.eye(2, 3)) * masks[0]
    assert np.allclose(end_to_end(tk.from_masks(masks[:1]), result.weights), kept, atol=1e-6)


def test_lbfgs_settles_a_low_rank_problem_and_stops():
    targets = gaussian(4, 12, 12)
    result = reconstruct(tk.topologies.low_rank(12, 12, 3), targets, solver=LBFGS(max_steps=400))
    assert np.allclose(result.loss, truncation_loss(targets[:, None], 3), rtol=1e-3)
    assert (result.steps < 400).all()


@pytest.mark.parametrize("patience", [7, 40])
def test_a_stalled_target_stops_and_says_when(patience):
    """A product of diagonals, all at their optimum within a few hundred steps."""
    topology, targets = tk.from_masks([np.eye(4)] * 2), gaussian(3, 4, 4)
    adam = Adam(max_steps=1003, patience=patience)
    result = reconstruct(topology, targets, solver=adam)
    full = reconstruct(topology, targets, solver=Adam(max_steps=1003))
    assert result.losses.shape == full.losses.shape == (3, 1003)
    assert (full.steps == 1003).all()
    assert (result.steps < 1003).all()
    for taken, stopped, going in zip(result.steps, result.losses, full.losses, strict=True):
        assert taken % patience == 0
        assert np.allclose(stopped[:taken], going[:taken], rtol=1e-3)
        before, after = going[: taken - patience].min(), going[:taken].min()
        assert after >= (1 - 2 * adam.tolerance) * before
        assert (stopped[taken:] == stopped.min()).all()


def test_a_stopped_target_is_left_as_it_was_whatever_goes_on_beside_it():
    curves = jnp.asarray([[4, 4], [4, 3], [4, 2], [4, 1], [1, 0.5], [1, 0.4], [0, 0]])

    def step(count):
        return count + 1, [jnp.full((1, 2), count * 1.0)], curves[count]

    start = [jnp.full((1, 2), -1.0)]
    found = iterate(step, jnp.asarray(0), start, steps=6, stall=Stall(2, 1e-3))
    assert found.steps.tolist() == [4, 6]
    assert np.allclose(found.loss, [4, 0.4])
    assert np.array_equal(found.parameters[0], [[0, 5]])
    assert np.allclose(found.losses, np.where([True, False], 4, curves[:6]))


def test_patience_beyond_the_steps_changes_nothing():
    topology, targets = tk.topologies.butterfly(8), gaussian(2, 8, 8)
    plain, patient = (
        reconstruct(topology, targets, solver=Adam(max_steps=50, patience=p)) for p in (None, 60)
    )
    assert np.allclose(plain.losses, patient.losses, rtol=1e-4)
    assert (patient.steps == 50).all()


def test_progress_counts_the_starts_of_every_chunk(monkeypatch):
    monkeypatch.setattr("topokit.reconstruction._reconstruct.CHUNK", 4 * 8 * 8)
    seen = []
    reconstruct(
        tk.topologies.butterfly(8),
        gaussian(3, 8, 8),
        solver=HierarchicalSVD(),
        restarts=3,
        callback=lambda done, whole: seen.append((done, whole)),
    )
    assert seen == [(4, 9), (8, 9), (9, 9)]


def test_a_chain_keeps_the_best_of_its_solvers():
    class Spoil:
        def solve(self, problem, start):
            worse = jax.tree.map(lambda w: 3.0 * w, start)
            loss = problem.objective(worse)
            return Solution(worse, loss, loss[None], jnp.ones(loss.shape, int))

    topology, targets = tk.topologies.butterfly(8), gaussian(2, 8, 8)
    chain = Chain((HierarchicalSVD(), Spoil()))
    result = reconstruct(topology, targets, solver=chain)
    alone = reconstruct(topology, targets, solver=HierarchicalSVD())
    assert np.allclose(result.loss, alone.loss)
    assert result.losses.shape == (2, 2)
    assert (result.steps == alone.steps + 1).all()


SKIPPING = tk.with_skip(tk.topologies.butterfly(8))
REFUSED: dict = {
    "SVD of no blocks": (tk.topologies.hypercube(8, 2), HierarchicalSVD(), {}, "no such cut"),
    "SVD with constants": (SKIPPING, HierarchicalSVD(), {}, "8 constant ones|constant ones"),
    "SVD of L1": (tk.topologies.butterfly(8), HierarchicalSVD(), {"loss": jnp.abs}, "loss=jnp.squ"),
    "ALS of L1": (tk.topologies.butterfly(8), ALS(), {"loss": jnp.abs}, "loss=jnp.square"),
    "ALS of no sweeps": (tk.topologies.butterfly(8), ALS(max_steps=0), {}, "max_steps must be"),
    "LBFGS of no steps": (tk.topologies.butterfly(8), LBFGS(max_steps=0), {}, "max_steps must be"),
    "LBFGS of no memory": (tk.topologies.butterfly(8), LBFGS(memory=0), {}, "memory must be"),
    "an empty chain": (tk.topologies.butterfly(8), Chain(()), {}, "a tuple of at least one"),
    "a chain of classes": (
        tk.topologies.butterfly(8),
        Chain((ALS,)),  # pyright: ignore
        {},
        "solver must be an object",
    ),
}


@pytest.mark.parametrize(
    ("topology", "solver", "options", "message"), REFUSED.values(), ids=REFUSED
)
def test_what_a_solver_cannot_do_is_refused(topology, solver, options, message):
    with pytest.raises(ValueError, match=message):
        reconstruct(topology, gaussian(1, 8, 8), solver=solver, **options)


class Returns(NamedTuple):
    """A solver of one's own that returns what it is told to."""

    what: str

    def solve(self, problem: Problem, start: jax.Array) -> Any:
        none = jnp.zeros(problem.scale.shape)
        right = Solution(start, none, none[None], none.astype(int))
        return {
            "nothing": None,
            "not a number": right._replace(loss=jnp.nan * none),
            "one batch": right._replace(parameters=start[:, :1]),
            "infinite": right._replace(parameters=jnp.inf * start),
            "a loss of zero": right,
        }[self.what]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nothing", "must return a Solution; it returned None"),
        ("not a number", "a loss that is not a number"),
        ("one batch", r"of the shape of its start, \(16, 2\); it returned \(16, 1\)"),
        ("infinite", "parameters that are not finite"),
    ],
)
def test_what_a_solver_returns_is_checked(what, message):
    with pytest.raises(ValueError, match=message):
        reconstruct(tk.topologies.butterfly(4), gaussian(2, 4, 4), solver=Returns(what))


@pytest.mark.parametrize("cost", [jnp.square, jnp.abs])
def test_the_loss_is_that_of_the_weights_whatever_a_solver_says(cost):
    topology, targets = tk.with_skip(tk.topologies.butterfly(4)), gaussian(2, 4, 4)
    result = reconstruct(topology, targets, solver=Returns("a loss of zero"), loss=cost, restarts=3)
    errors = cost(targets - end_to_end(topology, result.weights)).sum((1, 2))
    assert np.allclose(result.loss, errors / cost(targets).sum((1, 2)), rtol=1e-5)


def test_als_refuses_normal_equations_beyond_its_memory(monkeypatch):
    monkeypatch.setattr("topokit.reconstruction._als.MEMORY_LIMIT", 2**9)
    with pytest.raises(TooLargeError, match="ALS of this topology needs .* itself 512 B; use Adam"):
        reconstruct(tk.topologies.hypercube(8, 2), gaussian(1, 8, 8), solver=ALS())
