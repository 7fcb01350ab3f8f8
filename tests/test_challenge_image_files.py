"""The challenge's images and truths in files: read back equal, or refused by name."""

import gzip
import io
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit._limits import TooLargeError
from topokit.challenge import (
    pack_images,
    read_categories,
    read_class_tables,
    read_images,
    read_network,
    synthetic_images,
    write_categories,
    write_images,
)

IMAGES = synthetic_images(30, 64, seed=1)


@pytest.mark.parametrize("name", ["i.tsv", "i.tsv.gz", "i.mtx", "i.mtx.gz", "i.npz"])
def test_images_read_back_equal(name, tmp_path):
    path, pixels = tmp_path / name, IMAGES.pixels(slice(None))
    if ".mtx" in name:
        plain = tmp_path / "i.mtx"
        scipy.io.mmwrite(plain, scipy.sparse.coo_array(pixels.astype(int)), field="pattern")
        if plain != path:
            path.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        write_images(IMAGES, path)
    again = read_images(path, 64)
    assert again.neurons == 64
    np.testing.assert_array_equal(again.pixels(slice(None)), pixels)
    first = read_images(path, 64, n=7)
    np.testing.assert_array_equal(first.pixels(slice(None)), pixels[:7])


@given(st.lists(st.lists(st.booleans(), min_size=20, max_size=20), min_size=1, max_size=9))
@settings(max_examples=30)
def test_written_images_read_back_equal_dark_ones_too(tmp_path_factory, pixels):
    path = tmp_path_factory.mktemp("images") / "i.tsv"
    write_images(pack_images(np.array(pixels)), path)
    rows = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
    assert rows == sorted(rows, key=lambda row: (row[1], row[0]))
    again = read_images(path, 20, n=len(pixels))
    np.testing.assert_array_equal(again.pixels(slice(None)), pixels)


@given(st.sets(st.integers(1, 99)))
@settings(max_examples=30)
def test_categories_read_back_equal(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("truth")
    for path in (folder / "c.tsv", folder / "c.tsv.gz"):
        write_categories(sorted(numbers), path)
        np.testing.assert_array_equal(read_categories(path), sorted(numbers))
    write_categories(np.array(sorted(numbers), np.int64), path)
    assert read_categories(path).tolist() == sorted(numbers)


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


WRONG_BITS = {
    "empty": b"",
    "text": b"no archive",
    "one array": saved(np.zeros(3)),
    "cut": zipped(bits=IMAGES.bits)[:-30],
    "changed": zipped(bits=IMAGES.bits).replace(IMAGES.bits.tobytes()[:9], b"123456789"),
    "no bits": zipped(other=IMAGES.bits),
    "objects": zipped(bits=np.array([{}])),
}


@pytest.mark.parametrize("content", WRONG_BITS.values(), ids=WRONG_BITS)
@pytest.mark.parametrize("read", [read_images, read_class_tables])
def test_a_wrong_npz_is_refused_by_name(content, read, tmp_path):
    path = tmp_path / "t.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"t\.npz cannot be read as"):
        read(path)


@pytest.mark.parametrize(
    "bits", [np.zeros((2, 9), np.uint8), np.zeros((8, 0), np.uint8), np.zeros((2, 8))], ids=str
)
def test_bits_of_another_size_are_refused(bits, tmp_path):
    np.savez(tmp_path / "i.npz", bits=bits)
    with pytest.raises(ValueError, match=r"i\.npz must hold bits of 64 pixels an image, uint8"):
        read_images(tmp_path / "i.npz", 64)
    np.savez(tmp_path / "i.npz", bits=np.zeros(8, np.uint8))
    with pytest.raises(ValueError, match=r"i\.npz .* has the wrong shape or type, \(8,\) of uint8"):
        read_images(tmp_path / "i.npz", 64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\t65\t1\n", "has a pixel 65; an image has pixels 1 to 64"),
        ("1\t0\t1\n", "has a pixel 0; an image has pixels 1 to 64"),
        ("1\t-3\t1\n", "has a pixel -3"),
        ("0\t5\t1\n9\t5\t1\n", "has an image 0; images are numbered from 1"),
        ("999999999999\t5\t1\n", "has an image 999999999999"),
        ("1\t5.5\t1\n", "5.5"),
        ("1.5\t5\t1\n", "1.5"),
        ("1\t5\t0\n", "has a value 0"),
        ("1\t5\t1", "ends in the middle of a line"),
        ("1\t5\n", "found 2 columns"),
        ("1\tx\t1\n", "cannot be read as lines of 3 numbers"),
        ("1\tnan\t1\n", "cannot be read as lines of 3 numbers: found nan"),
        ("1e300\t5\t1\n", "1e.300 that must be an integer below 2.53"),
    ],
)
def test_wrong_images_are_refused_by_name(content, message, tmp_path):
    path = tmp_path / "i.tsv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_images(path, 64)
    assert "i.tsv" in str(caught.value)


