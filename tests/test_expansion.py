"""Spectra of masks against decompositions, eigenvalues of walks and closed forms."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from networkx.algorithms import bipartite
from scipy.sparse import csr_array
from strategies import layered_networks

import topokit as tk
from topokit.scores import (
    graph_spectral_gap,
    mean_difference_of_bound,
    ramanujan_bounds,
    second_singular_values,
)
from topokit.scores.literature import _expansion as expansion
from topokit.topologies import (
    butterfly,
    clos,
    dense,
    erdos_renyi,
    hypercube,
    low_rank,
    random_regular,
    small_world,
    torus,
)

laws = settings(max_examples=80)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (dense.layers(5, 7), [0]),
        (dense.layers(5, 1), [0]),
        (butterfly.layers(8), [1, 1, 1]),
        (clos.layers(16, 16, 4, 2, 4), [1, 1, 1]),
        (hypercube.layers(32, 2), [4 / 6, 4 / 6]),
        (torus.layers((5,), 1), [(1 + 2 * np.cos(2 * np.pi / 5)) / 3]),
    ],
    ids=["dense", "one output", "butterfly", "clos", "hypercube", "ring"],
)
def test_second_singular_values_of_known_layers(layers, expected):
    np.testing.assert_allclose(second_singular_values(layers), expected, atol=1e-12)


@pytest.mark.parametrize("cells", [0, 2**20], ids=["Lanczos", "dense"])
@pytest.mark.parametrize(
    "layers",
    [
        random_regular.layers([40, 60, 30], 6, seed=0),
        small_world.layers(32, 1, 4, 0.0, seed=0),
        torus.layers((6, 4), 2),
        clos.layers(12, 12, 3, 4, 2),
    ],
    ids=["regular", "ring", "torus", "clos"],
)
def test_second_singular_values_are_those_of_numpy_over_the_first(layers, cells, monkeypatch):
    monkeypatch.setattr(expansion, "DENSE_CELLS", cells)
    values = [np.linalg.svd(mask.astype(float), compute_uv=False) for mask in tk.to_masks(layers)]
    expected = [v[1] / v[0] for v in values]
    np.testing.assert_allclose(second_singular_values(layers), expected, rtol=1e-6)


def test_second_singular_value_of_an_irregular_layer_is_that_of_the_random_walk():
    """The walk sender - receiver - sender has the squared singular values as eigenvalues."""
    mask = tk.to_masks(erdos_renyi.layers([30, 20], 0.3, seed=0))[0].astype(float)
    out, back = mask / mask.sum(axis=1)[:, None], mask.T / mask.sum(axis=0)[:, None]
    eigenvalues = np.sort(np.linalg.eigvals(out @ back).real)
    layers = erdos_renyi.layers([30, 20], 0.3, seed=0)
    np.testing.assert_allclose(second_singular_values(layers) ** 2, eigenvalues[-2], rtol=1e-9)


def test_the_ramanujan_bound_of_biregular_layers():
    layers = random_regular.layers([64, 64, 32], 8, seed=0)
    expected = [2 * np.sqrt(7) / 8, (np.sqrt(7) + np.sqrt(3)) / np.sqrt(8 * 4)]
    np.testing.assert_allclose(ramanujan_bounds(layers), expected)


@laws
@given(layered_networks())
def test_second_singular_values_of_any_layer_lie_between_zero_and_one(layers):
    second = second_singular_values(layers)
    assert second.shape == (layers.depth,)
    assert (second > -1e-12).all()
    assert (second < 1 + 1e-12).all()


@laws
@given(layered_networks())
def test_the_gap_of_the_graph_is_the_second_eigenvalue_of_the_normalized_laplacian(layers):
    graph = tk.from_layers(layers).to_undirected()
    graph.remove_nodes_from(list(nx.isolates(graph)))
    laplacian = nx.normalized_laplacian_matrix(graph, weight=None).toarray()
    # A single edge has an eigenvalue of 2; no other bipartite graph a second one above 1.
    expected = min(1, np.linalg.eigvalsh(laplacian)[1])
    assert graph_spectral_gap(layers) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cells", [0, 2**20], ids=["Lanczos", "dense"])
@pytest.mark.parametrize("depth", [4, 7, 10])
def test_the_gap_of_regular_layers_that_mix_knows_only_the_depth(depth, cells, monkeypatch):
    """A cosine along the layers is an eigenvector: the walk on a path of neurons."""
    monkeypatch.setattr(expansion, "DENSE_CELLS", cells)
    for layers in (
        hypercube.layers(32, depth),
        random_regular.layers([32] * depth + [32], 6, seed=0),
    ):
        assert graph_spectral_gap(layers) == pytest.approx(1 - np.cos(np.pi / depth), abs=1e-9)


@pytest.mark.parametrize("layers", [dense.layers(5, 7), low_rank.layers(6, 4, 3)])
def test_a_complete_bipartite_graph_has_a_gap_of_one(layers):
    assert graph_spectral_gap(layers) == 1


def test_a_network_in_parts_has_no_gap():
    assert graph_spectral_gap(tk.from_masks([np.eye(4)] * 3)) == pytest.approx(0, abs=1e-12)


def differences(mask: np.ndarray) -> list[float]:
    """By the definition: the bound less the third largest magnitude among the eigenvalues."""
    found = []
    for degree in set(mask.sum(axis=1)):
        part = mask[mask.sum(axis=1) == degree]
        part = part[:, part.any(axis=0)]
        mean = part.sum() / max(1, part.shape[1])
        if len(part) >= 3 and degree >= 3 and mean >= 3:
            graph = bipartite.from_biadjacency_matrix(csr_array(part))
            third = np.sort(abs(nx.adjacency_spectrum(graph)))[-3]
            found.append(np.sqrt(degree - 1) + np.sqrt(mean - 1) - third)
    return found


@laws
@given(layered_networks(max_width=12, max_depth=3))
def test_the_difference_of_bound_is_that_of_the_eigenvalues_of_each_part(layers):
    each = [differences(mask.astype(float)) for mask in tk.to_masks(layers)]
    means = [np.mean(found) for found in each if found]
    expected = pytest.approx(np.mean(means), abs=1e-9) if means else None
    assert mean_difference_of_bound(layers) == expected


@pytest.mark.parametrize("cells", [0, 2**20], ids=["Lanczos", "dense"])
@pytest.mark.parametrize(
    "layers",
    [random_regular.layers([40, 60, 30], 6, seed=0), erdos_renyi.layers([90, 40], 0.3, seed=1)],
    ids=["regular", "irregular"],
)
def test_the_difference_of_bound_is_one_for_small_and_large_layers(layers, cells, monkeypatch):
    monkeypatch.setattr(expansion, "DENSE_CELLS", cells)
    expected = np.mean([np.mean(differences(mask.astype(float))) for mask in tk.to_masks(layers)])
    assert mean_difference_of_bound(layers) == pytest.approx(expected, rel=1e-6)


def test_the_difference_of_bound_of_regular_layers_is_the_margin_times_the_first_singular_value():
    layers = random_regular.layers([64, 64, 64], 8, seed=0)
    margin = ramanujan_bounds(layers) - second_singular_values(layers)
    assert mean_difference_of_bound(layers) == pytest.approx(8 * margin.mean(), rel=1e-9)


@pytest.mark.parametrize("cells", [0, 2**20], ids=["Lanczos", "dense"])
def test_a_dense_layer_meets_the_bound_as_far_as_can_be(cells, monkeypatch):
    monkeypatch.setattr(expansion, "DENSE_CELLS", cells)
    expected = np.sqrt(7 - 1) + np.sqrt(5 - 1)
    assert mean_difference_of_bound(dense.layers(5, 7)) == pytest.approx(expected)


def test_at_degree_two_the_bound_holds_of_everything_and_parts_are_left_out():
    layers = butterfly.layers(16)
    np.testing.assert_allclose(second_singular_values(layers), ramanujan_bounds(layers))
    assert mean_difference_of_bound(layers) is None
