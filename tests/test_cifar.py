"""CIFAR-10 in each form it is published in; hostile files do no harm."""

import hashlib
import os
import pickle
import tarfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topokit.networks._cifar import BATCHES, BINARY, PYTHON, read_cifar10
from topokit.networks._pickled import unpickle_batch


def batch(seed: int, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3072)).astype("u1"), rng.integers(0, 10, n).astype("u1")


def records(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    return np.c_[labels, pixels].tobytes()


def python_2(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """The pickle that Python 2 and its numpy wrote, opcode by opcode: all texts are bytes."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    data = pixels.tobytes()
    minus = number(-1)
    return b"".join(
        [
            *(b"\x80\x02}q\x01(", text(b"batch_label"), text(b"training batch 1 of 5")),
            *(text(b"labels"), b"](", *(b"K" + bytes([label]) for label in labels), b"e"),
            *(text(b"data"), b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"),
            *(b"K\x00\x85", text(b"b"), b"\x87R(K\x01", *map(number, pixels.shape), b"\x86"),
            *(b"cnumpy\ndtype\n", text(b"u1"), b"K\x00K\x01\x87R(K\x03", text(b"|"), b"NNN"),
            *(minus, minus, b"K\x00tb\x89T", len(data).to_bytes(4, "little"), data, b"tb"),
            *(text(b"filenames"), b"](", *(text(b"frog.png") for _ in labels), b"eu."),
        ]
    )


def python_3(protocol: int):
    def write(pixels: np.ndarray, labels: np.ndarray) -> bytes:
        return pickle.dumps({b"data": pixels, b"labels": labels.tolist()}, protocol=protocol)

    return write


WRITERS = {"python 2": python_2} | {f"protocol {k}": python_3(k) for k in range(2, 6)}


def write_batches(folder: Path, form: str, changes: dict[str, bytes] | None = None) -> Path:
    """Six small batches in a folder of their own, with the changes to the files."""
    folder.mkdir()
    for seed, name in enumerate(BATCHES):
        file = folder / (f"{name}.bin" if form == "binary" else name)
        write = records if form == "binary" else python_2
        file.write_bytes((changes or {}).get(file.name, write(*batch(seed))))
    return folder


def pack(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("form", ["binary", "python"])
def test_every_form_gives_the_same_images(form, packed, tmp_path):
    path = write_batches(tmp_path / "batches", form)
    (path / "batches.meta").write_bytes(b"not a pickle, not read")
    path = pack(path, tmp_path / "batches.tar.gz") if packed else path
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    data = read_cifar10(path, validation=0, verify=False)
    pixels, labels = (np.concatenate(p) for p in zip(*map(batch, range(5)), strict=True))
    np.testing.assert_allclose(data.train_x.reshape(15, 3072), pixels / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.train_y, labels)
    np.testing.assert_array_equal(data.test_y, batch(5)[1])
    assert (data.shape, data.n_classes, data.name) == ((3, 32, 32), 10, path.name)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_planes_are_red_green_and_blue_and_rows_lie_side_by_side(tmp_path):
    planes = np.repeat([[0, 51, 255]], 1024, axis=1).astype("u1")
    planes[0, 1024 + 33] = 102
    files = {"test_batch.bin": records(planes, np.array([3], "u1"))}
    data = read_cifar10(write_batches(tmp_path / "b", "binary", files), verify=False)
    image = data.test_x[0]
    np.testing.assert_allclose(image[:, 0, 0], [0, 0.2, 1], rtol=1e-6)
    np.testing.assert_allclose(image[1, 1, :3], [0.2, 0.4, 0.2], rtol=1e-6)
    assert data.classes[data.test_y[0]] == "cat"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_batch_reads_as_pickle_itself_reads_it(write):
    content = write(*batch(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old names of numpy, old types
        expected = pickle.loads(content, encoding="bytes")
    pixels, labels = unpickle_batch(content)
    np.testing.assert_array_equal(pixels, expected[b"data"])
    assert labels.tolist() == expected[b"labels"]


class Calls:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def nested(depth: int) -> bytes:
    return b"\x80\x02})" + b"\x85" * depth + b"Ns."


# One long text, encoded anew again and again.
ENCODED = b"".join(
    [
        b"\x80\x02](c_codecs\nencode\nq\0X" + (2**20).to_bytes(4, "little") + b"a" * 2**20,
        b"q\1\x85R" + b"h\0h\1\x85R" * 50 + b"e.",
    ]
)


@pytest.mark.parametrize("protocol", range(6))
def test_a_malicious_pickle_runs_nothing(protocol, tmp_path):
    for call in (
        Calls(os.system, f"touch {tmp_path}/ran"),
        Calls(eval, f"open('{tmp_path}/ran', 'w')"),
        Calls(np.load, f"{tmp_path}/ran"),
        Calls(np.asarray, [1]),
        Calls(getattr, "text", "upper"),
    ):
        content = pickle.dumps({b"data": call, b"labels": [1]}, protocol=protocol)
        with pytest.raises(ValueError, match="it asks for .*, which no batch needs"):
            unpickle_batch(content)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # a memo of 2 ** 31 places
        b"Np2147483647\n.",
        nested(10**6),  # whose hash would recurse to the end of the stack
        b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",
        b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.__new__\x93.",
        b"\x80\x02}.",
        b"\x80\x02K\x01.",
        b"cos\nsystem\n.",
        ENCODED,
    ],
    ids=lambda content: ascii(content[:20]),
)
def test_a_pickle_that_asks_for_too_much_is_refused_cheaply(content):
    tracemalloc.start()
    with pytest.raises(ValueError, match="^it"):
        unpickle_batch(content)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_pickle_is_refused_or_still_a_batch(write, data):
    content = bytearray(write(*batch(0, 1)))
    parts = [k for k in range(len(content)) if k < 400 or k > len(content) - 400]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.sampled_from(parts))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), *parts]))]
    try:
        pixels, labels = unpickle_batch(bytes(content))
    except ValueError:
        return
    assert (pixels.shape, pixels.dtype, len(labels)) == ((1, 3072), np.uint8, 1)
    assert labels.max() <= 9


PIXELS, LABELS = batch(0)
BAD_BATCHES = [
    ("data_batch_2.bin", b"", "is empty"),
    ("data_batch_2.bin", records(PIXELS, LABELS)[:-1], "9218 bytes are not a multiple of 3073"),
    ("data_batch_2.bin", records(PIXELS, LABELS + 10), "labels must be 0 to 9; found"),
    ("test_batch", b"", "is empty"),
    ("test_batch", python_2(PIXELS, LABELS)[:-1], "cannot be read as a pickled batch"),
    ("test_batch", records(PIXELS, LABELS), "cannot be read as a pickled batch"),
    ("test_batch", python_2(PIXELS[:2], LABELS), "a label for each of 2 images; 3"),
    ("test_batch", python_2(PIXELS, LABELS + 10), "list of integers from 0 to 9"),
    ("test_batch", python_2(PIXELS[:, 1:], LABELS), "3072 for each image"),
    ("test_batch", python_3(4)(PIXELS.astype(float), LABELS), "array of bytes"),
    ("test_batch", python_3(4)(np.asfortranarray(PIXELS), LABELS), "row-major order"),
    ("test_batch", python_3(5)(np.asfortranarray(PIXELS), LABELS), "row-major order"),
    ("test_batch", pickle.dumps([1, 2]), "pickled dictionary"),
]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize(("name", "content", "message"), BAD_BATCHES)
def test_a_bad_batch_is_named_and_told_why(name, content, message, packed, tmp_path):
    form = "binary" if name.endswith(".bin") else "python"
    path = write_batches(tmp_path / "batches", form, {name: content})
    path = pack(path, tmp_path / "batches.tar.gz") if packed else path
    with pytest.raises(ValueError, match=f"{path}/{name} is .*{message}|{path}/{name} {message}"):
        read_cifar10(path, verify=False)


@pytest.mark.parametrize(("form", "table"), [("binary", BINARY), ("python", PYTHON)])
def test_batches_with_other_sums_are_refused_before_they_are_read(form, table, tmp_path):
    path = write_batches(tmp_path / "b", form, {"data_batch_1": b"cos\nsystem\n."})
    first = path / ("data_batch_1" + table.ending)
    found = hashlib.md5(first.read_bytes()).hexdigest()
    message = f"{first} has the md5 sum {found}; expected {table.sums[0]}"
    with pytest.raises(ValueError, match=message):
        read_cifar10(path)


def test_missing_batches_are_named(tmp_path):
    path = write_batches(tmp_path / "b", "python")
    (path / "data_batch_4").unlink()
    (path / "test_batch").unlink()
    archive = pack(path, tmp_path / "b.tar.gz")
    with pytest.raises(FileNotFoundError, match="missing: data_batch_4, test_batch"):
        read_cifar10(path, verify=False)
    with pytest.raises(ValueError, match="missing: data_batch_4, test_batch"):
        read_cifar10(archive, verify=False)
    for name in ("nowhere", "nowhere.tar.gz", "nowhere.npz"):
        with pytest.raises(FileNotFoundError, match=f"{name} does not exist"):
            read_cifar10(tmp_path / name)
