"""Texts from strangers, wherever they are shown: they are text there, and nothing else."""

import csv
import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit._escapes import printable
from topokit._html import bullets, table
from topokit._names import short_names
from topokit._progress import progress
from topokit._text_table import cells, shorten
from topokit.cli._console import note, print_json, print_table, print_words, say, tell
from topokit.cli._csv_files import FORMULA, write_csv
from topokit.cli._ranking_files import topology_files
from topokit.plotting import plot_control, plot_learning, plot_losses, plot_maps, plot_ranking

mpl.use("agg")

SIGNS = "\x1b\x07\x9b\0\r\n\t\ud800\u200b\u202e\u2028\u0301[]<>&\"'$\\_^=+-@＝;,|`字🔥ae"
PIECES = ["[red]", "[/]", "</script>", "<b>", "]]>", "-->", "\x1b[2J", "$x^$", "_a", "=1+1", "con"]
texts = st.text(st.characters(codec=None) | st.sampled_from(SIGNS), max_size=20) | st.lists(
    st.sampled_from(PIECES), max_size=4
).map("".join)
names = texts.map(printable).filter(bool)
ALL = [
    *PIECES,
    " ",
    "__",
    "\\$",
    "$",
    "$$",
    "a\nb",
    "\ud800",
    "e" + "\u0301" * 50,
    "a" * 10_000,
]


@settings(max_examples=50)
@given(text=texts, title=texts)
@example(text="a" * 10_000, title="\x1b]0;x\x1b\\")
def test_what_is_printed_controls_nothing(text, title) -> None:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        print_table(["", text], [[text, "1"], [title, "2"]], title=title, caption=text)
        print_words(text, title, style="bold", indent="  ")
        say(text)
        tell(title)
        note(title, as_json=False)
        print_json({"name": text})
    assert re.sub(r"\n", "", out.getvalue()).isprintable()


