"""Random families: what holds of every draw, and of the draws on average."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import count_paths

import topokit as tk
from topokit.scores import bandwidth, ramanujan_bounds, second_singular_values
from topokit.topologies import erdos_renyi, random_regular, small_world

laws = settings(max_examples=100)
widths = st.lists(st.integers(1, 14), min_size=2, max_size=4)
seeds = st.integers(0, 2**32)

DRAWS = {
    "erdos_renyi": lambda seed: erdos_renyi.layers([20, 30, 10], 0.4, seed=seed),
    "random_regular": lambda seed: random_regular.layers([20, 30, 10], 4, seed=seed),
    "dense random_regular": lambda seed: random_regular.layers([20, 30, 10], 15, seed=seed),
    "small_world": lambda seed: small_world.layers(20, 2, 4, 0.5, seed=seed),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=list(DRAWS))
def test_a_seed_gives_the_same_arrays_and_other_seeds_others(draw):
    assert draw(3) == draw(3)
    assert not any(draw(3) == draw(seed) for seed in range(3))


@laws
@given(widths, st.data(), seeds)
def test_random_regular_has_exact_fan_in_and_balanced_fan_out(widths, data, seed):
    fan_in = data.draw(st.integers(1, min(widths[:-1])))
    layers = random_regular.layers(widths, fan_in, seed=seed)
    for mask in tk.to_masks(layers):
        assert (mask.sum(axis=0) == fan_in).all()
        assert np.ptp(mask.sum(axis=1)) <= 1
    assert (count_paths(layers).sum(axis=0) == fan_in**layers.depth).all()


def test_random_regular_without_remainder_has_the_bandwidth_of_its_smallest_width():
    for seed in range(5):
        assert bandwidth(random_regular.layers([12, 18, 6, 12], 3, seed=seed)) == 6


def test_random_regular_layers_differ_within_one_network():
    first, second = tk.to_masks(random_regular.layers([30, 30, 30], 3, seed=0))
    assert not np.array_equal(first, second)


def test_every_edge_of_random_regular_is_equally_likely():
    draws = 1500
    mean = np.mean(
        [tk.to_masks(random_regular.layers([7, 5], 3, seed=seed))[0] for seed in range(draws)],
        axis=0,
    )
    share = 3 / 7
    assert abs(mean - share).max() < 5 * np.sqrt(share * (1 - share) / draws)


def test_erdos_renyi_with_density_one_is_dense():
    masks = tk.to_masks(erdos_renyi.layers([3, 4, 2], 1.0, seed=0))
    assert all(mask.all() for mask in masks)


@pytest.mark.parametrize("density", [0.02, 0.3, 0.9])
def test_erdos_renyi_degrees_are_binomial(density):
    n, m = 400, 3000
    mask = tk.to_masks(erdos_renyi.layers([n, m], density, seed=1))[0]
    spread = density * (1 - density)
    assert abs(mask.mean() - density) < 5 * np.sqrt(spread / (n * m))
    for axis, size, count in ((0, n, m), (1, m, n)):
        variance = mask.sum(axis=axis).var() / (size * spread)
        assert abs(variance - 1) < 5 * np.sqrt(2 / count)


def test_erdos_renyi_edges_are_equally_likely_in_the_first_and_last_cells():
    draws = 1500
    mean = np.mean(
        [tk.to_masks(erdos_renyi.layers([3, 4], 0.7, seed=seed))[0] for seed in connected(draws)],
        axis=0,
    )
    # Given that each of the 4 receivers has an edge.
    share = 0.7 / (1 - 0.3**3)
    assert abs(mean - share).max() < 5 * np.sqrt(share * (1 - share) / draws)


def connected(draws: int) -> list[int]:
    """The first seeds for which every output is reached."""
    seeds = []
    for seed in range(2 * draws):
        try:
            erdos_renyi.layers([3, 4], 0.7, seed=seed)
        except ValueError:
            continue
        seeds.append(seed)
    return seeds[:draws]


@pytest.mark.parametrize(("n", "neighbours"), [(8, 2), (9, 4), (20, 10), (4, 2)])
def test_a_small_world_without_rewiring_is_the_ring(n, neighbours):
    layers = small_world.layers(n, 3, neighbours, 0.0, seed=0)
    distance = abs(np.arange(n)[:, None] - np.arange(n))
    ring = np.minimum(distance, n - distance) <= neighbours // 2
    assert all(np.array_equal(mask, ring) for mask in tk.to_masks(layers))
    steps = np.poly1d(np.ones(neighbours + 1)) ** 3
    kernel = np.zeros(n, int)
    np.add.at(kernel, np.arange(steps.order + 1) % n, steps.coeffs.astype(int))
    start = 3 * neighbours // 2
    expected = [[kernel[(o - i + start) % n] for o in range(n)] for i in range(n)]
    np.testing.assert_array_equal(count_paths(layers), expected)


def test_a_ring_connects_all_pairs_from_the_documented_depth_on():
    assert count_paths(small_world.layers(21, 5, 4, 0.0, seed=0)).min() > 0
    assert count_paths(small_world.layers(21, 4, 4, 0.0, seed=0)).min() == 0


@laws
@given(st.integers(4, 20), st.integers(1, 3), st.data(), st.floats(0, 1), seeds)
def test_a_small_world_keeps_in_degrees_and_self_edges(n, depth, data, rewiring, seed):
    neighbours = 2 * data.draw(st.integers(1, n // 4))
    layers = small_world.layers(n, depth, neighbours, rewiring, seed=seed)
    for mask in tk.to_masks(layers):
        assert (mask.sum(axis=0) == neighbours + 1).all()
        assert mask.diagonal().all()
    assert bandwidth(layers) == n


def test_a_small_world_rewires_the_share_it_was_told():
    n, neighbours, rewiring = 2000, 10, 0.3
    layers = small_world.layers(n, 1, neighbours, rewiring, seed=0)
    distance = abs(layers.senders[0] - layers.receivers[0])
    share = (np.minimum(distance, n - distance) > neighbours // 2).mean() * 11 / 10
    # A few rewired edges come back to the ring: about rewiring * neighbours / n of them.
    assert abs(share - rewiring) < 5 * np.sqrt(rewiring * (1 - rewiring) / (n * neighbours)) + 0.002


def test_a_fully_rewired_small_world_draws_every_other_sender_alike():
    draws = 1000
    mean = np.mean(
        [tk.to_masks(small_world.layers(9, 1, 4, 1.0, seed=seed))[0] for seed in range(draws)],
        axis=0,
    )
    off_diagonal = mean[~np.eye(9, dtype=bool)]
    assert abs(off_diagonal - 0.5).max() < 5 * np.sqrt(0.25 / draws)


def test_random_regular_layers_are_expanders_near_the_bound():
    layers = random_regular.layers([600, 600, 300], 6, seed=0)
    ratio = second_singular_values(layers) / ramanujan_bounds(layers)
    assert (ratio > 0.95).all()
    assert (ratio < 1.05).all()


def test_the_docstring_of_random_regular_states_the_measured_second_singular_value():
    layers = random_regular.layers([64, 64], 8, seed=0)
    documented = random_regular.__doc__ or ""
    assert f"{second_singular_values(layers)[0]:.4f}" in documented
    assert f"{ramanujan_bounds(layers)[0]:.4f}" in documented


def test_a_million_edges_build_with_exact_degrees():
    layers = random_regular.layers([100_000, 50_000], 20, seed=0)
    assert layers.n_edges == 1_000_000
    assert (np.bincount(layers.receivers[0]) == 20).all()
    assert (np.bincount(layers.senders[0]) == 10).all()
