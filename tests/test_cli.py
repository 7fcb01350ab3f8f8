"""The command line: what it prints, what it writes, and what it teaches."""

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest
from shell import blank as blank
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk
from topokit._records import readable
from topokit.cli import main
from topokit.cli._topology_group import EXAMPLES, FORMATS, WRITTEN, TopologyGroup
from topokit.files._topology_files import READERS, WRITERS

FAMILIES = tuple(tk.topologies.families())


def equal(one: nx.DiGraph, other: nx.DiGraph) -> bool:
    return nx.utils.graphs_equal(one, other)


# list


def test_list_shows_every_family_with_its_parameters_and_its_summary():
    lines = output_of("list").splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(FAMILIES)
    butterfly = next(line for line in lines if line.startswith("butterfly"))
    assert "(n, depth=None)" in butterfly
    assert "Layer l joins neuron i to i and to i XOR 2^(l mod log2 n)" in butterfly


def test_list_as_json_is_one_list():
    rows = json.loads(output_of("list --json"))
    assert [row["family"] for row in rows] == list(FAMILIES)
    assert {"family", "parameters", "summary"} == rows[0].keys()


# build


@pytest.mark.parametrize("family", FAMILIES)
def test_the_example_in_the_help_of_a_family_builds_it(family):
    printed = output_of(f"build {family} {EXAMPLES[family]} -o net.npz")
    graph = tk.read("net.npz")
    assert graph.graph["family"] == family
    assert printed.startswith(f"net.npz: {graph.name}, {tk.to_layers(graph).depth} layers")
    assert EXAMPLES[family] in example_of(f"build {family}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("butterfly --n 8", lambda: tk.topologies.butterfly(n=8)),
        ("torus --shape 3x2 --depth 2", lambda: tk.topologies.torus(shape=(3, 2), depth=2)),
        ("torus --shape 3,2 --depth 2", lambda: tk.topologies.torus(shape=(3, 2), depth=2)),
        ("torus --shape 5 --depth 2", lambda: tk.topologies.torus(shape=(5,), depth=2)),
        (
            "radix_net --radices '2,2 4' --widths 1,2,1,1",
            lambda: tk.topologies.radix_net(radices=((2, 2), (4,)), widths=(1, 2, 1, 1)),
        ),
        (
            "erdos_renyi --widths 8,9 --density 0.5",
            lambda: tk.topologies.erdos_renyi(widths=(8, 9), density=0.5, seed=0),
        ),
        (
            "erdos_renyi --widths 8,9 --density 0.5 --seed 7",
            lambda: tk.topologies.erdos_renyi(widths=(8, 9), density=0.5, seed=7),
        ),
        (
            "butterfly --n 8 --skip straight",
            lambda: tk.with_skip(tk.topologies.butterfly(n=8)),
        ),
        (
            "butterfly --n 8 --skip random --seed 5 --diagonal",
            lambda: tk.with_diagonal(
                tk.with_skip(tk.topologies.butterfly(n=8), placement="random", seed=5)
            ),
        ),
    ],
)
@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_build_writes_what_the_builder_returns(words, expected, ending):
    output_of(f"build {words} -o net{ending}")
    tk.write(expected(), f"expected{ending}")
    assert equal(tk.read(f"net{ending}"), tk.read(f"expected{ending}"))


def test_build_writes_graphml():
    output_of("build butterfly --n 4 -o net.graphml")
    assert tk.to_layers(tk.read("net.graphml")).widths == (4, 4, 4)


# score


def test_score_as_json_is_one_object_with_every_number():
    printed = json.loads(output_of("score butterfly --n 4 --json"))
    graph = tk.topologies.butterfly(n=4)
    assert printed == {"name": graph.name} | tk.score(graph)._asdict()


def test_score_prints_every_number_with_what_it_means():
    lines = output_of("score butterfly --n 4").splitlines()
    for name in tk.score(tk.topologies.butterfly(n=4))._asdict():
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert len(line.split()) >= 3, "a number without a meaning"


def test_a_file_scores_as_the_family_it_was_built_from():
    output_of("build butterfly --n 4 --skip straight -o net.npz")
    from_family = output_of("score butterfly --n 4 --skip straight --json")
    assert output_of("score net.npz --json") == from_family
    assert output_of(f"score {Path.cwd()}/net.npz --json") == from_family


@pytest.fixture
def two_files() -> None:
    tk.write(tk.topologies.butterfly(4), "a.npz")
    tk.write(tk.topologies.low_rank(4, 4, 1), "b.json")
    Path("more.toml").write_text('[[topology]]\nfile = "b.json"\nname = "[red]字[/red]"')


