"""The canonical K: against programs that other methods solve, by its laws, on every default."""

from itertools import accumulate, islice, pairwise
from typing import Any, NamedTuple

import clarabel
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths
from scipy import sparse
from scipy.optimize import nnls
from strategies import layered_networks

import topokit as tk
from topokit import controllability
from topokit.ranking import default_topologies
from topokit.scores import control_bound, control_capacity
from topokit.scores.control import _bound, _canonical, primal_dual
from topokit.scores.control import _control_network as _network
from topokit.scores.control._canonical import STEPS_AT_ONCE
from topokit.scores.control._even_flow import flow_evenly
from topokit.scores.control._flow_network import neuron_by_neuron
from topokit.scores.control._flow_plan import plan_evenly, share_evenly

t = tk.topologies
# The weight of constraints as rows of least squares: they are missed by one over its square.
HEAVY = 1e3
DEFAULT = default_topologies(1152)  # where all of them can be even
laws = settings(max_examples=12)


def random_constants(layers, share, seed):
    """The same wiring with a share of its edges constant."""
    rng = np.random.default_rng(seed)
    free = [rng.random(s.size) > share for s in layers.senders]
    return tk.make_layers(layers.widths, layers.senders, layers.receivers, trainable=free)


# Regular and not, shallow and not; in those named "crowded" some K cannot be even.
NETWORKS = {
    "torus": t.torus.layers((4, 3), 2),
    "hypercube": t.hypercube.layers(8, 2),
    "low rank": t.low_rank.layers(7, 5, 3),
    "full": t.low_rank.layers(6, 6, 5),
    "one layer": t.random_regular.layers([6, 9], 3, seed=1),
    "skip": tk.with_skip(t.small_world.layers(8, 3, 2, 0.3, seed=2)),
    "rectangular": t.erdos_renyi.layers([8, 12, 6, 9], 0.4, seed=3),
    "crowded": t.erdos_renyi.layers([16, 16, 16], 0.2, seed=1),
    "crowded, deeper": t.random_regular.layers([12, 12, 12, 12], 2, seed=1),
    "crowded, constants": random_constants(t.erdos_renyi.layers([10] * 4, 0.4, seed=5), 0.6, 4),
}


class Flows(NamedTuple):
    """Constraints on flows of each input, `left x <= right`, and the K that flows come to."""

    left: np.ndarray
    right: np.ndarray
    entries: np.ndarray
    totals: np.ndarray


def fairest(layers, least):
    """The canonical K by two quadratic programs over flows of each input, dead ends included.

    The first makes the loss least, the second the sum of squares among K with these totals. They
    share nothing with the package but the recipe; `least` solves them.
    """
    left, right, entries, totals = program(layers)
    n, m = layers.n_in, layers.n_out
    x = least(totals, np.full(m, n - 1.0), left, right, np.zeros((0, left.shape[1])), np.zeros(0))
    x = least(entries, np.zeros(n * m), left, right, totals, totals @ x)
    return (entries @ x).reshape(n, m)


def program(layers):
    """All flows that there are."""
    n, m = layers.n_in, layers.n_out
    first = list(accumulate(layers.widths, initial=0))
    senders = np.concatenate([first[d] + s for d, s in enumerate(layers.senders)])
    receivers = np.concatenate([first[d + 1] + r for d, r in enumerate(layers.receivers)])
    free = np.concatenate(layers.trainable)
    neurons, edges = first[-1], senders.size
    reach = np.linalg.matrix_power(_adjacency(senders, receivers, neurons), layers.depth + 1)[:n].T
    carries = reach[senders].any(axis=1) & _leads_on(senders, receivers, neurons, m)
    fan_in = np.bincount(receivers[carries], minlength=neurons)
    own = np.bincount(receivers[carries & free], minlength=neurons)
    gain, room = np.maximum(np.minimum(own, fan_in - 1), 0), np.maximum(reach.sum(axis=1) - 1, 0)
    outputs = np.arange(neurons - m, neurons)
    carried, added, K = np.split(np.eye(edges + neurons + m), [edges, edges + neurons])
    held, arrived = np.zeros((2, neurons, edges + neurons + m))
    np.add.at(held, np.concatenate([senders, outputs]), np.concatenate([carried, K]))
    np.add.at(arrived, receivers, carried)
    each, all_ = np.eye(n), np.ones((1, n))
    rows = [
        (np.kron(each, held - arrived - added), np.zeros(n * neurons)),
        (np.kron(each, added), (reach * gain[:, None]).T.ravel()),
        (np.kron(all_, added), gain),
        (np.kron(all_, held), room),
    ]
    left, right = (np.concatenate(column) for column in zip(*rows, strict=True))
    entries, totals = np.kron(each, K), np.kron(all_, K)
    return Flows(left, right, entries, totals)


