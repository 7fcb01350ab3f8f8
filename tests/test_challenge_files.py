"""The challenge's networks in files: read back equal, or refused by name, and never half."""

import gzip
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from challenges import lists, permuted
from hostile import member_of_holes

from topokit import memory_limit
from topokit._limits import TooLargeError
from topokit.challenge import plain_network, read_class_tables, read_network, write_network

NETWORK = plain_network(64, 4)
TABLES = ("row_class", "col_class")
LAYER = "n64-l3.tsv"


def layers(network) -> list[np.ndarray]:
    return [network.senders(layer) for layer in range(network.depth)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network in files, of which the third layer is damaged by the tests."""
    write_network(NETWORK, tmp_path / "net")
    return tmp_path / "net"


def archive(folder: Path, kind: Any) -> Path:
    path = folder.parent / f"net.tar.{kind}"
    mode: Any = f"w:{kind}"
    with tarfile.open(path, mode) as file:
        file.add(folder, "neuron64")
    return path


def class_tables(path: Path, blocks: int = 2, neurons: int = 64, **changes) -> Path:
    rng = np.random.default_rng(0)
    classes = np.arange(neurons) % (neurons // 16)
    tables = {k: rng.permuted([classes] * blocks, axis=1) for k in TABLES}
    held: Any = {name: table for name, table in (tables | changes).items() if table is not None}
    np.savez(path, **held)
    return path


@pytest.mark.parametrize("network", [NETWORK, permuted(64, 2, seed=0)], ids=["plain", "permuted"])
@pytest.mark.parametrize("pack", ["folder", "gzip", "xz", "gz"])
def test_a_written_network_reads_back_equal(network, pack, tmp_path):
    path = tmp_path / "net"
    write_network(network, path)
    match pack:
        case "gzip":
            for file in list(path.iterdir()):
                Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
        case "xz" | "gz":
            path = archive(path, pack)
    again = read_network(path)
    assert (again.neurons, again.depth, again.bias) == (64, network.depth, -0.3)
    assert all(np.array_equal(*pair) for pair in zip(layers(again), layers(network), strict=True))


def test_a_layer_is_written_as_the_challenge_has_it(folder):
    rows = np.loadtxt(folder / "n64-l1.tsv")
    assert (folder / "n64-l1.tsv").read_text().startswith("1\t1\t6.250000e-02\n")
    assert rows.shape == (64 * 32, 3)
    assert (np.lexsort((rows[:, 0], rows[:, 1])) == np.arange(len(rows))).all()


def test_lines_may_come_in_any_order(folder):
    lines = (folder / LAYER).read_text().splitlines(keepends=True)
    (folder / LAYER).write_text("".join(np.random.default_rng(0).permutation(lines)))
    np.testing.assert_array_equal(read_network(folder).senders(2), NETWORK.senders(2))


def test_class_tables_join_what_their_docstring_says(tmp_path):
    path = class_tables(tmp_path / "t.npz", blocks=3, neurons=128)
    network = read_class_tables(path)
    with np.load(path) as file:
        rows, columns = file["row_class"], file["col_class"]
    assert (network.neurons, network.depth, network.period) == (128, 9, 9)
    for layer in range(9):
        block, k = divmod(layer, 3)
        steps = (rows[block][:, None] - columns[block]) % 8
        expected = lists((steps == 0) | (steps == 2**k))
        np.testing.assert_array_equal(network.senders(layer), expected)
    assert read_class_tables(path, depth=4).depth == 4


ROWS = "".join(f"{i}\t{j}\t0.0625\n" for j in range(1, 65) for i in range(1, 33))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has 0 connections; a layer of 64 neurons has 2048"),
        (ROWS[:-1], "ends in the middle of a line"),
        (ROWS[: ROWS.index("\n") + 1] * 2048, "32 different senders"),
        (ROWS.replace("0.0625", "0.0625\t7"), "found 4 columns"),
        (ROWS.replace("5\t9\t0.0625", "5\t9", 1), "cannot be read as lines of 3 numbers"),
        (ROWS.replace("5\t9\t", "five\t9\t", 1), "cannot be read as lines of 3 numbers"),
        (ROWS.replace("5\t9\t", "nan\t9\t", 1), "cannot be read as lines of 3 numbers"),
        (ROWS.replace("\n5\t9\t", "\n5.5\t9\t", 1), "5.5"),
        (ROWS.replace("\n5\t9\t", "\n0\t9\t", 1), "neuron 0; a layer has neurons 1 to 64"),
        (ROWS.replace("\n5\t9\t", "\n65\t9\t", 1), "neuron 65; a layer has neurons 1 to 64"),
        (ROWS.replace("\n5\t9\t", "\n4\t9\t", 1), "32 different senders"),
        (ROWS.replace("\n5\t9\t", "\n5\t8\t", 1), "32 different senders"),
        (ROWS.replace("0.0625", "0.125", 1), "has a weight 0.125"),
        (ROWS.replace("0.0625", "inf", 1), "cannot be read as lines of 3 numbers"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_wrong_layer_is_refused_by_name(content, message, packed, folder):
    (folder / LAYER).write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_network(archive(folder, "gz") if packed else folder).senders(2)
    assert LAYER in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["gz", "xz"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.8])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_is_refused_by_name(kind, share, damage, folder):
    path = archive(folder, kind)
    content = bytearray(path.read_bytes())
    place = int(share * len(content))
    content[place:] = b"" if damage == "cut" else bytes(b ^ 255 for b in content[place:])
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name} cannot be read as a tar archive"):
        read_network(path)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_damaged_gzip_layer_is_refused_by_name(share, folder):
    path = folder / f"{LAYER}.gz"
    packed = gzip.compress((folder / LAYER).read_bytes())
    (folder / LAYER).unlink()
    path.write_bytes(packed[: int(share * len(packed))] + b"\0\1\2")
    with pytest.raises(ValueError, match=f"{path.name} cannot be read as lines of 3 numbers"):
        read_network(folder).senders(2)


def test_a_missing_layer_and_a_folder_of_two_networks_are_refused(folder):
    write_network(plain_network(32, 1), folder.parent / "other")
    (folder.parent / "other/n32-l1.tsv").rename(folder / "n32-l1.tsv")
    with pytest.raises(ValueError, match=r"one network.*found those of \[32, 64\] neurons"):
        read_network(folder)
    (folder / "n32-l1.tsv").unlink()
    (folder / LAYER).unlink()
    for path in (folder, archive(folder, "gz")):
        with pytest.raises(ValueError, match="has no layer 3: n64-l3.tsv is missing"):
            read_network(path)
    for file in list(folder.iterdir()):
        file.unlink()
    with pytest.raises(ValueError, match="found those of no neurons"):
        read_network(folder)
    with pytest.raises(FileNotFoundError):
        read_network(folder / "none")


def test_a_layer_that_is_there_twice_is_refused(folder):
    (folder / f"{LAYER}.gz").write_bytes(gzip.compress((folder / LAYER).read_bytes()))
    for path in (folder, archive(folder, "gz")):
        with pytest.raises(ValueError, match=rf"has a layer twice: {LAYER}.* and {LAYER}"):
            read_network(path)
    path = folder.parent / "twice.tar"
    with tarfile.open(path, "w") as file:
        file.add(folder / LAYER, f"a/{LAYER}")
        file.add(folder / LAYER, f"b/{LAYER}")
    with pytest.raises(ValueError, match=rf"twice\.tar cannot be read.*{LAYER} twice"):
        read_network(path)


def test_a_link_to_itself_and_a_network_without_neurons_are_refused(tmp_path):
    path = tmp_path / "loop.tar"
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("n64-l1.tsv")
        link.type, link.linkname = tarfile.LNKTYPE, "n64-l1.tsv"
        file.addfile(link)
    with pytest.raises(ValueError, match=r"loop\.tar cannot be read as a tar archive"):
        read_network(path)
    (tmp_path / "n0-l1.tsv").touch()
    with pytest.raises(ValueError, match="found those of no neurons"):
        read_network(tmp_path)


def test_a_member_with_holes_is_refused_before_they_are_filled(tmp_path):
    (tmp_path / "bomb.tar").write_bytes(member_of_holes("n64-l1.tsv", 2**32))
    with tarfile.open(tmp_path / "bomb.tar") as file:
        assert file.getmembers()[0].size == 2**32
    with pytest.raises(ValueError, match=r"bomb\.tar .*'n64-l1.tsv' has holes"):
        read_network(tmp_path / "bomb.tar")


def packed(attributes: dict[str, str], content: bytes, name: str = "other") -> bytes:
    """An archive of one file with an extended header."""
    header = tarfile.TarInfo(name)
    header.size, header.pax_headers = len(content), attributes
    with BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(header, BytesIO(content))
        return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed({"GNU.sparse.major": "1"}, b""), "has holes"),
        (packed({"size": "9" * 30}, b""), "has a size of"),
        (packed({"size": "-5"}, b""), "has a size of"),
        (packed({"comment": "x" * 2**21}, b""), "a header of the archive says"),
        (packed({}, b"1\t1\t0.0625\n")[:1024], "ends before its end"),
        (packed({}, b"") * 2, "goes on behind its end"),
        (bytes(100), "ends before its end"),
        (b"\xff" * 1024, "no tar archive, or a damaged one"),
        (tarfile.TarInfo("a").tobuf() * 9, "more than 8 members"),
    ],
    ids=["holes", "large", "negative", "long", "cut", "two", "short", "none", "many"],
)
def test_an_archive_that_lies_is_refused_in_a_line(content, message, tmp_path, monkeypatch):
    monkeypatch.setattr("topokit._tar_members.MOST_MEMBERS", 8)
    path = tmp_path / "net.tar"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"net\.tar cannot be read as .*{message}") as caught:
        read_network(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder_name", ["a", "é" * 40, "long/" * 40])
def test_archives_are_read_as_tarfile_reads_them(form, folder_name, folder):
    path = folder.parent / "net.tar"
    with tarfile.open(path, "w", format=form) as file:
        file.add(folder, folder_name)
    again = read_network(path)
    assert all(np.array_equal(*pair) for pair in zip(layers(again), layers(NETWORK), strict=True))


def test_layers_that_unpack_to_too_much_are_refused(folder, monkeypatch):
    monkeypatch.setattr("topokit._limits.SMALL_FILE", 100)
    path = folder.parent / "net.tar.xz"
    with tarfile.open(path, "w:xz") as file:
        header = tarfile.TarInfo("other")
        header.size = 10**6
        file.addfile(header, BytesIO(bytes(header.size)))
        file.add(folder, "neuron64")
    with pytest.raises(TooLargeError, match=r"net\.tar\.xz would take .* TOPOKIT_MEMORY"):
        read_network(path)
    with memory_limit(10**7):
        assert read_network(path).depth == NETWORK.depth


def test_the_first_layers_alone_are_read(folder):
    for path in (folder, archive(folder, "gz")):
        network = read_network(path, depth=3)
        assert (network.depth, network.name) == (3, f"{path.name}: 64 neurons, 3 layers")
        with pytest.raises(ValueError, match="depth must be an integer of at most 4; given 5"):
            read_network(path, depth=5)


def test_a_folder_with_layers_of_another_network_is_left_alone(folder):
    for other in (plain_network(64, 3), plain_network(32, 1)):
        with pytest.raises(ValueError, match="has layers of another network"):
            write_network(other, folder)
    assert len(list(folder.iterdir())) == 4
    write_network(plain_network(64, 5), folder)
    assert read_network(folder).depth == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row_class": None}, "cannot be read as tables of classes"),
        ({"row_class": np.array([["a"]])}, "cannot be read as tables of classes"),
        ({"row_class": np.array([{}])}, "cannot be read as tables of classes"),
        ({"row_class": np.zeros((2, 48), int)}, r"found \(2, 48\) and \(2, 64\)"),
        ({"row_class": np.zeros(64, int)}, r"the wrong shape or type, \(64,\) of int64"),
        ({"row_class": np.zeros((1, 64), int)}, "of one shape"),
        ({"row_class": np.zeros((2, 64))}, "the wrong shape or type, .* of float64"),
        ({"other": np.zeros((2, 64), int)}, "it holds 'other' beside the arrays"),
        ({key: np.zeros((0, 64), int) for key in TABLES}, r"found \(0, 64\)"),
        ({key: np.zeros((2, 0), int) for key in TABLES}, r"found \(2, 0\)"),
        ({key: np.zeros((2, 16), int) for key in TABLES}, r"found \(2, 16\)"),
        ({key: np.zeros((2, 48), int) for key in TABLES}, "16 times a power of two"),
        ({"row_class": np.zeros((2, 64), int)}, "each of 4 classes must have 16 neurons"),
    ],
    ids=str,
)
def test_tables_that_are_none_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=rf"t\.npz.*{message}"):
        read_class_tables(class_tables(tmp_path / "t.npz", **changes))


def test_tables_that_are_small_only_while_packed_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.npz"
    table = np.zeros((64, 1024), np.int8)
    np.savez_compressed(path, row_class=table, col_class=table)
    for small, message in ((100, "t.npz: what it unpacks to"), (2**18, "the tables of .*t.npz")):
        monkeypatch.setattr("topokit._limits.SMALL_FILE", small)
        with pytest.raises(TooLargeError, match=f"{message} would take .* TOPOKIT_MEMORY"):
            read_class_tables(path)


@pytest.mark.parametrize("depth", [0, 5])
def test_tables_have_at_most_their_layers(depth, tmp_path):
    with pytest.raises(ValueError, match="depth must be an integer of at"):
        read_class_tables(class_tables(tmp_path / "t.npz"), depth=depth)


def test_a_layer_that_cannot_be_made_leaves_no_half_file(tmp_path):
    def senders(layer: int) -> np.ndarray:
        if layer == 2:
            raise RuntimeError("interrupted")
        return NETWORK.senders(layer)

    with pytest.raises(RuntimeError, match="interrupted"):
        write_network(NETWORK._replace(senders=senders), tmp_path / "net")
    names = sorted(file.name for file in (tmp_path / "net").iterdir())
    assert names == ["n64-l1.tsv", "n64-l2.tsv"]
