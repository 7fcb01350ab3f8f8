"""`topokit choose`: its table and its file, and going on."""

import json
from pathlib import Path

import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk
from topokit.networks._trials import TrialTask

QUICK = "choose --model mlp --hidden 16 --epochs 1 --keep 1 --seeds 2 --budget 0.5"


def test_choose_writes_its_table_and_goes_on(monkeypatch) -> None:
    tk.write(tk.topologies.low_rank(64, 16, 2), "mine.npz")
    words = f"{QUICK} mine.npz --layers dense --layers random --share 0.2 --share 0.4"
    first = topokit(words)
    assert (first.exit_code, first.stderr) == (0, "wrote choice.json into choice/\n")
    report = json.loads(Path("choice/choice.json").read_text())
    names = ["dense", "random 0.2", "random 0.4", "mine"]
    assert report["candidates"] == names
    assert sorted(names) == sorted(one["name"] for one in report["contenders"])
    assert report["best"] == report["contenders"][0]["name"]
    assert report["certainty"] == report["contenders"][0]["first"]
    assert 0 < report["share"] <= 0.5
    heading, *rows = first.stdout.splitlines()
    assert heading.split()[:3] == ["candidate", "parameters", "rung"]
    assert rows[0].split()[1] == report["best"].split()[0]
    assert "resamples of its seeds, 2, and" in first.stdout
    monkeypatch.setattr(TrialTask, "run", lambda _: pytest.fail("it ran again"))
    again = topokit(words)
    assert again.stdout == first.stdout, "what is finished is not run again, wall times and all"
    assert json.loads(output_of(f"{words} --json")) == report


def test_after_an_interrupt_the_same_command_goes_on(monkeypatch) -> None:
    done, true_run = [], TrialTask.run

    def run(task: TrialTask):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(task.label)
        return true_run(task)

    words = f"{QUICK} --layers dense --layers random --share 0.3 --seeds 1"
    monkeypatch.setattr(TrialTask, "run", run)
    result = topokit(words)
    assert result.exit_code == 130
    assert "interrupted: the same command goes on from choice/choice.sqlite" in result.stderr
    assert not Path("choice/choice.json").exists()
    done.append("the second comes")
    assert topokit(words).exit_code == 0
    assert len(done) == 3


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("--budget 0.25", "budget 0.5 there, 0.25 here"),
        ("--hidden 24", "hidden 16 there, 24 here"),
        ("--all-weights", "sparse_only True there, False here"),
        (
            "--layers random --layers dense",
            "candidates clos 0.2,low-rank 0.2,random 0.2 there, random 0.2,dense here",
        ),
    ],
)
def test_another_choice_is_replaced_only_when_asked(other: str, told: str) -> None:
    Path("choice").mkdir()
    options = {"model": "mlp", "hidden": [16], "width": None, "validation": 0.1, "epochs": 1}
    options |= {"batch_size": 32, "learning_rate": 0.002, "budget": 0.5, "keep": 1.0}
    options |= {"examples": 1000, "eta": 3, "seeds": 2, "dense_below": 16, "data": "digits"}
    options |= {"sparse_only": True}
    held = options | {"candidates": ["clos 0.2", "low-rank 0.2", "random 0.2"]}
    Path("choice/choice.json").write_text(json.dumps(held))
    result = topokit(f"{QUICK} {other}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "give another folder by --out, or --overwrite" in result.stderr
    assert json.loads(Path("choice/choice.json").read_text()) == held


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--layers dense", "candidates must be at least two, to choose among; given 1"),
        ("--layers clos --share 0.2 --share 0.2000001", "two candidates are called 'clos 0.2'"),
        ("--layers clos --layers clos", "two candidates are called 'clos 0.2'"),
        ("--validation 0", "data must have a validation part"),
        ("--mnist nowhere", "nowhere"),
        ("--mnist a --cifar10 b", "not both"),
        ("--width 0.5", "--width goes with --model mobilenet-v1"),
        ("--share 1e-4", "candidate 'clos 0.0001': layers.1: a Clos network between 64 and 16"),
        ("--budget 1e-4", "--budget must be at least 6 steps"),
        ("--budget 2", "2.0 is not in the range 0<x<=1"),
        ("--eta 1", "1 is not in the range x>=2"),
        ("--batch-size 5000", "--batch-size must be an integer of at most 1293"),
        ("nothing.npz", "nothing.npz"),
    ],
)
def test_a_wrong_input_is_one_line_and_status_2(arguments, message) -> None:
    result = topokit(f"{QUICK} {arguments}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_of_the_name_of_a_rule_does_not_take_its_place() -> None:
    tk.write(tk.topologies.low_rank(64, 16, 2), "dense.npz")
    result = topokit(f"{QUICK} dense.npz --layers dense --layers random")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "two candidates are called 'dense'" in result.stderr