def by_active_set(rows, wanted, left, right, sums, given):
    """The x >= 0 with `left x <= right`, `sums x = given` and least `|rows x - wanted|`.

    Lawson and Hanson's active sets, with slacks, and constraints as heavy rows.
    """
    slacks = [np.zeros((len(rows), len(left))), np.eye(len(left)), np.zeros((len(sums), len(left)))]
    weights = np.repeat([1, HEAVY, HEAVY], [len(part) for part in slacks])
    whole = np.block([[rows, slacks[0]], [left, slacks[1]], [sums, slacks[2]]])
    goal = np.concatenate([wanted, right, given])
    return nnls(weights[:, None] * whole, weights * goal, maxiter=10**5)[0][: left.shape[1]]


def by_interior_points(rows, wanted, left, right, sums, given):
    """The same by a cone program, equations and bounds as cones of their own."""
    n = left.shape[1]
    constraints = sparse.csc_array(np.concatenate([sums, left, -np.eye(n)]))
    limits = np.concatenate([given, right, np.zeros(n)])
    program: Any = clarabel  # compiled: the type checker sees none of its names
    cones = [program.ZeroConeT(len(sums)), program.NonnegativeConeT(len(left) + n)]
    settings = program.DefaultSettings()
    settings.verbose = False
    quadratic, linear = sparse.csc_array(2 * rows.T @ rows), -2 * rows.T @ wanted
    solver = program.DefaultSolver(quadratic, linear, constraints, limits, cones, settings)
    return np.array(solver.solve().x)


def _adjacency(senders, receivers, neurons):
    """Which neurons lead to which in one step or none."""
    steps = np.eye(neurons, dtype=bool)
    steps[senders, receivers] = True
    return steps


def _leads_on(senders, receivers, neurons, m):
    steps = _adjacency(senders, receivers, neurons)
    paths = np.linalg.matrix_power(steps, neurons)
    return np.any(paths[:, neurons - m :], axis=1)[receivers]


# ---- Against the quadratic program, and host against device


@pytest.mark.parametrize("name", NETWORKS)
def test_canonical_K_is_that_of_the_quadratic_program(name):
    found = controllability(NETWORKS[name])
    np.testing.assert_allclose(found.K, fairest(NETWORKS[name], by_interior_points), atol=5e-4)
    assert found.gap <= 1e-4


@pytest.mark.parametrize("name", ["hypercube", "low rank", "full", "one layer", "skip"])
def test_canonical_K_is_that_of_active_sets(name):
    K = controllability(NETWORKS[name]).K
    np.testing.assert_allclose(K, fairest(NETWORKS[name], by_active_set), atol=5e-4)


@pytest.mark.parametrize("name", ["torus", "crowded, deeper"])
def test_the_search_takes_the_same_steps_on_the_host_and_on_a_device(name):
    control = _network.make_network(NETWORKS[name])
    totals, network = _bound.least_totals(control), neuron_by_neuron(control)
    problem = primal_dual.make_problem(network, totals.taken)
    start = plan_evenly(network, totals.taken)
    found, moved = primal_dual.improve_on_host(
        50, problem, primal_dual.begin_on_host(problem, start)
    )
    other, also = primal_dual.improve_on_device(
        50, problem, primal_dual.begin_on_host(problem, start)
    )
    assert moved == pytest.approx(float(also), abs=1e-5)
    assert moved > 0
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


