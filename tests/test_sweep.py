"""Sweeps: rows are what `reconstruct` says, nothing is run twice, no failure stops another."""

import json
import re
import sys
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from lives import timeless
from solvers import Failing, Idle, Nameless, Noting

import topokit as tk
from topokit._progress import progress, time_to_go
from topokit.ranking import Result, UnfinishedError, gaussian_targets, read_store, sweep
from topokit.reconstruction import Adam

QUICK = Adam(max_steps=20)
SMALL = {
    "dense": tk.topologies.dense(3, 3),
    "rank 1": tk.topologies.low_rank(3, 3, 1),
    "butterfly": tk.topologies.butterfly(4),
}
SQUARE = {name: SMALL[name] for name in ("dense", "rank 1")}


def runs(log):
    """How often a `Noting` solver was called."""
    return len(Path(log).read_text().splitlines()) if Path(log).exists() else 0


def test_a_sweep_is_topologies_by_seeds_by_targets():
    rows = list(sweep(SMALL, seeds=[0, 5], targets=3, solver=Idle()))
    assert all(isinstance(row, Result) for row in rows)
    assert sorted((r.name, r.seed, r.target) for r in rows) == sorted(
        product(SMALL, (0, 5), range(3))
    )


def test_a_result_says_what_reconstruct_says():
    for row in sweep(SQUARE, seeds=[7], targets=2, solver=QUICK, restarts=2, loss=jnp.abs):
        topology = SMALL[row.name]
        layers = tk.to_layers(topology)
        targets = gaussian_targets(2, layers.n_in, layers.n_out, seed=7)
        said = tk.reconstruct(
            topology, targets, solver=QUICK, restarts=2, loss=jnp.abs, key=jax.random.key(7)
        )
        assert row.loss == said.loss[row.target]
        assert row.steps == said.steps[row.target]
        assert (row.edges, row.trainable) == (layers.n_edges, layers.n_trainable)
        assert (row.n_in, row.n_out, row.depth) == (layers.n_in, layers.n_out, layers.depth)
        assert (row.family, row.skip) == (topology.graph["family"], False)
        assert row.seconds > 0


def test_a_ranking_is_the_mean_of_a_sweep():
    losses: dict[str, list[float]] = {}
    for row in sweep(SQUARE, seeds=3, targets=4, solver=Idle()):
        losses.setdefault(row.name, []).append(row.loss)
    for row in tk.rank(SQUARE, seed=3, targets=4, solver=Idle()):
        assert row.loss == np.mean(losses[row.name])


def test_given_matrices_are_the_targets_of_every_seed():
    matrices = gaussian_targets(2, 3, 3, seed=9)
    rows = list(sweep(SQUARE, seeds=[1, 2], targets=matrices, solver=Idle()))
    for row in rows:
        said = tk.reconstruct(SMALL[row.name], matrices, solver=Idle(), key=row.seed)
        assert row.loss == said.loss[row.target]
    one = list(sweep(SQUARE, seeds=1, targets=jnp.asarray(matrices[0]), solver=Idle()))
    assert {row.target for row in one} == {0}


def test_results_become_a_long_table_and_json():
    rows = list(sweep(SMALL, targets=2, solver=Idle()))
    frame = pd.DataFrame(rows)
    assert list(frame.columns) == list(rows[0]._asdict())
    assert frame.groupby("name")["loss"].count().to_dict() == dict.fromkeys(SMALL, 2)
    assert [Result(**row) for row in json.loads(json.dumps([r._asdict() for r in rows]))] == rows


@pytest.mark.parametrize("stored", [False, True])
def test_equal_topologies_are_run_once_and_yielded_under_each_name(stored, tmp_path):
    log = str(tmp_path / "log")
    twins = {"a": SMALL["dense"], "b": SMALL["dense"], "c": tk.to_layers(SMALL["dense"])}
    store = tmp_path / "s.sqlite" if stored else None
    rows = list(sweep(twins, seeds=[0, 1, 1], targets=2, solver=Noting(log), store=store))
    assert runs(log) == 2
    losses = {name: [r.loss for r in rows if r.name == name] for name in twins}
    assert losses["a"] == losses["b"] == losses["c"]
    assert len(rows) == 12
    assert {r.family for r in rows if r.name == "c"} == {""}


