"""The challenge's networks against the definition, topokit's RadiX-Nets and the official files."""

import tarfile
from functools import cache, reduce

import numpy as np
import pytest
from challenges import DATA, defined, lists, mask, needs_official_data, permuted
from hypothesis import given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit.challenge import plain_network, read_class_tables, read_network
from topokit.challenge._challenge_network import BIASES
from topokit.challenge._network_layers import network_layers
from topokit.challenge._neuron_classes import find_classes
from topokit.scores import path_counts
from topokit.topologies import radix_net

WIDTHS = [32, 64, 128, 256, 1024]


def strides(neurons: int) -> int:
    """Layers of a block."""
    return (neurons // 16).bit_length() - 1


@pytest.mark.parametrize("neurons", WIDTHS)
def test_a_plain_layer_is_the_kronecker_product_of_its_definition(neurons):
    depth = strides(neurons) + 2
    network = plain_network(neurons, depth)
    for layer in range(depth):
        np.testing.assert_array_equal(
            mask(network, layer), defined(neurons, layer % strides(neurons))
        )


@pytest.mark.parametrize("neurons", WIDTHS)
@pytest.mark.parametrize("blocks", [1, 2])
def test_a_plain_network_is_topokits_radix_net(neurons, blocks):
    depth = blocks * strides(neurons)
    radices = [[2] * strides(neurons)] * blocks
    expected = radix_net.layers(radices, [16] * (depth + 1))
    assert network_layers(plain_network(neurons, depth)) == expected


@pytest.mark.parametrize("neurons", [*WIDTHS, 4096, 65536])
def test_every_neuron_has_32_different_senders_and_32_receivers(neurons):
    network = plain_network(neurons, 120)
    for layer in (0, 1, strides(neurons) - 1, 119):
        senders = network.senders(layer)
        assert senders.shape == (neurons, 32)
        assert (np.diff(senders, axis=1) > 0).all()
        assert set(np.bincount(senders.ravel(), minlength=neurons)) == {32}


@pytest.mark.parametrize(("neurons", "blocks"), [(64, 1), (64, 40), (128, 2), (256, 1), (256, 3)])
def test_every_pair_has_equally_many_paths_and_exactly_so_many(neurons, blocks):
    """2 ways a layer reach `nodes` places evenly, and 16 copies are free in every hidden layer."""
    depth = blocks * strides(neurons)
    counted = tk.structure(network_layers(plain_network(neurons, depth)))
    paths = (neurons // 16) ** (blocks - 1) * 16 ** (depth - 1)
    assert (counted.paths_min, counted.paths_max) == (paths, paths)
    assert counted.paths_mean == paths
    assert counted.bandwidth == neurons
    assert counted.reachable == 1


def test_path_counts_of_many_layers_are_exact_integers():
    """By a product of class matrices in Python's integers: no overflow at 120 layers."""
    layers = [defined(64, layer % 2)[:4, :4].astype(object) for layer in range(121)]
    by_classes = reduce(np.matmul, layers) * 16**120
    counts = path_counts(network_layers(plain_network(64, 121)))
    np.testing.assert_array_equal(counts, np.tile(by_classes, (16, 16)))
    assert counts.dtype == object
    assert counts.min() > 2**500


def test_connections_are_32_a_neuron_and_layer():
    assert plain_network(1024, 120).connections == 32 * 1024 * 120
    assert plain_network(65536, 1920).connections == 32 * 65536 * 1920


def test_biases_are_the_challenges():
    found = {neurons: plain_network(neurons, 1).bias for neurons in BIASES}
    assert found == {1024: -0.3, 4096: -0.35, 16384: -0.4, 65536: -0.45}
    assert plain_network(64, 1).bias == -0.3
    assert plain_network(2048, 1).bias == -0.3


@pytest.mark.parametrize(
    ("neurons", "depth", "message"),
    [
        (16, 1, "neurons must be an integer of at least 32"),
        (1000, 1, "16 times a power of two, such as 1024 or 4096; given 1000"),
        (48, 1, "16 times a power of two"),
        (64, 0, "depth must be an integer of at least 1; given 0"),
    ],
)
def test_a_network_that_is_none_is_refused(neurons, depth, message):
    with pytest.raises(ValueError, match=message):
        plain_network(neurons, depth)


@pytest.mark.parametrize("depth", [0, 7])
def test_a_recipe_has_at_most_the_layers_of_its_network(depth):
    with pytest.raises(ValueError, match="depth must be an integer"):
        network_layers(plain_network(64, 6), depth=depth)


def test_a_recipe_of_some_layers_is_the_front_of_the_whole():
    network = permuted(64, 3, seed=0)
    whole, front = network_layers(network), network_layers(network, depth=3)
    assert front.depth == 3
    for field in ("senders", "receivers", "trainable", "constant"):
        pairs = zip(getattr(front, field), getattr(whole, field)[:3], strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


@given(st.sampled_from([32, 64, 128, 256]), st.integers(0, 999))
@settings(max_examples=20)
def test_the_classes_of_a_permuted_layer_are_the_layer(neurons, seed):
    """Each class of receivers sums over the members of its classes of senders, and no one else."""
    network = permuted(neurons, 1, seed)
    for layer in range(network.depth):
        senders = network.senders(layer)
        found = find_classes(senders)
        assert sorted(found.members.ravel()) == list(range(neurons))
        joined = found.members[found.joined].reshape(len(found.joined), -1)
        np.testing.assert_array_equal(np.sort(joined, axis=1)[found.receivers], senders)
        last = layer == network.depth - 1
        fewest = neurons // 32 if last else neurons // 16  # a step of half the classes joins pairs
        assert len(found.members) == len(found.joined) == fewest


@pytest.mark.parametrize(
    ("senders", "message"),
    [
        ([[0, 1], [0, 1], [0, 2], [2, 3]], "do not feed equally many classes"),
        ([[0, 1, 2]] * 3 + [[0, 1, 3], [2, 4, 5], [3, 4, 5]], "equally large classes"),
    ],
)
def test_a_layer_without_equal_classes_is_refused_with_a_remedy(senders, message):
    with pytest.raises(ValueError, match=f"{message}.*use topokit.challenge.by_edges"):
        find_classes(np.array(senders))


@cache
def official_archive():
    return read_network(DATA / "neuron1024-l1-l120.tar.xz")


@needs_official_data
def test_the_first_six_official_layers_are_the_plain_network():
    network = official_archive()
    assert (network.neurons, network.depth, network.bias) == (1024, 120, -0.3)
    plain = plain_network(1024, 6)
    for layer in range(6):
        np.testing.assert_array_equal(network.senders(layer), plain.senders(layer))


@needs_official_data
def test_the_tables_of_classes_are_all_official_layers():
    tables = read_class_tables(DATA / "n1024-class-tables.npz")
    assert tables.depth == 120
    for layer in range(120):
        np.testing.assert_array_equal(tables.senders(layer), official_archive().senders(layer))


@needs_official_data
def test_the_seventh_official_layer_is_read_as_its_lines_say():
    with tarfile.open(DATA / "neuron1024-l1-l120.tar.xz") as archive:
        file = archive.extractfile("neuron1024/n1024-l7.tsv")
        assert file is not None
        rows, columns, weights = np.loadtxt(file, unpack=True)
    found = np.zeros((1024, 1024), bool)
    found[rows.astype(int) - 1, columns.astype(int) - 1] = True
    assert set(weights) == {1 / 16}
    np.testing.assert_array_equal(official_archive().senders(6), lists(found))