@pytest.mark.parametrize("field", ["pattern", "integer", "real"])
@pytest.mark.parametrize("form", [scipy.sparse.coo_array, np.asarray])
def test_matrices_are_read_as_scipy_reads_them(form, field, tmp_path):
    pixels = form(IMAGES.pixels(slice(None)).astype(int))
    if form is np.asarray and field == "pattern":
        field = "integer"
    scipy.io.mmwrite(tmp_path / "i.mtx", pixels, field=field, comment="one\n\ntwo")
    read = scipy.sparse.coo_array(scipy.io.mmread(tmp_path / "i.mtx", spmatrix=False)).toarray()
    np.testing.assert_array_equal(read_images(tmp_path / "i.mtx", 64).pixels(slice(None)), read)


HEAD = "%%MatrixMarket matrix coordinate real general\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEAD}4 32 5\n3 6 1 4 32", "ends in the middle of a line"),
        (f"{HEAD}4 32 5\n3 6 1 4 32\n", "found 5 columns"),
        (f"{HEAD}4 32 2\n3 6 1\n", "has 1 of the 2 entries"),
        (f"{HEAD}4 32 0\n3 6 1\n", "has 1 of the 0 entries"),
        (f"{HEAD}4 32 1\n5 6 1\n", r"an entry \(5, 6\); rows are 1 to 4"),
        (f"{HEAD}4 32 1\n4 1e9 1\n", r"an entry \(4, 1e\+09\); rows are 1 to 4, columns 1 to 32"),
        (f"{HEAD}4 32 1\n4 0 1\n", r"an entry \(4, 0\)"),
        (f"{HEAD}4 32 1\n1.5 2 1\n", r"an entry \(1.5, 2\)"),
        (f"{HEAD}4 32 1\n1 2 0.5\n", "a value 0.5; pixels are 0 or 1"),
        (f"{HEAD}4 32 2\n1 2 1\n1 2 1\n", "a pixel of an image twice"),
        (f"{HEAD}4 33 1\n1 2 1\n", "a column for each of 32 pixels; 33"),
        (f"{HEAD}4 32 {'9' * 30}\n1 2 1\n", "expected the sizes"),
        (f"{HEAD}-4 32 1\n1 2 1\n", "expected the sizes"),
        (HEAD.replace("real", "complex"), "none of real numbers"),
        (HEAD.replace("general", "symmetric"), "must be general; found symmetric"),
        (HEAD.replace("coordinate", "\x1b[2J"), r"matrix of \\x1b\[2j real is none"),
        (HEAD + "%\n" * 20_000, "lines of comments"),
        (HEAD + "x" * 20_000, "too long"),
        ("", "ends within its first lines"),
    ],
)
def test_a_wrong_matrix_is_refused_by_name(content, message, tmp_path):
    (tmp_path / "i.mtx").write_text(content)
    with pytest.raises(ValueError, match=rf"i\.mtx .*{message}") as caught:
        read_images(tmp_path / "i.mtx", 32)
    assert str(caught.value).isprintable()


def test_bits_behind_the_last_pixel_and_pixels_listed_twice_are_refused(tmp_path):
    np.savez(tmp_path / "i.npz", bits=np.ones((2, 8), np.uint8))
    with pytest.raises(ValueError, match="bits behind the last of 60 pixels"):
        read_images(tmp_path / "i.npz", 60)
    (tmp_path / "i.tsv").write_text("1\t5\t1\n2\t5\t1\n1\t5\t1\n")
    with pytest.raises(ValueError, match="a pixel of an image twice"):
        read_images(tmp_path / "i.tsv", 60)
    (tmp_path / "c.tsv").write_text("3\n1\n3\n")
    with pytest.raises(ValueError, match="names an image twice"):
        read_categories(tmp_path / "c.tsv")


