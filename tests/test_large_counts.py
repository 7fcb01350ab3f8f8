"""Counts of paths have thousands of digits, and none is lost: in stores, files and tables."""

import csv
import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sizes import CASES

import topokit as tk
from topokit._plain_records import declared_kinds, record_of, values_of
from topokit.cli._csv_files import write_csv
from topokit.cli._ranking_files import _row
from topokit.ranking import Row
from topokit.ranking._store import Store
from topokit.ranking._tasks import Scored
from topokit.scores import Score, Structure, rivals
from topokit.topologies import families

GRAPH = tk.topologies.butterfly(2, 2)
SCORE = tk.score(GRAPH)
LONG = 3 * 2**20_000 + 1  # of 6,021 digits, beyond what Python writes and reads
COUNTS = st.integers(0, 2**64) | st.integers(0, 20_000).map(lambda power: 3 * 2**power + 1)


def long_score(number: int = LONG) -> Score:
    return replace(SCORE, paths_min=number - 1, paths_mean=number, paths_max=number + 1)


@given(COUNTS)
def test_plain_values_give_the_same_record_back(number):
    found = long_score(number)
    held = json.loads(json.dumps(values_of(found)))
    assert record_of(Score, held) == found


@pytest.mark.parametrize(
    "text", ["", "0x", "0xg", "1e5", "~2^", "~2^-1", "~2^99999999", "~2^1e3", "-0x1", "0X1"]
)
def test_other_texts_are_no_integers(text):
    with pytest.raises(ValueError, match="paths_max is"):
        record_of(Score, values_of(SCORE) | {"paths_max": text})


def test_a_store_keeps_them(tmp_path):
    made = Scored(long_score(), np.eye(2), None)
    with closing(Store(tmp_path / "kept.sqlite")) as store:
        store.put("7" * 64, made.to_entry())
        entry = store.get("7" * 64)
    assert entry is not None
    assert Scored.from_entry(entry).score == made.score


def test_the_files_of_a_ranking_hold_them(tmp_path):
    own = {"name": "deep", "family": "butterfly", "skip": False, "targets": 1, "seeds": 1}
    own |= {"loss": 0.5, "loss_error": 0.0, "steps": 3}
    row = Row(
        **{n: v for n, v in (own | long_score()._asdict()).items() if n in declared_kinds(Row)}
    )
    path = tmp_path / "rows.csv"
    write_csv(path, [row._asdict()])
    with path.open(newline="") as file:
        (found,) = csv.DictReader(file)
    assert found["paths_max"] == "~2^20001"
    told = json.loads(json.dumps(values_of(row)))
    told |= {"paths_max": "~2^20001", "paths_mean": "~2^20001", "paths_min": "0x1"}
    assert _row(Row, told).paths_max == 2**20_001
    assert str(row).count("~2^20001") == 3


def deep(depth: int) -> Structure:
    return tk.structure(tk.topologies.butterfly.layers(2, depth))


@pytest.mark.parametrize("depth", [1, 54, 55, 60, 1000, 1024, 1025, 1026, 5000])
def test_the_mean_of_paths_is_a_float_as_far_as_floats_go(depth):
    found = deep(depth)
    assert found.paths_mean == found.paths_max == 2 ** (depth - 1)
    assert isinstance(found.paths_mean, float if depth <= 1024 else int)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_field_holds_a_value_of_its_declared_type(case):
    family, numbers = case
    layers = tk.to_layers(families()[family](**numbers))
    for record in (tk.score(layers), rivals(layers)):
        kinds = declared_kinds(type(record))
        for name, value in record._asdict().items():
            assert isinstance(value, kinds[name]), name
            assert not isinstance(value, np.generic), name
            assert not isinstance(value, bool) or bool in kinds[name], name
