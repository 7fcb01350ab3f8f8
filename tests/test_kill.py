"""A sweep that is killed again and again ends with the table of one that never was.

Each life of a run is a process of its own, which is sent SIGKILL at a moment drawn beforehand. Some
lives start from nothing, so that the moment may fall into the imports; the others are forked from a
process that has imported everything, so that it falls into compiling, solving and storing. A run
that has come to its end in spite of it is compared, and the next one begins.
"""

import json
import random
import time
from contextlib import suppress
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path

import pytest
from lives import UNITS, run

from topokit.ranking import Result, read_store

KILLS = 20
COLD = 7  # one life in so many starts from nothing

SPAWN, FORK = SpawnContext(), ForkServerContext()
FORK.set_forkserver_preload(["topokit.ranking._sweep"])


def life(context: SpawnContext | ForkServerContext, folder: str, delay: float | None) -> bool:
    """Run in another process; was it there to be killed after `delay` seconds?"""
    process = context.Process(target=run, args=(folder,))
    process.start()
    process.join(delay)
    process.kill()
    process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == -9


def written(table: list[Result]) -> str:
    """Every digit and every type of a table."""
    return json.dumps([row._asdict() for row in table])


def finished(folder: str) -> set[tuple[str, int]]:
    with suppress(ValueError):  # which says that there is no file yet
        return {(row.name, row.seed) for row in read_store(f"{folder}/store")}
    return set()


def started() -> list[str]:
    """What the solver was called for since the last time."""
    log = Path("log")
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return lines


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """The table of a run that is left alone; what its log says of each unit; and its durations."""
    monkeypatch.chdir(tmp_path)
    durations = {}
    life(FORK, "nothing", 0.0)  # starts the process that the others are forked from
    for context in (SPAWN, FORK):
        began = time.monotonic()
        assert not life(context, str(context), None)
        durations[context] = time.monotonic() - began
    units = dict(zip(started()[: len(UNITS)], UNITS, strict=True))
    table = run(str(FORK))
    assert started() == [], "the store holds everything"
    return table, units, durations


def test_a_sweep_survives_twenty_kills_and_does_nothing_twice(whole):
    table, units, durations = whole
    moments = random.Random(0)
    kills, runs, done = 0, 0, set()
    while kills < KILLS or done:  # the last run is not left in the middle
        folder, before = f"run {runs}", done
        context = SPAWN if kills % COLD == 6 else FORK
        delay = moments.uniform(0.0, durations[context]) if kills < KILLS else None
        killed = life(context, folder, delay)
        again, done = [units[line] for line in started()], finished(folder)
        assert before <= done, "nothing finished was lost"
        assert before.isdisjoint(again), "nothing finished was run again"
        assert done - before <= set(again)
        assert len(again) - len(done - before) in ((0, 1) if killed else (0,))
        kills += killed
        if not killed:
            assert written(run(folder)) == written(table)
            assert started() == []
            runs, done = runs + 1, set()
