"""Data sets: one's own, MNIST from its original files, scikit-learn's digits."""

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import topokit as tk
from topokit.networks._dataset import make_dataset
from topokit.networks._idx import MNIST, read_idx, read_mnist
from topokit.networks._scikit import load_digits

DATA = Path(__file__).parents[1] / "../shared/data/mnist"
CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
FILES = [f"{part}-{'idx3' if 'images' in part else 'idx1'}-ubyte" for part in MNIST]

FIRST_DIGITS = [2, 4, 7, 0, 6, 8, 9, 5, 1, 0, 2, 3]


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, CODES[array.dtype.str.lstrip("|")], array.ndim])
    return head + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


# Without a time, which would be part of a test's name and differ between processes.
PACKED = gzip.compress(idx(np.zeros(5, "u1")), mtime=0)


def write_mnist(folder: Path, changes: dict[str, bytes] | None = None) -> Path:
    """Five and three images of 2 x 3 pixels, with the changes to the files."""
    rng = np.random.default_rng(0)
    for name in FILES:
        n = 5 if name.startswith("train") else 3
        values = rng.integers(0, 256, (n, 2, 3)) if "images" in name else rng.integers(0, 10, n)
        (folder / name).write_bytes((changes or {}).get(name, idx(values.astype("u1"))))
    return folder


