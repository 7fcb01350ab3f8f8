"""The store: what went in comes out, from any process, and no other file is taken for one."""

import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from solvers import Idle

import topokit as tk
from topokit.ranking import Result, _store, read_store, sweep
from topokit.ranking._store import Entry, Store
from topokit.ranking._tasks import Rebuilt

NOBODY = 65534
DENSE = {"dense": tk.topologies.dense(3, 3)}
VALUES = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
)
RESULTS = {"name": "d", "family": "dense", "skip": False, "n_in": 3, "n_out": 3, "depth": 1}
RESULTS |= {"edges": 9, "trainable": 9, "solver": "Idle(steps=1)", "seed": 4, "seconds": 0.5}
RESULTS |= {"loss": [0.5, 0.25], "steps": [7, 8]}
KEY = "7" * 64
IMPOSSIBLE = [
    ("loss", [10**400, 1]),
    ("loss", [-1, 1e308]),
    ("loss", [-math.inf, 1]),
    ("steps", [-1, 1]),
    ("trainable", 10**400),
    ("trainable", -5),
    ("n_in", 0),
    ("seed", 10**100),
    ("seconds", math.nan),
    ("seconds", -1.0),
    ("name", ""),
    ("name", "\x1b[2J"),
    ("family", "a\nb"),
]

MATRICES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0))


@settings(max_examples=30)
@given(value=VALUES, matrices=st.dictionaries(st.sampled_from("Kab"), MATRICES))
def test_what_went_in_comes_out(value, matrices):
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            with closing(Store(Path(folder) / "s")) as store:
                store.put("a", Entry("score", value, matrices))
        with closing(Store(Path(folder) / "s")) as store:
            found = store.get("a")
            assert found is not None
            assert store.get("b") is None
    assert found[:2] == ("score", value)
    assert found.arrays.keys() == matrices.keys()
    for name, matrix in matrices.items():
        assert np.array_equal(found.arrays[name], matrix, equal_nan=True)


def test_results_lie_in_a_file_as_one_entry_for_each_seed(tmp_path):
    shared = {name: value for name, value in RESULTS.items() if name not in ("loss", "steps")}
    entry = Entry("reconstruction", RESULTS)
    with closing(Store(tmp_path / "s")) as store:
        store.put("a", entry)
    results = read_store(tmp_path / "s")
    assert results == [
        Result(**shared, target=0, loss=0.5, steps=7),
        Result(**shared, target=1, loss=0.25, steps=8),
    ]
    assert Rebuilt(tuple(results)).to_entry() == entry


def test_the_first_result_of_a_key_stays(tmp_path):
    with closing(Store(tmp_path / "s")) as store:
        store.put("a", Entry("score", {"number": 1}))
        store.put("a", Entry("score", {"number": 2}))
        assert [entry.value for entry in store.entries("score")] == [{"number": 1}]


WRITER = """
import sys
import numpy as np
from topokit.ranking._store import Entry, Store
path, name, number = *sys.argv[1:3], 0
print("ready", flush=True)
sys.stdin.readline()
store = Store(path)
while len(sys.argv) < 4 or number < int(sys.argv[3]):
    entry = Entry("score", {"number": number}, {"K": np.full((30, 40), float(number))})
    store.put(f"{name}{number}", entry)
    number += 1
"""


def writer(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def numbers(store: Store, name: str) -> list[int]:
    """How far a writer came; what it wrote is whole, and without a gap."""
    found = []
    while (entry := store.get(f"{name}{len(found)}")) is not None:
        assert entry.value["number"] == len(found)
        assert np.all(entry.arrays["K"] == len(found))
        found.append(len(found))
    assert store.get(f"{name}{len(found) + 1}") is None
    return found


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.2])
def test_a_process_may_be_killed_at_any_time(delay, tmp_path):
    with writer(tmp_path / "s", "a") as process:
        begin(process)
        time.sleep(delay)
        process.kill()
    with closing(Store(tmp_path / "s")) as store:
        found = numbers(store, "a")
        store.put(f"a{len(found)}", Entry("score", {"number": len(found)}, {"K": np.ones((1, 1))}))


