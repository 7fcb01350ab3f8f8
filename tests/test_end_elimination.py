"""Elimination of the end layers by blocks, against whole matrices in other fields."""

import numpy as np
import pytest
from flint import nmod_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import layered_networks

import topokit as tk
from topokit import degrees_of_freedom
from topokit._limits import TooLargeError
from topokit.layers import draw_xavier, edge_factors
from topokit.scores.freedom import _degrees_of_freedom
from topokit.scores.freedom._end_pivots import find_pivots
from topokit.scores.freedom._rank_mod_p import PRIME, times
from topokit.scores.freedom._row_by_row import all_independent, see
from topokit.scores.freedom._sparse_residues import ENTRIES, SparseResidues

t = tk.topologies
few = settings(max_examples=60)


def rank(matrix):
    rows, columns = matrix.shape
    return nmod_mat(rows, columns, (matrix % PRIME).ravel().tolist(), PRIME).rank()


def numerical_rank(layers):
    """Of the dense Jacobian, its columns of length 1, at random real weights."""
    weights = draw_xavier(layers, np.random.default_rng(3))
    a, b = edge_factors(layers, weights, layers.trainable)
    columns = np.einsum("ei,eo->ioe", a, b).reshape(-1, len(a))
    lengths = np.linalg.norm(columns, axis=0)
    return int(np.linalg.matrix_rank(columns[:, lengths > 0] / lengths[lengths > 0], tol=1e-9))


default = tk.ranking.default_topologies(150, n=16)


@pytest.mark.parametrize("name", default)
def test_default_topologies_have_the_rank_that_floats_see(name):
    layers = tk.to_layers(default[name])
    assert degrees_of_freedom(layers) == numerical_rank(layers)


@few
@given(st.data())
def test_pivots_settle_every_owner_within_the_places(data):
    owners, neighbors, places = (data.draw(st.integers(1, 6)) for _ in range(3))
    joined = data.draw(arrays(bool, (owners, neighbors)))
    values = data.draw(arrays(np.int64, (neighbors, places), elements=st.integers(0, 3)))
    own, near = np.nonzero(joined)
    found = find_pivots(own, near, values)
    solution = np.zeros((found.n_rows, neighbors), object)
    rows, columns, entries = found.solution
    solution[rows, columns] = entries
    for owner in range(owners):
        mine = found.owners == owner
        # As many pivots as the rows of its neighbors have independent ones ...
        assert mine.sum() == rank(values[joined[owner]]) if joined[owner].any() else not mine.any()
        # ... where the solution makes a unit matrix of them, by its neighbors alone.
        taken = solution[found.rows[mine]]
        assert not taken[:, ~joined[owner]].any()
        at_pivots = taken @ values[:, found.places[found.columns[mine]]] % PRIME
        assert np.array_equal(at_pivots, np.eye(mine.sum(), dtype=int))


def test_products_of_residues_are_exact_entry_by_entry():
    half = PRIME // 2
    some = np.array([0, 1, -1, half, -half, half - 2**14, 2**15, 12345678])
    x, y = (part.ravel() for part in np.meshgrid(some, some))
    expected = [int(a) * int(b) % PRIME for a, b in zip(x, y, strict=True)]
    assert (times(x * 1.0, y * 1.0).astype(int) % PRIME).tolist() == expected


@pytest.mark.parametrize("entries", [1, ENTRIES, ENTRIES + 1, 3 * ENTRIES])
def test_sparse_products_of_the_largest_residues_are_exact(entries):
    half = PRIME // 2
    rows, columns = np.repeat([0, 2], entries), np.tile(np.arange(entries), 2)
    matrix = SparseResidues(rows, columns, np.repeat([half, -half], entries), (3, entries))
    found = matrix @ np.full((entries, 2), float(half))
    expected = [[sign * half * half * entries % PRIME] * 2 for sign in (1, 0, -1)]
    assert (found.astype(int) % PRIME).tolist() == expected


@pytest.mark.parametrize(
    ("layers", "wasted"),
    [
        (t.torus.layers((16, 16), 2), 0),
        (t.random_regular.layers([256, 256, 256], 8, seed=0), 0),
        (t.low_rank.layers(256, 200, 40), 40 * 39),
        (t.clos.layers(64, 64, 8, 6, 8), 0),
        (t.butterfly.layers(64), 0),
    ],
)
def test_wide_networks_waste_what_theory_says(layers, wasted):
    """All but one scale a hidden neuron, and of low rank all but an invertible matrix."""
    assert degrees_of_freedom(layers) == layers.n_trainable - sum(layers.widths[1:-1]) - wasted


def proven(layers):
    """Whether probes of rows prove all columns that are left independent, and whether they are."""
    found = _degrees_of_freedom._Elimination(layers)
    args = layers, found.ends
    return (
        all_independent(*args, found.readers, see(*args)),
        found.by_all() == found.ends.rank + found.ends.n_kept,
    )


@few
@given(layered_networks(max_depth=4).filter(lambda layers: layers.depth > 1))
def test_probes_of_rows_prove_nothing_that_is_not_so(layers):
    proof, truth = proven(layers)
    assert truth or not proof


@pytest.mark.parametrize(
    "layers",
    [
        t.clos.layers(64, 64, 8, 6, 8),
        t.clos.layers(48, 32, 8, 4, 4),
        t.random_regular.layers([64] * 4, 5, seed=0),
        t.random_regular.layers([48] * 3, 6, seed=1),
        t.butterfly.layers(64),
        tk.with_skip(t.random_regular.layers([64] * 4, 6, seed=0)),
    ],
)
def test_probes_of_rows_prove_what_wastes_nothing(layers):
    assert proven(tk.to_layers(layers)) == (True, True)


def test_probes_of_rows_do_not_prove_a_narrow_network_independent():
    assert proven(tk.to_layers(tk.from_masks([np.ones(n) for n in ((9, 3), (3, 3), (3, 9))]))) == (
        False,
        False,
    )


def test_counting_stops_where_it_would_take_more_than_allowed():
    layers = t.random_regular.layers([24] * 4, 4, seed=0)
    assert _degrees_of_freedom.count_quickly(layers, np.inf) == degrees_of_freedom(layers)
    assert _degrees_of_freedom.count_quickly(layers, 1) is None
    assert _degrees_of_freedom.count_quickly(tk.to_layers(t.dense(4, 4)), 0) == 16


def test_what_is_left_is_refused_once_it_is_known(monkeypatch):
    """Edges into outputs with pivots are more than the shapes say."""
    layers = t.random_regular.layers([64] * 4, 8, seed=0)
    asked = []
    monkeypatch.setattr(_degrees_of_freedom, "check_memory", lambda _, n, *__: asked.append(n))
    degrees_of_freedom(layers)
    monkeypatch.undo()
    least, known = asked
    assert least < known
    monkeypatch.setattr(_degrees_of_freedom, "LIMIT", (least + known) // 2)
    monkeypatch.setattr(_degrees_of_freedom, "make_readers", None)
    with pytest.raises(TooLargeError, match="degrees_of_freedom"):
        degrees_of_freedom(layers)
    assert _degrees_of_freedom.count_quickly(layers, np.inf) is None