def test_more_images_than_a_file_holds_are_refused(tmp_path):
    write_images(IMAGES, tmp_path / "i.npz")
    pixels = scipy.sparse.coo_array(IMAGES.pixels(slice(None)).astype(int))
    scipy.io.mmwrite(tmp_path / "i.mtx", pixels, field="pattern")
    for name in ("i.npz", "i.mtx"):
        with pytest.raises(ValueError, match=f"{name} has 30 images; given n=31"):
            read_images(tmp_path / name, 64, n=31)
        with pytest.raises(ValueError, match="n must be an integer of at least 1; given 0"):
            read_images(tmp_path / name, 64, n=0)


@pytest.mark.parametrize("images", [2 * 10**9, 10**15, 10**19])
def test_images_larger_than_memory_are_refused_by_name(images, tmp_path):
    head = "%%MatrixMarket matrix coordinate pattern general"
    (tmp_path / "i.mtx").write_text(f"{head}\n{images} 64 1\n1 1\n")
    (tmp_path / "i.tsv").write_text(f"{images}\t1\t1\n")
    for name in ("i.mtx", "i.tsv"):
        with pytest.raises(ValueError, match=rf"{name} (cannot be read as|has)"):
            read_images(tmp_path / name, 64)


def test_a_file_that_unpacks_to_too_much_is_refused_until_it_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr("topokit._limits.SMALL_FILE", 100)
    path = tmp_path / "i.tsv.gz"
    path.write_bytes(gzip.compress(b"\n" * 99_999 + b"1\t1\t1\n"))
    for read in (read_images, read_categories):
        with pytest.raises(TooLargeError, match=r"i\.tsv\.gz would take .* TOPOKIT_MEMORY"):
            read(path)
    with tk.memory_limit(200_000):
        assert len(read_images(path, 64).bits) == 1
    dark = tmp_path / "dark.mtx.gz"
    head = b"%%MatrixMarket matrix array real general\n1000 64\n"
    dark.write_bytes(gzip.compress(head + b"0\n" * 64_000))
    with pytest.raises(TooLargeError, match=r"dark\.mtx\.gz would take .* TOPOKIT_MEMORY"):
        read_images(dark, 64)
    with tk.memory_limit(10**6):
        assert not read_images(dark, 64).bits.any()


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    for name in ("i.mtx", "i", "i.npz.gz"):
        with pytest.raises(ValueError, match=r"images are written as \.tsv, \.tsv\.gz or \.npz"):
            write_images(IMAGES, tmp_path / name)
    for number in (0, -3):
        with pytest.raises(ValueError, match="categories must be an integer of at least 1"):
            write_categories([5, number], tmp_path / "c.tsv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["i.csv", "i", "i.tsv.zip", "i.gz"])
def test_images_of_another_kind_are_refused(name, tmp_path):
    (tmp_path / name).write_text("1\t1\t1\n")
    with pytest.raises(ValueError, match=r"images are \.tsv, \.mtx or \.npz files"):
        read_images(tmp_path / name, 64)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.95])
@pytest.mark.parametrize("name", ["i.tsv.gz", "i.mtx.gz", "i.mtx"])
def test_cut_images_are_refused_by_name(name, share, tmp_path):
    plain = tmp_path / "whole.tsv"
    if ".mtx" in name:
        pixels = scipy.sparse.coo_array(IMAGES.pixels(slice(None)).astype(int))
        scipy.io.mmwrite(plain.with_suffix(".mtx"), pixels, field="pattern")
        content = plain.with_suffix(".mtx").read_bytes()
    else:
        write_images(IMAGES, plain)
        content = plain.read_bytes()
    content = gzip.compress(content) if name.endswith(".gz") else content
    path = tmp_path / name
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"{name} cannot be read as"):
        read_images(path, 64)


@pytest.mark.parametrize("content", ["0\n", "1.5\n", "-2\n", "1\t2\n", "x\n", "7", "nan\n"])
def test_a_wrong_truth_is_refused_by_name(content, tmp_path):
    (tmp_path / "c.tsv").write_text(content)
    with pytest.raises(ValueError, match=r"c\.tsv"):
        read_categories(tmp_path / "c.tsv")


@pytest.mark.parametrize("read", [read_images, read_categories, read_network, read_class_tables])
def test_a_file_that_is_not_there_is_called_missing(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / ("none.npz" if read is read_class_tables else "none.tsv"))
