"""`topokit train`: its files, its table, and going on."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit

import topokit as tk

QUICK = "train --model mlp --hidden 32 --epochs 2 --seeds 2 --share 0.5"


def test_train_writes_its_results_and_goes_on() -> None:
    first = topokit(f"{QUICK} --out runs")
    assert first.exit_code == 0
    assert first.stderr == "wrote training.json, learning.png and the weights into runs/\n"
    report = json.loads(Path("runs/training.json").read_text())
    assert [run["seed"] for run in report["runs"]] == [0, 1]
    assert [row["epoch"] for row in report["runs"][0]["epochs"]] == [1, 2]
    again = json.loads(topokit(f"{QUICK} --out runs --json").stdout)
    assert again == report, "what is finished is not run again, wall times and all"


def test_the_weights_can_be_read_back() -> None:
    topokit(f"{QUICK} --seeds 1 --layers random")
    (path,) = Path("training").glob("*.safetensors")
    networks, key = tk.networks, jax.random.key(0)
    data = networks.load_digits()
    model = networks.mlp(data.shape, [32], 10, key=key)
    model = networks.sparsify(model, networks.random_with(0.5, seed=0), key=key)
    accuracy = networks.judge(networks.read_weights(path, model), data.test_x, data.test_y)[1]
    report = json.loads(Path("training/training.json").read_text())
    assert np.isclose(accuracy, report["runs"][0]["epochs"][-1]["test_accuracy"])


def test_runs_of_other_settings_share_a_folder() -> None:
    for hidden in (16, 24):
        assert topokit(f"train --model mlp --hidden {hidden} --epochs 1 --seeds 1").exit_code == 0
    assert len(list(Path("training").glob("*.checkpoint"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--mnist nowhere", "nowhere"),
        ("--mnist a --cifar10 b", "not both"),
        ("--model mlp --hidden wide", "'wide' is no list of widths such as 300,100"),
        ("--model mlp --hidden 32,0", "'32,0' is no list of widths such as 300,100"),
        ("--hidden 32", "--hidden goes with --model mlp"),
        ("--width 0.5", "--width goes with --model mobilenet-v1"),
        ("--share 0", "--share"),
        ("--rate nan", "--rate must be a finite number"),
        ("--rate inf", "--rate must be a finite number"),
        ("--batch 5000", "batch_size must be an integer of at most 1437"),
        ("--layers torus", "--layers"),
    ],
)
def test_a_wrong_input_is_one_line_and_status_2(arguments, message) -> None:
    result = topokit(f"train --epochs 1 --seeds 1 {arguments}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
