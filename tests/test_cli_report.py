"""`topokit report`, and the page that `topokit rank` leaves behind."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from shell import in_an_empty_folder as in_an_empty_folder
from shell import output_of, topokit

import topokit as tk
from topokit.cli._ranking_files import read_results, topology_files

LIST = """
[[topology]]
family = "butterfly"
n = 4

[[topology]]
name = "B u/t <b>"
family = "torus"
shape = [2, 2]
depth = 2
skip = "straight"
"""


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """The folder of a ranking that the command wrote."""
    folder = tmp_path_factory.mktemp("ranked")
    (folder / "two.toml").write_text(LIST)
    words = f"rank {folder}/two.toml --max-steps 3 --targets 2 --jobs 1 --out {folder}/ranking"
    done = topokit(words)
    assert done.exit_code == 0
    assert done.stderr.endswith(f"wrote {folder}/ranking/report.html: open it in a browser\n")
    return folder / "ranking"


@pytest.fixture
def folder(ranked):
    """A copy of it, to damage."""
    return Path(shutil.copytree(ranked, "ranking"))


def test_the_folder_alone_makes_the_page_again(folder):
    first = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    assert output_of("report ranking") == "ranking/report.html: open it in a browser\n"
    again = (folder / "report.html").read_text()
    assert abs(len(again) - len(first)) < 100, "but for the numbers that Bokeh gives its models"
    assert "B u/t &lt;b&gt;" in again
    assert output_of("report ranking -o mine.html") == "mine.html: open it in a browser\n"


def test_the_folder_holds_the_topologies_as_files(folder):
    found = read_results(folder)
    assert list(found.topologies) == [row.name for row in found.rows]
    assert found.files["B u/t <b>"] == "topologies/b-u-t-b.npz"
    expected = tk.with_skip(tk.topologies.torus((2, 2), 2))
    assert tk.to_layers(found.topologies["B u/t <b>"]) == tk.to_layers(expected)
    assert found.maps.keys() == found.topologies.keys()


def test_files_of_different_topologies_differ_even_where_letters_do_not_count():
    names = ["a b", "A-B", "a/b", "..", "", "con" * 99, "con" * 98, "é"]
    files = topology_files(names)
    assert list(files) == names
    assert len({file.lower() for file in files.values()}) == len(names)
    assert all(Path(file).parent == Path("topologies") for file in files.values())


def test_the_page_of_an_older_ranking_does_not_stay(folder, monkeypatch):
    monkeypatch.setattr(tk, "rank", interrupted_after_one(tk.rank))
    Path("two.toml").write_text(LIST)
    words = "rank two.toml --max-steps 3 --targets 2 --jobs 1 --out ranking"
    assert topokit(words).exit_code == 130
    assert not (folder / "report.html").exists()
    assert len(read_results(folder).rows) == 1


def interrupted_after_one(rank):
    def interrupted(*args, callback, **options):
        def seeing(row, maps):
            callback(row, maps)
            raise KeyboardInterrupt

        return rank(*args, callback=seeing, **options)

    return interrupted


@pytest.mark.usefixtures("folder")
def test_a_store_and_a_training_make_a_page_too():
    assert output_of("report ranking/ranking.sqlite -o s.html").startswith("s.html")
    assert output_of("report ranking/ranking.sqlite").startswith("ranking/ranking.html")
    epoch = {"epoch": 1, "steps": 3, "train_loss": 1.0, "seconds": 0.1}
    epoch |= {"validation_loss": None, "validation_accuracy": None}
    run = {"seed": 0, "parameters": 5, "epochs": [epoch], "test": {"loss": 1.0, "accuracy": 0.5}}
    Path("training").mkdir()
    Path("training/training.json").write_text(json.dumps({"model": "mlp", "runs": [run]}))
    assert output_of("report training") == "training/report.html: open it in a browser\n"


def test_without_the_extra_rank_goes_on_and_report_refuses(folder, monkeypatch):
    monkeypatch.delitem(tk.report.__dict__, "write_report", raising=False)
    for module in [name for name in sys.modules if name.startswith(("topokit.report._", "bokeh."))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "bokeh", None)
    Path("two.toml").write_text(LIST)
    done = topokit("rank two.toml --max-steps 3 --targets 2 --jobs 1 --out ranking")
    assert done.exit_code == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("report.html is not written: the package 'bokeh' is missing")
    assert "pip install '.[report]'" in last
    assert not (folder / "report.html").exists()
    refused = topokit("report ranking")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "pip install '.[report]'" in refused.stderr


def refusal(words: str) -> str:
    done = topokit(words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("report", "Missing argument 'FOLDER|STORE'"),
        ("report nowhere", "there is no folder or file nowhere"),
        ("report empty", "empty holds neither ranking.json nor training.json"),
        ("report text.sqlite", "is no store: it is no SQLite file"),
        ("report nothing.sqlite", "holds no reconstruction yet"),
        ("report ranking -o page.txt", "must end in .html"),
        ("report ranking -o nowhere/page.html", "the folder 'nowhere' does not exist"),
        ("report ranking -o folder.html", "is a directory"),
    ],
)
def test_what_holds_no_results_is_refused_in_one_line(folder, words, expected):
    assert folder.is_dir()
    for name in ("empty", "folder.html"):
        Path(name).mkdir()
    Path("text.sqlite").write_text("no database, " * 99)
    Path("nothing.sqlite").touch()
    assert expected in refusal(words)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


NO_ROWS = '{"rows": [], "beside": [], "topologies": {}}'


def another_wiring(path: Path) -> None:
    tk.write(tk.topologies.low_rank(4, 4, 1), path)


def with_rows(part="rows", **changes):
    def change(path: Path) -> None:
        said = json.loads(path.read_text())
        said[part] = said[part] or [
            {name: said["rows"][0][name] for name in tk.ranking.SizedLoss.__dataclass_fields__}
        ]
        said[part][0] |= changes
        path.write_text(json.dumps(said))

    return change


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("ranking.json", cut, "ranking.json is damaged"),
        ("ranking.json", lambda path: path.write_text("[]"), "ranking.json is damaged"),
        ("ranking.json", lambda path: path.write_text('{"rows": []}'), "ranking.json is damaged"),
        ("ranking.json", lambda path: path.write_bytes(b"\xff{"), "ranking.json is damaged"),
        ("ranking.json", with_rows(surprise=1), "ranking.json is damaged"),
        ("ranking.json", with_rows(depth="<b>"), "depth is '<b>'"),
        ("ranking.json", with_rows(name=["a"]), "ranking.json is damaged"),
        ("ranking.json", with_rows(trainable=None), "trainable is None"),
        ("ranking.json", with_rows(edges=1.5), "edges is 1.5"),
        ("ranking.json", with_rows(depth=-1), "depth is -1"),
        ("ranking.json", with_rows(depth=True), "depth is True"),
        ("ranking.json", with_rows(n_in=10**9), "n_in is 1000000000"),
        ("ranking.json", with_rows(steps=10**30), "steps is ~2^99"),
        ("ranking.json", with_rows(steps=1e30), "steps is 1e+30"),
        ("ranking.json", with_rows(paths_mean=-(10**400)), "paths_mean is"),
        ("ranking.json", with_rows(reachable=1.5), "reachable is 1.5"),
        ("ranking.json", with_rows(degrees_of_freedom=99), "degrees of freedom; given 99"),
        ("ranking.json", with_rows("beside", trainable=10**9), "trainable is 1000000000"),
        ("ranking.json", with_rows(loss=-0.5), "loss is -0.5"),
        ("ranking.json", with_rows(control_total=float("inf")), "control_total is inf"),
        ("ranking.json", lambda path: path.write_text(NO_ROWS), "ranking.json is damaged"),
        (
            "topologies/b-u-t-b.npz",
            another_wiring,
            "b-u-t-b.npz is another wiring than 'B u/t <b>'",
        ),
        ("maps.npz", Path.unlink, "maps.npz: No such file; the same `topokit rank` writes it"),
        ("maps.npz", cut, "maps.npz holds no maps of topologies"),
        ("topologies/b-u-t-b.npz", Path.unlink, "b-u-t-b.npz: No such file"),
        ("topologies/b-u-t-b.npz", cut, "b-u-t-b.npz does not hold a topology"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line_and_its_page_stays(folder, name, damage, expected):
    page = (folder / "report.html").read_bytes()
    damage(folder / name)
    assert expected in refusal("report ranking")
    assert (folder / "report.html").read_bytes() == page


def test_a_name_of_a_file_does_not_lead_out_of_the_folder(folder):
    said = json.loads((folder / "ranking.json").read_text())
    said["topologies"] = dict.fromkeys(said["topologies"], "../../elsewhere.npz")
    (folder / "ranking.json").write_text(json.dumps(said))
    assert "ranking/topologies/elsewhere.npz: No such file" in refusal("report ranking")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"runs": []}', '{"runs": [{"seed": 0}]}'])
def test_a_damaged_training_is_refused_in_one_line(content):
    Path("training").mkdir()
    Path("training/training.json").write_text(content)
    assert "training.json is damaged" in refusal("report training")