def test_what_is_finished_is_not_run_again(tmp_path):
    path, log = tmp_path / "s.sqlite", str(tmp_path / "log")
    first = timeless(sweep(SMALL, seeds=[0, 1], targets=2, solver=Noting(log), store=path))
    assert runs(log) == 6
    assert timeless(sweep(SMALL, seeds=[0, 1], targets=2, solver=Noting(log), store=path)) == first
    assert runs(log) == 6
    assert len(list(sweep(SMALL, seeds=[0, 1, 2], targets=2, solver=Noting(log), store=path))) == 18
    assert runs(log) == 9


def test_a_stored_result_equals_one_that_was_just_run(tmp_path):
    for _ in range(2):
        rows = timeless(sweep(SQUARE, targets=2, solver=QUICK, store=tmp_path / "s.sqlite"))
        assert rows == timeless(sweep(SQUARE, targets=2, solver=QUICK))


def test_a_ranking_and_a_sweep_share_what_they_find(tmp_path, monkeypatch):
    path, log = tmp_path / "s.sqlite", str(tmp_path / "log")
    list(sweep(SMALL, seeds=4, targets=2, solver=Noting(log), store=path))
    rows = tk.rank(SMALL, seed=4, targets=2, solver=Noting(log), store=path)
    assert runs(log) == 3

    def run(*_):
        raise AssertionError("the scores are known")

    monkeypatch.setattr("topokit.ranking._tasks.ScoreTask.run", run)
    again = tk.rank(SMALL, seed=4, targets=3, solver=Noting(log), store=path)
    assert runs(log) == 6
    same = {"loss": 0.0, "loss_error": 0.0, "targets": 2}
    assert {replace(row, **same) for row in again} == {replace(row, **same) for row in rows}


def test_a_store_is_read_without_running(tmp_path):
    path = tmp_path / "s.sqlite"
    rows = list(sweep(SMALL, seeds=[0, 1], targets=2, solver=Idle(), store=path))
    assert read_store(path) == rows
    list(sweep({"other": SMALL["dense"]}, targets=1, solver=Idle(2), store=path))
    assert read_store(path)[:-1] == rows
    assert read_store(path)[-1].solver == "Idle(steps=2)"


def test_a_failure_stops_no_other_and_is_named_at_the_end(tmp_path):
    path, rows = tmp_path / "s.sqlite", []
    edges = tk.to_layers(SMALL["rank 1"]).n_edges
    with pytest.raises(UnfinishedError) as caught:
        rows.extend(sweep(SMALL, seeds=[0, 1], targets=2, solver=Failing(edges), store=path))
    message = str(caught.value)
    assert len(rows) == 8
    assert "2 of 6 evaluations failed: 'rank 1' with seed 0: ArithmeticError: this wir" in message
    assert f"The other 4 are finished. What is finished is kept in {path}" in message
    assert list(caught.value.failures) == ["'rank 1' with seed 0", "'rank 1' with seed 1"]
    assert isinstance(caught.value.__cause__, ArithmeticError)


@pytest.mark.parametrize("threads", [None, 2])
def test_what_finished_beside_a_failure_is_yielded_and_kept(threads, tmp_path):
    path, rows = tmp_path / "s.sqlite", []
    edges = tk.to_layers(SMALL["dense"]).n_edges
    pool = ThreadPoolExecutor(threads) if threads else None
    results = sweep(SMALL, targets=1, solver=Failing(edges), executor=pool, store=path)
    with pytest.raises(UnfinishedError):
        rows.extend(results)
    assert {row.name for row in rows} == {"rank 1", "butterfly"}
    assert timeless(read_store(path)) == timeless(rows)


