"""Readers under attack: damaged files are refused in a line, or read as another reader does."""

import pytest

from analyses.benchmarks._fuzzed_readers import READERS
from analyses.benchmarks._fuzzing import HONEST, REFUSED, SAME, honest, hostile, outcome

FILES = 60


@pytest.mark.filterwarnings("ignore")  # of the second readers
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_refused_in_a_line_or_read_as_it_is_meant(name, tmp_path):
    reader = READERS[name]
    found = {seed: outcome(reader, hostile(reader, seed), tmp_path) for seed in range(FILES)}
    assert {seed: o for seed, o in found.items() if o.kind not in (REFUSED, SAME)} == {}
    assert REFUSED in {o.kind for o in found.values()}


@pytest.mark.parametrize("name", READERS)
def test_what_is_damaged_is_read_where_it_is_whole(name, tmp_path):
    reader = READERS[name]
    kinds = [outcome(reader, content, tmp_path).kind for content in honest(reader)]
    assert kinds == [SAME] * HONEST
