"""What `rank` returns: a list for programs, a table for people."""

import pickle

import pandas as pd
import pytest

import topokit as tk
from topokit._text_table import cells
from topokit.ranking._ranked import COLUMNS, MOST

NAMES = ["one", "<b>two</b> [red]", "a name that is far too long for a table of 80 columns " * 3]


@pytest.fixture(scope="module")
def rows() -> tk.ranking.Ranking:
    topologies = {name: tk.topologies.low_rank(4, 4, n) for n, name in enumerate(NAMES, start=1)}
    return tk.rank(topologies, targets=2, solver=tk.reconstruction.HierarchicalSVD())


def test_a_ranking_is_a_list_of_rows(rows) -> None:
    assert isinstance(rows, list)
    assert rows == sorted(rows, key=lambda row: row.order)
    frame = pd.DataFrame(rows)
    assert list(frame["name"]) == [row.name for row in rows]
    assert list(frame.columns) == [*rows[0]._asdict()]


def test_its_slices_copies_and_pickles_show_themselves_too(rows) -> None:
    for same in (rows[:], pickle.loads(pickle.dumps(rows)), tk.ranking.Ranking(rows)):
        assert isinstance(same, tk.ranking.Ranking)
        assert same == rows
        assert repr(same) == repr(rows)
    assert rows[1:] == [rows[1], rows[2]]
    assert rows[-1] is [*rows][2]


def test_it_prints_as_a_table_within_80_columns(rows) -> None:
    heading, *lines = repr(rows).splitlines()
    assert heading.split()[1:] == " ".join(title for title, _, _ in COLUMNS).split()
    assert all(cells(line) <= 80 for line in lines)
    places = [line.split()[0] for line in lines if line[0] != " "]
    assert places == ["1", "2", "3"]
    for line, row in zip((line for line in lines if line[0] != " "), rows, strict=True):
        assert line.split()[-9:][:2] == [str(row.trainable), str(row.depth)]


def test_a_notebook_shows_it_as_a_table_in_which_no_name_is_a_tag(rows) -> None:
    html = rows._repr_html_()
    assert html.count("<tr>") == len(rows) + 1
    assert "<b>" not in html
    assert "&lt;b&gt;two&lt;/b&gt; [red]" in html
    assert 'title="Mean relative reconstruction loss over the targets"' in html


def test_a_long_ranking_shows_its_best(rows) -> None:
    many = tk.ranking.Ranking(rows * MOST)
    assert repr(many).splitlines()[-1] == f"... and {2 * MOST} more"
    assert many._repr_html_().count("<tr>") == MOST + 1


def test_an_empty_ranking_is_told_as_one() -> None:
    assert "topology" in repr(tk.ranking.Ranking())
