"""Text from outside is shown as what it is, on one line, and a name shows as itself."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topokit._escapes import UNSEEN, printable, shown
from topokit._names import LONGEST, check_name, fitting
from topokit._text_table import cells

# Letters of any kind, and often what shows as nothing, or as something else.
hostile = st.text(
    st.characters(codec=None)
    | st.sampled_from(
        "\x1b\x07\x9b\0\r\n\t\x85\ud800\udfff\u200b\u2066\u202e\u2028\ufeff\u0301ae字"
    )
)


@given(text=hostile)
@example(text="a\u0301\u0302\u0303\u0304\u0305\u0306")
@example(text="\ufe0f\u3164")
def test_what_is_shown_is_one_line_that_controls_nothing(text) -> None:
    seen = printable(text)
    assert seen.isprintable()
    assert not UNSEEN & {*seen}
    assert not re.search("[\u0300-\u036f]{5}", seen)
    assert printable(seen) == seen
    seen.encode()


@given(text=hostile)
def test_what_can_be_seen_is_shown_as_it_is(text) -> None:
    kinds = {unicodedata.category(c) for c in text}
    plain = not any(kind[0] in "CMZ" for kind in kinds) and not UNSEEN & {*text}
    assert printable(text) == text or not plain


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb", r"a\nb"),
        ("\u202e", r"\u202e"),
        ("\udcff", r"\udcff"),
        ("a\u200bb", r"a\u200bb"),
        ("\u0301", r"\u0301"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + r"\u0301\u0301"),
        ("né e\u0301 नमस्ते 字 🔥", "né e\u0301 नमस्ते 字 🔥"),
    ],
)
def test_what_controls_a_terminal_is_written_out(text, seen) -> None:
    assert printable(text) == seen


@given(text=hostile, times=st.sampled_from([1, 1000]), width=st.integers(7, 300))
def test_what_a_message_quotes_is_short(text, times, width) -> None:
    seen = shown(text * times, width)
    assert cells(seen) <= width
    assert seen.isprintable()


@given(name=hostile)
@example(name="")
def test_a_name_is_what_shows_as_itself_and_an_error_is_a_line(name) -> None:
    if name and printable(name) == name:
        assert check_name(name) == name
    else:
        with pytest.raises(ValueError, match=r"\A[^\x00-\x1f]*\Z"):
            check_name(name)


@pytest.mark.parametrize("name", [7, b"x", None, "", "a" * (LONGEST + 1), "\x1b[2J", ["a"] * 999])
def test_what_is_no_name_is_refused_in_a_short_line(name) -> None:
    with pytest.raises(ValueError, match="the label of a curve must") as caught:
        check_name(name, "the label of a curve")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_a_name_made_of_names_is_one() -> None:
    assert check_name(fitting("a" * 10**6))[:3] == "aaa"
    assert fitting("a" * LONGEST) == "a" * LONGEST