idx_arrays = st.sampled_from(list(CODES)).flatmap(
    lambda code: arrays(code, array_shapes(min_dims=1, max_dims=4, max_side=5))
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@given(array=idx_arrays)
@settings(max_examples=50)
def test_an_idx_file_reads_back_equal(pack, array, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(pack(idx(array)))
    again = read_idx(path)
    assert again.dtype.isnative
    assert again.shape == array.shape
    assert again.astype(array.dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_idx_file_cut_anywhere_is_refused_by_name(pack, tmp_path):
    content = pack(idx(np.arange(6, dtype="u1").reshape(2, 3)))
    path = tmp_path / "cut"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut"):
            read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG", "must begin like an IDX file, .* found 89 50 4e 47"),
        (b"\0\0\x07\x01", "must begin like an IDX file"),
        (b"\0\0\x08\0", "1 to 8 axes"),
        (b"\0\0\x08\x09" + b"\0\0\0\x01" * 9, "1 to 8 axes"),
        (b"\0\0\x08\x01\0\0\0\0", "shape .0,., 0 bytes; expected 1"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces values"),
        (idx(np.zeros(5, "u1")) + b"!", "hold 5 bytes of values.* found more"),
        (idx(np.zeros(5, "u1"))[:-2], "hold 5 bytes of values.* found only 3"),
        (PACKED[:-8] + bytes(8), "damaged or truncated gzip"),
        (PACKED + b"trailing", "damaged or truncated gzip"),
    ],
)
def test_a_file_that_is_not_idx_is_refused_and_told_why(content, message, tmp_path):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_idx(tmp_path / "bad")
    assert str(tmp_path / "bad") in str(error.value)


def refused_cheaply(path: Path, message: str) -> None:
    """Reading takes a few MB at most before it is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_no_more_is_unpacked_than_the_head_announces(tmp_path):
    bomb = gzip.compress(idx(np.zeros(10, "u1")) + bytes(2**26), compresslevel=1)
    promise = idx(np.zeros(10, "u1")).replace((10).to_bytes(4), (2**25).to_bytes(4))
    for name, content in {"bomb": bomb, "promise": promise}.items():
        (tmp_path / name).write_bytes(content)
        refused_cheaply(tmp_path / name, f"{name} must hold")


def test_no_more_is_unpacked_than_is_plausible(tmp_path, monkeypatch):
    monkeypatch.setattr("topokit._limits.SMALL_FILE", 2**20)
    path = tmp_path / "zeros.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(2**24, "u1"))))
    refused_cheaply(path, r"zeros.gz announces values of shape .16777216,., .* TOPOKIT_MEMORY")
    with tk.memory_limit(2**26):
        assert read_idx(path).shape == (2**24,)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_mnist_is_read_under_each_of_its_names(dot, pack, tmp_path):
    expected = read_mnist(write_mnist(tmp_path), verify=False)
    for name in FILES:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        ending = ".gz" if pack is gzip.compress else ""
        (tmp_path / f"{name.replace('-idx', f'{dot}idx')}{ending}").write_bytes(pack(content))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    data = read_mnist(tmp_path, verify=False)
    np.testing.assert_array_equal(data.train_x, expected.train_x)
    np.testing.assert_array_equal(data.test_y, expected.test_y)
    assert data.shape == (1, 2, 3)
    assert data.classes == tuple("0123456789")
    assert data.name == tmp_path.name
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_bytes_of_an_image_become_the_unit_interval(tmp_path):
    pixels = np.array([0, 51, 255, 1, 2, 3], "u1").reshape(1, 2, 3)
    files = {"train-images-idx3-ubyte": idx(np.repeat(pixels, 5, 0))}
    data = read_mnist(write_mnist(tmp_path, files), validation=0, verify=False)
    np.testing.assert_allclose(data.train_x[4, 0], pixels[0] / 255, rtol=1e-6)
    assert data.train_x.dtype == np.float32


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_of_mnist_is_named(name, tmp_path):
    (write_mnist(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"must hold {name}"):
        read_mnist(tmp_path, verify=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (FILES[0], idx(np.zeros(5, "u1")), "magic number 2051; found 2049"),
        (FILES[0], idx(np.zeros((5, 2, 3), "i1")), "magic number 2051; found 2307"),
        (FILES[1], idx(np.zeros((5, 1, 1), "u1")), "magic number 2049; found 2051"),
        (FILES[1], idx(np.zeros(4, "u1")), "label for each of the 5 images .* found 4"),
        (FILES[3], idx(np.array([0, 10, 3], "u1")), "labels from 0 to 9; found 10"),
        (FILES[2], idx(np.zeros((3, 3, 2), "u1")), r"shape \(1, 2, 3\), .* found \(1, 3, 2\)"),
        (FILES[2], b"", "is empty"),
    ],
)
def test_a_wrong_file_of_mnist_is_named_and_told_why(name, content, message, tmp_path):
    write_mnist(tmp_path, {name: content})
    with pytest.raises(ValueError, match=f"{name} .*{message}|{name} {message}"):
        read_mnist(tmp_path, verify=False)


def test_files_with_other_sums_are_not_taken_for_mnist(tmp_path):
    with pytest.raises(ValueError, match=f"{FILES[0]} has the md5 sum .* {MNIST['train-images']}"):
        read_mnist(write_mnist(tmp_path))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the original files of MNIST are not at {DATA}")
class TestRealMnist:
    def test_has_the_known_sizes_labels_and_moments(self):
        data = read_mnist(DATA, validation=0)
        assert data.train_x.shape == (60000, 1, 28, 28)
        assert data.test_x.shape == (10000, 1, 28, 28)
        train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert np.bincount(data.train_y).tolist() == train
        assert np.bincount(data.test_y).tolist() == test
        # The mean and the deviation by which everyone normalizes it.
        assert round(float(data.train_x.mean(dtype=float)), 4) == 0.1307
        assert round(float(data.train_x.std(dtype=float)), 4) == 0.3081
        assert (data.train_x.min(), data.train_x.max(), data.name) == (0, 1, "mnist")

    def test_one_changed_bit_is_refused(self, tmp_path):
        for file in DATA.glob("*.gz"):
            (tmp_path / file.name).symlink_to(file.resolve())
        content = bytearray(gzip.decompress((DATA / f"{FILES[2]}.gz").read_bytes()))
        content[-1] ^= 1
        (tmp_path / FILES[2]).write_bytes(content)
        with pytest.raises(ValueError, match=f"{FILES[2]} has the md5 sum"):
            read_mnist(tmp_path)


def test_the_digits_are_split_the_same_everywhere_and_evenly():
    data = load_digits()
    sizes = [part.shape for part in (data.train_x, data.validation_x, data.test_x)]
    assert sizes == [(1293, 1, 8, 8), (144, 1, 8, 8), (360, 1, 8, 8)]
    assert (data.train_x.min(), data.train_x.max(), data.n_classes) == (0, 1, 10)
    labels = data.train_y, data.validation_y, data.test_y
    shares = np.array([np.bincount(part) for part in labels]) / np.bincount(np.concatenate(labels))
    np.testing.assert_allclose(shares.T, [[0.72, 0.08, 0.2]] * 10, atol=2 / 174)
    assert data.test_y[:12].tolist() == FIRST_DIGITS
    every = np.r_[data.train_x, data.validation_x, data.test_x].reshape(1797, -1)
    assert len(np.unique(every, axis=0)) == 1797


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_x": np.zeros((4, 2), "u1")}, "train_x must be an array of floats.*uint8"),
        ({"train_x": np.zeros((0, 2))}, "train_x .* at least one example"),
        ({"test_x": np.zeros(2)}, r"test_x .* \(examples, ...\).* shape \(2,\)"),
        ({"test_x": np.zeros((2, 3))}, r"test_x .* shape of train_x, \(2,\); given \(3,\)"),
        ({"train_x": np.full((4, 2), np.nan)}, "train_x must be finite"),
        ({"test_x": np.full((2, 2), 1e300)}, "test_x must be finite in single precision"),
        ({"train_y": np.zeros(3, int)}, "train_y .* each of the 4 examples.*given 3"),
        ({"test_y": np.zeros(2)}, "test_y must be integers.* float64"),
        ({"test_y": np.array([0, -1])}, "test_y must count classes from 0; given -1 to 0"),
        ({"test_y": np.array([0, 2])}, "test_y must be labels from 0 to 1.* given 2"),
        ({"validation": 0.9}, "validation=0.9 leaves none of the 4 examples for training"),
        ({"validation": 1.5}, r"validation must be a number in \[0, 1\); given 1.5"),
        ({"validation": (np.zeros((1, 2)), np.array([2]))}, "validation_y must be labels from 0"),
        ({"validation": (np.zeros((1, 3)), np.array([1]))}, "validation_x .* shape of train_x"),
        ({"validation": (np.zeros((2, 2)), np.array([1]))}, "validation_y .* each of the 2"),
        ({"validation": (np.zeros((0, 2)), np.array([1]))}, "validation_x .* at least one"),
        ({"classes": ["one"]}, "train_y must be labels from 0 to 0.* given 1"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(changes, message):
    good = {"train_x": np.zeros((4, 2)), "train_y": np.array([0, 1, 0, 1])}
    good |= {"test_x": np.zeros((2, 2)), "test_y": np.array([1, 0], "u1")}
    assert make_dataset(**good).classes == ("0", "1")
    with pytest.raises(ValueError, match=message):
        make_dataset(**good | changes)


@given(
    y=st.lists(st.integers(0, 4), min_size=2, max_size=80),
    share=st.floats(0, 0.9),
    classes=st.sampled_from([None, "abcde"]),
)
@settings(max_examples=100)
def test_validation_takes_its_share_of_each_class_and_nothing_twice(y, share, classes):
    labels, x = np.array(y), np.arange(len(y), dtype=float)[:, None]
    if share and max(1, round(share * len(y))) == len(y):
        return
    one, same = (
        make_dataset(x, labels, x, labels, validation=share, classes=classes) for _ in range(2)
    )
    assert one == same
    held, left = one.validation_x[:, 0].astype(int), one.train_x[:, 0].astype(int)
    assert sorted([*held, *left]) == list(range(len(y)))
    np.testing.assert_array_equal(one.validation_y, labels[held])
    np.testing.assert_array_equal(one.train_y, labels[left])
    asked = max(1, round(share * len(y))) if share else 0
    assert set(labels[left]) == set(y)
    assert asked - len(set(y)) <= len(held) <= asked
    counts = np.bincount(labels[held], minlength=5)
    assert (abs(counts - asked / len(y) * np.bincount(labels, minlength=5)) < 1).all()


def test_validation_examples_of_ones_own_leave_the_training_part_whole():
    x, y = np.zeros((6, 2)), np.array([0, 1, 2] * 2)
    own = np.ones((2, 2)), np.array([1, 1])
    data = make_dataset(x, y, x, y, validation=own)
    assert (len(data.train_x), len(data.validation_x)) == (6, 2)
    assert data.validation_x.dtype == np.float32
    assert (data.validation_x == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: {"test_y": data.test_y + 2}, "test_y must be labels from 0 to 1"),
        (lambda data: {"train_y": data.train_y - 1}, "train_y must count classes from 0"),
        (lambda data: {"train_x": data.train_x * np.float32("nan")}, "train_x must be finite"),
        (lambda _: {"classes": ("one",)}, "train_y must be labels from 0 to 0"),
        (
            lambda data: {"train_x": data.train_x[:0], "train_y": data.train_y[:0]},
            "train_x must be .* with at least one example",
        ),
    ],
)
def test_a_changed_data_set_is_checked_too(change, message):
    x, y = np.ones((4, 2)), np.array([0, 1, 0, 1])
    data = make_dataset(x, y, x, y, validation=0)
    assert replace(data, name="other").classes == data.classes
    with pytest.raises(ValueError, match=message):
        replace(data, **change(data))
