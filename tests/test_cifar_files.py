"""CIFAR-10 from archives and `.npz` files: whatever they hold, refused or read in memory."""

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hostile import member_of_holes
from test_cifar import batch, pack, records, write_batches

import topokit as tk
from topokit.networks._cifar import read_cifar10

PART = Path(__file__).parents[1] / "../shared/data/cifar10/cifar10_subset.npz"


def test_an_archive_cut_anywhere_is_refused(tmp_path):
    path = pack(write_batches(tmp_path / "b", "binary"), tmp_path / "cut.tar.gz")
    content = path.read_bytes()
    for length in [0, 1, 10, *range(500, len(content) - 1, 9001), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut.tar.gz is"):
            read_cifar10(path, verify=False)


@pytest.mark.parametrize("content", [b"", b"not an archive", bytes(512), b"\x1f\x8b\x08" * 9])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "bad.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match="bad.tar.gz (is|must hold)"):
        read_cifar10(tmp_path / "bad.tar.gz", verify=False)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("topokit._limits.SMALL_FILE", 2**20)
    (tmp_path / "b").mkdir()
    with (tmp_path / "b" / "other").open("wb") as file:
        file.truncate(2**26)
    path = pack(tmp_path / "b", tmp_path / "bomb.tar.gz")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"bomb\.tar\.gz would take .* TOPOKIT_MEMORY"):
            read_cifar10(path)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_images_that_are_small_only_while_packed_are_refused_until_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr("topokit._limits.SMALL_FILE", 2**20)
    black = records(np.zeros((50, 3072), "u1"), np.zeros(50, "u1"))
    names = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    folder = write_batches(tmp_path / "b", "binary", dict.fromkeys(names, black))
    pixels, labels = np.zeros((50, 3, 32, 32), "u1"), np.zeros(50, "u1")
    npz = tmp_path / "b.npz"
    np.savez_compressed(npz, train_x=pixels, train_y=labels, test_x=pixels, test_y=labels)
    for path in (pack(folder, tmp_path / "b.tar.gz"), npz):
        with pytest.raises(ValueError, match=rf"images in .*{path.name} would .* TOPOKIT_MEMORY"):
            read_cifar10(path, verify=False)
        with tk.memory_limit(2**26):
            assert len(read_cifar10(path, verify=False).test_y) == 50


def test_a_batch_that_is_there_twice_or_has_holes_is_refused(tmp_path):
    folder = write_batches(tmp_path / "b", "binary")
    (folder / "again").mkdir()
    (folder / "again" / "test_batch.bin").write_bytes((folder / "test_batch.bin").read_bytes())
    path = pack(folder, tmp_path / "b.tar.gz")
    with pytest.raises(ValueError, match="it has test_batch.bin twice"):
        read_cifar10(path, verify=False)
    path.write_bytes(member_of_holes("test_batch.bin", 2**26))
    with pytest.raises(ValueError, match="'test_batch.bin' has holes"):
        read_cifar10(path, verify=False)


def test_a_batch_of_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("topokit.networks._cifar.LARGEST_BATCH", 9000)
    path = write_batches(tmp_path / "b", "binary")
    with pytest.raises(ValueError, match="data_batch_1.bin is more than 9000 bytes"):
        read_cifar10(path)