def test_on_a_terminal_only_the_bar_controls_it(monkeypatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    seen = []
    for text in ("plain", "\x1b]0;x\x07[red]\r\n"):
        screen = Screen()
        monkeypatch.setattr("sys.stderr", screen)
        with progress("Ranking", 1) as bar:
            bar.show(text)
        seen.append({*re.findall(r"\x1b\W?[\d;?]*\w|[^ -~]", screen.getvalue())})
        assert text.isprintable() or printable(text) in screen.getvalue()
    assert seen[1] <= seen[0] | {"\n"}


@given(rows=st.lists(st.tuples(texts, st.floats(allow_nan=False)), min_size=1, max_size=5))
@example(rows=[(text, 1.0) for text in ("=1", "'=1", "''=1", " =1", "a;=1", "\t=1", "\xa0=1", "")])
def test_no_cell_of_a_csv_is_a_formula_and_all_are_read_back(rows, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    write_csv(path, [{"name": text, "=loss": number} for text, number in rows])
    with path.open(newline="", encoding="utf-8") as file:
        _, *found = csv.reader(file)
    for (text, number), (cell, figure) in zip(rows, found, strict=True):
        assert float(figure) == number
        assert cell.isprintable()
        assert cell.startswith("'") or not cell.lstrip().startswith(FORMULA)
        assert cell.removeprefix("'") == printable(text)
    assert len({cell for cell, _ in found}) == len({printable(text) for text, _ in rows})
    # A spreadsheet that parts at semicolons parts no text either.
    assert all(line.startswith('"') for line in path.read_text(encoding="utf-8").splitlines())


def figures(shown: list[str]):
    """A picture of each kind, with these names on it."""
    said = {"family": "</g>", "skip": False, "trainable": 4, "loss_error": 0.1}
    rows = [
        SimpleNamespace(name=name, loss=0.1 + n, predicted_loss=None, **said)
        for n, name in enumerate(shown)
    ]
    yield plot_losses({name: np.ones(3) for name in shown})
    yield plot_learning({name: [np.ones(3)] for name in shown})
    yield plot_ranking(rows)
    yield tk.plotting.plot_parameters(rows)
    yield plot_maps({name: tk.ranking.Maps(None, None, None) for name in shown[-2:]})
    yield plot_control(np.eye(2), title="".join(shown))


def test_pictures_show_every_name_as_text_and_are_whole_files(tmp_path) -> None:
    for number, axes in enumerate(figures(ALL)):
        found = np.ravel(np.asarray(axes, object))[0]
        if legend := found.get_legend():
            assert number > 1 or len(legend.get_texts()) == len(ALL)
        tk.plotting.save_figure(axes, tmp_path / "picture.svg")  # a warning would be an error
        ElementTree.parse(tmp_path / "picture.svg")
        assert b"\x1b" not in (tmp_path / "picture.svg").read_bytes()


@given(found=st.lists(texts, unique=True, max_size=6), width=st.integers(12, 60))
@example(found=["a" * 50, "a" * 60, "aaaa...aa (1)", "aaaaa...aaaa"], width=12)
def test_names_that_were_cut_stay_different(found, width) -> None:
    short = short_names(found, width)
    assert [*short] == found
    assert len({*short.values()}) == len(found) or len({*map(printable, found)}) < len(found)
    for name, text in short.items():
        assert cells(text) <= width
        assert text == printable(name) or shorten(text, 7)[0] == printable(name)[0]


class Elements(HTMLParser):
    """Counts what stands in a text of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


@given(text=texts)
def test_what_a_notebook_shows_has_no_elements_of_its_own(text) -> None:
    def shown(words: str) -> str:
        return table([[words, 1]], [words, "x"], [words, ""]) + bullets(words, [words])

    assert Elements(shown(text)).found == Elements(shown("plain")).found


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """A page of one wiring under any name and family."""
    quick = tk.reconstruction.HierarchicalSVD()
    graph = tk.topologies.low_rank(4, 4, 1)
    (row,) = tk.rank({"plain": graph}, targets=1, solver=quick)
    path = tmp_path_factory.mktemp("page") / "page.html"

    def write(text: str) -> str:
        said: dict[str, Any] = row._asdict() | {"name": text, "family": text}
        maps = {text: tk.ranking.Maps(None, None, None)}
        tk.report.write_report(
            path, [tk.ranking.Row(**said)], {text: graph}, maps=maps, files={text: printable(text)}
        )
        page = path.read_text(encoding="utf-8")
        return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)

    return write


def test_a_page_has_no_elements_of_a_name(page_of) -> None:
    plain = Elements(page_of("plain")).found
    for text in ("".join(PIECES), "\ud800\u2028\n"):
        assert Elements(page_of(text)).found == plain


def test_the_command_on_a_page_is_one_for_a_shell(page_of) -> None:
    page = page_of("a b; rm -rf $(x).npz")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    building = json.loads(data[1])["entries"][0]["building"]
    assert building["command"].endswith("-o 'a b; rm -rf $(x).npz'")


@given(found=st.lists(names, unique=True, max_size=6))
@example(
    found=["con", "CON", "con.x", "nul", "../a", "A", "a", "a/", "é", "ü", "a" * 300, "b" * 300]
)
def test_every_topology_has_a_file_of_its_own_on_every_system(found) -> None:
    files = topology_files(found)
    assert [*files] == found
    stems = [Path(file).stem for file in files.values()]
    assert len({stem.casefold() for stem in stems}) == len(found)
    for stem in stems:
        assert re.fullmatch(r"[a-z0-9._-]{1,60}", stem)
        assert stem.partition(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt1"}


@pytest.mark.parametrize("name", ["\x1b[2J", "\ud800", "a\nb", "", "a" * 10_001])
def test_a_ranking_refuses_at_once_what_is_no_name(name) -> None:
    with pytest.raises(ValueError, match="the name of a topology must"):
        tk.rank({name: tk.topologies.butterfly(4)})
    with pytest.raises(ValueError, match="the name of a topology must"):
        tk.ranking.sweep({name: tk.topologies.butterfly(4)})