def test_large_networks_are_searched_on_a_device_and_give_the_same_K(monkeypatch):
    layers, used = NETWORKS["crowded"], []
    K, device = controllability(layers).K, primal_dual.improve_on_device
    monkeypatch.setattr(_canonical, "LARGE", 0)
    monkeypatch.setattr(primal_dual, "improve_on_device", lambda *a: used.append(a) or device(*a))
    np.testing.assert_allclose(controllability(layers).K, K, atol=1e-4)
    assert used


@pytest.mark.parametrize("seed", range(3))
def test_the_search_goes_pair_by_pair_where_few_inputs_reach_a_neuron_and_finds_the_same_K(seed):
    control = _network.make_network(t.random_regular.layers([48, 24, 16], 3, seed=seed))
    totals, sizes = _bound.least_totals(control), _canonical._count_bytes(control)
    laid_out = _canonical._lay_out(control, totals, sizes)
    assert laid_out is not None
    assert laid_out[0].reach.shape == (np.count_nonzero(control.reach), 1)
    pair_by_pair, whole = (
        _canonical._search(*flows, control.n_in, steps=10_000)
        for flows in (laid_out, (neuron_by_neuron(control), totals))
    )
    assert pair_by_pair.converged
    assert whole.converged
    np.testing.assert_allclose(pair_by_pair.K, whole.K, atol=1e-3 * whole.K.max())


@laws
@given(layered_networks(max_width=4, max_depth=3))
def test_canonical_K_is_that_of_the_quadratic_program_on_random_networks(layers):
    np.testing.assert_allclose(controllability(layers).K, fairest(layers, by_active_set), atol=1e-3)


def test_crowded_inputs_keep_K_from_being_even():
    layers = NETWORKS["crowded"]
    result = controllability(layers)
    joined = count_paths(layers) > 0
    even = joined * result.K.sum(axis=0) / joined.sum(axis=0)
    assert np.abs(result.K - even).max() > 0.1
    assert len(result.losses) > 1


# ---- Even flows


@laws
@given(layered_networks(max_width=4, max_depth=3), st.integers(1, 8))
def test_what_even_flows_come_to_is_possible_after_any_sweep(layers, sweeps):
    control = _network.make_network(layers)
    network, totals = neuron_by_neuron(control), _bound.least_totals(control)
    ideal = share_evenly(network, totals.taken)
    found = list(islice(flow_evenly(network, ideal), sweeps))[-1]
    assert (found <= ideal).all()
    K = network.expand(found)[:, control.kind].T.astype(float)
    left, right, entries, _ = program(layers)
    none = np.zeros((0, left.shape[1]))
    x = by_active_set(entries, K.ravel(), left, right, none, none[:, 0])
    np.testing.assert_allclose((entries @ x).reshape(K.shape), K, atol=1e-4)


def test_neurons_that_are_full_from_the_start_divide_nothing_by_zero():
    widths, free = (1, 1, 2, 2, 1, 1, 1, 1), (0, 1, 0, 1, 0, 1, 0)
    masks = [np.ones(pair) for pair in pairwise(widths)]
    G = tk.from_masks(masks, [np.full(m.shape, bool(x)) for m, x in zip(masks, free, strict=True)])
    assert controllability(G).total == 0


EVEN = {
    "random": t.random_regular.layers([32] * 4, 5, seed=0),
    "small world": t.small_world.layers(24, 3, 4, 0.2, seed=1),
    "some full": tk.with_skip(t.small_world.layers(8, 3, 2, 0.3, seed=2)),
    "rectangular": t.erdos_renyi.layers([24, 40, 18], 0.4, seed=3),
    "torus": t.torus.layers((5, 5), 3),
    "all full": t.torus.layers((3, 3), 6),
}


@pytest.mark.parametrize("name", EVEN)
def test_even_flows_come_to_the_K_that_a_search_finds(name):
    control = _network.make_network(EVEN[name])
    network, totals = neuron_by_neuron(control), _bound.least_totals(control)
    even = _canonical._spread(network, totals, control.n_in)
    searched = _canonical._search(network, totals, control.n_in, steps=10_000)
    assert even is not None
    assert even.converged
    assert searched.converged
    np.testing.assert_allclose(even.K, searched.K, atol=1e-3)
    assert even.losses[-1] == pytest.approx(searched.losses[-1], rel=1e-4, abs=1e-3)


