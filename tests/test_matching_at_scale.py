"""Matching without a list of pairs: bits, draws, rounds, and networks where others give up."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from recipes import matrices
from scipy.sparse import csr_array
from scipy.sparse.csgraph import structural_rank
from strategies import layered_networks

import topokit as tk
from topokit import satisfiable_constraints
from topokit.layers import ancestors, descendants, from_bits, has_bit, to_bits
from topokit.scores import match_constraints
from topokit.scores.counts import _matching
from topokit.scores.counts._rectangles import merge_edges, sample_cells

laws = settings(max_examples=100)
t = tk.topologies


def reach(topology):
    """For each trainable edge, the inputs above it and the outputs below it."""
    layers = tk.to_layers(topology)
    up, down = ancestors(layers)[:-1], descendants(layers)[1:]
    edges = list(zip(*layers.columns[:3], strict=True))
    return (
        np.concatenate([a[s[free]] for a, (s, _, free) in zip(up, edges, strict=True)]),
        np.concatenate([b[r[free]] for b, (_, r, free) in zip(down, edges, strict=True)]),
    )


def check_assignment(matching, above, below):
    """The pairs differ, and a path of each runs through its edge."""
    edges = np.flatnonzero(matching.inputs >= 0)
    inputs, outputs = matching.inputs[edges], matching.outputs[edges]
    assert matching.size == len(edges) == len(np.unique(inputs * below.shape[1] + outputs))
    assert (above[edges, inputs] & below[edges, outputs]).all()


def check_cover(matching, above, below):
    """Whoever is not decisive meets crowded constraints only."""
    assert matching.crowded.sum() + matching.decisive.sum() == matching.size
    others = ~matching.decisive
    met = above[others].T.astype(np.float32) @ below[others].astype(np.float32) > 0
    assert not (met & ~matching.crowded).any()


def one_input(meets):
    """A network for any bipartite graph: edge `e` can settle the outputs in row `e`, no others."""
    joined = meets.any(axis=0)
    fixed = np.vstack([meets, ~joined])
    first = np.ones((1, len(fixed)), bool)
    free = first.copy()
    free[0, -1] = False
    return tk.from_masks([first, fixed], [free, np.zeros_like(fixed)])


def ladder(depth):
    """Rungs of two rows, both of which meet both columns of the next rung; a dead end.

    Row and column of a name are matched by whoever is greedy. The one row left, the last, leads
    into the ladder and to a chain of the same depth, which alone ends at a free column. A
    depth-first search that forgets dead ends takes 2^depth ways to the last rung (scipy issue
    26147).
    """
    rungs, chain = 2 * depth, depth
    meets = np.zeros((rungs + chain + 1, rungs + chain + 1), bool)
    for row in range(rungs):
        meets[row, row] = True
        meets[row, row // 2 * 2 + 2 : min(row // 2 * 2 + 4, rungs)] = True
    for row in range(rungs, rungs + chain):
        meets[row, row : row + 2] = True
    meets[-1, [0, 1, rungs]] = True
    return meets


@pytest.mark.parametrize("flip", [np.s_[:, :], np.s_[::-1, :], np.s_[:, ::-1], np.s_[::-1, ::-1]])
def test_dead_ends_do_not_multiply_on_a_ladder(flip):
    meets = ladder(100)[flip]
    network = one_input(meets)
    with mock.patch.object(_matching, "search_levels", wraps=_matching.search_levels) as searches:
        matching = match_constraints(network)
    assert matching.size == len(meets)
    check_assignment(matching, *reach(network))
    assert searches.call_count <= len(meets)


@pytest.mark.parametrize("depth", [2, 5, 8])
def test_ladders_have_a_perfect_matching(depth):
    assert structural_rank(csr_array(ladder(depth))) == len(ladder(depth))


@laws
@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_any_bipartite_graph_is_a_network_with_its_structural_rank(meets):
    assert satisfiable_constraints(one_input(meets)) == structural_rank(csr_array(meets))


@laws
@given(layered_networks())
def test_each_round_matches_one_edge_more_at_least(layers):
    with (
        mock.patch.object(_matching, "PROBES", 1),
        mock.patch.object(_matching, "search_levels", wraps=_matching.search_levels) as searches,
    ):
        size = satisfiable_constraints(layers)
    left = [int(call.args[1].sum()) for call in searches.call_args_list]
    assert all(after < before for before, after in zip(left, left[1:], strict=False))
    assert left[-1] == layers.n_trainable - size


families = {
    "butterfly": t.butterfly.layers(64, 8),
    "Clos": t.clos.layers(64, 64, 8, 10, 8),
    "torus": t.torus.layers((8, 8), 9),
    "hypercube": t.hypercube.layers(64, 10),
    "ring, crowded": t.small_world.layers(64, 16, 2, 0.0, seed=0),
    "wide ring, crowded": t.small_world.layers(64, 6, 6, 0.0, seed=0),
    "small world": t.small_world.layers(64, 12, 4, 0.1, seed=3),
    "low rank, crowded": t.low_rank.layers(48, 40, 30),
    "dense": t.dense.layers(40, 48),
    "random": t.erdos_renyi.layers([48] * 5, 0.15, seed=2),
    "random, one edge a neuron": t.random_regular.layers([64] * 6, 1, seed=1),
    "parallel butterfly": t.parallel_butterfly.layers(32, 5, 3),
    "RadiX-Net": t.radix_net.layers([[4, 4], [2, 8]]),
}


@pytest.mark.parametrize("probes", [1, 4])
@pytest.mark.parametrize("layers", families.values(), ids=families)
def test_families_have_the_structural_rank_of_their_jacobian(layers, probes):
    above, below = reach(layers)
    jacobian = csr_array((above[:, :, None] & below[:, None, :]).reshape(len(above), -1))
    with mock.patch.object(_matching, "PROBES", probes):
        matching = match_constraints(layers)
    assert matching.size == structural_rank(jacobian)
    check_assignment(matching, above, below)
    check_cover(matching, above, below)


large = {
    "butterfly, 20 layers": t.butterfly.layers(1024, 20),
    "Clos (32, 20, 32)": t.clos.layers(1024, 1024, 32, 20, 32),
    "torus 32 x 32, 12 layers": t.torus.layers((32, 32), 12),
}


@pytest.mark.parametrize("layers", large.values(), ids=large)
def test_a_thousand_inputs_find_a_constraint_for_each_edge(layers):
    matching = match_constraints(layers)
    assert matching.size == layers.n_trainable
    assert matching.decisive.all()
    assert not matching.crowded.any()
    check_assignment(matching, *reach(layers))


def test_a_crowded_ring_of_a_thousand_proves_that_every_reachable_pair_is_met():
    layers = t.small_world.layers(1024, 12, 2, 0.0, seed=0)
    matching = match_constraints(layers)
    product = np.linalg.multi_dot(matrices(layers))
    assert matching.size == (product > 0).sum() < layers.n_trainable
    assert np.array_equal(matching.crowded, product > 0)
    check_assignment(matching, *reach(layers))


def test_the_same_network_has_the_same_matching():
    layers = t.small_world.layers(64, 16, 2, 0.0, seed=0)
    first, second = match_constraints(layers), match_constraints(layers)
    assert first == second


@laws
@given(arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 150))))
def test_bits_are_the_flags(flags):
    bits = to_bits(flags)
    assert np.array_equal(from_bits(bits, flags.shape[1]), flags)
    rows, numbers = (array.ravel() for array in np.indices(flags.shape))
    assert np.array_equal(has_bit(bits, rows, numbers).reshape(flags.shape), flags)


@laws
@given(layered_networks(max_width=9, trainable=True), st.integers(1, 100))
def test_draws_differ_lie_in_their_rectangle_and_exhaust_it(layers, most):
    rectangles = merge_edges(layers)
    counts = np.minimum(rectangles.areas, most)
    group, cell = sample_cells(rectangles, counts, np.random.default_rng(0))
    above, below = reach(layers)
    members = [np.flatnonzero(rectangles.group == g)[0] for g in range(counts.size)]
    met = above[members][:, :, None] & below[members][:, None, :]
    drawn = np.zeros((counts.size, layers.n_in * layers.n_out), int)
    np.add.at(drawn, (group, cell), 1)
    assert np.array_equal(drawn.sum(axis=1), counts)
    assert drawn.max(initial=0) <= 1
    assert not drawn.reshape(met.shape)[~met].any()
    assert np.all(np.diff(group * layers.n_in * layers.n_out + cell) > 0)