def test_links_and_folders_in_an_archive_are_no_batches(tmp_path):
    folder = write_batches(tmp_path / "b", "binary")
    (folder / "test_batch.bin").unlink()
    (folder / "test_batch.bin").symlink_to("/dev/zero")
    (folder / "test_batch").mkdir()
    path = pack(folder, tmp_path / "b.tar.gz")
    with pytest.raises(ValueError, match="missing: test_batch.bin"):
        read_cifar10(path, verify=False)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    pairs = {"train": batch(0, 5), "test": batch(1, 2)}
    images = {f"{part}_x": x.reshape(-1, 3, 32, 32) for part, (x, _) in pairs.items()}
    return images | {f"{part}_y": y for part, (_, y) in pairs.items()}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_part_in_an_npz_file_reads_back_equal(save, arrays, tmp_path):
    save(tmp_path / "few.npz", **arrays)
    data = read_cifar10(tmp_path / "few.npz", validation=0, verify=False)
    np.testing.assert_allclose(data.train_x, arrays["train_x"] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.test_x, arrays["test_x"] / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.train_y, arrays["train_y"])
    np.testing.assert_array_equal(data.test_y, arrays["test_y"])
    assert data.name == "few"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_x": np.zeros((5, 32, 32, 3), "u1")}, "train_x must be bytes of shape"),
        ({"train_x": np.zeros((5, 3, 32, 32))}, "train_x must be bytes .* found float64"),
        ({"test_x": np.zeros((0, 3, 32, 32), "u1")}, "test_x must be bytes"),
        ({"test_y": np.zeros(3, "u1")}, "test_y must be 2 integers from 0 to 9; .* \\(3,\\)"),
        ({"test_y": np.array([0, 10])}, "test_y must be 2 integers from 0 to 9"),
        ({"test_y": np.array([0, -1])}, "test_y must be 2 integers from 0 to 9"),
        ({"test_y": np.zeros(2)}, "test_y must be 2 integers .* float64"),
        ({"train_y": np.array([{}] * 5, object)}, "must be an .npz file.*not of numbers or text"),
        ({"train_y": None}, "must be an .npz file of the arrays .*train_y"),
    ],
)
def test_an_npz_file_of_other_arrays_is_refused(changes, message, arrays, tmp_path):
    changed = {name: x for name, x in (arrays | changes).items() if x is not None}
    np.savez(tmp_path / "bad.npz", **changed)
    with pytest.raises(ValueError, match=f"bad.npz.*{message}"):
        read_cifar10(tmp_path / "bad.npz", verify=False)


def test_a_damaged_npz_file_is_refused(arrays, tmp_path):
    path = tmp_path / "bad.npz"
    np.savez_compressed(path, **arrays)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for damaged in (b"", b"text", content[:-1], content[: len(content) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="bad.npz must be an .npz file"):
            read_cifar10(path, verify=False)


def test_an_npz_file_with_other_sums_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "other.npz", **arrays)
    found = hashlib.md5(records(*batch(0, 5))).hexdigest()
    message = f"other.npz: train_x with train_y has the md5 sum {found}; expected 5dd"
    with pytest.raises(ValueError, match=message):
        read_cifar10(tmp_path / "other.npz")


@pytest.mark.skipif(not PART.is_file(), reason=f"the part of CIFAR-10 is not at {PART}")
class TestRealPart:
    def test_has_the_published_sum_and_the_known_labels(self):
        data = read_cifar10(PART, validation=0)
        assert (data.train_x.shape, data.test_x.shape) == ((10000, 3, 32, 32), (1000, 3, 32, 32))
        train = [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
        assert np.bincount(data.train_y).tolist() == train
        assert np.bincount(data.test_y).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
        pixels = np.rint(data.train_x.reshape(10000, 3072) * 255).astype("u1")
        content = records(pixels, data.train_y.astype("u1"))
        assert hashlib.md5(content).hexdigest() == "5dd7e06a14cb22eb9f671a540d1b7c25"
        assert [data.classes[y] for y in data.train_y[:4]] == ["frog", "truck", "truck", "deer"]
        assert data.name == "cifar10-part"

    def test_is_a_published_batch_for_the_binary_reader_too(self, tmp_path):
        with np.load(PART) as part:
            content = records(part["train_x"].reshape(10000, 3072), part["train_y"])
        path = write_batches(tmp_path / "b", "binary", {"data_batch_1.bin": content})
        with pytest.raises(ValueError, match="data_batch_2.bin has the md5 sum"):
            read_cifar10(path)
