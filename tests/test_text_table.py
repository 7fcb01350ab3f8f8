"""Tables of text: nothing is lost, numbers stay whole and in line, and lines fit the width."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topokit._text_table import PADDED, cells, fold, is_number, shorten, text_table

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)
proses = st.lists(words, max_size=12).map(" ".join)
numbers = st.one_of(
    st.integers(-(10**9), 10**9).map(str), st.floats(-1e9, 1e9).map("{:.4g}".format), st.just("-")
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], int, int]:
    """A heading, rows, and how many columns are keys and words."""
    keys, n_figures, n_words = (draw(st.integers(*ends)) for ends in ((1, 2), (0, 6), (0, 2)))
    kinds = [proses, *[numbers] * n_figures, *[proses] * n_words]
    rows = draw(st.lists(st.tuples(*kinds), min_size=1, max_size=4))
    heading = [""] * (keys - 1) + [draw(proses) for _ in kinds]
    return (
        heading,
        [[*map(str, [n][: keys - 1]), *row] for n, row in enumerate(rows)],
        keys,
        n_words,
    )


def letters(texts: list[str]) -> Counter[str]:
    return Counter("".join("".join(texts).split()))


@given(table=tables(), width=st.integers(40, 120))
def test_lines_fit_numbers_are_whole_and_nothing_is_lost(table, width) -> None:
    heading, rows, keys, n_words = table
    lines = text_table(heading, rows, width=width, keys=keys, words=n_words)
    assert all(cells(line.text) <= width for line in lines)
    assert all(line.text == line.text.rstrip() for line in lines)
    shown = [line.text for line in lines if not line.heading]
    for row in rows:
        for figure in row[keys : len(row) - n_words]:
            assert any(figure in text.split() for text in shown)
    assert letters(shown) >= letters([cell for row in rows for cell in row])


@given(table=tables())
def test_without_a_width_a_row_is_a_line(table) -> None:
    heading, rows, keys, n_words = table
    lines = text_table(heading, rows, width=None, keys=keys, words=n_words)
    assert [line.text.split() for line in lines] == [
        " ".join(row).split() for row in [heading, *rows]
    ]


def test_a_long_cell_in_a_pipe_moves_its_own_row_alone() -> None:
    names = ("a", "b" * PADDED, "c" * 10_000)
    lines = [line.text for line in text_table(["", "x"], [(n, "1") for n in names], width=None)]
    assert [cells(line) for line in lines] == [*[PADDED + 3] * 3, 10_003]
    assert lines[3].endswith("c  1")


@given(column=st.lists(numbers, min_size=1), width=st.sampled_from([40, 80, None]))
def test_numbers_end_in_line(column, width) -> None:
    rows = [
        [f"row {n}", number, "what it means, in a few words"] for n, number in enumerate(column)
    ]
    _, *lines = text_table(["", "x", "meaning"], rows, width=width, words=1)
    found = [re.match(r"row \d+ +\S+", line.text) for line in lines]
    assert len({match.end() for match in found if match}) == 1
    assert sum(match is not None for match in found) == len(column)


def test_figures_without_room_come_below_with_their_keys() -> None:
    rows = [[f"topology {n}", *(str(10**6 * k + n) for k in range(1, 7))] for n in range(3)]
    lines = [line.text for line in text_table(["name", *"abcdef"], rows, width=40, words=0)]
    assert lines.count("") == 1
    parts = [lines[: lines.index("")], lines[lines.index("") + 1 :]]
    assert [part[0].split() for part in parts] == [["name", *"abc"], ["name", *"def"]]
    assert all(line.startswith("topology") for part in parts for line in part[1:])


def test_words_go_beneath_where_they_would_be_narrow() -> None:
    rows = [["degrees_of_freedom", "144", "Independent directions in which weights move it"]]
    heading = ["score", "value", "meaning"]
    for width, place in ((80, 27), (40, 2)):
        lines = [line.text for line in text_table(heading, rows, width=width, words=1)]
        (line,) = (line for line in lines if "Independent" in line)
        assert line.index("Independent") == place


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *[(text, True) for text in ("12", "-1.5e-07", "1,024", "~2^60", "9%", "-", "nan", "inf")],
        *[(text, False) for text in ("", "24 of 32 signals pass", "True", "3-4", "1.0.x", "a1")],
    ],
)
def test_numbers_are_told_from_words(text, is_one) -> None:
    assert is_number(text) == is_one


@given(text=proses, width=st.integers(2, 30))
def test_folded_words_are_whole_where_they_fit(text, width) -> None:
    lines = fold(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for word in text.split():
        assert cells(word) > width or any(word in line.split() for line in lines)


def test_a_long_word_is_broken_behind_a_sign() -> None:
    assert fold("butterfly(n=16, depth=8)", 12) == ["butterfly(n=", "16, depth=8)"]
    assert fold("low_rank(n_in=8)", 10) == ["low_rank(", "n_in=8)"]
    assert fold("a" * 12, 5) == ["aaaaa", "aaaaa", "aa"]


@given(text=words, width=st.integers(7, 30))
def test_a_cut_text_keeps_its_ends(text, width) -> None:
    short = shorten(text, width)
    assert cells(short) <= width
    assert short == text or (short[0], short[-1]) == (text[0], text[-1])
