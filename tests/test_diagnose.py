"""The numbers of a diagnosis are true, and its words name what is wrong."""

import json

import networkx as nx
import numpy as np
import pytest
from recipes import count_paths

import topokit as tk
from topokit.cli._console import jsonable
from topokit.diagnosis import diagnose_known
from topokit.diagnosis._criteria import DEEPENED, WIDENED_BY, skip_criterion
from topokit.diagnosis._reach import find_reach
from topokit.diagnosis._skips import Skips, count_skips
from topokit.diagnosis._waste import find_waste

T = tk.topologies
MEMBERS = [
    T.dense(1, 3),
    T.dense(4, 3),
    T.low_rank(6, 6, 2),
    T.butterfly(8, 2),
    T.butterfly(8, 4),
    tk.with_skip(T.butterfly(8, 4)),
    tk.with_diagonal(tk.with_skip(T.butterfly(8, 3))),
    T.parallel_butterfly(8, 3, 2),
    T.clos(8, 4, 4, 3, 2),
    tk.with_skip(T.clos(8, 8, 4, 2, 4)),
    T.hypercube(8, 3),
    T.torus((3, 3), 2),
    T.radix_net([[2, 2], [2, 2]], [1, 2, 1, 1, 1]),
    T.erdos_renyi([6, 9, 4, 6], 0.4, seed=1),
    T.random_regular([8, 8, 8], 2, seed=0),
    tk.from_masks([np.eye(4)]),
    tk.from_masks(
        [np.ones((3, 2))] + [np.ones((2, 3))], [np.zeros((3, 2), bool), np.zeros((2, 3), bool)]
    ),
]


@pytest.fixture(scope="module")
def diagnoses():
    return [(graph, tk.diagnose(graph)) for graph in MEMBERS]


def verdicts(graph: nx.DiGraph) -> list[str]:
    return [criterion.verdict for criterion in tk.diagnose(graph).criteria]


# The whole


def test_what_is_known_is_not_found_again_and_changes_nothing(diagnoses, monkeypatch):
    known = [(tk.controllability(g).K, tk.degrees_of_freedom(g)) for g, _ in diagnoses]
    for name in ("_fairness.controllability", "_waste.count_quickly"):
        monkeypatch.delattr(f"topokit.diagnosis.{name}")
    for (graph, found), (K, freedom) in zip(diagnoses, known, strict=True):
        assert diagnose_known(graph, K, freedom) == found


def test_a_K_and_degrees_of_freedom_of_another_topology_are_refused():
    graph = T.butterfly(8)
    with pytest.raises(ValueError, match=r"shape \(8, 8\) of butterfly\(8\); given \(4, 4\)"):
        diagnose_known(graph, np.ones((4, 4)), None)
    with pytest.raises(ValueError, match=r"butterfly\(8\) has at most 32 degrees .* given 33"):
        diagnose_known(graph, None, 33)


def test_the_numbers_are_those_of_other_functions(diagnoses):
    for graph, found in diagnoses:
        shape, K = tk.structure(graph), tk.controllability(graph).K
        assert found.bottleneck.bandwidth == shape.bandwidth
        assert found.reach.unreached == round((1 - shape.reachable) * K.size)
        assert found.trainable - found.waste.total == tk.degrees_of_freedom(graph)
        assert (found.fairness.mean, found.fairness.deviation) == (K.mean(), K.std())
        assert np.array_equal(found.fairness.output_totals, K.sum(axis=0))
        reached = count_paths(tk.to_layers(graph)) > 0
        worst = [pair.control for pair in found.fairness.worst]
        assert worst == sorted(K[reached])[:5]


def test_parts_add_up(diagnoses):
    for _, found in diagnoses:
        parts = [found.fairness.from_reach, found.fairness.from_outputs, found.fairness.from_inputs]
        assert sum(parts) == pytest.approx(float(found.fairness.deviation > 0))
        waste = found.waste
        assert sum(waste.wasted) == pytest.approx(waste.total, abs=1e-9)
        for free, dead, lost in zip(waste.trainable, waste.unused, waste.wasted, strict=True):
            assert dead - 1e-9 <= lost <= free + 1e-9


def test_what_is_met_needs_no_change_and_all_else_does(diagnoses):
    for _, found in diagnoses:
        assert {c.verdict for c in found.criteria} <= {"met", "in part", "not met", "open"}
        for criterion in found.criteria:
            frozen = criterion is found.criteria[0] and found.reach.frozen > 0
            assert bool(criterion.advice) == (criterion.verdict != "met" or frozen)


def test_the_words_fit_a_page_and_hold_every_verdict(diagnoses):
    for graph, found in diagnoses:
        lines = str(found).splitlines()
        assert lines[0].startswith(graph.name)
        assert max(map(len, lines[1:])) <= 88
        assert all(f"{c.name}: {c.verdict} (" in str(found) for c in found.criteria)


def test_a_diagnosis_goes_through_json_and_back(diagnoses):
    for _, found in diagnoses:
        read = json.loads(json.dumps(jsonable(found), allow_nan=False))
        assert read == jsonable(found)
        assert read["criteria"][3]["number"] == found.criteria[3].number
        assert read["waste"]["wasted"] == list(found.waste.wasted)


