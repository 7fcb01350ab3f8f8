"""Designs: the search against all members predicted one by one, its bounds against predictions."""

import functools
import operator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit.designs import greatest, members, nearest
from topokit.designs._loss_bounds import bound_of_layers, bound_of_member, bound_of_rank
from topokit.designs._rebuild import affordable, leaders
from topokit.designs._search import Found
from topokit.reconstruction import Adam
from topokit.scores import PredictedLoss

FAMILIES = list(tk.topologies.families())
SEARCHES: list[dict[str, Any]] = [
    {"n_in": 8, "n_out": 8, "trainable": 40, "depth": 6},
    {"n_in": 12, "n_out": 8, "trainable": 48, "depth": 4},
    {"n_in": 16, "n_out": 16, "trainable": 96, "depth": 3},
]
by_search = pytest.mark.parametrize("place", range(len(SEARCHES)))


@functools.cache
def found(place: int) -> tk.designs.Design:
    return tk.design(**SEARCHES[place], trials=0, measure=False)


@functools.cache
def every(place: int) -> list:
    """Each member within the budget, with its recipe and its exact prediction, of two draws."""
    built = [(member, member.layers()) for member in within(place)]
    return [
        (member, layers, tk.predicted_loss(layers, method="exact", n_samples=2))
        for member, layers in built
        if layers.n_trainable <= SEARCHES[place]["trainable"]
    ]


def within(place):
    """The members of all families that the budget allows."""
    wanted = SEARCHES[place]
    return [
        member
        for family in FAMILIES
        for skip in (False, True)
        for member in listed(family, wanted, skip=skip)
        if member.trainable <= wanted["trainable"] and member.depth <= wanted["depth"]
    ]


def listed(family, wanted, *, skip):
    try:
        sizes = wanted["n_in"], wanted["n_out"]
        return list(members(family, *sizes, most=wanted["trainable"], skip=skip, fine=True))
    except ValueError:
        return []


@by_search
def test_no_member_of_any_family_is_predicted_to_be_better_than_the_design(place):
    best = found(place)[0]
    for _, layers, _ in sorted(every(place), key=operator.itemgetter(2))[:8]:
        loss = tk.predicted_loss(layers, method="exact")
        doubt = 2 * np.hypot(loss.standard_error, best.predicted_loss_error)
        assert layers == best.layers or best.predicted_loss <= loss + doubt


@by_search
def test_a_candidate_is_what_it_says(place):
    wanted, budget = SEARCHES[place], SEARCHES[place]["trainable"]
    for one in found(place):
        layers = one.layers
        assert (layers.n_in, layers.n_out) == (wanted["n_in"], wanted["n_out"])
        assert (layers.n_trainable, layers.n_edges) == (one.trainable, one.edges)
        assert one.trainable <= budget
        assert one.depth == layers.depth <= wanted["depth"]
        assert one.predicted_loss == tk.predicted_loss(layers, method="exact")
        assert one.degrees_of_freedom == tk.degrees_of_freedom(layers)
        assert tk.to_layers(one.topology) == layers
        names = {}
        exec("\n".join(one.python), names)
        assert tk.to_layers(names["graph"]) == layers


@by_search
def test_candidates_are_different_and_stand_best_first(place):
    losses = [one.predicted_loss for one in found(place)]
    assert losses == sorted(losses)
    assert len({one.name for one in found(place)}) == len(losses) == 5
    assert all(one.layers != other.layers for one, other in pairwise(found(place)))


@by_search
def test_every_member_is_accounted_for(place):
    told = found(place)
    assert told.counted == len(within(place)) == told.bounded + told.predicted
    assert told.unseen == 0


@by_search
def test_bounds_are_below_what_is_predicted_and_sharper_once_built(place):
    for member, layers, loss in every(place):
        assert bound_of_layers(layers) <= loss + 1e-9
        if member.family != "erdos_renyi":  # counted in expectation before it is drawn
            assert bound_of_member(member) <= bound_of_layers(layers) + 1e-9


@settings(max_examples=60, deadline=None)
@given(layered_networks())
def test_the_bound_of_any_network_is_below_its_prediction(layers):
    assert bound_of_layers(layers) <= tk.predicted_loss(layers, method="exact", n_samples=1) + 1e-9


