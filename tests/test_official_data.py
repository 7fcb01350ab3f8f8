"""RadiX-Net against the official weights of the Sparse DNN Graph Challenge, 1,024 neurons."""

import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

import topokit as tk
from topokit.topologies import radix_net

DATA = Path(__file__).parents[1] / "../shared/data/graph-challenge-n1024"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the official Graph Challenge network is not at {DATA}"
)


@pytest.fixture(scope="module")
def official() -> dict[int, np.ndarray]:
    """The first two blocks of layers, numbered from 1 as in the file names: their weights."""
    layers = {}
    with tarfile.open(DATA / "neuron1024-l1-l120.tar.xz") as archive:
        for member in archive:
            number = re.search(r"-l(\d+)\.tsv$", member.name)
            if number and int(number[1]) <= 12:
                layers[int(number[1])] = read_weights(archive, member)
    return layers


def read_weights(archive: tarfile.TarFile, member: tarfile.TarInfo) -> np.ndarray:
    """Rows of `row, column, weight`, both numbered from 1."""
    file = archive.extractfile(member)
    assert file is not None
    rows, columns, weights = np.loadtxt(file, unpack=True)
    matrix = np.zeros((1024, 1024))
    matrix[rows.astype(int) - 1, columns.astype(int) - 1] = weights
    return matrix


@pytest.fixture(scope="module")
def masks() -> list[np.ndarray]:
    return tk.to_masks(radix_net.layers([[2] * 6], [16] * 7))


@pytest.fixture(scope="module")
def tables() -> dict[str, np.ndarray]:
    with np.load(DATA / "n1024-class-tables.npz") as file:
        return {name: file[name].astype(int) for name in file.files}


def test_the_first_six_official_layers_are_the_radix_net(official, masks):
    assert len(masks) == 6
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(official[number], mask / 16)


def test_the_next_official_block_is_the_radix_net_with_neurons_in_other_places(
    official, masks, tables
):
    rows, columns = tables["row_class"][1], tables["col_class"][1]
    for number, mask in enumerate(masks, start=7):
        np.testing.assert_array_equal(official[number], mask[np.ix_(rows, columns)] / 16)


def test_the_masks_follow_the_class_tables_of_the_first_block(masks, tables):
    rows, columns = tables["row_class"][0], tables["col_class"][0]
    for k, mask in enumerate(masks):
        steps = (rows[:, None] - columns) % 64
        np.testing.assert_array_equal(mask, (steps == 0) | (steps == 2**k))


def test_one_block_joins_every_pair_by_sixteen_to_the_fifth_paths(masks):
    """By radices [[2, 2, 2, 2, 2, 2]] one path a pair, times five hidden layers of 16 copies."""
    counts = np.eye(1024)
    for mask in masks:
        counts = counts @ mask
    assert np.unique(counts).tolist() == [16**5]