def test_a_recipe_is_diagnosed_as_its_graph_is_but_for_its_family():
    graph = T.butterfly(8)
    of_graph, of_recipe = tk.diagnose(graph), tk.diagnose(tk.to_layers(graph))
    assert (of_graph.name, of_recipe.name) == ("butterfly(8)", "topology")
    assert of_graph.waste == of_recipe.waste
    assert of_recipe.criteria[2].verdict == "open"
    assert of_graph.criteria[0] == of_recipe.criteria[0]


# The four criteria


def test_the_papers_parallel_butterfly_with_skips_meets_all_criteria():
    assert verdicts(tk.with_skip(T.parallel_butterfly(8, 3, 2))) == ["met"] * 4


def test_butterflies_miss_the_third_criterion_and_narrow_clos_networks_the_fourth():
    assert verdicts(tk.with_skip(T.butterfly(8, 6))) == ["met", "met", "not met", "met"]
    assert verdicts(tk.with_skip(T.butterfly(8, 3))) == ["met", "met", "in part", "met"]
    assert verdicts(T.clos(32, 32, 8, 2, 8)) == ["not met", "met", "met", "in part"]
    assert verdicts(T.clos(32, 32, 8, 1, 8)) == ["not met", "met", "met", "not met"]


@pytest.mark.parametrize("graph", MEMBERS[:-1], ids=str)
def test_skip_connections_meet_the_first_criterion(graph):
    layers = tk.to_layers(tk.with_skip(graph))
    assert skip_criterion(count_skips(layers), find_reach(layers)[0]).verdict == "met"


def test_each_advice_names_the_place():
    low, deep, near = (
        tk.diagnose(G) for G in (T.low_rank(32, 32, 8), T.butterfly(8, 6), T.torus((6, 2), 2))
    )
    assert low.criteria[3].advice == "Bring layer 1 (8) to 32 neurons on a path."
    assert low.criteria[3].number == 0.25
    assert deep.criteria[2].advice.startswith("Keep 3 layers and grow by copies side by side")
    assert "48 neurons" in deep.criteria[0].advice
    assert "pairs have no path" in near.criteria[1].evidence
    assert near.reach.complete_after is None


def test_a_weak_output_and_a_layer_with_edges_in_the_wrong_places_are_named():
    hub = np.zeros((6, 6))
    hub[0], hub[:, 0] = 1, 1
    star = tk.diagnose(tk.from_masks([hub, np.ones((6, 6))]))
    assert star.criteria[3].advice.startswith("Spread the edges into layer 1 (2)")
    assert set(star.bottleneck.cut) == {(0, 0), (1, 0)}
    free = np.ones((4, 4), bool)
    free[:, 2] = False
    found = tk.diagnose(tk.from_masks([np.ones((4, 4))], [free]))
    assert found.fairness is not None
    assert found.fairness.output_totals.argmin() == 2
    assert "Output 2 has the least control" in found.criteria[1].advice


def test_weights_that_skips_free_are_to_be_spent_again():
    graph = T.parallel_butterfly(8, 3, 2)
    advice = tk.diagnose(graph).criteria[0].advice
    freed = tk.to_layers(graph).n_trainable - tk.to_layers(tk.with_skip(graph)).n_trainable
    assert f"constant 1 at {freed} neurons, which frees as many weights. Spend them" in advice


def test_the_growth_of_every_family_is_known():
    assert {*T.families()} <= {*WIDENED_BY, *DEEPENED}
    assert not {*WIDENED_BY} & {*DEEPENED}


def test_constants_beyond_the_first_and_entries_set_by_constants_are_counted():
    found = tk.diagnose(tk.with_skip(T.butterfly(8, 3)))
    assert found.reach.frozen == 8
    assert "constants alone set 8 entries" in found.criteria[0].evidence
    assert tk.diagnose(MEMBERS[-1]).skips == Skips(mixing=5, fixed=0, several=5)


def test_the_solver_is_told_from_the_wiring_on_request():
    graph = T.torus((3, 3), 2)
    plain, found = tk.diagnose(graph), tk.diagnose(graph, descend=True)
    assert plain.fairness is not None
    assert plain.fairness.plain_deviation is None
    assert found.fairness is not None
    assert found.fairness.plain_deviation is not None
    assert found.fairness.plain_deviation > found.fairness.deviation + 0.01
    assert f"Plain descent ends at a deviation of {found.fairness.plain_deviation:.3g}" in str(
        found
    )


def test_what_is_beyond_a_memory_limit_is_none_and_the_words_name_the_cure(monkeypatch):
    monkeypatch.setattr("topokit.scores.freedom._degrees_of_freedom.LIMIT", 1)
    monkeypatch.setattr("topokit.scores.control._canonical.LIMIT", 1)
    found = tk.diagnose(T.butterfly(8))
    assert found.waste.total is found.waste.wasted is found.fairness is None
    assert found.waste.known == 16
    assert "topokit.scores.estimate_freedom" in str(found)
    assert "topokit.scores.control_bound" in str(found)
    monkeypatch.undo()
    monkeypatch.setattr("topokit.diagnosis._waste.LIMIT", 1)
    waste = find_waste(T.butterfly.layers(8))
    assert (waste.total, waste.wasted) == (16, None)
