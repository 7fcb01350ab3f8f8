"""Whatever limits its memory says so before it works: nothing is factored, solved or descended."""

import importlib
import pkgutil
from functools import partial

import numpy as np
import pytest

import topokit as tk
from topokit import scores
from topokit._limits import TooLargeError

PAIRWISE = partial(tk.controllability, method="pairwise", steps=2)
PLAIN = partial(tk.controllability, fairness=False, steps=2)
EXACT = partial(tk.predicted_loss, method="exact")
ESTIMATED = partial(tk.predicted_loss, method="estimate")
OVER_INPUTS = partial(ESTIMATED, inputs=np.random.default_rng(0).standard_normal((20, 12)))
CONTROL = ("control._control_network", "control._bound")
LIMITED = {
    scores.path_counts: ("counts._paths",),
    scores.match_constraints: ("counts._matching",),
    tk.satisfiable_constraints: ("counts._matching",),
    tk.degrees_of_freedom: ("freedom._degrees_of_freedom",),
    tk.leverage: ("freedom._leverage", "freedom._degrees_of_freedom"),
    EXACT: ("freedom._leverage", "freedom._degrees_of_freedom"),
    ESTIMATED: ("freedom._loss_estimate",),
    OVER_INPUTS: ("freedom._input_estimate",),
    scores.soft_leverage: ("freedom._soft_leverage",),
    scores.estimate_freedom: ("freedom._estimate",),
    scores.estimate_leverage: ("freedom._estimate",),
    scores.control_bound: CONTROL,
    scores.control_capacity: ("control._control_network",),
    tk.controllability: (*CONTROL, "control._canonical"),
    PLAIN: (*CONTROL, "control.descent._descent"),
    PAIRWISE: (*CONTROL, "control.descent._descent"),
}

# Where the work begins, whichever way it is done.
WORK = {
    "counts._paths": ("count_blocks",),
    "counts._matching": ("_augment", "search_levels"),
    "freedom._degrees_of_freedom": ("eliminate_ends", "eliminate"),
    "freedom._leverage": ("scaled_edge_factors", "qr", "dpstrf"),
    "freedom._soft_leverage": ("scaled_edge_factors", "cholesky"),
    "freedom._input_estimate": ("refuse_stretched", "scaled_edge_factors"),
    "freedom._estimate": ("flat_weights", "draw_to_scale", "project"),
    "freedom._predicted_loss": ("bandwidth", "effective_order", "estimate_loss"),
    "control._bound": ("find_levels", "maximum_flow"),
    "control._canonical": ("_spread", "_search"),
    "control.descent._descent": ("_descend",),
}


def module(name):
    return importlib.import_module(f"topokit.scores.{name}")


def forbid_work(monkeypatch):
    def work(*_, **__):
        raise AssertionError("the work has begun")

    for place, names in WORK.items():
        for name in names:
            monkeypatch.setattr(module(place), name, work)


def test_every_limit_is_tried_here():
    found = set()
    for info in pkgutil.walk_packages(scores.__path__, "topokit.scores."):
        if hasattr(importlib.import_module(info.name), "LIMIT"):
            found.add(info.name.removeprefix("topokit.scores."))
    assert found == {place for places in LIMITED.values() for place in places}


@pytest.mark.parametrize(
    ("function", "place"),
    [(function, place) for function, places in LIMITED.items() for place in places],
)
def test_what_does_not_fit_is_refused_before_any_work(function, place, monkeypatch):
    layers = tk.topologies.random_regular.layers([12, 10, 12], 3, seed=0)
    forbid_work(monkeypatch)
    with pytest.raises(AssertionError, match="the work has begun"):
        function(layers)
    monkeypatch.setattr(module(place), "LIMIT", 1)
    with pytest.raises(TooLargeError, match="of memory and allows itself 1 B; "):
        function(layers)


@pytest.mark.parametrize("function", [tk.leverage, tk.predicted_loss])
@pytest.mark.parametrize("wrong", [{"n_samples": 0}, {"seed": -1}])
def test_wrong_arguments_are_refused_before_any_work(function, wrong, monkeypatch):
    forbid_work(monkeypatch)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        function(tk.topologies.butterfly(8), **wrong)


def test_offers_that_do_not_fit_are_refused_before_they_are_matched(monkeypatch):
    """How many constraints edges are offered is known once their rectangles are."""
    matching, layers = module("counts._matching"), tk.topologies.butterfly.layers(16)
    forbid_work(monkeypatch)
    taken = []
    monkeypatch.setattr(matching, "check_memory", lambda _, n_bytes, *__: taken.append(n_bytes))
    with pytest.raises(AssertionError, match="the work has begun"):
        scores.match_constraints(layers)
    monkeypatch.undo()
    forbid_work(monkeypatch)
    first, second = taken
    monkeypatch.setattr(matching, "LIMIT", (first + second) // 2)
    with pytest.raises(TooLargeError, match="match_constraints"):
        scores.match_constraints(layers)