@pytest.mark.usefixtures("two_files")
def test_files_are_scored_side_by_side_under_their_names():
    heading, *lines = output_of("score a.npz b.json more.toml").splitlines()
    assert heading.split() == ["score", "a", "b", "[red]字[/red]", "meaning"]
    graphs = tk.topologies.butterfly(4), tk.topologies.low_rank(4, 4, 1)
    one, other = (tk.score(graph)._asdict() for graph in graphs)
    for line, name in zip(lines, one, strict=True):
        texts = [readable(numbers[name]) for numbers in (one, other, other)]
        assert line.split()[:4] == [name, *texts]


@pytest.mark.usefixtures("two_files")
def test_scores_of_files_are_a_list_in_json():
    alone = [json.loads(output_of(f"score {name} --json")) for name in ("a.npz", "b.json")]
    found = json.loads(output_of("score a.npz b.json --json"))
    assert found == [one | {"name": name} for one, name in zip(alone, "ab", strict=True)]
    (listed,) = [json.loads(output_of("score more.toml --json"))]
    assert listed == alone[1] | {"name": "[red]字[/red]"}


@pytest.mark.parametrize(
    "words",
    ["score {}", "diagnose {}", "rank {} --max-steps 2 --jobs 1", "build {}", "plot {} -o a.png"],
)
def test_no_name_of_a_file_controls_the_terminal(words):
    tk.write(tk.topologies.butterfly(4), "\x1b[2J.npz")
    tk.write(tk.topologies.butterfly(4), "named.json")
    said = json.loads(Path("named.json").read_text())
    said.pop("sha256")
    said["graph"]["name"] = "\x1b]0;title\x07\r\n"
    Path("named.json").write_text(json.dumps(said))
    for name in ("\x1b[2J.npz", "\x1b[3J.npz", "'\x1b[2J.npz' --help", "named.json"):
        result = topokit(words.format(name))
        shown = (result.stdout + result.stderr).replace("\n", "")
        assert shown.isprintable()


def test_names_are_cut_where_they_are_long():
    for name in ("a" * 90 + "1", "a" * 90 + "2"):
        tk.write(tk.topologies.butterfly(4), f"{name}.npz")
    heading, *_ = output_of(f"score {'a' * 90}1.npz {'a' * 90}2.npz").splitlines()
    names = heading.split()[1:3]
    assert [(len(name), name[-2:]) for name in names] == [(36, "a1"), (36, "a2")]


# On a terminal


@pytest.mark.usefixtures("two_files", "blank")
@pytest.mark.parametrize(
    "words",
    [
        "list",
        "score butterfly --n 4",
        "score a.npz b.json a1.npz a2.npz a3.npz a4.npz",
        "diagnose clos --n-in 8 --n-out 8 --input-routers 4 --middle-routers 1 --output-routers 4",
        "rank a.npz b.json --targets 1 --max-steps 2 --jobs 1",
        "design --n-in 6 --n-out 6 --share 0.6 --depth 2 --no-measure",
        "challenge --neurons 64 --depth 2 --n 20",
    ],
)
def test_every_table_fits_the_width_and_says_what_it_says_in_a_pipe(words, monkeypatch):
    for number in (1, 2, 3, 4):
        tk.write(tk.topologies.butterfly(4), f"a{number}.npz")
    in_a_pipe = topokit(words).stdout.split()
    for width in (80, 40):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = topokit(words).stdout
        assert max(map(len, shown.splitlines())) <= width
        assert not re.search(r" $|\x1b", shown, re.MULTILINE), "no spaces at the end, no color"
        if words.split()[0] != "challenge":  # which measures times
            assert Counter(shown.split()) >= Counter(in_a_pipe)


def test_on_a_terminal_only_colors_can_be_turned_off():
    found = [on_a_terminal("list", 40, **more) for more in ({}, {"NO_COLOR": "1"})]
    for text in found:
        lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in text.splitlines()]
        assert 35 < max(map(len, lines)) <= 40
    assert not re.search(r"\x1b\[[\d;]*3\d", found[1])


def on_a_terminal(words: str, width: int, **environment: str) -> str:
    """What a command shows on a terminal of that width."""
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    hidden = {"COLUMNS", "NO_COLOR"}
    given = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", "topokit.cli", *shlex.split(words)]
    given |= {"TERM": "xterm-256color"} | environment
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=given) as process:
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # which tells the end on Linux
            while part := os.read(control, 2**16):
                shown += part
    os.close(control)
    assert process.returncode == 0
    return shown.decode()


