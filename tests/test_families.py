"""Every regular family against its closed forms and against the graphs it is named after."""

from functools import reduce
from itertools import pairwise
from math import comb, prod
from typing import NamedTuple

import networkx as nx
import numpy as np
import pytest
from recipes import count_paths

import topokit as tk
from topokit.scores import bandwidth
from topokit.topologies import (
    Family,
    block_diagonal,
    butterfly,
    clos,
    dense,
    diagonals,
    families,
    hypercube,
    low_rank,
    monarch,
    parallel_butterfly,
    radix_net,
    rectangular_butterfly,
    torus,
)


class Case(NamedTuple):
    """One topology with the invariants that its closed forms promise."""

    family: Family
    arguments: tuple
    edges: int
    fan_ins: list[int]
    fan_outs: list[int]
    paths: int | np.ndarray
    bandwidth: int


def butterfly_paths(n: int, depth: int) -> np.ndarray:
    """Every layer flips or keeps one bit; bits above `depth` never change."""
    high = np.arange(n) >> depth
    return (high[:, None] == high) * max(1, 2**depth // n)


def hypercube_paths(n: int, depth: int) -> np.ndarray:
    """Powers of the eigenvalues, weighed by Krawtchouk polynomials of the Hamming distance."""
    m = n.bit_length() - 1
    counts = [
        sum(krawtchouk(m, k, h) * (m + 1 - 2 * k) ** depth for k in range(m + 1)) // n
        for h in range(m + 1)
    ]
    distance = [[(i ^ o).bit_count() for o in range(n)] for i in range(n)]
    return np.array(counts)[distance]


def krawtchouk(m: int, k: int, h: int) -> int:
    return sum((-1) ** j * comb(h, j) * comb(m - h, k - j) for j in range(k + 1))


def torus_paths(shape: tuple[int, ...], depth: int) -> np.ndarray:
    """The power of the mask's Fourier transform, transformed back."""
    waves = np.meshgrid(*map(axis_wave, shape), indexing="ij")
    kernel = np.rint(np.fft.ifftn((1 + sum(waves)) ** depth).real).astype(int)
    place = np.stack(np.unravel_index(np.arange(prod(shape)), shape), axis=-1)
    moved = (place[None] - place[:, None]) % np.array(shape)
    return kernel[tuple(np.moveaxis(moved, -1, 0))]


def axis_wave(side: int) -> np.ndarray:
    k = np.arange(side)
    return {1: 0.0 * k, 2: (-1.0) ** k}.get(side, 2 * np.cos(2 * np.pi * k / side))


def blocks_paths(n_in: int, n_out: int, blocks: int) -> np.ndarray:
    return np.kron(np.eye(blocks, dtype=int), np.ones((n_in // blocks, n_out // blocks), int))


def diagonal_paths(n_in: int, n_out: int, offsets: list[int]) -> np.ndarray:
    return np.isin(np.subtract.outer(np.arange(n_in), np.arange(n_out)) % n_in, offsets).astype(int)


CASES = {
    "dense": Case(dense, (5, 3), 15, [5], [3], 1, 3),
    "dense with one input": Case(dense, (1, 4), 4, [1], [4], 1, 1),
    "low rank": Case(low_rank, (6, 4, 3), 30, [6, 3], [3, 4], 3, 3),
    "wide low rank": Case(low_rank, (3, 4, 9), 63, [3, 9], [9, 4], 9, 3),
    "block diagonal": Case(block_diagonal, (9, 6, 3), 18, [3], [2], blocks_paths(9, 6, 3), 6),
    "cyclic diagonals": Case(
        diagonals, (6, 6, 3), 18, [3], [3], diagonal_paths(6, 6, [0, 2, 4]), 6
    ),
    "wide band": Case(diagonals, (4, 8, 1, 3), 24, [3], [6], diagonal_paths(4, 8, [0, 1, 2]), 4),
    "Monarch": Case(monarch, (16, 16, 4), 128, [4, 4], [4, 4], 1, 16),
    "rectangular Monarch of rank 2": Case(monarch, (12, 9, 3, 2), 126, [4, 6], [6, 3], 2, 9),
    "butterfly of mixed radices": Case(
        rectangular_butterfly, (12, 12, (2, 3, 2)), 84, [2, 3, 2], [2, 3, 2], 1, 12
    ),
    "butterfly of two sweeps": Case(
        rectangular_butterfly, (15, 15, (3, 5), 2), 240, [3, 5, 3, 5], [3, 5, 3, 5], 15, 15
    ),
    "butterfly": Case(butterfly, (8,), 48, [2] * 3, [2] * 3, 1, 8),
    "smallest butterfly": Case(butterfly, (2,), 4, [2], [2], 1, 2),
    "shallow butterfly": Case(butterfly, (16, 3), 96, [2] * 3, [2] * 3, butterfly_paths(16, 3), 16),
    "figure 5 butterfly": Case(butterfly, (32, 18), 1152, [2] * 18, [2] * 18, 2**13, 32),
    "parallel butterfly": Case(
        parallel_butterfly, (8, 3, 4), 192, [2, 2, 8], [8, 2, 2], 4 * butterfly_paths(8, 3), 8
    ),
    "shallow parallel butterfly": Case(
        parallel_butterfly, (8, 2, 3), 96, [2, 6], [6, 2], 3 * butterfly_paths(8, 2), 8
    ),
    "deep parallel butterfly": Case(
        parallel_butterfly, (4, 5, 2), 80, [2, 2, 2, 2, 4], [4, 2, 2, 2, 2], 16, 4
    ),
    "drawn Clos (4, 4, 2, 2, 2)": Case(clos, (4, 4, 2, 2, 2), 24, [2] * 3, [2] * 3, 2, 4),
    "drawn Clos (16, 16, 4, 2, 4)": Case(clos, (16, 16, 4, 2, 4), 96, [4, 4, 2], [2, 4, 4], 2, 8),
    "figure 5 Clos": Case(clos, (32, 32, 8, 9, 8), 1152, [4, 8, 9], [9, 8, 4], 9, 32),
    "rectangular Clos": Case(clos, (12, 10, 3, 2, 5), 74, [4, 3, 2], [2, 5, 2], 2, 6),
    "hypercube": Case(hypercube, (8, 2), 64, [4] * 2, [4] * 2, hypercube_paths(8, 2), 8),
    "figure 5 hypercube": Case(
        hypercube, (32, 6), 1152, [6] * 6, [6] * 6, hypercube_paths(32, 6), 32
    ),
    "figure 5 torus": Case(torus, ((8, 4), 7), 1120, [5] * 7, [5] * 7, torus_paths((8, 4), 7), 32),
    "ring": Case(torus, ((5,), 2), 30, [3] * 2, [3] * 2, torus_paths((5,), 2), 5),
    "torus with sides of 2 and 1": Case(
        torus, ((2, 1, 3), 4), 96, [4] * 4, [4] * 4, torus_paths((2, 1, 3), 4), 6
    ),
    "torus of one neuron": Case(torus, ((1, 1), 3), 3, [1] * 3, [1] * 3, 1, 1),
    "radix net of digits 2": Case(radix_net, ([[2, 2, 2]],), 48, [2] * 3, [2] * 3, 1, 8),
    "radix net of mixed digits": Case(radix_net, ([[2, 3]],), 30, [2, 3], [2, 3], 1, 6),
    "radix net of two lists": Case(
        radix_net, ([[2, 3], [3, 2]],), 60, [2, 3, 3, 2], [2, 3, 3, 2], 6, 6
    ),
    "radix net with a partial last list": Case(
        radix_net, ([[2, 3], [6], [3]],), 84, [2, 3, 6, 3], [2, 3, 6, 3], 18, 6
    ),
    "widened radix net": Case(
        radix_net, ([[10, 10]], [1, 5, 2]), 15000, [10, 50], [50, 20], 5, 100
    ),
    "Lenet-300-100 shape": Case(
        radix_net, ([[10, 10]], [8, 3, 1]), 27000, [80, 30], [30, 10], 3, 100
    ),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request) -> Case:
    return request.param


def test_edges_are_as_many_as_the_closed_form_says(case):
    assert case.family.layers(*case.arguments).n_edges == case.edges


def test_every_neuron_has_the_degrees_of_its_layer(case):
    masks = tk.to_masks(case.family.layers(*case.arguments))
    assert [set(mask.sum(axis=0)) for mask in masks] == [{degree} for degree in case.fan_ins]
    assert [set(mask.sum(axis=1)) for mask in masks] == [{degree} for degree in case.fan_outs]


def test_every_pair_has_the_paths_of_the_closed_form(case):
    counts = count_paths(case.family.layers(*case.arguments))
    np.testing.assert_array_equal(counts, np.broadcast_to(case.paths, counts.shape))


def test_bandwidth_is_that_of_the_closed_form(case):
    assert bandwidth(case.family.layers(*case.arguments)) == case.bandwidth


def test_the_graph_is_the_arrays_and_says_what_it_is(case):
    graph = case.family(*case.arguments)
    layers = case.family.layers(*case.arguments)
    compiled = tk.to_layers(graph)
    assert compiled.widths == layers.widths
    for ours, theirs in zip(compiled.columns, layers.columns, strict=True):
        assert all(map(np.array_equal, ours, theirs))
    assert layers.n_trainable == layers.n_edges
    assert graph.graph["family"] == case.family.__name__
    assert graph.graph["name"].startswith(case.family.__name__ + "(")


@pytest.mark.parametrize(
    ("build", "enough"),
    [
        (lambda depth: butterfly.layers(16, depth), 4),
        (lambda depth: parallel_butterfly.layers(16, depth, 2), 4),
        (lambda depth: hypercube.layers(16, depth), 4),
        (lambda depth: torus.layers((8, 4), depth), 6),
        (lambda depth: torus.layers((5, 3, 2), depth), 4),
        (lambda depth: radix_net.layers([[16]] if depth == 1 else [[2, 8]]), 1),
    ],
    ids=["butterfly", "parallel butterfly", "hypercube", "torus 8 x 4", "torus 5 x 3 x 2", "radix"],
)
def test_the_documented_depth_is_the_least_that_connects_all_pairs(build, enough):
    assert count_paths(build(enough)).min() > 0
    if enough > 1:
        assert count_paths(build(enough - 1)).min() == 0


def test_clos_parameters_and_path_diversity_follow_closnets_equation_1():
    for n_in, n_out, ri, rm, ro in [(4, 4, 2, 2, 2), (16, 16, 4, 2, 4), (12, 30, 6, 5, 3)]:
        layers = clos.layers(n_in, n_out, ri, rm, ro)
        assert layers.n_trainable == rm * (n_in + n_out + ri * ro)
        assert np.unique(count_paths(layers)).tolist() == [rm]


def test_a_clos_network_routes_through_three_stages_of_crossbars():
    """The routers as a networkx graph: contracting wires gives complete bipartite routers."""
    graph = clos(6, 8, 3, 2, 4)
    assert nx.number_weakly_connected_components(stage(graph, 0)) == 3
    assert nx.number_weakly_connected_components(stage(graph, 1)) == 2
    assert nx.number_weakly_connected_components(stage(graph, 2)) == 4


def stage(graph: nx.DiGraph, layer: int) -> nx.DiGraph:
    return graph.edge_subgraph([e for e in graph.edges if e[0][0] == layer])


def test_a_parallel_butterfly_is_butterflies_with_shared_inputs_and_summed_outputs():
    n, depth, copies = 8, 4, 3
    single = tk.to_masks(butterfly.layers(n, depth))
    several = tk.to_masks(parallel_butterfly.layers(n, depth, copies))
    np.testing.assert_array_equal(several[0], np.hstack([single[0]] * copies))
    for one, block in zip(single[1:-1], several[1:-1], strict=True):
        np.testing.assert_array_equal(block, np.kron(np.eye(copies), one))
    np.testing.assert_array_equal(several[-1], np.vstack([single[-1]] * copies))


@pytest.mark.parametrize("n", [2, 4, 8, 32, 64])
def test_butterfly_masks_are_the_supports_of_the_fourier_factors(n):
    factors, order = fourier_factors(n)
    transform = reduce(np.matmul, factors, np.eye(n)[order])
    np.testing.assert_allclose(transform, np.fft.fft(np.eye(n)), atol=1e-12 * n)
    for mask, factor in zip(tk.to_masks(butterfly.layers(n)), factors, strict=True):
        np.testing.assert_array_equal(mask, factor != 0)


def fourier_factors(n: int) -> tuple[list[np.ndarray], list[int]]:
    """Radix-2 factors for row vectors, applied after the rows are taken in bit-reversed order."""
    bits = n.bit_length() - 1
    factors = []
    for half in (2**k for k in range(bits)):
        twist = np.diag(np.exp(-1j * np.pi * np.arange(half) / half))
        stage = np.block([[np.eye(half), np.eye(half)], [twist, -twist]])
        factors.append(np.kron(np.eye(n // (2 * half)), stage))
    return factors, [int(f"{i:0{bits}b}"[::-1], 2) for i in range(n)]


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_a_hypercube_layer_is_the_cube_of_networkx_and_self_edges(bits):
    cube = nx.hypercube_graph(bits)
    expected = nx.to_numpy_array(cube, nodelist=sorted(cube)) + np.eye(2**bits)
    np.testing.assert_array_equal(tk.to_masks(hypercube.layers(2**bits, 1))[0], expected)


@pytest.mark.parametrize("shape", [(8, 4), (3,), (2,), (1,), (2, 2), (5, 1, 2), (3, 4, 5), (1, 6)])
def test_a_torus_layer_is_the_product_of_cycles_and_self_edges(shape):
    cycles = [nx.cycle_graph(side) if side > 2 else nx.path_graph(side) for side in shape]
    grid = reduce(nx.cartesian_product, cycles)
    nodes = sorted(grid, key=str)
    expected = nx.to_numpy_array(grid, nodelist=nodes) + np.eye(prod(shape))
    np.testing.assert_array_equal(tk.to_masks(torus.layers(shape, 1))[0], expected)


def test_a_torus_with_long_sides_is_the_periodic_grid_of_networkx():
    grid = nx.grid_graph(dim=(5, 3, 4), periodic=True)
    expected = nx.to_numpy_array(grid, nodelist=sorted(grid)) + np.eye(60)
    np.testing.assert_array_equal(tk.to_masks(torus.layers((4, 3, 5), 1))[0], expected)


@pytest.mark.parametrize(
    ("radices", "widths"),
    [([[2, 2, 2]], [1, 1, 1, 1]), ([[3, 2], [6]], [2, 1, 3, 2]), ([[10, 10]], [8, 3, 1])],
)
def test_radix_masks_are_kronecker_products_of_ones_and_sums_of_shifts(radices, widths):
    size = prod(radices[0])
    shift = np.roll(np.eye(size), -1, axis=1)
    assert shift[1, 0] == 1  # Row i of the shift reaches column i - 1.
    masks = iter(tk.to_masks(radix_net.layers(radices, widths)))
    pairs = iter(pairwise(widths))
    for row in radices:
        value = 1
        for radix in row:
            steps = sum(np.linalg.matrix_power(shift, j * value) for j in range(radix))
            np.testing.assert_array_equal(next(masks), np.kron(np.ones(next(pairs)), steps))
            value *= radix


def test_radix_nets_have_the_density_of_alford_et_al():
    for widths in ([8, 30, 1], [8, 3, 1]):
        layers = radix_net.layers([[10, 10]], widths)
        dense_edges = sum(a * b for a, b in pairwise(layers.widths))
        assert layers.n_edges * 10 == dense_edges
    assert layers.widths == (800, 300, 100)


def test_families_are_listed_by_the_name_they_are_called():
    listed = families()
    assert len(listed) == 15
    for name, family in listed.items():
        assert getattr(tk.topologies, name) is family
        assert family.__name__ == name