def test_a_kill_within_a_transaction_leaves_none_of_it(tmp_path):
    code = (
        "import os, sys; from topokit.ranking._store import *; store = Store(sys.argv[1]);"
        "store.put('a', Entry('score', {}));"
        "store._connection.create_function('die', 0, lambda: os.kill(os.getpid(), 9));"
        "store._connection.execute('CREATE TEMP TRIGGER t AFTER INSERT ON results"
        " BEGIN SELECT die(); END');"
        "store.put('b', Entry('score', {}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert done.returncode == -9
    with closing(Store(tmp_path / "s")) as store:
        assert (store.get("a"), store.get("b")) == (Entry("score", {}), None)
        store.put("b", Entry("score", {"late": True}))
        assert store.get("b") == Entry("score", {"late": True})


def test_another_process_may_make_the_store_while_this_one_looks_at_it(tmp_path, monkeypatch):
    class Disturbed(sqlite3.Connection):
        def execute(self, question, *values):
            if question == "PRAGMA user_version":
                monkeypatch.undo()
                monkeypatch.setattr(_store, "PATIENCE", 0.1)
                with suppress(ValueError):
                    Store(tmp_path / "s").close()
            return super().execute(question, *values)

    connect = partial(sqlite3.connect, factory=Disturbed)
    monkeypatch.setattr("topokit.ranking._store.sqlite3.connect", connect)
    with closing(Store(tmp_path / "s")) as store:
        store.put("a", Entry("score", {}))


def test_two_that_make_a_store_at_once_wait_for_each_other(tmp_path, monkeypatch):
    """SQLite refuses one of them at once, however long it may wait."""
    refused = []

    class Contested(sqlite3.Connection):
        def execute(self, question, *values):
            if "journal_mode" in question and len(refused) < 2:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                refused.append(error)
                raise error
            return super().execute(question, *values)

    connect = partial(sqlite3.connect, factory=Contested)
    monkeypatch.setattr("topokit.ranking._store.sqlite3.connect", connect)
    with closing(Store(tmp_path / "s")) as store:
        store.put("a", Entry("score", {}))
    assert len(refused) == 2


def test_processes_write_one_store_at_the_same_time(tmp_path):
    processes = [writer(tmp_path / "s", name, 40) for name in "abc"]
    for process in processes:
        begin(process)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    with closing(Store(tmp_path / "s")) as store:
        assert [len(numbers(store, name)) for name in "abc"] == [40, 40, 40]
        assert len(list(store.entries("score"))) == 120


def filled(path: Path, results: int = 200) -> None:
    with closing(Store(path)) as store:
        for number in range(results):
            entry = Entry("score", {"number": number}, {"K": np.full((8, 8), 0.5)})
            store.put(f"{number:064}", entry)


def truncated(path: Path) -> None:
    filled(path)
    os.truncate(path, path.stat().st_size // 2)


def garbled(path: Path) -> None:
    """Noise in the middle, where the rows are."""
    filled(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(np.random.default_rng(0).bytes(9000))


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")


def of_schema(path: Path, schema: int, application: int = 0) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE evaluations (x)")
        connection.execute(f"PRAGMA user_version = {schema}")
        connection.execute(f"PRAGMA application_id = {application}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("not a database, " * 99), "no SQLite file; give another"),
        (foreign, "a database of another program; give another file"),
        (lambda path: of_schema(path, 2, 1234), "a database of another program"),
        (lambda path: of_schema(path, 2, _store.APPLICATION), "has schema 2, this version of"),
        (lambda path: of_schema(path, 1), "has schema 1, this version of topokit reads and wr"),
        (lambda path: of_schema(path, 99, _store.APPLICATION), "has schema 99"),
        (truncated, "is damaged.* left as it is: give another file, or save what can be read"),
        (garbled, "is damaged"),
    ],
    ids=["text", "foreign", "another", "last", "older", "newer", "truncated", "garbled"],
)
@pytest.mark.parametrize("use", [Store, read_store, lambda path: list(sweep(DENSE, store=path))])
def test_another_file_is_refused_and_left_as_it_is(use, make, message, tmp_path):
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"store: .*file .*{message}"):
        use(path)
    assert path.read_bytes() == before


@settings(max_examples=25)
@given(place=st.integers(0, 2**20), noise=st.binary(min_size=1, max_size=300))
def test_a_damaged_store_never_gives_a_wrong_number(place, noise):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        filled(path, 20)
        with path.open("r+b") as file:
            file.seek(place % (path.stat().st_size - len(noise)))
            file.write(noise)
        found = {}
        with suppress(ValueError), closing(Store(path)) as store:
            found = {n: store.get(f"{n:064}") for n in range(20)}
        for number, entry in found.items():
            assert entry is None or entry.value == {"number": number}
            assert entry is None or np.all(entry.arrays["K"] == 0.5)


def read_or_refused(path: Path) -> list[Result] | None:
    """What a store gives, or None where it says in one line that it is damaged."""
    try:
        return read_store(path)
    except ValueError as error:
        said = str(error)
    assert str(path) in said
    assert len(said.splitlines()) == 1
    return None


def test_no_bit_of_a_row_makes_it_another_or_none(tmp_path):
    path = tmp_path / "s"
    with closing(Store(path)) as store:
        store.put(KEY, Entry("reconstruction", RESULTS))
    data, whole = path.read_bytes(), read_store(path)
    start = data.index(KEY.encode() + b"reconstruction")  # behind the sizes and types of columns
    for place in range(8 * (start - 12), 8 * (start + len(KEY) + 20), 5):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert read_or_refused(path) in (None, whole), place


@pytest.mark.parametrize(
    "value",
    [
        "[" * 99_999,
        "[]",
        "{}",
        json.dumps(RESULTS | {"loss": 1}),
        json.dumps(RESULTS | {"loss": [0.5]}),
        json.dumps(RESULTS | {"loss": ["a", "b"]}),
        json.dumps(RESULTS | {"name": None}),
        json.dumps(RESULTS | {"edges": "\x1b[2J" * 9_999}),
        json.dumps(RESULTS | {"x" * 99_999: 1}),
        *(json.dumps(RESULTS | {name: value}) for name, value in IMPOSSIBLE),
    ],
    ids=["deep", "list", "empty", "number", "short", "texts", "none", "control", "long"]
    + [f"{name}-{place}" for place, (name, _) in enumerate(IMPOSSIBLE)],
)
def test_a_row_with_a_right_sum_and_no_result_is_refused_in_a_line(value, tmp_path):
    path = tmp_path / "s"
    Store(path).close()
    row = KEY, "reconstruction", value, None
    with closing(sqlite3.connect(path)) as connection, connection:
        filled_in = "INSERT INTO results VALUES (?, ?, ?, ?, ?)"
        connection.execute(filled_in, (*row, _store._checksum(*row)))
    with pytest.raises(ValueError, match="is damaged: row 7777.* is no result") as caught:
        read_store(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_loss_that_diverged_is_read(tmp_path):
    with closing(Store(tmp_path / "s")) as store:
        store.put(KEY, Entry("reconstruction", RESULTS | {"loss": [math.nan, math.inf]}))
    first, second = (one.loss for one in read_store(tmp_path / "s"))
    assert math.isnan(first)
    assert second == math.inf


@pytest.mark.parametrize("opened", [Store, read_store])
def test_an_empty_file_beside_a_log_is_refused_and_the_log_stays(opened, tmp_path):
    path, log = tmp_path / "s", tmp_path / "s-wal"
    with closing(Store(path)) as store:
        store.put(KEY, Entry("reconstruction", RESULTS))
        kept = log.read_bytes()
    path.write_bytes(b"")
    log.write_bytes(kept)
    with pytest.raises(ValueError, match=r"s is damaged: it is empty, and .*s-wal holds \d+ bytes"):
        opened(path)
    assert log.read_bytes() == kept


def test_a_folder_in_the_place_of_the_log_is_named(tmp_path):
    filled(tmp_path / "s", 1)
    (tmp_path / "s-wal").mkdir()
    with pytest.raises(ValueError, match="s-wal is a folder"):
        read_store(tmp_path / "s")


def test_no_array_of_a_row_is_passed_over(tmp_path):
    with closing(Store(tmp_path / "s")) as store:
        store.put(KEY, Entry("reconstruction", RESULTS, {"K": np.ones((2, 2))}))
    with pytest.raises(ValueError, match="is no result .the array K is"):
        read_store(tmp_path / "s")


@pytest.mark.parametrize(
    "command",
    [
        "CREATE TABLE other (x)",
        "CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM results; END",
        "CREATE TABLE kept AS SELECT * FROM results; DROP TABLE results;"
        " CREATE VIEW results AS SELECT * FROM kept",
    ],
    ids=["table", "trigger", "view"],
)
def test_a_store_that_holds_more_than_its_table_is_refused(command, tmp_path):
    filled(tmp_path / "s", 2)
    with closing(sqlite3.connect(tmp_path / "s")) as connection, connection:
        connection.executescript(command)
    with pytest.raises(ValueError, match="it has another table than that of results"):
        Store(tmp_path / "s")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another connection is in a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_locked_store_is_an_error_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(_store, "PATIENCE", 0.1)
    filled(tmp_path / "s", 1)
    with closing(Store(tmp_path / "s")) as store:
        with held(tmp_path / "s"), pytest.raises(ValueError, match="locked by another process"):
            store.put("b", Entry("score", {}))
        store.put("b", Entry("score", {}))


def test_a_result_that_cannot_be_kept_is_yielded_before_the_error(tmp_path, monkeypatch):
    monkeypatch.setattr(_store, "PATIENCE", 0.1)
    filled(tmp_path / "s", 1)
    rows = []
    with held(tmp_path / "s"), pytest.raises(ValueError, match="locked by another process"):
        rows.extend(sweep(DENSE, targets=2, solver=Idle(), store=tmp_path / "s"))
    assert len(rows) == 2


@contextmanager
def read_only(folder: Path, of: str) -> Iterator[None]:
    """A file s in a folder, or that folder, may not be written."""
    (folder / "s").chmod(0o666 if of == "folder" else 0o444)
    folder.chmod(0o777 if of == "file" else 0o555)
    root = os.geteuid() == 0
    try:
        if root:  # who may write everywhere
            os.setresuid(NOBODY, NOBODY, 0)
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        folder.chmod(0o777)


@pytest.mark.parametrize("of", ["file", "folder"])
def test_a_store_that_may_not_be_written_is_refused(of):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        filled(path, 1)
        with (
            read_only(Path(folder), of),
            pytest.raises(ValueError, match=f"store: {folder}.* may not be written"),
        ):
            Store(path)


@pytest.mark.parametrize("of", ["file", "folder", "both"])
def test_a_store_that_may_not_be_written_is_read_and_stays_as_it_is(of):
    with tempfile.TemporaryDirectory(suffix=" ?#%41") as folder:
        path = Path(folder) / "s"
        rows = list(sweep(DENSE, targets=2, solver=Idle(), store=path))
        before = path.read_bytes()
        with read_only(Path(folder), of):
            assert read_store(path) == rows
        assert [(path.name, path.read_bytes()) for path in Path(folder).iterdir()] == [
            ("s", before)
        ]


def test_a_place_for_no_store_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no folder .*none; make it first"):
        Store(tmp_path / "none" / "s")
    with pytest.raises(ValueError, match="is a folder; give a file in it"):
        Store(tmp_path)
    with pytest.raises(ValueError, match="there is no file"):
        read_store(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "s").touch()
    filled(tmp_path / "s", 1)
    assert read_store(tmp_path / "s") == []


def blank(path: Path) -> None:
    """What a kill can leave that came before the first table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@pytest.mark.parametrize("make", [Path.touch, blank])
def test_reading_an_empty_file_finds_nothing_and_writes_nothing(make, tmp_path):
    make(tmp_path / "s")
    before = (tmp_path / "s").read_bytes()
    assert read_store(tmp_path / "s") == []
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("s", before)]