def test_a_number_that_json_does_not_know_becomes_null(monkeypatch):
    numbers = replace(tk.score(tk.topologies.butterfly(n=4)), control_deviation=float("nan"))
    monkeypatch.setattr(tk, "score", lambda _: numbers)
    assert json.loads(output_of("score butterfly --n 4 --json"))["control_deviation"] is None


def test_an_integer_that_python_does_not_write_becomes_a_text(monkeypatch):
    numbers = replace(tk.score(tk.topologies.butterfly(n=4)), paths_max=2**20_000, paths_min=2**99)
    monkeypatch.setattr(tk, "score", lambda _: numbers)
    printed = json.loads(output_of("score butterfly --n 4 --json"))
    assert (printed["paths_max"], printed["paths_min"]) == ("~2^20000", 2**99)
    assert "~2^20000" in output_of("score butterfly --n 4")


# plot


@pytest.mark.parametrize("what", ["edges", "masks", "control", "descent", "leverage"])
def test_plot_writes_a_picture(what):
    output_of(f"plot butterfly --n 4 --what {what} -o net.png")
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in Path().iterdir()] == ["net.png"]


@pytest.mark.parametrize(("ending", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_plot_draws_vectors_too_and_equal_pictures_are_equal_bytes(ending, start):
    for name in ("one", "two"):
        output_of(f"plot butterfly --n 4 --skip straight -o {name}{ending}")
    one, two = (Path(f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two


# help


@pytest.mark.parametrize("verb", ["build", "score", "plot"])
def test_the_help_of_a_verb_lists_the_families(verb):
    text = output_of(f"{verb} --help")
    assert all(f"\n  {family} " in text for family in FAMILIES)


@pytest.mark.parametrize("verb", ["score", "plot"])
def test_the_help_of_a_verb_says_that_a_file_will_do(verb):
    text = " ".join(output_of(f"{verb} --help").split())
    assert "FAMILY|FILE" in text
    assert ".npz, .json, .graphml" in text


def test_the_help_of_a_family_is_the_docstring_of_its_builder():
    text = " ".join(output_of("score clos --help").split())
    assert "--n-in INTEGER Number of inputs I. [required]" in text
    assert "--middle-routers INTEGER Rm, the path diversity. [required]" in text
    assert "--skip [straight|crossing|random]" in text
    assert example_of("score clos") == f"topokit score clos {EXAMPLES['clos']}"


def example_of(words: str) -> str:
    """The example in a help, its lines joined as a shell joins them."""
    text = output_of(f"{words} --help").split("Example:\n")[1]
    return " ".join(text.replace("\\\n", " ").split())


@pytest.mark.parametrize("verb", ["", *main.commands])
def test_help_is_at_most_80_columns_wide(verb):
    group = isinstance(main.commands.get(verb), TopologyGroup)
    for words in [verb, *(f"{verb} {family}" for family in FAMILIES if group)]:
        lines = output_of(f"{words} --help").splitlines()
        assert [line for line in lines if len(line) > 80] == []


def test_options_without_a_default_are_required_and_the_others_are_not():
    text = " ".join(output_of("score butterfly --help").split())
    assert "a power of two. [required]" in text
    assert "--depth INTEGER Number of layers; log2 n by default. --skip" in text


def test_the_help_of_rank_teaches_its_list():
    text = output_of("rank --help")
    assert "[[topology]]" in text
    assert f"{tk.reconstruction.Adam().max_steps} by default" in text


def test_without_arguments_the_help_is_shown():
    result = topokit("")
    assert result.exit_code == 2
    assert "topokit list" in result.stderr


# As a process


def run(words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "topokit.cli", *shlex.split(words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_process_fails_without_a_traceback():
    result = run("build butterfly --n 31 -o net.npz")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "Error: --n must be a power of two; given 31 (near it: 16, 32)\n"
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "words",
    ["--help", "list", "rank --help", "score torus --help", "build butterfly --n 4 -o a.npz"],
)
def test_what_needs_neither_jax_nor_matplotlib_does_not_load_them(words):
    code = (
        "import sys\nfrom topokit.cli import main\n"
        f"main({shlex.split(words)!r}, standalone_mode=False)\n"
        "sys.exit(bool({'jax', 'matplotlib', 'optax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_commands_know_what_is_written_and_what_is_read() -> None:
    assert [*WRITTEN] == [*WRITERS]
    assert [*FORMATS] == [*READERS]