@laws
@given(layered_networks(max_width=5, max_depth=3))
def test_no_even_flow_is_found_where_K_cannot_be_even(layers):
    control = _network.make_network(layers)
    network, totals = neuron_by_neuron(control), _bound.least_totals(control)
    even = _canonical._spread(network, totals, control.n_in)
    if even is not None:
        searched = _canonical._search(network, totals, control.n_in, steps=10_000)
        np.testing.assert_allclose(even.K, searched.K, atol=1e-3)


def test_an_even_K_needs_no_room_for_edges(monkeypatch):
    """A search takes 27 MB here, what neurons hold of each input 3."""
    layers = t.butterfly.layers(256, 8)
    expected = controllability(layers)
    monkeypatch.setattr(_canonical, "LIMIT", 2**22)
    found = controllability(layers)
    assert found.converged
    assert np.array_equal(found.K, expected.K)


def test_an_uneven_K_that_does_not_fit_is_refused_after_the_even_one_is_tried(monkeypatch):
    layers, tried = NETWORKS["crowded"], []
    sizes = _canonical._count_bytes(_network.make_network(layers))
    limit = (sizes.tables + min(sizes.whole, sizes.by_pair)) // 2
    assert sizes.tables < limit
    monkeypatch.setattr(_canonical, "LIMIT", limit)
    spread = _canonical._spread
    monkeypatch.setattr(_canonical, "_spread", lambda *a: tried.append(a) or spread(*a))
    with pytest.raises(ValueError, match=r"needs .* of memory .*control_bound"):
        controllability(layers)
    assert tried


# ---- The default topologies


@pytest.mark.parametrize("topology", DEFAULT.values(), ids=DEFAULT)
def test_every_default_topology_has_an_even_K_and_a_certificate(topology):
    result = controllability(topology)
    assert result.gap <= 1e-4
    np.testing.assert_allclose(
        result.K, np.broadcast_to(result.K.mean(axis=0), (32, 32)), atol=5e-4
    )


def test_an_even_K_that_proves_possible_takes_no_step():
    for layers in (
        t.butterfly.layers(32, 18),
        t.clos.layers(32, 32, 8, 9, 8),
        t.dense.layers(4, 3),
    ):
        assert controllability(layers).losses.shape == (1,)


@pytest.mark.parametrize(("n", "depth"), [(8, 3), (8, 7), (32, 8), (64, 20)])
def test_a_butterfly_gives_every_pair_its_share_of_one_ratio_a_neuron(n, depth):
    """Each neuron adds one ratio, and all of them arrive while no output has `n - 1`."""
    K = controllability(t.butterfly.layers(n, depth)).K
    np.testing.assert_allclose(K, np.full((n, n), depth / n), atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "deviation"),
    [(t.torus.layers((8, 4), 4), 0.2152), (t.hypercube.layers(32, 3), 0.2252)],
)
def test_the_unevenness_of_shallow_lattices_is_that_of_their_reach(layers, deviation):
    K = controllability(layers).K
    assert K.std() == pytest.approx(deviation, abs=1e-4)
    joined = count_paths(layers) > 0
    np.testing.assert_allclose(K, joined * K.sum(axis=0) / joined.sum(axis=0), atol=5e-4)


# ---- Laws


@laws
@given(layered_networks(max_width=5, max_depth=3))
def test_canonical_K_keeps_every_bound(layers):
    result = controllability(layers)
    joined = count_paths(layers) > 0
    assert (result.K >= 0).all()
    assert result.K.max() <= layers.n_in - 1 + 1e-5
    assert (result.K[~joined] == 0).all()
    assert (result.K.sum(axis=0) <= (joined.sum(axis=0) - 1) * (1 + 1e-5)).all()
    assert result.total == pytest.approx(control_capacity(layers), rel=1e-4, abs=1e-4)
    assert result.bound <= result.loss
    assert result.gap <= 1e-4


