"""`topokit diagnose`: words for people, JSON for programs."""

import json

import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk
from topokit.cli._console import jsonable
from topokit.cli._diagnose_command import COLORS
from topokit.diagnosis import _criteria as criteria

NARROW = "low_rank --n-in 6 --n-out 6 --rank 2"


def test_verdicts_changes_and_numbers_are_printed():
    printed = output_of(f"diagnose {NARROW}")
    assert "bandwidth             not met  2 of 6 signals pass" in printed
    assert "bandwidth: Bring layer 1 (2) to 6 neurons on a path." in printed
    found = tk.diagnose(tk.topologies.low_rank(n_in=6, n_out=6, rank=2))
    assert all(line in printed for lines in found.findings().values() for line in lines)


def test_where_nothing_is_to_change_nothing_is_said_of_it():
    printed = output_of("diagnose parallel_butterfly --n 8 --depth 3 --copies 2 --skip straight")
    assert "What to change" not in printed
    assert "not met" not in printed


def test_json_is_the_diagnosis():
    printed = json.loads(output_of(f"diagnose {NARROW} --json"))
    assert printed == jsonable(tk.diagnose(tk.topologies.low_rank(n_in=6, n_out=6, rank=2)))


def test_a_file_is_diagnosed_by_the_family_it_names():
    tk.write(tk.topologies.butterfly(8, 6), "deep.npz")
    assert "Keep 3 layers" in output_of("diagnose deep.npz")


@pytest.mark.parametrize("words", ["diagnose missing.npz", "diagnose buterfly --n 8"])
def test_what_is_no_topology_is_an_error_of_one_line(words):
    result = topokit(words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_every_verdict_has_a_color():
    assert {criteria.MET, criteria.PARTLY, criteria.MISSED, criteria.OPEN} == {*COLORS}
