"""Archives of arrays from strangers: read as numpy reads them, or refused in a line."""

import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from topokit._archives import read_archive, write_archive
from topokit._limits import TooLargeError

kinds = st.sampled_from(
    ["<i8", ">i4", "|u1", "<f8", ">f4", "<f2", "|b1", "<c8", "<U3", ">U2", "S4"]
)


def archive(members, packing=zipfile.ZIP_DEFLATED):
    """An archive of members of given bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as zipped, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile tells of two equal names
        for name, content in members:
            zipped.writestr(name, content)
    return file


def npy(header, content=b"", version=b"\x01\x00"):
    line = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + version + len(line).to_bytes(2, "little") + line + content


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=["L", "P"]), min_size=1),
        kinds.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, min_side=0))),
        max_size=3,
    ),
    st.booleans(),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_what_numpy_wrote_is_read_as_numpy_reads_it(held, by_column, packing):
    order = np.asfortranarray if by_column else np.asarray
    file = archive([(f"{name}.npy", saved(order(a))) for name, a in held.items()], packing)
    if held:
        found = read_archive(file)
        expected = np.load(io.BytesIO(file.getvalue()))
        assert list(found) == expected.files
        for name, array in found.items():
            np.testing.assert_array_equal(array, expected[name])
            assert array.shape == expected[name].shape
            assert array.dtype == expected[name].dtype.newbyteorder("=")


ONE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
EIGHT = bytes(8)


def encrypted():
    content = bytearray(archive([("a.npy", npy(ONE, EIGHT))]).getvalue())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return io.BytesIO(content)


def sized(file, n_bytes):
    """An archive whose directory says that its first member has another size."""
    content = bytearray(file.getvalue())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = n_bytes.to_bytes(4, "little")
    return io.BytesIO(content)


HOSTILE = {
    "an unclosed header": archive([("a.npy", npy("{'descr': '<f8', (", EIGHT))]),
    "an indented header": archive([("a.npy", npy("  " + ONE + "\n 1", EIGHT))]),
    "code for a header": archive([("a.npy", npy("exit()", EIGHT))]),
    "a header of another file": archive([("a.npy", b"GIF89a" + EIGHT)]),
    "no header": archive([("a.npy", b"")]),
    "a later version": archive([("a.npy", npy(ONE, EIGHT, b"\x03\x00"))]),
    "objects": archive([("a.npy", npy(ONE.replace("<f8", "|O"), EIGHT))]),
    "records": archive([("a.npy", npy(ONE.replace("'<f8'", "[('x', '<f8')]"), EIGHT))]),
    "a type that is none": archive([("a.npy", npy(ONE.replace("<f8", "<f3"), bytes(3)))]),
    "texts of no length": archive(
        [("a.npy", npy(ONE.replace("<f8", "<U0").replace("1,", "9" * 9)))]
    ),
    "a shape that is a number": archive([("a.npy", npy(ONE.replace("1,", "1"), EIGHT))]),
    "a blank of another kind": archive([("a.npy", npy(ONE + "\x0b", EIGHT))]),
    "a negative shape": archive([("a.npy", npy(ONE.replace("1,", "-1,"), EIGHT))]),
    "too few numbers": archive([("a.npy", npy(ONE.replace("1,", "2,"), EIGHT))]),
    "too many numbers": archive([("a.npy", npy(ONE, EIGHT + b"x"))]),
    "too many axes": archive([("a.npy", npy(ONE.replace("1,", "1, " * 99), EIGHT))]),
    "neither true nor false": archive([("a.npy", npy(ONE.replace("<f8", "|b1"), b"\x02"))]),
    "no character": archive([("a.npy", npy(ONE.replace("<f8", "<U1"), b"\xff\xff\xff\x7f"))]),
    "two of one name": archive([("a.npy", npy(ONE, EIGHT))] * 2),
    "what is no array": archive([("a.npy", npy(ONE, EIGHT)), ("code.py", b"exit()")]),
    "another packing": archive([("a.npy", npy(ONE, EIGHT))], zipfile.ZIP_BZIP2),
    "a name of many lines": archive([("\x1b[2J\n" * 10**4, b"")]),
    "an encrypted member": encrypted(),
    "a size that is none": sized(
        archive([("a.npy", npy(ONE.replace("1,", "9,"), bytes(10**7)))]), 200
    ),
    "an empty archive": io.BytesIO(b"PK\x05\x06" + bytes(18)),
    "a cut archive": io.BytesIO(archive([("a.npy", npy(ONE, EIGHT))]).getvalue()[:-5]),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_archive_of_numbers_is_one_line(what):
    tracemalloc.start()
    with pytest.raises(ValueError, match="^its? |array") as caught:
        read_archive(HOSTILE[what])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    assert peak < 2**22


def test_what_unpacks_to_more_than_a_file_can_mean_is_refused_before_it_is_unpacked():
    file = sized(archive([("a.npy", npy(ONE, EIGHT))]), 2**28)
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="what it unpacks to would take .* TOPOKIT_MEMORY"):
        read_archive(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


def test_arrays_are_those_that_are_expected():
    file = archive([("a.npy", npy(ONE, EIGHT))])
    assert read_archive(file, {"a": ("f", 1)})["a"].tolist() == [0.0]
    for expected, said in [
        ({"a": ("iu", 1)}, "array 'a' has the wrong shape or type, .* of float64"),
        ({"a": ("f", 2)}, "array 'a' has the wrong shape or type, .* of float64"),
        ({"a": ("f", 1), "b": ("f", 1)}, "the arrays b are missing"),
        ({}, "it holds 'a' beside"),
    ]:
        with pytest.raises(ValueError, match=said):
            read_archive(file, expected)


@given(st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=4))
def test_what_is_written_is_never_too_much_for_its_file(sizes):
    """Also where it is nearly constant, and packs to a thousandth."""
    draw = np.random.default_rng(0).random
    held = {
        f"{n}": draw(size) if noise else np.zeros(size) for n, (size, noise) in enumerate(sizes)
    }
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topokit._limits.SMALL_FILE", 2**10)
        write_archive(file, held)
        found = read_archive(file)
    assert all(np.array_equal(found[name], array) for name, array in held.items())


def test_what_is_not_much_is_written_as_numpy_writes_it():
    held = {"a": np.arange(5), "b": np.array("text")}
    file, by_numpy = io.BytesIO(), io.BytesIO()
    write_archive(file, held)
    np.savez_compressed(by_numpy, a=held["a"], b=held["b"])
    assert file.getvalue() == by_numpy.getvalue()