@laws
@given(layered_networks(max_width=6, max_depth=3), st.integers(0, 2**32 - 1))
def test_canonical_K_follows_its_inputs_and_outputs_through_a_relabeling(layers, seed):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(width) for width in layers.widths]
    relabeled = tk.make_layers(
        layers.widths,
        [o[s] for o, s in zip(orders, layers.senders, strict=False)],
        [o[r] for o, r in zip(orders[1:], layers.receivers, strict=True)],
        trainable=layers.trainable,
        constant=[np.where(f, 1, c) for f, c in zip(*layers.columns[2:], strict=True)],
    )
    K = controllability(relabeled).K[np.ix_(orders[0], orders[-1])]
    np.testing.assert_allclose(K, controllability(layers).K, atol=1e-3)


def test_no_descent_has_a_lower_loss_or_at_that_loss_a_lower_sum_of_squares():
    layers = NETWORKS["crowded, deeper"]
    canonical = controllability(layers)
    for seed in (0, 1, 2):
        plain = controllability(layers, fairness=False, key=seed, learning_rate=0.1)
        assert canonical.loss <= plain.loss * (1 + 1e-4)
        assert (canonical.K**2).sum() < (plain.K**2).sum()


def test_the_key_has_no_part_in_it():
    layers = NETWORKS["crowded, deeper"]
    results = [controllability(layers, key=key) for key in (None, 7, jax.random.key(3))]
    assert all(np.array_equal(results[0].K, result.K) for result in results)


# ---- Arguments


def test_steps_bound_the_search_and_what_it_returns_is_possible():
    layers = NETWORKS["crowded"]
    few, enough = controllability(layers, steps=60), controllability(layers)
    assert few.losses.shape == (3,)
    assert 3 < enough.losses.shape[0] <= 10_000 // STEPS_AT_ONCE
    assert enough.converged
    assert not few.converged
    assert few.total <= control_capacity(layers) * (1 + 1e-6)
    assert few.loss >= enough.bound


@pytest.mark.parametrize("fairness", [True, 1, 0.01])
def test_any_positive_fairness_is_fair(fairness):
    layers = NETWORKS["torus"]
    assert np.array_equal(controllability(layers, fairness=fairness).K, controllability(layers).K)


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(_canonical, "LIMIT", 2**20)
    with pytest.raises(
        ValueError, match=r"needs .* MiB of memory .* itself 1 MiB; .*control_bound"
    ):
        controllability(t.butterfly.layers(256, 8))


def test_totals_and_who_reaches_whom_are_refused_before_they_are_taken(monkeypatch):
    layers = t.random_regular.layers([200] * 4, 3, seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(_bound, "LIMIT", 2**18)
        with pytest.raises(ValueError, match=r"control_bound .* topokit\.structure"):
            control_bound(layers)
    monkeypatch.setattr(_network, "LIMIT", 2**10)
    with pytest.raises(ValueError, match=r"controllability .* topokit\.structure"):
        control_bound(layers)


def test_rounding_does_not_keep_a_large_full_network_from_converging():
    """Its loss is 0 but for what sums of a thousand terms lose in single precision."""
    result = controllability(t.dense.layers(1000, 1000))
    assert result.converged
    assert result.losses.shape == (1,)
    assert result.total == pytest.approx(999_000, rel=1e-6)


def test_a_large_regular_network_is_a_matter_of_a_few_kinds():
    """1,024 inputs of 32 routers: K has 2^20 entries, all alike."""
    result = controllability(t.clos.layers(1024, 1024, 32, 20, 32))
    assert result.gap <= 1e-9
    np.testing.assert_allclose(result.K, result.total / 2**20, rtol=1e-5)


def test_double_precision_changes_nothing() -> None:
    topology = tk.topologies.torus.layers((4, 2), 2)
    with jax.enable_x64(True):
        double = tk.controllability(topology)
    single = tk.controllability(topology)
    np.testing.assert_allclose(double.K, single.K, atol=1e-5)
    assert single.K.std() > 0.05, "an even K is found without a search"
