"""The store of evaluations: nothing is done twice, nothing finished is lost, nothing mixed up."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest

import topokit as tk
from topokit.ranking import _rank, evaluate_all
from topokit.ranking._store import Store, key_of
from topokit.reconstruction import Adam

QUICK = Adam(steps=20)
TOPOLOGIES = {
    "dense": tk.topologies.dense(3, 3),
    "rank 1": tk.topologies.low_rank(3, 3, 1),
    "butterfly": tk.topologies.butterfly(4),
}


def ranked(path, topologies=TOPOLOGIES, **options):
    return tk.rank(topologies, **({"targets": 2, "solver": QUICK, "store": path} | options))


@pytest.fixture
def counted(monkeypatch):
    """The names of the topologies that are really run."""
    names = []
    run = _rank._evaluate

    def counting(job, settings):
        names.append(job.name)
        return run(job, settings)

    monkeypatch.setattr(_rank, "_evaluate", counting)
    return names


def test_what_is_finished_is_not_run_again(tmp_path, counted):
    first = ranked(tmp_path / "s.sqlite")
    assert sorted(counted) == sorted(TOPOLOGIES)
    counted.clear()
    assert ranked(tmp_path / "s.sqlite") == first
    assert counted == []


def test_a_stored_row_equals_one_that_was_just_run(tmp_path):
    ranked(tmp_path / "s.sqlite")
    assert ranked(tmp_path / "s.sqlite") == ranked(None)


def test_k_comes_back_as_it_was(tmp_path):
    path = tmp_path / "s.sqlite"
    pairs = [
        {e.row.name: e.K for e in evaluate_all(TOPOLOGIES, targets=2, solver=QUICK, store=path)}
        for _ in range(2)
    ]
    for name in TOPOLOGIES:
        assert np.array_equal(pairs[0][name], pairs[1][name])


def test_a_topology_is_found_under_another_name(tmp_path, counted):
    ranked(tmp_path / "s.sqlite")
    counted.clear()
    (row,) = ranked(tmp_path / "s.sqlite", {"again": TOPOLOGIES["dense"]})
    assert (row.name, row.family, counted) == ("again", "dense", [])


@pytest.mark.parametrize(
    "options", [{"targets": 3}, {"seed": 1}, {"solver": Adam(steps=21)}], ids=str
)
def test_other_settings_are_run_anew(options, tmp_path, counted):
    one = {"dense": TOPOLOGIES["dense"]}
    ranked(tmp_path / "s.sqlite", one)
    counted.clear()
    ranked(tmp_path / "s.sqlite", one, **options)
    assert counted == ["dense"]


def test_a_key_tells_every_change_of_a_topology():
    base = tk.topologies.butterfly(4)
    fewer, constant, other = base.copy(), base.copy(), base.copy()
    fewer.remove_edge((0, 0), (1, 0))
    constant.edges[(0, 0), (1, 0)]["trainable"] = False
    other.edges[(0, 0), (1, 0)].update(trainable=False, weight=2.0)
    keys = {
        key_of(tk.to_layers(g), 2, 0, QUICK)
        for g in (base, fewer, constant, other, tk.topologies.butterfly(4, 3), base)
    }
    assert len(keys) == 5


def test_an_interrupted_run_keeps_what_was_finished(tmp_path, counted):
    evaluations = evaluate_all(TOPOLOGIES, targets=2, solver=QUICK, store=tmp_path / "s.sqlite")
    next(evaluations)
    del evaluations
    counted.clear()
    ranked(tmp_path / "s.sqlite")
    assert sorted(counted) == ["butterfly", "rank 1"]


WRITER = """
import sys
import numpy as np
from topokit.ranking._store import Entry, Store
store, number = Store(sys.argv[1]), 0
print("ready", flush=True)
while True:
    row = {"number": number, "n_in": 30, "n_out": 40}
    store.put(str(number), Entry(row, np.full((30, 40), float(number))))
    number += 1
"""


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.2])
def test_a_process_may_be_killed_at_any_time(delay, tmp_path):
    path = tmp_path / "s.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delay)
        writer.kill()
    with closing(Store(path)) as store:
        number = 0
        while (entry := store.get(str(number))) is not None:
            assert entry.row["number"] == number
            assert np.all(number == entry.K)
            number += 1
        assert store.get(str(number + 1)) is None


def foreign(path):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")


def newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_text("not a database, " * 99), "is no store of evaluations"),
        (foreign, "has schema 0"),
        (newer, "has schema 99"),
    ],
    ids=["text", "another database", "a newer schema"],
)
def test_another_file_is_refused_and_left_as_it_is(make, message, tmp_path):
    path = tmp_path / "file"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        ranked(path)
    assert path.read_bytes() == before


def test_a_missing_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        ranked(tmp_path / "none" / "s.sqlite")
