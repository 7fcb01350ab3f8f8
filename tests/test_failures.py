"""What the system refuses is told in one line, and leaves every file as it was."""

import errno
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pytest
from shell import topokit

import topokit as tk
from topokit._atomic import replacing
from topokit._failures import CURES, failure, told
from topokit.ranking._store import Entry, Store

mpl.use("agg")

LIMIT = 300  # bytes of a file
GRAPH = tk.topologies.butterfly(16)
MAPS = {"a": tk.ranking.Maps(np.random.default_rng(0).random((16, 16)), None, None)}
IMAGES = tk.challenge.synthetic_images(200, 64)
WRITERS: dict[str, Callable[[Path], Any]] = {
    **{f"net.{end}": lambda path: tk.write(GRAPH, path) for end in ("npz", "json", "graphml")},
    **{
        f"drawn.{end}": lambda path: tk.plotting.save_figure(tk.plotting.plot_masks(GRAPH), path)
        for end in ("png", "svg", "pdf")
    },
    "maps.npz": lambda path: tk.ranking.write_maps(MAPS, path),
    "images.tsv": lambda path: tk.challenge.write_images(IMAGES, path),
    "images.npz": lambda path: tk.challenge.write_images(IMAGES, path),
    "images.tsv.gz": lambda path: tk.challenge.write_images(IMAGES, path),
    "truth.tsv": lambda path: tk.challenge.write_categories(np.arange(1, 200), path),
    "weights.npz": lambda path: tk.networks.write_weights(_model(), path),
    "weights.safetensors": lambda path: tk.networks.write_weights(_model(), path),
}


def _model() -> Any:
    return tk.networks.SparseLinear(GRAPH, key=jax.random.key(0))


@contextmanager
def small_files() -> Iterator[None]:
    """No file grows beyond some bytes: what is written is cut, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", WRITERS)
def test_every_file_has_the_mode_of_one_that_is_just_opened(name, tmp_path):
    before = os.umask(0o027)
    try:
        WRITERS[name](tmp_path / name)
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / name).stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", WRITERS)
def test_what_cannot_be_written_leaves_what_was_there(name, tmp_path) -> None:
    path = tmp_path / name
    path.write_bytes(b"before")
    with small_files(), pytest.raises(OSError, match="File too large; a limit forbids") as caught:
        WRITERS[name](path)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(name, b"before")]


@pytest.mark.parametrize("name", ["字" * 80 + ".npz", "a" * 240 + ".npz"])
def test_a_name_of_any_length_that_the_system_takes_is_written(name, tmp_path) -> None:
    with replacing(tmp_path / name) as part:
        part.write_bytes(b"whole")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [(name, b"whole")]


@pytest.mark.parametrize("code", [*CURES, errno.ENODEV])
def test_every_refusal_names_the_file_what_happened_and_what_to_do(code) -> None:
    error = OSError(code, os.strerror(code), "net.npz")
    name, reason = told(error).split(": ", 1)
    happened, cure = reason.split("; ", 1)
    assert (name, happened) == ("net.npz", os.strerror(code))
    assert cure
    again = failure(OSError(code, os.strerror(code)), "net.npz")
    assert told(again) == told(error) == told(failure(error, "net.npz"))
    assert type(again) is type(error)


@pytest.mark.parametrize("name", [b"net\xff.npz", Path("net.npz"), "\x1b[2J", "a" * 5000])
def test_whatever_the_file_is_called_a_refusal_is_a_short_line(name) -> None:
    line = told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name))
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("build butterfly --n 4 -o {}/nets/a.npz", "'{}/nets' does not exist"),
        ("score {}/none.npz", "none.npz: No such file or directory; check the name"),
        ("score {}/folder.npz", "folder.npz: Is a directory; give the name of a file"),
        ("score {}/file/net.npz", "net.npz: Not a directory; a part of that path is a file"),
        (f"score {{}}/{'a' * 300}.npz", ".npz: File name too long; give a shorter name"),
        ("rank {}/file.toml --out {}/file", "is a file"),
    ],
)
def test_a_command_tells_what_the_system_refuses(words, said, tmp_path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").touch()
    result = topokit(words.replace("{}", str(tmp_path)))
    assert result.exit_code == 2
    assert said.replace("{}", str(tmp_path)) in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_full_database_is_told_as_such(tmp_path) -> None:
    with closing(Store(tmp_path / "s")) as store:
        store._connection.execute("PRAGMA max_page_count = 8")
        put = (store.put(str(n), Entry("score", {"a": "x" * 999})) for n in range(99))
        with pytest.raises(ValueError, match=r"s is on a full disk; make room on that disk, and"):
            list(put)
    with closing(Store(tmp_path / "s")) as store:  # what was finished is there
        assert 0 < len([*store.entries("score", lambda entry: entry)]) < 99


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN])
def test_where_sqlite_only_fails_the_system_is_asked_why(code, tmp_path, monkeypatch) -> None:
    def explained() -> str:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        with (
            closing(Store(tmp_path / "s")) as store,
            pytest.raises(ValueError, match="s") as caught,
            store._explained(),
        ):
            raise error
        return str(caught.value)

    assert "(disk I/O error)" in explained()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("topokit._failures.os.fsync", full)
    assert explained() == (
        f"store: {tmp_path / 's'}: No space left on device; make room on that disk, and run the "
        "same again"
    )
