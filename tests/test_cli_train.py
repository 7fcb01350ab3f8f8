"""`topokit train`: its files, its table, and going on."""

import errno
import json
import re
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk
from topokit.cli._learning_options import builder_of
from topokit.networks._infer_one import infer_one

SETTINGS = {
    "model": "mlp",
    "hidden": [16],
    "width": None,
    "layers": "clos",
    "share": 0.2,
    "dense_below": 16,
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 0.002,
}
QUICK = "train --model mlp --hidden 32 --epochs 2 --seeds 2 --share 0.5"


def test_train_writes_its_results_and_goes_on() -> None:
    first = topokit(f"{QUICK} --out runs")
    assert first.exit_code == 0
    assert first.stderr == "wrote training.json, learning.png and the weights into runs/\n"
    report = json.loads(Path("runs/training.json").read_text())
    assert [run["seed"] for run in report["runs"]] == [0, 1]
    assert [row["epoch"] for row in report["runs"][0]["epochs"]] == [1, 2]
    again = json.loads(output_of(f"{QUICK} --out runs --json"))
    assert again == report, "what is finished is not run again, wall times and all"


def assert_close(found: tk.networks.Metrics, told: list[float]) -> None:
    np.testing.assert_allclose([found.loss, found.accuracy], told, rtol=1e-5)


def test_the_weights_can_be_read_back() -> None:
    topokit(f"{QUICK} --seeds 1 --layers random")
    (path,) = Path("training").glob("*.safetensors")
    networks, key = tk.networks, jax.random.key(0)
    data = networks.load_digits()
    model = networks.mlp(data.shape, [32], 10, key=key)
    model = networks.sparsify(model, networks.random_with(0.5, seed=0), key=key)
    model = networks.read_weights(path, model)
    found = networks.evaluate(model, data.test_x, data.test_y)
    report = json.loads(Path("training/training.json").read_text())
    assert_close(found, list(report["runs"][0]["test"].values()))
    found = networks.evaluate(model, data.validation_x, data.validation_y)
    last = report["runs"][0]["epochs"][-1]
    assert_close(found, [last["validation_loss"], last["validation_accuracy"]])


def test_runs_of_other_settings_share_a_folder() -> None:
    others = ("", "--hidden 24", "--validation 0.3", "--dense-below 40", "--learning-rate 1e-3")
    for other in others:
        done = topokit(f"train --model mlp --hidden 16 --epochs 1 --seeds 1 --overwrite {other}")
        assert done.exit_code == 0
    assert len(list(Path("training").glob("*.checkpoint"))) == len(others)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("--hidden 24", "hidden 16 there, 24 here"),
        ("--validation 0.3", "validation 0.1 there, 0.3 here"),
        ("--seeds 1", "seeds 2 there, 1 here"),
        ("--layers dense --epochs 2", "layers clos there, dense here; epochs 1 there, 2 here"),
    ],
)
def test_results_of_other_settings_are_replaced_only_when_asked(other: str, told: str) -> None:
    held = {"data": "digits", "validation": 0.1, "runs": [{}, {}]} | SETTINGS
    Path("training").mkdir()
    Path("training/training.json").write_text(json.dumps(held))
    result = topokit(f"train --model mlp --hidden 16 --epochs 1 --seeds 2 {other}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "give another folder by --out, or --overwrite" in result.stderr
    assert json.loads(Path("training/training.json").read_text()) == held


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"runs": 3}'])
def test_a_file_that_is_no_result_is_not_replaced_either(text: str) -> None:
    Path("training").mkdir()
    Path("training/training.json").write_text(text)
    result = topokit("train --epochs 1")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "is damaged, or of another version of topokit" in result.stderr
    assert Path("training/training.json").read_text() == text


def test_without_a_validation_part_there_is_no_validation_error() -> None:
    result = topokit(f"{QUICK} --seeds 1 --validation 0")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split()[2] == "-"
    report = json.loads(Path("training/training.json").read_text())
    assert report["runs"][0]["epochs"][-1]["validation_accuracy"] is None
    assert Path("training/learning.png").read_bytes().startswith(b"\x89PNG")


def test_a_force_lowers_the_ranks_that_the_results_tell() -> None:
    ranks = []
    for strength in ("1e-9", "1"):
        shell = f"{QUICK} --seeds 1 --layers dense --force {strength} --out {strength}"
        report = json.loads(output_of(f"{shell} --json"))
        assert (report["force"], report["force_kind"]) == (float(strength), "l2")
        ranks.append(report["runs"][0]["ranks"])
    free, forced = ranks
    assert list(free) == ["layers.1", "layers.3"]
    assert forced["layers.1"] < free["layers.1"]


