"""Skip connections: which edges become constant, and what the constants alone compute."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes import product
from strategies import layered_networks

import topokit as tk
from topokit import with_skip
from topokit.topologies import (
    butterfly,
    clos,
    dense,
    hypercube,
    low_rank,
    parallel_butterfly,
    radix_net,
    random_regular,
    torus,
)

laws = settings(max_examples=60)
PLACEMENTS = ["straight", "crossing", "random"]


def fixed_edges(layers: tk.Layers, layer: int) -> list[tuple[int, int]]:
    """The constant edges of one layer, as pairs of sender and receiver."""
    fixed = ~layers.trainable[layer]
    edges = zip(layers.senders[layer][fixed], layers.receivers[layer][fixed], strict=True)
    return [(int(s), int(r)) for s, r in edges]


@laws
@given(layered_networks(), st.sampled_from(PLACEMENTS), st.sampled_from([1.0, -0.5]))
def test_skip_makes_one_edge_constant_in_neurons_that_mix_free_signals(layers, placement, weight):
    changed = with_skip(layers, placement=placement, weight=weight, seed=0)
    for before, after in zip(each_neuron(layers), each_neuron(changed), strict=True):
        mixes = len(before) > 1 and all(free for _, free, _ in before)
        newly = [b != a for b, a in zip(before, after, strict=True)]
        assert sum(newly) == (1 if mixes else 0)
        assert all(a[1:] == (False, weight) for a, n in zip(after, newly, strict=True) if n)
    assert with_skip(changed, placement=placement, seed=1) == changed


def each_neuron(layers: tk.Layers) -> list[list[tuple]]:
    """The in-edges `(sender, trainable, constant)` of every neuron that has some."""
    neurons = []
    for senders, receivers, trainable, constant in zip(*layers.columns, strict=True):
        rows = zip(receivers, senders, trainable, constant, strict=True)
        neurons += [[row[1:] for row in group] for _, group in groupby(rows, key=lambda r: r[0])]
    return neurons


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("layers", "trainable"),
    [
        (hypercube.layers(32, 6), 960),
        (hypercube.layers(32, 7), 1120),
        (butterfly.layers(32, 18), 576),
        (butterfly.layers(32, 36), 1152),
        (parallel_butterfly.layers(8, 3, 2), 96 - 16 - 16 - 8),
        (low_rank.layers(5, 4, 3), 27 - 7),
        (dense.layers(1, 4), 4),
    ],
    ids=["hypercube 6", "hypercube 7", "butterfly 18", "butterfly 36", "parallel", "rank", "fan 1"],
)
def test_skip_leaves_one_parameter_less_for_each_neuron_that_mixes(layers, trainable, placement):
    changed = with_skip(layers, placement=placement, seed=0)
    assert changed.n_trainable == trainable
    assert changed.n_edges == layers.n_edges


@pytest.mark.parametrize(
    "layers",
    [butterfly.layers(16, 5), hypercube.layers(16, 3), torus.layers((8, 4), 3), dense.layers(6, 6)],
    ids=["butterfly", "hypercube", "torus", "dense"],
)
def test_straight_constants_of_square_layers_are_the_diagonal(layers):
    changed = with_skip(layers)
    for layer in range(layers.depth):
        assert fixed_edges(changed, layer) == [(i, i) for i in range(layers.n_in)]


def test_crossing_constants_of_a_butterfly_are_its_flipped_edges():
    changed = with_skip(butterfly.layers(8), placement="crossing")
    for layer in range(3):
        assert fixed_edges(changed, layer) == [(i ^ 2**layer, i) for i in range(8)]


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (7, 5), (4, 10)])
@pytest.mark.parametrize(("placement", "best"), [("straight", min), ("crossing", max)])
def test_constants_between_unequal_widths_join_the_nearest_or_farthest_places(
    shape, placement, best
):
    layers = random_regular.layers(shape, 3, seed=2)
    chosen = fixed_edges(with_skip(layers, placement=placement), 0)
    assert [receiver for _, receiver in chosen] == list(range(shape[1]))
    for sender, receiver in chosen:
        senders = layers.senders[0][layers.receivers[0] == receiver]
        distances = {int(s): distance(s, receiver, shape) for s in senders}
        assert distances[sender] == pytest.approx(best(distances.values()))


def distance(sender: int, receiver: int, shape: tuple[int, int]) -> float:
    return abs((sender + 0.5) / shape[0] - (receiver + 0.5) / shape[1])


def test_the_constants_of_clos_routers_are_spread_over_their_inputs():
    changed = with_skip(clos.layers(32, 32, 8, 9, 8))
    for layer, most in enumerate([3, 1, 1]):
        senders = [sender for sender, _ in fixed_edges(changed, layer)]
        assert np.bincount(senders).max() == most


@pytest.mark.parametrize("copies", [2, 4, 8])
@pytest.mark.parametrize("placement", ["straight", "crossing"])
def test_parallel_copies_share_the_constants_of_the_summing_outputs(placement, copies):
    changed = with_skip(parallel_butterfly.layers(16, 3, copies), placement=placement)
    last = fixed_edges(changed, 2)
    assert [output for _, output in last] == list(range(16))
    owners = np.bincount([sender // 16 for sender, _ in last], minlength=copies)
    assert owners.tolist() == [16 // copies] * copies


def test_straight_constants_of_parallel_copies_are_the_identity_and_not_its_multiple():
    for copies in (1, 2, 3, 5):
        changed = with_skip(parallel_butterfly.layers(8, 3, copies))
        np.testing.assert_array_equal(product(changed, free=0.0), np.eye(8))


def test_straight_constants_of_a_widened_radix_net_are_the_identity():
    for widths in ([1, 3, 3, 1], [1, 2, 4, 1]):
        changed = with_skip(radix_net.layers([[2, 2, 2]], widths))
        np.testing.assert_array_equal(product(changed, free=0.0), np.eye(8))


def test_a_path_of_constants_leads_into_every_output_where_every_neuron_mixes():
    for placement in PLACEMENTS:
        constants = with_skip(hypercube.layers(16, 3), placement=placement, weight=0.5, seed=4)
        assert product(constants, free=0.0).sum(axis=0).tolist() == [0.125] * 16


def test_random_placement_follows_its_seed_and_takes_every_in_edge_alike():
    layers = dense.layers(5, 4000)
    chosen = [[s for s, _ in fixed_edges(skipped(layers, seed), 0)] for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert abs(np.bincount(chosen[0]) - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)


def skipped(layers: tk.Layers, seed: int) -> tk.Layers:
    return with_skip(layers, placement="random", seed=seed)
