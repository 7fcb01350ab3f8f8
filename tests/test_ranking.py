"""Rankings: rows are what their parts say, in the right order, however they are run."""

import json
import math
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import jax
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import topokit as tk
from topokit._limits import TooLargeError
from topokit.ranking import (
    Maps,
    Row,
    default_topologies,
    gaussian_targets,
    process_pool,
    read_maps,
    write_maps,
)
from topokit.ranking._default import BYTES
from topokit.reconstruction import Adam

QUICK = Adam(max_steps=100)
SMALL = {
    "butterfly": tk.topologies.butterfly(4),
    "rank 1": tk.topologies.low_rank(4, 4, 1),
    "dense": tk.topologies.dense(4, 4),
    "wide": tk.topologies.dense(2, 3),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return tk.rank(SMALL, targets=5, seed=3, solver=QUICK)


def test_the_best_topology_comes_first(rows):
    assert [row.loss for row in rows] == sorted(row.loss for row in rows)
    assert {row.name for row in rows} == set(SMALL)
    assert rows[-1].name == "rank 1"


def test_a_row_says_what_its_parts_say(rows):
    for row in rows:
        topology = SMALL[row.name]
        score = tk.score(topology)._asdict()
        assert {key: getattr(row, key) for key in score} == score
        targets = gaussian_targets(5, row.n_in, row.n_out, seed=3)
        loss = tk.reconstruct(topology, targets, solver=QUICK, key=jax.random.key(3)).loss
        assert row.loss == pytest.approx(loss.mean())
        assert row.family == topology.graph["family"]
        assert not row.skip
        assert (row.targets, row.steps) == (5, 100)


def test_mean_and_standard_error_are_over_the_targets():
    row = tk.rank({"r": SMALL["rank 1"]}, targets=6, solver=Adam(max_steps=600))[0]
    squares = np.linalg.svd(gaussian_targets(6, 4, 4, seed=0), compute_uv=False) ** 2
    best = squares[:, 1:].sum(1) / squares.sum(1)
    assert row.loss == pytest.approx(best.mean(), rel=1e-3)
    assert row.loss_error == pytest.approx(best.std(ddof=1) / math.sqrt(6), rel=1e-2)


def test_rows_become_a_data_frame_and_json(rows):
    frame = pd.DataFrame(rows)
    assert list(frame.columns) == list(rows[0]._asdict())
    assert list(frame.columns[:5]) == ["name", "family", "skip", "loss", "loss_error"]
    assert frame["loss"].is_monotonic_increasing
    read = json.loads(json.dumps([row._asdict() for row in rows]))
    assert [Row(**row) for row in read] == rows


def test_an_executor_gives_the_same_rows(rows):
    with ThreadPoolExecutor(2) as executor:
        assert tk.rank(SMALL, targets=5, seed=3, solver=QUICK, executor=executor) == rows


def test_processes_give_the_same_rows(rows):
    names = ("butterfly", "dense")
    with process_pool(2) as executor:
        found = tk.rank(
            {n: SMALL[n] for n in names}, targets=5, seed=3, solver=QUICK, executor=executor
        )
    assert found == [row for row in rows if row.name in names]


def test_finished_rows_come_before_the_rest_has_run():
    class Stop(Exception):
        pass

    def look(row, maps):
        assert row.name == "butterfly"
        assert maps.control.sum() == pytest.approx(row.control_total)
        raise Stop

    with pytest.raises(Stop):
        tk.rank(SMALL, targets=2, solver=QUICK, callback=look)


def test_the_callback_sees_every_row_with_its_maps_and_order_is_that_of_the_ranking(rows):
    seen = {}
    found = tk.rank(SMALL, targets=5, seed=3, solver=QUICK, callback=seen.__setitem__)
    assert sorted(seen, key=lambda row: row.order) == found == rows
    for row, maps in seen.items():
        topology = SMALL[row.name]
        draws = [tk.leverage(topology, n_samples=1, seed=seed) for seed in range(8)]
        assert np.array_equal(maps.control, tk.controllability(topology).K)
        assert np.array_equal(maps.descent, tk.controllability(topology, fairness=False).K)
        assert np.allclose(maps.leverage, np.mean(draws, axis=0), rtol=1e-12)


def test_maps_come_from_a_store_as_they_went_in(tmp_path):
    first, second = {}, {}
    for seen in (first, second):
        options = {"targets": 1, "solver": QUICK, "store": tmp_path / "s"}
        tk.rank({"net": SMALL["wide"]}, **options, callback=seen.__setitem__)
    assert first == second
    assert [maps.control.shape for maps in second.values()] == [(2, 3)]


def test_a_map_beyond_its_limit_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr("topokit.ranking._tasks.MOST_SHARES", 1)
    monkeypatch.setattr("topokit.scores.freedom._leverage.LIMIT", 1)
    for _ in range(2):  # found, then read
        seen = {}
        options = {"targets": 1, "solver": QUICK, "store": tmp_path / "s"}
        tk.rank({"net": SMALL["wide"]}, **options, callback=seen.__setitem__)
        (maps,) = seen.values()
        assert maps.descent is maps.leverage is None
        assert maps.control.shape == (2, 3)


NAMES = ["names", "control_0", "../a/b", "a\nb", "", "x" * 300, "α<b>", "file"]


def test_maps_are_read_as_they_were_written_whatever_the_names(tmp_path):
    rng = np.random.default_rng(0)
    maps = {
        name: Maps(rng.random((2, 3)), None if n % 2 else rng.random((2, 3)), None)
        for n, name in enumerate(NAMES)
    }
    write_maps(maps, tmp_path / "maps.npz")
    assert read_maps(tmp_path / "maps.npz") == maps
    assert list(read_maps(tmp_path / "maps.npz")) == NAMES
    with np.load(tmp_path / "maps.npz") as arrays:
        assert np.array_equal(arrays["control_2"], np.array(maps["../a/b"].control))


@given(names=st.lists(st.text(st.characters(codec=None)), unique=True, max_size=4))
@settings(max_examples=50)
@example(names=["a", "a\0", "a\0\0", "\0", "1", "\ud83d\ude00", "\U0001f600", "\ud800"])
def test_any_text_is_a_name_of_maps(names, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "maps.npz"
    maps = {
        name: Maps(np.full((1, 2), float(place)), None, None) for place, name in enumerate(names)
    }
    write_maps(maps, path)
    assert read_maps(path) == maps
    assert list(read_maps(path)) == names


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text"])
def test_another_file_holds_no_maps(content, tmp_path):
    (tmp_path / "maps.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"maps\.npz holds no maps of topologies"):
        read_maps(tmp_path / "maps.npz")


def test_another_archive_holds_no_maps(tmp_path):
    texts = (b'["a", "a"]', b"[1]", b'"a"', b"[" * 99_999)
    listed = [np.frombuffer(text, np.uint8) for text in texts]
    names = (("names", array) for array in (np.array("a"), np.ones(3), *listed))
    for name, array in (("a", np.ones(3)), *names):
        np.savez(tmp_path / "maps.npz", allow_pickle=False, **{name: array})
        with pytest.raises(ValueError, match="holds no maps of topologies: give the maps.npz"):
            read_maps(tmp_path / "maps.npz")


@pytest.mark.parametrize("surplus", ["control_1", "other", "control_00"])
def test_no_map_of_an_archive_is_passed_over(surplus, tmp_path):
    names, map_ = np.frombuffer(b'["a"]', np.uint8), np.ones((2, 3))
    held: Any = {"names": names, "control_0": map_, surplus: map_}
    np.savez(tmp_path / "maps.npz", **held)
    with pytest.raises(ValueError, match=f"it holds {surplus}, which is no map"):
        read_maps(tmp_path / "maps.npz")


def test_recipes_and_constants_are_ranked_too():
    skipping = tk.with_skip(tk.topologies.butterfly(4, 4))
    rows = tk.rank({"skip": skipping, "arrays": tk.to_layers(SMALL["dense"])}, solver=QUICK)
    by_name = {row.name: row for row in rows}
    assert by_name["skip"].skip
    assert by_name["arrays"].family == ""


def test_a_single_target_has_no_error():
    assert tk.rank({"d": SMALL["dense"]}, targets=1, solver=QUICK)[0].loss_error is None


def test_targets_are_standard_normal_and_extend_each_other():
    many = gaussian_targets(400, 5, 7, seed=1)
    assert many.shape == (400, 5, 7)
    assert abs(many.mean()) < 0.03
    assert abs(many.std() - 1) < 0.03
    assert np.array_equal(gaussian_targets(3, 5, 7, seed=1), many[:3])


@pytest.mark.parametrize("budget", [384, 640, 1152])
def test_the_default_set_has_twenty_topologies_of_comparable_size(budget):
    topologies = default_topologies(budget)
    layers = {name: tk.to_layers(graph) for name, graph in topologies.items()}
    assert len(topologies) == 20
    assert all((r.n_in, r.n_out) == (32, 32) for r in layers.values())
    assert all(abs(r.n_trainable - budget) <= budget / 5 for r in layers.values())
    for name in topologies:
        assert (layers[name].n_trainable < layers[name].n_edges) == name.endswith(" + skip")
        assert f"{name} + skip" in topologies or name.endswith(" + skip")


def test_a_budget_of_1152_has_the_topologies_of_the_figure_5_of_neurofabric():
    t, found = tk.topologies, default_topologies(1152)
    figure_5 = {
        "hypercube": t.hypercube(32, 6),
        "clos": t.clos(32, 32, 8, 9, 8),
        "butterfly": t.butterfly(32, 18),
        "torus": t.torus((8, 4), 7),
    }
    assert all(nx.utils.graphs_equal(found[name], graph) for name, graph in figure_5.items())


def test_no_default_topology_can_set_every_entry():
    layers = {name: tk.to_layers(graph) for name, graph in default_topologies().items()}
    assert all(r.n_trainable < r.n_in * r.n_out for r in layers.values())


@pytest.mark.filterwarnings("ignore:random has no member near 160")  # as its edges are drawn
def test_any_number_of_inputs_has_a_default_set_of_the_families_that_have_members():
    assert len(default_topologies(160, n=16)) == 20
    with pytest.warns(UserWarning, match="power of two; given 12") as told:
        topologies = default_topologies(96, n=12)
    assert len(told) == 3
    assert len(topologies) == 14
    assert all(
        tk.to_layers(graph).widths[:: tk.to_layers(graph).depth] == (12, 12)
        for graph in topologies.values()
    )


def test_a_family_without_a_member_near_the_budget_says_so():
    with pytest.warns(UserWarning, match="left out: |has no member near") as told:
        topologies = default_topologies(40, n=16)
    said = {str(warning.message) for warning in told}
    assert any("has no member near 40 trainable" in text for text in said)
    sizes = {name: tk.to_layers(graph).n_trainable for name, graph in topologies.items()}
    for name, size in sizes.items():
        text = f"{name} has no member near 40 trainable edges between 16 inputs and outputs"
        assert (abs(size - 40) > 10) == (f"{text}: the nearest has {size}" in said)


@pytest.mark.parametrize("n", [2, 3, 4, 17, 32, 100, 321])
def test_the_default_budget_is_five_eighths_of_the_entries_and_always_possible(n):
    budget = tk.ranking.default_budget(n)
    assert 2 * n <= budget <= 2 * n * n
    assert budget == 2 * n or abs(budget - 0.625 * n * n) < 1


@pytest.mark.filterwarnings("ignore:left out", "ignore:.* has no member near")
@pytest.mark.parametrize("n", [2, 5, 16, 17])
def test_without_a_budget_the_set_is_that_of_the_default_budget(n):
    found, expected = default_topologies(n=n), default_topologies(tk.ranking.default_budget(n), n=n)
    assert list(found) == list(expected)
    assert all(nx.utils.graphs_equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("budget", [0, -1, 63, 2049])
def test_an_impossible_budget_says_the_least_and_the_most(budget):
    with pytest.raises(ValueError, match=r"^budget must be .* 64.* 2048.*given") as error:
        default_topologies(budget)
    assert repr(budget) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("budget", "n"), [(4, 2), (8, 2), (16, 4), (24, 12), (64, 32), (40, 5)])
def test_no_two_default_topologies_are_one_wiring_and_those_with_skip_have_constants(budget, n):
    with pytest.warns(UserWarning, match="left out: |has no member near") as told:
        topologies = default_topologies(budget, n=n)
    assert any(str(warning.message).startswith("left out: ") for warning in told)
    layers = {name: tk.to_layers(graph) for name, graph in topologies.items()}
    arrays = [
        (found.widths, [array.tolist() for column in found.columns for array in column])
        for found in layers.values()
    ]
    assert all(one != other for one, other in combinations(arrays, 2))
    for name, found in layers.items():
        assert (found.n_trainable < found.n_edges) == name.endswith(" + skip")
        assert not any(f"left out: {name}:" in str(warning.message) for warning in told)


@pytest.mark.parametrize(("budget", "n"), [(300_000, 100_000), (None, 10**9), (2 * 10**9, 10**9)])
def test_a_default_set_beyond_its_memory_is_refused_before_members_are_counted(
    budget, n, monkeypatch
):
    monkeypatch.delattr("topokit.ranking._default.nearest")
    with pytest.raises(
        TooLargeError, match=r"^the default set .* needs (over )?[\d,.]+ [GTE]iB .*; "
    ):
        default_topologies(budget, n=n)


def test_the_memory_of_a_default_set_is_estimated_within_a_factor_of_two():
    tracemalloc.start()
    whole = default_topologies(1280, n=64)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(whole) == 20
    assert 0.5 < taken / (BYTES * 1280) < 2


@pytest.mark.parametrize("n", [1, 0, -4])
def test_an_impossible_number_of_inputs_is_refused(n):
    with pytest.raises(ValueError, match="n must be an integer of at least 2"):
        default_topologies(n=n)


def test_a_wrong_topology_is_named_before_anything_runs():
    broken = tk.topologies.butterfly(4)
    broken.add_edge((0, 0), (2, 0))
    with pytest.raises(ValueError, match="topology 'broken': edge"):
        tk.rank({"good": SMALL["dense"], "broken": broken})


@pytest.mark.parametrize(
    ("options", "message"),
    [({"targets": 0}, "targets must be"), ({"seed": -1}, "seed must be")],
)
def test_wrong_numbers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        tk.rank(SMALL, **options)