def test_groups_vanish_and_the_network_that_is_left_answers_alike() -> None:
    shell = "--seeds 1 --layers dense --structured filters,channels --strength 0.2"
    result = topokit(f"{QUICK} --learning-rate 0.01 {shell}")
    assert result.exit_code == 0
    report = json.loads(Path("training/training.json").read_text())
    (run,) = report["runs"]
    found = run["structure"]
    networks, key = tk.networks, jax.random.key(0)
    data = networks.load_digits()
    model = networks.mlp(data.shape, [32], 10, key=key)
    whole, smaller = sorted(Path("training").glob("*.safetensors"), key=lambda p: -p.stat().st_size)
    model = networks.read_weights(whole, model)
    small = networks.shrink(model)
    small = networks.read_weights(smaller, small)
    assert networks.n_parameters(small) == found["parameters"] < run["parameters"]
    assert_close(networks.evaluate(model, data.test_x, data.test_y), [*run["test"].values()])
    assert_close(networks.evaluate(small, data.test_x, data.test_y), [*found["test"].values()])
    weights = [np.asarray(model.layers[place].weight) for place in (1, 3)]
    dead = [(~weights[0].any(1)).sum(), *((~weight.any(0)).sum() for weight in weights)]
    assert [each["dead"] for each in found["dead"]] == dead
    told = f"{run['parameters']:,} parameters became {found['parameters']:,}"
    assert told in result.stdout


def test_a_layer_that_vanished_has_no_ranks_and_the_results_are_kept() -> None:
    shell = "--seeds 1 --layers dense --structured filters --strength 1e30 --force 0.1"
    result = topokit(f"{QUICK} {shell}")
    assert result.exit_code == 0
    assert "no ranks: layers.1" in result.stderr
    (run,) = json.loads(Path("training/training.json").read_text())["runs"]
    assert run["ranks"] is None
    assert "layers.1" in run["no_ranks"]


@pytest.mark.parametrize(
    ("shell", "shape"), [("convnet", (1, 8, 8)), ("resnet20", (3, 32, 32)), ("lenet5", (3, 32, 32))]
)
def test_models_of_the_shell_take_images(shell: str, shape: tuple[int, ...]) -> None:
    x, y = np.zeros((4, *shape), np.float32), np.array([0, 1, 2, 3])
    data = tk.networks.make_dataset(x, y, x, y)
    build = builder_of(shell, None, 0.5 if shell == "resnet20" else None, data)
    model, state = eqx.nn.make_with_state(build)(key=jax.random.key(0))
    takes_state = state if shell == "resnet20" else None
    found = eqx.filter_eval_shape(infer_one, model, takes_state, x[0])
    assert found.shape == (4,)


def test_the_table_has_the_validation_and_the_test_error_apart() -> None:
    result = topokit(f"{QUICK} --seeds 1")
    heading, numbers = result.stdout.splitlines()[:2]
    assert heading.split("  ")[2:4] == ["validation error", "test error"]
    run = json.loads(Path("training/training.json").read_text())["runs"][0]
    shares = run["epochs"][-1]["validation_accuracy"], run["test"]["accuracy"]
    errors = [float(word) for word in numbers.split()[2:4]]
    np.testing.assert_allclose(errors, [100 * (1 - share) for share in shares], rtol=1e-3)


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
        ("--share 1e-4", "layers.1: a Clos network between 64 and 300 neurons takes a share of"),
        ("--share 1e-9", "leave such layers dense, by --dense-below 65\n"),
        ("--rate 0.1", "No such option '--rate'. Did you mean --learning-rate? See"),
        ("--batch 5", "Did you mean --batch-size?"),
        ("--sharee 5", "Did you mean --share?"),
        ("--validation 0.9999", "or --validation 0"),
        ("--learning-rate nan", "--learning-rate must be a finite number"),
        ("--learning-rate inf", "--learning-rate must be a finite number"),
        ("--batch-size 5000", "--batch-size must be an integer of at most 1293"),
        ("--validation -0.1", "-0.1 is not in the range 0<=x<1"),
        ("--validation 1", "1.0 is not in the range 0<=x<1"),
        ("--layers torus", "--layers"),
        ("--force 0.1", "--force goes with --layers dense alone"),
        ("--layers dense --force nan", "--force must be a finite number"),
        ("--layers dense --force 0", "0.0 is not in the range x>0"),
        ("--structured filters --strength 1", "--structured goes with --layers dense alone"),
        ("--layers dense --structured filters", "--structured and --strength go together"),
        ("--layers dense --strength 1", "--structured and --strength go together"),
        (
            "--layers dense --structured filters --strength nan",
            "--strength must be a finite number",
        ),
        ("--layers dense --structured filters --strength -1", "-1.0 is not in the range x>0"),
        ("--layers dense --structured rows --strength 1", "'rows' is no list of families out of"),
        ("--layers dense --structured shapes,shapes --strength 1", "names a family twice"),
        ("--layers dense --structured positions --strength 1", "no layer with positions that form"),
        ("--layers dense --structured layers --strength 1", "needs a model with shortcuts"),
    ],
)
def test_a_wrong_input_is_one_line_and_status_2(arguments, message) -> None:
    result = topokit(f"train --epochs 1 --seeds 1 {arguments}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not re.search(r"\w=|\w\(\)|[^.?)] See '", result.stderr), "in words of the shell"


def test_the_table_is_printed_before_anything_that_a_full_disk_refuses(monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tk.plotting, "save_figure", refused)
    result = topokit(f"{QUICK} --seeds 1")
    assert result.exit_code
    assert "validation error" in result.stdout


def test_what_is_long_says_so_in_a_pipe(monkeypatch):
    monkeypatch.setattr("topokit._progress.SILENT", 0.01)
    result = topokit(f"{QUICK} --seeds 1")
    assert "seed 0, " in result.stderr
    assert "nothing was finished for" in result.stderr
