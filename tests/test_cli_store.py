"""`topokit rank` and its store: what is finished is never run again, whatever happened."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from shell import blank as blank
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit
from solvers import Failing

import topokit as tk

WORDS = "rank three.toml --targets 2 --max-steps 3 --jobs 1"
LIST = "".join(f'[[topology]]\nfamily = "butterfly"\nn = 4\ndepth = {d}\n' for d in (1, 2, 3))


@pytest.fixture(autouse=True)
def _a_list(in_an_empty_folder, blank):  # noqa: ARG001 (they come first)
    Path("three.toml").write_text(LIST)


@pytest.fixture
def nothing_runs(monkeypatch):
    def run(*_):
        raise AssertionError("nothing is left to run")

    def forbid():
        for kind in ("Score", "Descent", "Reconstruction"):
            monkeypatch.setattr(f"topokit.ranking._tasks.{kind}Task.run", run)

    return forbid


@pytest.mark.parametrize("store", ["", "--store done.sqlite"])
def test_the_same_command_prints_the_same_again_without_running(store, nothing_runs):
    first = topokit(f"{WORDS} --json {store}")
    nothing_runs()
    again = topokit(f"{WORDS} --json {store}")
    assert again.stdout == first.stdout
    assert json.loads(first.stdout)["finished"] == 3
    assert first.stderr == again.stderr == ""
    assert topokit(f"{WORDS} {store}").stderr.startswith("taking what is finished from")


def test_one_store_serves_every_folder(nothing_runs):
    topokit(f"{WORDS} --store done.sqlite --out a")
    nothing_runs()
    assert topokit(f"{WORDS} --store done.sqlite --out b").exit_code == 0
    assert Path("a/ranking.json").read_bytes() == Path("b/ranking.json").read_bytes()


def test_a_topology_that_fails_is_named_and_the_others_are_ranked(monkeypatch):
    monkeypatch.setattr(tk.reconstruction, "Adam", lambda **_: Failing(8))
    result = topokit(WORDS)
    assert result.exit_code == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith("Error: 1 of 9 evaluations failed: 'butterfly(n=4, depth=1)' with seed")
    assert error.endswith(
        "What is finished is kept in ranking/ranking.sqlite: the same call runs "
        "only what is missing"
    )
    assert json.loads(Path("ranking/ranking.json").read_text())["finished"] == 2


def rows(store: Path) -> list[tuple]:
    """What a store holds, oldest first; nothing while there is none."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as c:
        return c.execute("SELECT * FROM results ORDER BY rowid").fetchall()
    return []


def test_a_killed_command_goes_on_and_writes_the_same():
    store = Path("killed/ranking.sqlite")
    command = [sys.executable, "-m", "topokit.cli", *WORDS.split(), "--out", "killed"]
    with subprocess.Popen(command) as process:
        while len(rows(store)) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    assert not Path("killed/ranking.json").exists()
    before = rows(store)
    for out in ("killed", "whole"):
        assert topokit(f"{WORDS} --out {out}").exit_code == 0
    assert rows(store)[: len(before)] == before
    assert len(rows(store)) == 9
    for name in ("ranking.json", "ranking.csv"):
        assert Path("killed", name).read_bytes() == Path("whole", name).read_bytes()
