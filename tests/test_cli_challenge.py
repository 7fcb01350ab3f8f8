"""`topokit challenge`: made or read, inferred, checked against a truth, measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import topokit

import topokit as tk

SMALL = "challenge --neurons 256 --depth 6 --n 200"
DATA = Path(__file__).parents[2] / "shared/data/graph-challenge-n1024"


def test_what_it_writes_is_what_it_reads() -> None:
    first = topokit(f"{SMALL} --write made --json")
    assert first.exit_code == 0, first.output
    files = "--network made --images made/sparse-images-256.tsv"
    again = topokit(f"challenge {files} --truth made/neuron256-l6-categories.tsv --json")
    assert again.exit_code == 0, again.output
    before, after = json.loads(first.stdout), json.loads(again.stdout)
    assert after["truth"] == "met"
    assert before["categories"] == after["categories"]
    assert before["alive_by_layer"] == after["alive_by_layer"]
    assert 0 < len(after["categories"]) < 200
    assert after["connections"] == 32 * 256 * 6


def test_both_forms_and_all_variants_leave_the_same_images() -> None:
    variants = ("", "--by classes", "--keep-dead", "--no-buffers")
    found = [json.loads(topokit(f"{SMALL} --json {variant}").stdout) for variant in variants]
    assert len({tuple(report["categories"]) for report in found}) == 1


def test_the_table_names_the_rate() -> None:
    result = topokit(SMALL)
    assert result.exit_code == 0
    assert "rate" in result.stdout
    assert "RadiX-Net of 256 neurons and 6 layers" in result.stdout


@pytest.fixture
def files() -> None:
    assert topokit(f"{SMALL} --write made").exit_code == 0


@pytest.mark.usefixtures("files")
def test_a_folder_with_files_and_a_truth_within_are_left_as_they_are() -> None:
    truth = Path("made/neuron256-l6-categories.tsv")
    truth.write_text("1\n")
    again = topokit(f"{SMALL} --write made --truth {truth}")
    assert (again.exit_code, truth.read_text()) == (2, "1\n")
    other = topokit(f"{SMALL} --write made")
    assert other.exit_code == 2
    assert "--write made is not empty; give a new folder" in other.stderr


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truth", "the categories differ from the truth: 0 of"),
        ("truncated", "n256-l3.tsv cannot be read as lines of 3 numbers: it ends in the middle"),
        ("short", "n256-l3.tsv has 8191 connections; a layer of 256 neurons has 8192"),
        ("weight", "n256-l3.tsv has a weight 0.5; the challenge's are all 0.0625"),
        ("neuron", "n256-l3.tsv has a neuron 257; a layer has neurons 1 to 256"),
        ("missing", "has no layer 3: n256-l3.tsv is missing"),
        ("pixel", "sparse-images-256.tsv has a pixel 257; an image has pixels 1 to 256"),
    ],
)
def test_wrong_files_are_one_line_and_status_2(damage, message) -> None:
    layer, truth = Path("made/n256-l3.tsv"), Path("made/neuron256-l6-categories.tsv")
    images = Path("made/sparse-images-256.tsv")
    lines = layer.read_text().splitlines(keepends=True)
    match damage:
        case "truth":
            truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:-1]))
        case "truncated":
            layer.write_text("".join(lines)[:-5])
        case "short":
            layer.write_text("".join(lines[:-1]))
        case "weight":
            layer.write_text("1\t1\t0.5\n" + "".join(lines[1:]))
        case "neuron":
            layer.write_text("257\t1\t0.0625\n" + "".join(lines[1:]))
        case "missing":
            layer.unlink()
        case _:
            images.write_text("1\t257\t1\n")
    result = topokit(f"challenge --network made --images {images} --truth {truth}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--neurons 100", "neurons must be 16 times a power of two"),
        ("--neurons 128", "images are square"),
        ("--images a.tsv", "a.tsv"),
        ("--leave-out 7", "--leave-out needs --truth"),
        ("--network . --neurons 64", "give --neurons or --network, not both"),
        ("--leave-out some", "--leave-out must be numbers such as 11866,49259"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(arguments, message) -> None:
    result = topokit(f"challenge --depth 3 --n 10 {arguments}")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not DATA.is_dir(), reason="the official network is not beside the project")
def test_the_official_network_meets_its_truth_on_the_first_images() -> None:
    truth = tk.challenge.read_categories(DATA / "neuron1024-l120-categories.tsv")
    np.savetxt("truth.tsv", truth[truth <= 1200], fmt="%d")
    images = DATA / "sparse-images-1024_subset.mtx.gz"
    for form in ("edges", "classes"):
        result = topokit(
            f"challenge --network {DATA / 'n1024-class-tables.npz'} --images {images} "
            f"--truth truth.tsv --by {form} --json"
        )
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["images"] == 1200
