"""`topokit rank`: its table, its files, and what an interrupt leaves behind."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from shell import blank as blank
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk

PAGE = {"report.html"}
RESULTS = {
    "ranking.json",
    "ranking.csv",
    "ranking.png",
    "parameters.png",
    "maps.npz",
    "control.png",
    "topologies",
    "ranking.sqlite",
}
QUICK = "--max-steps 3 --targets 2 --jobs 1"

blank_pictures = pytest.mark.usefixtures("blank")

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
    result = topokit(f"rank {a_list} {QUICK} --jobs 2 --out results/first")
    assert result.exit_code == 0
    assert result.stderr.startswith("wrote ranking.json")
    page = "wrote results/first/report.html: open it in a browser\n"
    assert result.stderr.endswith(f" into results/first/\n{page}")
    assert result.stderr.count("\n") == 2, "no progress bar outside a terminal"
    folder = Path("results/first")
    assert {path.name for path in folder.iterdir()} == RESULTS | PAGE

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

    maps = tk.ranking.read_maps(folder / "maps.npz")
    assert list(maps) == [row["name"] for row in rows]
    totals = {name: float(np.asarray(each.control).sum()) for name, each in maps.items()}
    assert totals == pytest.approx({row["name"]: row["control_total"] for row in rows}, rel=1e-5)


@blank_pictures
def test_rank_prints_a_table_best_first(a_list):
    heading, *lines = topokit(f"rank {a_list} {QUICK}").stdout.splitlines()
    rows = json.loads(Path("ranking/ranking.json").read_text())["rows"]
    assert heading.split()[:3] == ["topology", "edges", "depth"]
    for place, (line, row) in enumerate(zip(lines, rows, strict=False), start=1):
        assert line.split()[0] == str(place)
        assert row["name"] in line


@blank_pictures
def test_rank_as_json_prints_what_it_writes_and_says_nothing_else(a_list):
    printed = output_of(f"rank {a_list} {QUICK} --json")
    assert json.loads(printed) == json.loads(Path("ranking/ranking.json").read_text())
    again = output_of(f"rank {a_list} {QUICK} --json")
    assert again == printed, "what is finished is taken without a word"


@blank_pictures
def test_rank_takes_files_and_lists_together(a_list):
    output_of("build butterfly --n 4 -o small.json")
    assert topokit(f"rank small.json {a_list} {QUICK}").exit_code == 0
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert "small" in {row["name"] for row in ranking["rows"]}
    assert (ranking["finished"], ranking["of"]) == (4, 4)


@blank_pictures
def test_rank_in_processes_gives_the_same_rows(a_list, monkeypatch):
    monkeypatch.setattr(tk.ranking, "process_pool", ThreadPoolExecutor)
    one, two = (
        topokit(f"rank {a_list} {QUICK} --json --jobs {n} --out {n}").stdout for n in (1, 2)
    )
    assert one == two


@blank_pictures
def test_rank_without_arguments_takes_the_default_set(monkeypatch):
    tiny = {"tiny": tk.topologies.butterfly(n=4)}
    asked = []

    def default(budget, *, n):
        asked.append((budget, n))
        return tiny

    monkeypatch.setattr(tk.ranking, "default_topologies", default)
    found = json.loads(topokit(f"rank {QUICK} --json").stdout)
    assert [row["name"] for row in found["rows"]] == ["tiny"]
    assert asked == [(640, 32), (384, 32)]
    assert [(row["name"], row["trainable"]) for row in found["beside"]] == [("tiny", 16)]
    topokit(f"rank {QUICK} --json --budget 100 --out small")
    assert asked[2:] == [(100, 32), (64, 32)]
    for n in (2, 17, 321):
        topokit(f"rank {QUICK} --json --n {n} --out {n}")
        assert (tk.ranking.default_budget(n), n) in asked
    assert (
        json.loads(topokit(f"rank {QUICK} --json --budget 64 --out least").stdout)["beside"] == []
    )


def test_a_default_set_says_what_it_leaves_out_and_what_is_not_near(monkeypatch):
    whole = tk.ranking.default_topologies

    def one(budget, *, n):
        return {"low rank": whole(budget, n=n)["low rank"]}

    monkeypatch.setattr(tk.ranking, "default_topologies", one)
    result = topokit(f"rank --n 3 --budget 8 {QUICK}")
    assert result.exit_code == 0
    assert "left out: hypercube" in result.stderr
    assert "power of two; given 3" in result.stderr
    assert "clos has no member near 8 trainable edges" in result.stderr
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert [row["trainable"] for row in ranking["rows"]] == [6]
    assert [(row["trainable"], row["targets"]) for row in ranking["beside"]] == [(6, 2)]


@blank_pictures
def test_the_table_says_where_the_budget_saturates_and_how_well_losses_were_predicted(a_list):
    result = topokit(f"rank {a_list} {QUICK}")
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert sorted(row["degrees_of_freedom"] for row in ranking["rows"])[1:] == [16, 16]
    assert "2 of 3 can set every entry: their order is that of training" in result.stdout
    error = ranking["agreement"]["median_error"]
    said = f"without training of 1 of the 3 are off by {error:.0%} in the median"
    assert said in " ".join(result.stdout.split()), "the other two are not predicted"


def stop_after_two_rows(monkeypatch, error: BaseException) -> None:
    rank, seen = tk.rank, []

    def interrupted(*args, callback, **options):
        def seeing(row, maps):
            callback(row, maps)
            seen.append(row)
            if len(seen) == 2:
                raise error

        return rank(*args, callback=seeing, **options)

    monkeypatch.setattr(tk, "rank", interrupted)


@blank_pictures
def test_ctrl_c_keeps_the_finished_rows(a_list, monkeypatch):
    stop_after_two_rows(monkeypatch, KeyboardInterrupt())
    result = topokit(f"rank {a_list} {QUICK}")
    assert result.exit_code == 130
    assert "2 of 3" in result.stderr
    ranking = json.loads(Path("ranking/ranking.json").read_text())
    assert (len(ranking["rows"]), ranking["finished"], ranking["of"]) == (2, 2, 3)
    assert all(row["name"] in result.stdout for row in ranking["rows"])
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS
    told = "report.html is not written: `topokit report ranking` makes it of these"
    assert result.stderr.splitlines()[-1] == told


def test_ctrl_c_while_another_budget_runs_says_how_to_make_the_page(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    tiny = {"tiny": tk.topologies.butterfly(n=4)}
    monkeypatch.setattr(tk.ranking, "default_topologies", lambda *_, **__: tiny)
    monkeypatch.setattr(tk.ranking, "sweep", interrupted)
    result = topokit(f"rank {QUICK} --out 'a b'")
    assert result.exit_code == 130
    assert "1 of 1 are finished" in result.stderr
    assert result.stderr.endswith("`topokit report 'a b'` makes it of these\n")
    assert output_of("report 'a b'") == "a b/report.html: open it in a browser\n"


@blank_pictures
def test_an_error_in_one_topology_keeps_the_rows_of_the_others(a_list, monkeypatch):
    stop_after_two_rows(monkeypatch, ValueError("too hard"))
    result = topokit(f"rank {a_list} {QUICK}")
    assert result.exit_code == 2
    assert result.stderr.endswith("Error: too hard\n")
    assert "`topokit report ranking` makes it" in result.stderr
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS


@blank_pictures
def test_ctrl_c_before_the_first_row_writes_nothing(a_list, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tk, "rank", interrupted)
    assert topokit(f"rank {a_list} {QUICK}").exit_code == 130
    assert not Path("ranking").exists()


@blank_pictures
def test_a_picture_that_fails_leaves_the_old_one(a_list, monkeypatch):
    topokit(f"rank {a_list} {QUICK}")
    before = Path("ranking/ranking.png").read_bytes()

    def fail(*_, **__):
        raise ValueError("no ink")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    assert topokit(f"rank {a_list} {QUICK}").exit_code == 2
    assert Path("ranking/ranking.png").read_bytes() == before
    assert {path.name for path in Path("ranking").iterdir()} == RESULTS


def test_long_names_leave_room_for_what_is_drawn():
    long = "a name that is far too long to stand beside a picture" * 3
    tk.write(tk.topologies.butterfly(4), f"{long}.npz")
    tk.write(tk.topologies.low_rank(4, 4, 1), "short.npz")
    found = json.loads(output_of(f"rank '{long}.npz' short.npz {QUICK} --json"))  # no warning
    assert {row["name"] for row in found["rows"]} == {long, "short"}


def test_names_are_taken_literally(tmp_path):
    names = ["[/bold]", "x[red]y", "$x^$", "\u03b2"]
    entries = [f'[[topology]]\nfamily = "butterfly"\nn = 4\nname = "{n}"\n' for n in names]
    (tmp_path / "names.toml").write_text("\n".join(entries), encoding="utf-8")
    result = topokit(f"rank names.toml {QUICK}")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in names)


@blank_pictures
def test_a_name_in_the_csv_is_no_formula(tmp_path):
    names = {"=1+1": "'=1+1", "@x": "'@x", "-a": "'-a", " +a": "' +a", "a=b": "a=b"}
    entries = [f'[[topology]]\nfamily = "butterfly"\nn = 4\nname = "{n}"\n' for n in names]
    (tmp_path / "names.toml").write_text("\n".join(entries))
    assert topokit(f"rank names.toml {QUICK}").exit_code == 0
    with Path("ranking/ranking.csv").open(newline="") as file:
        found = {row["name"] for row in csv.DictReader(file)}
    assert found == {*names.values()}
    rows = json.loads(Path("ranking/ranking.json").read_text())["rows"]
    assert {row["name"] for row in rows} == {*names}


@blank_pictures
def test_results_are_written_before_they_are_printed(a_list, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("topokit.cli._rank_command._table", full)
    assert topokit(f"rank {a_list} {QUICK} --out kept").exit_code == 2
    assert {path.name for path in Path("kept").iterdir()} >= RESULTS


@blank_pictures
def test_another_ranking_is_refused_before_any_work_and_replaced_only_if_asked(a_list):
    assert topokit(f"rank {a_list} {QUICK}").exit_code == 0
    Path("other").mkdir()
    tk.write(tk.topologies.low_rank(4, 4, 1), "other/from_masks.npz")
    before = {path: path.read_bytes() for path in Path("ranking").rglob("*.*")}
    for words, told in (
        (f"{a_list} {QUICK} --seed 1", "holds another ranking, seed 0 there, 1 here: give"),
        (f"{a_list} {QUICK} --targets 3", "targets 2 there, 3 here: give another folder"),
        (f"{a_list} {QUICK} --max-steps 4", "max_steps 3 there, 4 here: give another folder"),
        (f"other/from_masks.npz {QUICK}", "'from_masks'"),
    ):
        refused = topokit(f"rank {words}")
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert told in refused.stderr
        assert "--overwrite" in refused.stderr
    assert {path: path.read_bytes() for path in Path("ranking").rglob("*.*")} == before
    Path("ranking/topologies/own.npz").write_bytes(b"of somebody")
    assert topokit(f"rank other/from_masks.npz {QUICK} --overwrite").exit_code == 0
    names = {path.name for path in Path("ranking/topologies").iterdir()}
    assert names == {"from_masks.npz", "own.npz"}


@pytest.mark.usefixtures("a_list")
@blank_pictures
def test_a_longer_list_the_same_one_and_a_lost_file_are_no_other_ranking():
    assert topokit(f"rank lists/nets/mine.npz {QUICK}").exit_code == 0
    output_of("build butterfly --n 4 -o other.npz")
    assert topokit(f"rank lists/nets/mine.npz other.npz {QUICK}").exit_code == 0
    Path("ranking/topologies/other.npz").unlink()
    assert topokit(f"rank lists/nets/mine.npz other.npz {QUICK}").exit_code == 0
    assert Path("ranking/topologies/other.npz").exists()
