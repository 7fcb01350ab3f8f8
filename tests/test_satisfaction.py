"""Entries met by training lie below the degrees of freedom, and are met by whom one can check."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit._limits import TooLargeError
from topokit.layers import end_to_end_matrix
from topokit.reconstruction import Adam, Satisfaction, satisfy
from topokit.reconstruction._newton import polish

t = tk.topologies
QUICK = Adam(max_steps=1500, learning_rate=0.1)


def gaussian(n_targets: int, n_in: int, n_out: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_targets, n_in, n_out))


def dense_product(layers: tk.Layers, weights) -> np.ndarray:
    matrices = []
    for mask, senders, receivers, weight in zip(
        tk.to_masks(layers), layers.senders, layers.receivers, weights, strict=True
    ):
        matrices.append(np.zeros(mask.shape))
        matrices[-1][senders, receivers] = weight
    return reduce(np.matmul, matrices)


def run(topology, targets: np.ndarray, restarts: int = 2) -> Satisfaction:
    return satisfy(topology, targets, solver=QUICK, restarts=restarts)


def start(layers: tk.Layers, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = zip(layers.trainable, layers.constant, strict=True)
    return [np.where(free, rng.normal(size=free.size), fixed) for free, fixed in rows]


@given(layered_networks(max_width=5))
@settings(max_examples=100)
def test_from_any_weights_no_more_entries_are_met_than_there_are_degrees_of_freedom(layers):
    target = gaussian(1, layers.n_in, layers.n_out)[0]
    none = np.zeros(target.shape, bool)
    weights, met = polish(layers, start(layers), target, none)
    assert met.sum() <= tk.degrees_of_freedom(layers)
    error = abs(dense_product(layers, weights) - target)
    assert np.array_equal(met, error < 1e-9 * np.sqrt(np.mean(target**2)))
    for weight, free, fixed in zip(weights, layers.trainable, layers.constant, strict=True):
        assert np.array_equal(weight[~free], fixed[~free])


@given(layered_networks())
@settings(max_examples=50)
def test_a_matrix_of_the_network_itself_is_kept_whole(layers):
    weights = start(layers)
    target = end_to_end_matrix(layers, weights)
    if target.any():
        assert polish(layers, weights, target, np.ones(target.shape, bool)).met.all()


# Families with a choice of entries, or more weights than entries, reach the bound.
REACHED = {
    "dense": t.dense(4, 4),
    "dense + skip + diagonal": tk.with_diagonal(tk.with_skip(t.dense(4, 4))),
    "one output for each input": tk.from_masks([np.eye(4)] * 3),
    "tree from one input": tk.from_masks([np.ones((1, 2)), np.kron(np.eye(2), np.ones((1, 3)))]),
    "tree to one output": tk.from_masks([np.kron(np.eye(2), np.ones((3, 1))), np.ones((2, 1))]),
    "low rank 2": t.low_rank(8, 8, 2),
    "butterfly": t.butterfly(8),
    "butterfly + skip": tk.with_skip(t.butterfly(8)),
    "butterfly + skip + diagonal": tk.with_diagonal(tk.with_skip(t.butterfly(4))),
    "parallel butterfly": t.parallel_butterfly(4, 2, 2),
    "Clos": t.clos(8, 8, 4, 1, 4),
    "hypercube": t.hypercube(4, 2),
    "torus": t.torus((4, 2), 1),
    "random": t.erdos_renyi([4, 5, 4], 0.6, seed=0),
    "random regular": t.random_regular([8, 8, 8], 2, seed=0),
    "RadiX-Net": t.radix_net([[2, 2]]),
}


@pytest.mark.parametrize("topology", REACHED.values(), ids=REACHED)
def test_the_degrees_of_freedom_are_met_by_every_family(topology):
    layers = tk.to_layers(topology)
    targets = gaussian(2, layers.n_in, layers.n_out)
    found = run(topology, targets)
    assert found.n_met.tolist() == [tk.degrees_of_freedom(topology)] * 2
    for place, target in enumerate(targets):
        error = abs(dense_product(layers, [w[place] for w in found.weights]) - target)
        assert np.array_equal(found.met[place], error < 1e-9 * np.sqrt(np.mean(target**2)))


def test_the_matching_counts_entries_that_cannot_be_met_together():
    topology = t.butterfly(8)
    assert tk.satisfiable_constraints(topology) == 48
    assert run(topology, gaussian(4, 8, 8)).n_met.tolist() == [32] * 4


def test_over_the_reals_the_last_entry_hangs_on_a_discriminant():
    """[[1, a], [b, 1]] [[1, c], [d, 1]] has 4 weights, 4 entries, and a quadratic for one of them.

    With p, q, r, s the entries of W - 1: a d = p, a + c = q, b + d = r, b c = s. Eliminating b, c
    and d leaves r a^2 - (q r + p - s) a + p q = 0.
    """
    topology = tk.with_skip(t.butterfly(2, 2))
    assert tk.degrees_of_freedom(topology) == tk.satisfiable_constraints(topology) == 4
    targets = gaussian(12, 2, 2)
    (p, q), (r, s) = (targets - np.eye(2)).transpose(1, 2, 0)
    solvable = (q * r + p - s) ** 2 >= 4 * p * q * r
    assert 0 < solvable.sum() < 12
    assert np.array_equal(run(topology, targets, restarts=4).n_met, np.where(solvable, 4, 3))


def test_an_entry_whose_only_path_is_constant_is_met_only_by_chance_of_the_target():
    topology = tk.with_skip(t.butterfly(4, 2))
    target = gaussian(1, 4, 4)
    found = run(topology, target)
    assert not found.met[0].diagonal().any()
    assert found.n_met[0] == tk.degrees_of_freedom(topology) == 8
    target[0][np.diag_indices(4)] = 1.0
    found = run(topology, target)
    assert found.met[0].diagonal().all()
    assert found.n_met[0] == 12


@pytest.mark.parametrize("size", [4])
def test_behind_a_diagonal_layer_ratios_are_the_entries_less_one_an_output(size):
    topology = tk.with_diagonal(tk.with_skip(t.butterfly(size)))
    found = run(topology, gaussian(2, size, size))
    assert found.met.any(axis=1).all()
    assert np.array_equal(found.n_ratios, found.n_met - size)
    assert found.n_ratios.tolist() == [tk.degrees_of_freedom(topology) - size] * 2


@pytest.mark.parametrize("topology", REACHED.values(), ids=REACHED)
def test_a_diagonal_layer_adds_a_magnitude_where_the_last_layer_has_constants_and_nothing_else(
    topology,
):
    for network in (topology, tk.with_skip(topology)):
        layers = tk.to_layers(network)
        last = layers.receivers[-1][~layers.trainable[-1]]
        more = tk.degrees_of_freedom(tk.with_diagonal(network)) - tk.degrees_of_freedom(network)
        assert 0 <= more <= np.unique(last).size


def test_training_alone_comes_close_and_the_exact_count_is_at_least_as_many_here():
    topology = t.butterfly(8, 4)
    found = run(topology, gaussian(4, 8, 8))
    assert np.all(found.n_trained >= 0.75 * found.n_met)
    assert np.all(found.n_met == 40)


def test_the_tolerance_concerns_the_entries_met_by_training_alone():
    topology, targets = t.butterfly(8, 4), gaussian(2, 8, 8)
    fine, coarse = (
        satisfy(topology, targets, tolerance=tolerance, solver=QUICK, restarts=1)
        for tolerance in (1e-4, 1e-1)
    )
    assert np.all(fine.n_trained < coarse.n_trained)
    assert np.all(fine.trained <= coarse.trained)
    assert np.array_equal(fine.n_met, coarse.n_met)


def test_the_scale_of_the_targets_does_not_matter_where_all_edges_train():
    topology, targets = t.low_rank(4, 4, 1), gaussian(2, 4, 4)
    for scale in (1e-6, 1e6):
        assert run(topology, scale * targets).n_met.tolist() == [7, 7]


def test_the_same_key_gives_the_same_bytes():
    topology, targets = t.butterfly(4), gaussian(2, 4, 4)
    one, same = (satisfy(topology, targets, solver=QUICK, key=1) for _ in range(2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one.weights, same.weights, strict=True))


WRONG = {
    "tolerance": ({"tolerance": 0.0}, "tolerance must be a number in"),
    "restarts": ({"restarts": 0}, "restarts must be an integer of at least 1"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused_with_an_instruction(options, message):
    with pytest.raises(ValueError, match=message):
        satisfy(t.butterfly(4), gaussian(1, 4, 4), **options)


def test_targets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"targets must have shape \(4, 4\)"):
        satisfy(t.butterfly(4), gaussian(1, 4, 5))


def test_a_jacobian_beyond_memory_is_refused_before_training():
    with pytest.raises(TooLargeError, match=r"satisfy of this topology needs [\d.]+ GiB"):
        satisfy(t.butterfly.layers(128, 40), gaussian(1, 128, 128))
