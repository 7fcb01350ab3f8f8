"""What goes into a page: text that can be seen, packed numbers, and errors in words."""

import base64
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit.ranking import Maps
from topokit.report._page_parts import MOST_CELLS, MOST_EDGES, map_part, wiring_part
from topokit.report._page_text import number_text, short, sortable
from topokit.report._ranking_notes import ranking_notes, weights_text

QUICK = tk.reconstruction.HierarchicalSVD()
ONE = {"rank 2": tk.topologies.low_rank(8, 8, 2)}


@pytest.fixture(scope="module")
def rows():
    return tk.rank(ONE, targets=2, solver=QUICK)


def data_of(page: Path) -> dict:
    """What the script of a page reads."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None
    return json.loads(found[1])


def unpacked(text: str, kind: type) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


@settings(max_examples=200)
@given(st.text())
def test_short_names_fit(text):
    assert len(short(text)) <= 80


@pytest.mark.parametrize(
    ("value", "text", "order"),
    [
        (None, "–", None),
        (float("nan"), "–", None),
        (float("inf"), "–", None),
        (True, "yes", True),
        (12345, "12,345", 12345.0),
        (2**400, "about 2^400", float(2**400)),
        (2**4000, "about 2^4000", None),
        (0.08041, "0.0804", 0.08041),
        (3e-9, "3.0e-09", 3e-9),
        (0.0, "0.0000", 0.0),
        (12345.678, "12,345.7", 12345.678),
        (np.float64(0.5), "0.5000", 0.5),
        ("a\x00b", "a\\x00b", "a\\x00b"),
    ],
)
def test_numbers_as_they_are_read_and_as_they_sort(value, text, order):
    assert number_text(value) == text
    assert sortable(value) == order
    json.dumps(sortable(value), allow_nan=False)


@pytest.mark.parametrize("place", [(0, 0), (399, 299), (217, 133)])
def test_an_odd_entry_of_a_large_map_stays_to_be_seen(place):
    matrix = np.full((400, 300), 0.5)
    matrix[place] = 0.0
    part = map_part(matrix)
    assert part["size"] == [400, 300]
    assert part["shape"] == [MOST_CELLS, MOST_CELLS]
    values = unpacked(part["packed"], np.float32).reshape(part["shape"])
    at = [-(-(p + 1) * MOST_CELLS // n) - 1 for p, n in zip(place, matrix.shape, strict=True)]
    assert np.argwhere(values == 0).tolist() == [at], "where the script looks for it"
    assert (part["low"], part["high"]) == (0.0, 0.5)


def test_a_drawing_has_the_edges_of_the_wiring():
    graph = tk.with_skip(tk.topologies.torus((4, 2), 2))
    part, layers = wiring_part(graph), tk.to_layers(graph)
    assert np.array_equal(unpacked(part["senders"], np.uint32), np.concatenate(layers.senders))
    assert np.array_equal(unpacked(part["receivers"], np.uint32), np.concatenate(layers.receivers))
    assert np.array_equal(unpacked(part["constant"], bool), ~np.concatenate(layers.trainable))
    assert part["sizes"] == [s.size for s in layers.senders]


def test_of_very_many_edges_a_part_is_drawn_and_said():
    layers = tk.topologies.dense.layers(200, 200)
    part = wiring_part(layers)
    assert sum(part["sizes"]) <= MOST_EDGES
    assert part["said"].endswith("; every 4th edge is drawn.")


def test_the_page_holds_every_number_of_every_row(rows, tmp_path):
    H = np.random.default_rng(0).random((8, 8))
    maps = {"rank 2": Maps(None, None, H)}
    tk.report.write_report(tmp_path / "page.html", rows, ONE, maps=maps)
    (entry,) = data_of(tmp_path / "page.html")["entries"]
    assert entry["values"] == {k: sortable(v) for k, v in rows[0]._asdict().items()}
    assert entry["maps"].keys() == {"leverage"}
    shown = unpacked(entry["maps"]["leverage"]["packed"], np.float32)
    assert np.array_equal(shown, H.ravel().astype(np.float32))
    criteria = tk.diagnose(ONE["rank 2"]).criteria
    assert [c["verdict"] for c in entry["diagnosis"]["criteria"]] == [c.verdict for c in criteria]


def test_losses_beside_belong_to_the_rows_of_their_names(rows, tmp_path):
    further = {"rank 2": tk.topologies.low_rank(8, 8, 1), "other": tk.topologies.dense(8, 8)}
    beside = tk.ranking.mean_losses(tk.ranking.sweep(further, targets=2, solver=QUICK))
    maps = {"rank 2": Maps(None, None, None)}
    tk.report.write_report(tmp_path / "page.html", rows, ONE, maps=maps, beside=beside)
    text = json.dumps(data_of(tmp_path / "page.html")["charts"]["parameters"])
    assert "parameters cloud" in text
    axis = json.loads(text)["doc"]["roots"][0]["attributes"]["y_range"]["attributes"]
    assert axis["start"] <= min(rows[0].loss, beside[0].loss)
    assert axis["end"] >= max(rows[0].loss, beside[0].loss)
    across = json.loads(text)["doc"]["roots"][0]["attributes"]["x_range"]["attributes"]
    assert across["start"] <= 16
    assert across["end"] < 64, "a dense layer of another name is not drawn"


def test_of_the_worst_a_better_relative_is_named(tmp_path):
    graphs = {f"rank {rank}": tk.topologies.low_rank(8, 8, rank) for rank in (1, 2)}
    ranked = tk.rank(graphs, targets=2, solver=QUICK)
    maps = dict.fromkeys(graphs, Maps(None, None, None))
    tk.report.write_report(tmp_path / "page.html", ranked, graphs, maps=maps)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"Of the same family, rank 2 loses {ranked[0].loss:.4f}, with 32 trainable" in page
    tk.report.write_report(tmp_path / "page.html", ranked[:1], graphs, maps=maps)
    assert "Of the same family" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_notes_say_which_neighbors_tie_and_what_is_best_at_another_budget():
    places = [("a", 0.1), ("b", 0.102), ("c", 0.2), ("d", 0.21), ("e", math.nan)]
    rows = [
        SimpleNamespace(
            **{"name": name, "loss": loss, "loss_error": 0.001, "trainable": 100},
            **{"n_in": 4, "n_out": 4, "degrees_of_freedom": 9, "predicted_loss": None},
        )
        for name, loss in places
    ]
    sized = [SimpleNamespace(name=n, loss=x, trainable=50) for n, x in (("b", 0.2), ("a", 0.3))]
    ties, other = ranking_notes(rows, sized)
    assert ties.endswith("is not sure: places 1 and 2."), "0.01 is 7 standard errors"
    assert other.startswith("At the other budget (50 weights) the order at the top is another: b")
    assert other.endswith("a has place 2 of 2.")
    assert "a is the best too" in ranking_notes(rows, rows[::2])[-1]
    assert weights_text(rows) == "100 weights"


def test_no_two_of_many_families_look_alike(tmp_path):
    families = [f"family {number}" for number in range(42)]
    graphs = {}
    for name in families:
        graphs[name] = tk.from_masks([np.ones((2, 2))])
        graphs[name].graph["family"] = name
    results = tk.ranking.sweep(graphs, targets=1, solver=QUICK)
    tk.report.write_sweep_report(tmp_path / "page.html", results)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    marks = re.findall(r'class="(mark c\d)[^>]*><use href="#(mark-\w+)"', page)
    assert len(set(marks)) == 42


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "rows is empty"),
        ({"topologies": {}}, "topologies must hold one for each row; there is none for 'rank 2'"),
        ({"maps": {}}, "maps must hold one for each row; there is none for 'rank 2'"),
    ],
)
def test_what_does_not_fit_together_is_refused(rows, change, message, tmp_path):
    given = {"rows": rows, "topologies": ONE, "maps": {"rank 2": Maps(None, None, None)}} | change
    with pytest.raises(ValueError, match=message):
        tk.report.write_report(tmp_path / "page.html", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_of_nothing_and_a_training_of_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there are no results"):
        tk.report.write_sweep_report(tmp_path / "page.html", [])
    with pytest.raises(ValueError, match="must hold what `topokit train` keeps"):
        tk.report.write_training_report(tmp_path / "page.html", {"runs": []})
    assert list(tmp_path.iterdir()) == []
