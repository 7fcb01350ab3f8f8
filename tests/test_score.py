"""The score is its parts, in plain numbers."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import topokit as tk
from topokit.scores import Score
from topokit.scores.freedom._predicted_loss import predicted_loss

topology = tk.with_skip(tk.topologies.butterfly(8, 4))


@pytest.fixture(scope="module")
def scored():
    return tk.score(topology)


def test_the_score_is_made_of_its_parts(scored):
    control = tk.controllability(topology)
    assert scored._asdict().items() >= tk.structure(topology)._asdict().items()
    assert scored.satisfiable == tk.satisfiable_constraints(topology)
    assert scored.degrees_of_freedom == tk.degrees_of_freedom(topology)
    assert scored.predicted_loss == predicted_loss(topology)
    assert scored.control_total == control.total == pytest.approx(control.K.sum())
    assert (scored.control_loss, scored.control_bound) == (control.loss, control.bound)
    assert scored.control_mean == control.K.mean()
    assert scored.control_deviation == control.K.std()


def test_a_known_controllability_is_not_found_again(scored, monkeypatch):
    control = tk.controllability(topology)
    monkeypatch.setattr("topokit.scores._score.controllability", None)
    assert tk.score(topology, control=control) == scored
    with pytest.raises(
        ValueError, match=r"control must have a K of shape \(4, 4\).*given \(8, 8\)"
    ):
        tk.score(tk.topologies.butterfly(4), control=control)


def test_the_counts_descend_from_edges_to_degrees_of_freedom(scored):
    assert scored.edges >= scored.trainable >= scored.satisfiable >= scored.degrees_of_freedom
    assert 0 <= scored.control_bound <= scored.control_loss


def test_the_predicted_loss_is_at_least_that_of_freedom_spread_evenly(scored):
    share = scored.degrees_of_freedom / (scored.n_in * scored.n_out)
    assert (1 - share) ** 2 <= scored.predicted_loss <= 1 - share


def test_a_score_goes_through_json_and_back(scored):
    assert Score(**json.loads(json.dumps(scored._asdict(), allow_nan=False))) == scored


def test_counts_of_any_size_go_through_json():
    deep = tk.score(tk.from_masks([np.ones((4, 4))] * 40))
    assert json.loads(json.dumps(deep._asdict()))["paths_max"] == 4**39


def test_the_same_topology_has_the_same_score(scored):
    assert tk.score(tk.to_layers(topology)) == scored


def test_what_is_beyond_its_memory_limit_is_none(monkeypatch):
    for module in ("counts._matching", "freedom._degrees_of_freedom", "freedom._leverage"):
        monkeypatch.setattr(f"topokit.scores.{module}.LIMIT", 1)
    found: Any = tk.score(topology)
    assert found.satisfiable is None
    assert found.edges == 64
    assert found.freedom_error > 0  # estimated
    assert found.predicted_loss == predicted_loss(topology, method="estimate")
    assert found.predicted_loss_error == found.predicted_loss.error > 0
    for module in ("_loss_estimate", "_estimate"):
        monkeypatch.setattr(f"topokit.scores.freedom.{module}.LIMIT", 1)
    found = tk.score(topology)
    assert found.predicted_loss is found.predicted_loss_error is None
    assert found.degrees_of_freedom is found.freedom_error is None


def test_totals_of_control_are_known_where_K_does_not_fit(scored, monkeypatch):
    monkeypatch.setattr("topokit.scores.control._canonical.LIMIT", 1)
    found = tk.score(topology)
    assert found.control_deviation is None
    for field in ("total", "loss", "bound", "mean"):
        name = f"control_{field}"
        assert getattr(found, name) == pytest.approx(getattr(scored, name), rel=1e-4)


def test_scores_do_not_load_jax():
    code = (
        "import sys, topokit as tk; G = tk.topologies.hypercube(8, 2); "
        "tk.score(G), tk.diagnose(G), tk.leverage(G); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_freedom_beyond_what_is_counted_is_estimated(monkeypatch):
    for graph in (topology, tk.topologies.clos(16, 16, 4, 3, 4)):
        counted: Any = tk.score(graph)
        with monkeypatch.context() as patched:
            patched.setattr("topokit.scores._score.QUICK", -1)
            for module in ("_score", "freedom._predicted_loss"):
                patched.setattr(f"topokit.scores.{module}.cheap", lambda _: False)
            found: Any = tk.score(graph)
        assert counted.freedom_error == 0 < found.freedom_error
        assert abs(found.degrees_of_freedom - counted.degrees_of_freedom) <= found.freedom_error + 1
        assert not found.predicted_loss.exact