@pytest.mark.parametrize("sizes", [(4, 4), (6, 13), (16, 16), (32, 32)])
def test_the_bound_of_a_rank_is_below_the_best_matrices_of_it_and_near(sizes):
    drawn = np.random.default_rng(0).standard_normal((4000 // sizes[0], *sizes))
    squares = (np.linalg.svd(drawn, compute_uv=False) ** 2).mean(axis=0)
    left = 1 - np.cumsum(squares) / squares.sum()
    bounds = np.array([bound_of_rank(*sizes, rank) for rank in range(1, sizes[0] + 1)])
    assert (bounds <= left + 1e-9).all()
    assert (left - bounds < 0.25 / sizes[0]).all()


@pytest.mark.parametrize("family", ["erdos_renyi", "random_regular"])
def test_a_search_has_the_usual_widths_inside_and_many_more(family):
    usual, fine = (
        {str(m.arguments): m for m in members(family, 24, 10, most=90, fine=fine)}
        for fine in (False, True)
    )
    assert usual.items() <= fine.items()
    inside = {m.arguments["widths"][1] for m in fine.values() if m.depth == 2}
    assert {2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24} <= inside


@pytest.mark.parametrize("family", FAMILIES)
def test_the_greatest_of_a_line_stands_for_the_ones_before_it(family):
    for skip in (False, True):
        try:
            ends = list(greatest(family, 8, 8, most=60, deepest=5, skip=skip))
        except ValueError:
            continue
        within = [
            m
            for m in members(family, 8, 8, most=60, skip=skip, fine=True)
            if m.trainable <= 60 and m.depth <= 5
        ]
        assert sum(number for _, number in ends) == len(within)
        assert all(end in within for end, _ in ends)


def test_a_random_member_says_the_seed_that_draws_it():
    some = members("erdos_renyi", 16, 16, most=80)
    for member in [m for m in some if m.depth == 3][:3]:
        layers, settled = member.drawn()
        builder = tk.topologies.families()[settled.family].layers
        assert builder(**settled.arguments) == layers == member.layers()


def test_the_same_seed_gives_the_same_design():
    options = {"trainable": 32, "depth": 3, "trials": 0, "measure": False, "candidates": 2}
    first, second, third = (tk.design(6, 9, **options, seed=seed) for seed in (3, 3, 4))
    assert list(first) == list(second)
    assert [one.predicted_loss for one in first] != [one.predicted_loss for one in third]


def test_a_share_is_a_number_of_edges():
    options = {"depth": 2, "trials": 0, "measure": False, "candidates": 1}
    by_share, by_number = (
        tk.design(8, 8, share=0.5, **options),
        tk.design(8, 8, trainable=32, **options),
    )
    assert by_share.budget == by_number.budget == 32
    assert list(by_share) == list(by_number)


def test_a_whole_layer_is_dense_and_leaves_nothing():
    (best,) = tk.design(6, 5, share=1, trials=0, measure=False, candidates=1)
    assert (best.predicted_loss, best.depth, best.trainable) == (0.0, 1, 30)


def test_without_skips_every_edge_is_trainable():
    for one in tk.design(8, 8, trainable=40, depth=3, skip=False, trials=0, measure=False):
        assert one.trainable == one.edges


def test_moved_edges_never_make_it_worse_and_stay_within_their_share():
    options = {"trainable": 40, "depth": 3, "trials": 0, "measure": False, "candidates": 2}
    plain, moved = (tk.design(8, 8, **options, refine=share) for share in (0.0, 0.3))
    best, start = moved[0], plain[0]
    assert best.predicted_loss <= start.predicted_loss
    assert best.trainable == start.trainable
    assert 0 <= best.moved <= 0.3
    masks = zip(tk.to_masks(start.layers), tk.to_masks(best.layers), strict=True)
    assert sum((a & ~b).sum() for a, b in masks) == round(best.moved * best.trainable)
    assert tk.to_layers(best.topology) == best.layers


def test_the_first_are_rebuilt_and_what_they_leave_is_told():
    options = {"depth": 2, "trials": 0, "measure": False}
    told = tk.design(6, 6, trainable=20, candidates=3, verify=2, **options)
    *rebuilt, last = [one.measured_loss for one in told]
    assert last is None
    assert all(loss is not None and 0 < loss < 1 for loss in rebuilt)
    targets = np.random.default_rng(0).standard_normal((4, 6, 6))
    again = tk.reconstruct(told[0].layers, targets, key=0).loss
    assert rebuilt[0] == pytest.approx(float(np.mean(again)), rel=1e-3)
    assert any("the first 2 were rebuilt" in remark for remark in told.remarks())


def test_trials_decide_the_order_by_what_short_descents_leave():
    options = {"trainable": 40, "depth": 3, "measure": False, "candidates": 6}
    told = tk.design(8, 8, **options, trials=4)
    left = [one.trial_loss for one in told]
    assert left[4:] == [None, None]
    assert left[:4] == sorted(filter(None, left))
    assert told.tried == 4
    targets = np.random.default_rng([0, 1]).standard_normal((16, 8, 8))
    for one in told[:2]:
        short = tk.reconstruct(one.layers, targets, solver=Adam(max_steps=500), key=0)
        assert one.trial_loss == pytest.approx(short.loss.mean(), rel=1e-2)
        assert one.predicted_loss == tk.predicted_loss(one.layers, method="exact")


def test_trials_are_of_all_kinds_in_turns():
    layers = tk.to_layers(tk.topologies.dense(4, 4))

    def one(loss: float, family: str, depth: int) -> Found:
        member = nearest(family, 8, 8, 40, among=lambda m: m.depth == depth)
        return Found(PredictedLoss(loss), member, layers)

    some = [one(0.1, "clos", 3), one(0.11, "clos", 3), one(0.12, "clos", 3)]
    deep, far = one(0.13, "butterfly", 4), one(0.3, "butterfly", 2)
    assert leaders([*some, deep, far], 2) == [some[0], deep]
    assert leaders([*some, deep, far], 9) == [some[0], deep, *some[1:]]


def test_a_label_tells_members_of_one_family_apart():
    labels = [one.label for place in range(len(SEARCHES)) for one in found(place)]
    assert len({*labels}) == len(labels)
    digits = [[2, 2, 2], [2, 2, 2], [2, 2]]
    deep = next(
        member
        for member in members("radix_net", 8, 8, most=200, skip=True)
        if member.arguments == {"radices": digits}
    )
    label = replace(found(0)[0], member=deep, moved=0.0).label
    assert label == "radix_net radices=(2x3)x2,(2x2) + skip"


def test_large_layers_have_no_trials_by_themselves():
    assert affordable(32, 32, 640) == affordable(256, 256, 4096) == 16
    assert 1 < affordable(784, 300, 23520) < 16
    assert affordable(768, 3072, 117965) == 0


def test_a_measured_step_stands_beside_that_of_the_dense_layer():
    (one,) = tk.design(4, 4, trainable=8, depth=2, trials=0, candidates=1)
    seconds, dense = one.step_seconds, one.dense_seconds
    assert seconds is not None
    assert dense is not None
    assert min(seconds, dense) > 0
    assert one.step_share == seconds / dense


def test_a_search_tells_how_far_it_is():
    told = []
    options = {"depth": 2, "trials": 1, "measure": False, "candidates": 2}
    tk.design(6, 6, trainable=20, **options, callback=lambda *row: told.append(row))
    words = {"predicts members", "tries the leaders", "predicts the best"}
    assert {doing for doing, *_ in told} == words
    assert all(0 <= done <= most for _, done, most in told)


@pytest.mark.parametrize(
    ("sizes", "options", "said"),
    [
        ((8, 8), {}, "either trainable"),
        ((8, 8), {"trainable": 32, "share": 0.5}, "either trainable"),
        ((8, 8), {"trainable": 15}, "from 16, .* to 64, the dense layer; given 15"),
        ((8, 8), {"trainable": 65}, "from 16, .* to 64, the dense layer; given 65"),
        ((8, 8), {"trainable": True}, "integer from 16"),
        ((8, 8), {"share": 0}, r"share must be a number in \(0.0, 1.0\]; given 0"),
        ((8, 8), {"share": 1.5}, r"share must be a number in \(0.0, 1.0\]; given 1.5"),
        ((8, 8), {"share": 0.2}, "from 0.25, 16 edges, .* to 1, the dense layer; given 0.2"),
        ((1, 8), {"share": 0.5}, "n_in must be an integer of at least 2; given 1"),
        ((8, 0), {"share": 0.5}, "n_out must be an integer of at least 2; given 0"),
        ((8, 8), {"share": 0.5, "depth": 0}, "depth must be"),
        ((8, 8), {"share": 0.5, "refine": 1.5}, "refine must be"),
        ((8, 8), {"share": 0.5, "seed": -1}, "seed must be"),
        ((8, 8), {"share": 0.5, "candidates": 0}, "candidates must be"),
        ((8, 8), {"share": 0.5, "verify": -1}, "verify must be"),
        ((8, 8), {"share": 0.5, "trials": -1}, "trials must be"),
    ],
)
def test_bad_input_says_the_least_and_the_most(sizes, options, said):
    with pytest.raises(ValueError, match=said):
        tk.design(*sizes, **options)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 7), (5, 2)])
def test_the_least_budget_joins_all_pairs(sizes):
    told = tk.design(*sizes, trainable=sum(sizes), trials=0, measure=False, candidates=1)
    assert told[0].trainable <= sum(sizes)


def test_a_layer_beyond_all_estimates_is_refused_at_once():
    with pytest.raises(ValueError, match="a design of a layer of 60000 x 60000 needs .* GiB"):
        tk.design(60000, 60000, share=0.001)


def test_what_cannot_be_refined_is_refused_before_the_work():
    with pytest.raises(ValueError, match="refine of a layer of 200 x 200 .* GiB"):
        tk.design(200, 200, trainable=20000, refine=0.1)