def test_many_failures_are_counted_and_some_are_named():
    twins = {f"g{n}": tk.topologies.low_rank(3, 3, n + 1) for n in range(7)}
    with pytest.raises(
        UnfinishedError, match=r"7 of 7 .* and 2 more. Nothing is kept: give a store"
    ):
        list(sweep(twins, targets=1, solver=Nameless("x")))  # pyright: ignore


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": 0}, "targets must be"),
        ({"targets": 10**11}, "topology 'dense': a reconstruction of 100000000000 targets"),
        ({"targets": gaussian_targets(2, 3, 4, seed=0)}, "topology 'dense': targets must have sha"),
        ({"targets": np.full((3, 3), np.nan)}, "topology 'dense': targets must be finite"),
        ({"targets": np.zeros((3, 3))}, "target 0 is zero"),
        ({"seeds": -1}, "seeds must be an integer of at least 0; given -1"),
        ({"seeds": [0, 1, -3]}, r"seeds\[2\] must be an integer of at least 0; given -3"),
        ({"seeds": [0, 2**63]}, r"seeds\[1\] must be an integer of at most"),
        ({"loss": jnp.sum}, "loss must be the cost of one entry"),
        ({"restarts": 0}, "restarts must be"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs_or_is_written(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sweep(SQUARE, **({"solver": Idle(), "store": tmp_path / "s"} | options))
    assert not list(tmp_path.iterdir())


def test_no_topology_is_no_sweep_and_no_ranking():
    for call in (sweep, tk.rank):
        with pytest.raises(ValueError, match="topologies is empty: give at least one"):
            call({})


@pytest.mark.parametrize(
    ("finished", "words"),
    [(0, None), (1, "The other one is finished"), (4, "The other 4 are finished")],
)
@pytest.mark.parametrize("error", [ArithmeticError("hard"), CancelledError("it was cancelled")])
def test_what_is_finished_is_counted_in_words_that_agree(finished, words, error):
    message = str(UnfinishedError({"a": error}, finished + 1, None))
    assert words is None or words in message
    assert ("The other" in message) == (words is not None)
    assert ("evaluations was lost" in message) == isinstance(error, CancelledError)


def test_a_process_of_another_precision_is_refused():
    rows = sweep(SQUARE, targets=1, solver=Idle())
    other = not jax.config.read("jax_enable_x64")
    with jax.enable_x64(other), pytest.raises(UnfinishedError, match="JAX_ENABLE_X64"):
        list(rows)


def test_a_solver_without_a_description_needs_no_key_without_a_store(tmp_path):
    rows = list(sweep(SQUARE, targets=1, solver=Nameless(2)))
    assert {row.steps for row in rows} == {2}
    with pytest.raises(ValueError, match="solver: a store cannot tell .*Nameless"):
        sweep(SQUARE, targets=1, solver=Nameless(2), store=tmp_path / "s")


@pytest.mark.parametrize("color", ["0", "1"])
def test_nothing_is_printed_in_a_pipe(capfd, monkeypatch, color):
    monkeypatch.setenv("FORCE_COLOR", color)
    list(sweep(SQUARE, targets=1, solver=Idle()))
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def terminal(capsys, monkeypatch):
    """What is written where standard error is a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True)
    return capsys


def test_a_terminal_shows_the_time_to_go(terminal):
    list(sweep(SQUARE, targets=1, solver=Idle()))
    shown = terminal.readouterr()
    assert shown.out == ""
    assert "to go" in shown.err


def test_a_terminal_says_what_takes_so_long_before_the_first_result(terminal):
    rows = sweep(SQUARE, targets=1, solver=Idle())
    next(rows)
    assert "compiles and runs the first" in terminal.readouterr().err
    rows.close()


def test_a_terminal_shows_what_runs_while_it_runs(terminal):
    topologies = {"first": tk.topologies.dense(2, 2), "sec[ond]": tk.topologies.dense(2, 3)}
    rows = sweep(topologies, targets=1, solver=Idle())
    next(rows)
    shown = terminal.readouterr().err
    assert "'first' with seed 0" in shown
    assert "ond" not in shown
    next(rows)
    assert "'sec[ond]' with seed 0" in terminal.readouterr().err
    rows.close()


def test_a_bar_reaches_what_is_told_of_all_that_there_may_be(terminal):
    with progress("Descent", 1) as bar:
        bar.reach(30, 40)
        bar.show("a part")
    assert " 75%" in terminal.readouterr().err


@pytest.mark.parametrize("where", ["terminal", "capfd"])
def test_silence_is_told_after_a_while_then_after_twice_as_long(where, request, monkeypatch):
    shown = request.getfixturevalue(where)
    monkeypatch.setattr("topokit._progress.SILENT", 1 / 8)
    told: list[str] = []
    line = r"Descent: a \[part\]: nothing was finished.*"
    with progress("Descent", 2) as bar:
        bar.show("a [part]")
        while len(told) < 2:
            told += re.findall(line, shown.readouterr().err)
            time.sleep(0.01)
        bar.advance(1)


def test_time_to_go_is_in_proportion_to_the_cost():
    assert time_to_go(0.0, 10.0, 3.0) is None
    assert time_to_go(2.0, 10.0, 3.0) == 12.0
    assert time_to_go(10.0, 10.0, 3.0) == 0.0
