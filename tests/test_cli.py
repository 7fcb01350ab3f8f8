"""The command line: what it prints, what it writes, and how it fails."""

import csv
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import networkx as nx
import numpy as np
import pytest
from click.testing import CliRunner, Result

import topokit as tk
from topokit.cli import main
from topokit.cli._topology import EXAMPLES

mpl.use("agg")

FAMILIES = tuple(tk.topologies.families())
RESULTS = {
    "ranking.json",
    "ranking.csv",
    "ranking.png",
    "parameters.png",
    "control.npz",
    "control.png",
}
QUICK = "--steps 3 --targets 2"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def topokit(words: str) -> Result:
    arguments = shlex.split(words)
    return CliRunner().invoke(main, arguments, prog_name="topokit", catch_exceptions=False)


def output_of(words: str) -> str:
    result = topokit(words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


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
    assert EXAMPLES[family] in output_of(f"build {family} --help")


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
    for name in tk.scores.Score._fields:
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert len(line.split()) >= 3, "a number without a meaning"


def test_a_file_scores_as_the_family_it_was_built_from():
    output_of("build butterfly --n 4 --skip straight -o net.npz")
    from_family = output_of("score butterfly --n 4 --skip straight --json")
    assert output_of("score net.npz --json") == from_family
    assert output_of(f"score {Path.cwd()}/net.npz --json") == from_family


def test_a_number_that_json_does_not_know_becomes_null(monkeypatch):
    numbers = tk.score(tk.topologies.butterfly(n=4))._replace(control_deviation=float("nan"))
    monkeypatch.setattr(tk, "score", lambda _: numbers)
    assert json.loads(output_of("score butterfly --n 4 --json"))["control_deviation"] is None


# plot


@pytest.mark.parametrize("what", ["topology", "masks", "control"])
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


# rank

LIST = """
[[topology]]
family = "butterfly"
n = 4
depth = 1

[[topology]]
name = "deep"
family = "butterfly"
n = 4
depth = 4
skip = "random"
diagonal = true
seed = 3

[[topology]]
file = "nets/mine.npz"
"""


@pytest.fixture
def a_list():
    """A list of three tiny topologies in a folder of its own."""
    Path("lists/nets").mkdir(parents=True)
    Path("lists/three.toml").write_text(LIST)
    tk.write(tk.from_masks([np.ones((4, 4))]), "lists/nets/mine.npz")
    return "lists/three.toml"


def test_rank_writes_every_result_and_names_the_folder(a_list):
    result = topokit(f"rank {a_list} {QUICK} --out results/first")
    assert result.exit_code == 0
    assert result.stderr.startswith("wrote ranking.json")
    assert result.stderr.endswith(" into results/first/\n")
    assert result.stderr.count("\n") == 1, "no progress bar outside a terminal"
    folder = Path("results/first")
    assert {path.name for path in folder.iterdir()} == RESULTS

    ranking = json.loads((folder / "ranking.json").read_text())
    rows = ranking["rows"]
    assert [row["loss"] for row in rows] == sorted(row["loss"] for row in rows)
    assert {(row["targets"], row["steps"]) for row in rows} == {(2, 3)}
    names = {row["name"] for row in rows}
    assert {"deep", "from_masks"} < names

    with (folder / "ranking.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]

    with np.load(folder / "control.npz") as controls:
        assert set(controls) == names
        totals = {name: controls[name].sum() for name in controls}
    assert totals == pytest.approx({row["name"]: row["control_total"] for row in rows}, rel=1e-5)


def test_rank_prints_a_table_best_first(a_list):
    heading, *lines = topokit(f"rank {a_list} {QUICK}").stdout.splitlines()
    rows = json.loads(Path("ranking/ranking.json").read_text())["rows"]
    assert heading.split()[:3] == ["topology", "edges", "depth"]
    for place, (line, row) in enumerate(zip(lines, rows, strict=False), start=1):
        assert line.split()[0] == str(place)
        assert row["name"] in line


def test_rank_as_json_prints_what_it_writes(a_list):
    printed = topokit(f"rank {a_list} {QUICK} --json").stdout
    assert json.loads(printed) == json.loads(Path("ranking/ranking.json").read_text())


def test_rank_takes_files_and_lists_together(a_list):
    output_of("build butterfly --n 4 -o small.json")
    assert topokit(f"rank small.json {a_list} {QUICK}").exit_code == 0
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert "small" in {row["name"] for row in ranking["rows"]}
    assert (ranking["finished"], ranking["of"]) == (4, 4)


def test_rank_in_processes_gives_the_same_rows(a_list, monkeypatch):
    monkeypatch.setattr(tk.ranking, "process_pool", ThreadPoolExecutor)
    one, two = (topokit(f"rank {a_list} {QUICK} --json --jobs {n}").stdout for n in (1, 2))
    assert one == two


def test_rank_without_arguments_takes_the_default_set(monkeypatch):
    tiny = {"tiny": tk.topologies.butterfly(n=4)}
    monkeypatch.setattr(tk.ranking, "default_topologies", lambda: tiny)
    rows = json.loads(topokit(f"rank {QUICK} --json").stdout)["rows"]
    assert [row["name"] for row in rows] == ["tiny"]


def stop_after_two_rows(monkeypatch, error: BaseException) -> None:
    evaluate_all = tk.ranking.evaluate_all

    def interrupted(*args, **kwargs):
        rows = evaluate_all(*args, **kwargs)
        yield next(rows)
        yield next(rows)
        raise error

    monkeypatch.setattr(tk.ranking, "evaluate_all", interrupted)


def test_ctrl_c_keeps_the_finished_rows(a_list, monkeypatch):
    stop_after_two_rows(monkeypatch, KeyboardInterrupt())
    result = topokit(f"rank {a_list} {QUICK}")
    assert result.exit_code == 130
    assert "2 of 3" in result.stderr
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert (len(ranking["rows"]), ranking["finished"], ranking["of"]) == (2, 2, 3)
    assert all(row["name"] in result.stdout for row in ranking["rows"])
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS


def test_an_error_in_one_topology_keeps_the_rows_of_the_others(a_list, monkeypatch):
    stop_after_two_rows(monkeypatch, ValueError("too hard"))
    result = topokit(f"rank {a_list} {QUICK}")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: too hard\n")
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS


def test_ctrl_c_before_the_first_row_writes_nothing(a_list, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tk.ranking, "evaluate_all", interrupted)
    assert topokit(f"rank {a_list} {QUICK}").exit_code == 130
    assert not list(Path("ranking").iterdir())


def test_a_picture_that_fails_leaves_the_old_one(a_list, monkeypatch):
    topokit(f"rank {a_list} {QUICK}")
    before = Path("ranking/ranking.png").read_bytes()

    def fail(*_, **__):
        raise ValueError("no ink")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert topokit(f"rank {a_list} {QUICK}").exit_code == 2
    assert Path("ranking/ranking.png").read_bytes() == before
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS


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
    assert f"Example: topokit score clos {EXAMPLES['clos']}" in text


def test_options_without_a_default_are_required_and_the_others_are_not():
    text = " ".join(output_of("score butterfly --help").split())
    assert "a power of two. [required]" in text
    assert "--depth INTEGER Number of layers; log2 n by default. --skip" in text


def test_the_help_of_rank_teaches_its_list():
    text = output_of("rank --help")
    assert "[[topology]]" in text
    assert f"{tk.reconstruction.Adam().steps} by default" in text


def test_without_arguments_the_help_is_shown():
    result = topokit("")
    assert result.exit_code == 2
    assert "topokit list" in result.stderr


# What cannot be done

BAD_LISTS = {
    "empty": "",
    "broken": "[[topology]",
    "other": "[topology]\nfamily = 'butterfly'",
    "extra": "x = 1\n[[topology]]\nfamily = 'butterfly'\nn = 4",
    "neither": "[[topology]]\nn = 4",
    "both": "[[topology]]\nfamily = 'butterfly'\nfile = 'a.npz'",
    "typo": "[[topology]]\nfamily = 'buterfly'\nn = 4",
    "unknown": "[[topology]]\nfamily = 'butterfly'\nn = 4\ndeep = 3",
    "missing": "[[topology]]\nfamily = 'butterfly'",
    "word": "[[topology]]\nfamily = 'butterfly'\nn = 'four'",
    "number": "[[topology]]\nfamily = 'torus'\nshape = 8\ndepth = 2",
    "placement": "[[topology]]\nfamily = 'butterfly'\nn = 4\nskip = 'sideways'",
    "diagonal": "[[topology]]\nfamily = 'butterfly'\nn = 4\ndiagonal = 'yes'",
    "seed": "[[topology]]\nfamily = 'butterfly'\nn = 4\nskip = 'random'\nseed = -1",
    "name": "[[topology]]\nfamily = 'butterfly'\nn = 4\nname = 7",
    "file": "[[topology]]\nfile = 7",
    "gone": "[[topology]]\nfile = 'gone.npz'",
    "parameters": "[[topology]]\nfile = 'a.npz'\nn = 4",
    "twice": "[[topology]]\nfamily = 'butterfly'\nn = 4\n" * 2,
}

BAD = [
    ("scores", "No such command 'scores'"),
    ("list --jsn", "No such option"),
    ("score buterfly --n 4", "did you mean butterfly"),
    ("score qqq", "choose from dense, low_rank"),
    ("build buterfly --n 4 -o a.npz", "did you mean butterfly"),
    ("score butterfly", "Missing option '--n'"),
    ("score butterfly --n four", "'four' is not a valid integer"),
    ("score butterfly --n 31", "n must be a power of two"),
    ("score butterfly --n 4 --depth -1", "depth must be"),
    ("score butterfly --n 4 --widths 3", "No such option"),
    ("score butterfly --n 4 --skip sideways", "'sideways' is not one of"),
    ("score butterfly --n 4 --seed -1", "seed"),
    ("score clos --n-in 4 --n-out 4 --input-routers 3 --middle-routers 1 --output-routers 2", "3"),
    ("score torus --shape 8y4 --depth 2", "'8y4' is not of the form 8x4 or 8,4"),
    ("score torus --shape '' --depth 2", "'' is not of the form"),
    ("score radix_net --radices '2,2 x'", "'2,2 x' is not of the form"),
    ("score radix_net --radices ''", "radices"),
    ("score radix_net --radices '2,2 3'", "radices[1]"),
    ("score erdos_renyi --widths 4,4 --density 2", "density must be a number in [0, 1]"),
    ("score erdos_renyi --widths 4 --density 1", "widths"),
    ("score gone.npz", "gone.npz: No such file"),
    ("score ./gone", "gone: a topology is saved as"),
    ("score text.npz", "text.npz does not hold a topology"),
    ("score text.json", "text.json does not hold a topology"),
    ("score text.graphml", "text.graphml does not hold a topology"),
    ("score text.txt", "text.txt: a topology is saved as .npz, .json, .graphml"),
    ("score pickle.npz", "pickle.npz does not hold a topology"),
    ("score cycle.json", "cycle.json does not hold a topology"),
    ("build butterfly --n 4", "Missing option '-o'"),
    ("build butterfly --n 4 -o a.txt", "must end in .npz or .json or .graphml"),
    ("build butterfly --n 4 -o gone/a.npz", "the folder 'gone' does not exist"),
    ("build net.npz -o a.npz", "no family is called 'net.npz'"),
    ("plot butterfly --n 4 -o a.bmp", "must end in .png or .pdf or .svg"),
    ("plot butterfly --n 4 -o a.png --what all", "'all' is not one of"),
    ("rank gone.npz", "gone.npz: No such file"),
    ("rank gone.toml", "gone.toml: No such file"),
    ("rank text.npz", "text.npz does not hold a topology"),
    ("rank --targets 0", "0 is not in the range x>=1"),
    ("rank --steps 0", "0 is not in the range x>=1"),
    ("rank --jobs 0", "0 is not in the range x>=1"),
    ("rank --seed -1", "-1 is not in the range x>=0"),
    ("rank net.npz --out text.txt", "text.txt"),
    ("rank net.npz net.npz", "two topologies are called 'net'"),
    ("rank empty.toml", "must hold tables [[topology]]"),
    ("rank broken.toml", "broken.toml is not valid TOML"),
    ("rank other.toml", "must hold tables [[topology]]"),
    ("rank extra.toml", "and nothing else"),
    ("rank neither.toml", "either a family or a file"),
    ("rank both.toml", "either a family or a file"),
    ("rank typo.toml", "topology 1: no family is called 'buterfly': did you mean butterfly"),
    ("rank unknown.toml", "deep"),
    ("rank missing.toml", "'n'"),
    ("rank word.toml", "word.toml, topology 1: "),
    ("rank number.toml", "torus(shape, depth)"),
    ("rank placement.toml", "placement must be one of straight, crossing, random"),
    ("rank diagonal.toml", "diagonal must be true or false; given 'yes'"),
    ("rank seed.toml", "seed must be"),
    ("rank name.toml", "name must be a word; given 7"),
    ("rank file.toml", "7"),
    ("rank gone-file.toml", "gone.npz: No such file"),
    ("rank parameters.toml", "a file takes no parameters; given n"),
    ("rank twice.toml", "two topologies are called 'butterfly(n=4)'"),
]


@pytest.fixture
def bad_files():
    """Files of every kind that are not what they say, and one good one."""
    for name in ("text.npz", "text.json", "text.graphml", "text.txt"):
        Path(name).write_text("not a topology")
    np.savez("pickle.npz", widths=np.array([{"not": "an array"}], dtype=object))
    cycle = nx.DiGraph([((0, 0), (1, 0)), ((1, 0), (0, 0))])
    Path("cycle.json").write_text(json.dumps(nx.node_link_data(cycle, edges="edges")))
    for name, text in BAD_LISTS.items():
        Path(f"{name}{'-file' if name == 'gone' else ''}.toml").write_text(text)
    tk.write(tk.topologies.butterfly(4), "net.npz")


@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize(("words", "reason"), BAD, ids=[words for words, _ in BAD])
def test_bad_input_gives_one_clear_line_and_exit_status_2(words, reason):
    result = topokit(words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr


# As a process


def run(words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "topokit.cli", *shlex.split(words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_process_fails_without_a_traceback():
    result = run("build butterfly --n 31 -o net.npz")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "Error: n must be a power of two; given 31 (near it: 16, 32)\n"
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
