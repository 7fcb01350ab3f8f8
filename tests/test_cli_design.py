"""`topokit design`: the candidates as a table and as JSON, the best one as a file."""

import json
import shlex

import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk

WORDS = "design --n-in 8 --n-out 6 --trainable 24 --depth 3 --candidates 3 --trials 2 --no-measure"


@pytest.fixture(scope="module")
def design() -> tk.designs.Design:
    options = {"depth": 3, "candidates": 3, "trials": 2, "measure": False}
    return tk.design(8, 6, trainable=24, **options)


def test_the_table_has_a_row_for_each_candidate_and_how_it_was_found(design):
    heading, *lines = output_of(WORDS).splitlines()
    assert heading.split()[:4] == ["design", "pred.", "+-", "edges"]
    for place, (line, one) in enumerate(zip(lines, design, strict=False), start=1):
        assert line.startswith(f"{place} {one.label} ")
        assert f"{one.predicted_loss:.3g}" in line.split()
        assert str(one.trainable) in line.split()
    assert any(f"{design.counted} members of families" in line for line in lines)


def test_the_command_of_a_candidate_builds_it(design):
    lines = output_of(WORDS).splitlines()
    for place, one in enumerate(design, start=1):
        (words,) = [line for line in lines if line.startswith(f"{place}: ")]
        _, program, *rest = shlex.split(words)
        assert program == "topokit"
        output_of(shlex.join(rest))
        assert tk.to_layers(tk.read("net.npz")) == one.layers


def test_json_holds_every_number_and_nothing_is_said_beside_it(design):
    told = json.loads(output_of(f"{WORDS} --json"))
    assert (told["budget"], told["counted"]) == (24, design.counted)
    assert told["refused"].keys() == design.refused.keys()
    for row, one in zip(told["candidates"], design, strict=True):
        assert row["predicted_loss"] == one.predicted_loss
        assert row["widths"] == list(one.layers.widths)
        assert row["step_seconds"] is None
        assert row["family"] == one.member.family


def test_the_best_one_is_written(design):
    result = topokit(f"{WORDS} -o best.json")
    assert (result.exit_code, result.stderr) == (0, "wrote the best into best.json\n")
    assert tk.to_layers(tk.read("best.json")) == design[0].layers


def test_what_was_moved_rebuilt_and_measured_is_shown():
    words = "design --n-in 6 --n-out 6 --share 0.6 --depth 2 --candidates 2 --trials 0"
    words += " --refine 0.3 --verify 1"
    told = json.loads(output_of(f"{words} --json"))
    first, second = told["candidates"]
    assert 0 < first["measured_loss"] < 1
    assert second["measured_loss"] is None
    assert first["step_share"] > 0
    assert first["predicted_loss"] <= second["predicted_loss"]
