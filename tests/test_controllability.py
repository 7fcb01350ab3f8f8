"""Controllability: laws that hold of every network, and whose K it is."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import layered_networks

import topokit as tk
from topokit import controllability
from topokit.scores import control_bound, control_capacity
from topokit.scores.control.descent import _descent
from topokit.scores.control.descent._marginal import marginal
from topokit.scores.control.descent._padded_layers import make_wiring
from topokit.scores.control.descent._pairwise import pairwise
from topokit.scores.control.descent._propagation import draw_logits

t = tk.topologies
METHODS = ("marginal", "pairwise")


def everything(n_in, *widths):
    """All-true masks."""
    return [np.ones(shape, bool) for shape in zip((n_in, *widths), widths, strict=False)]


def dead_ends():
    """Hidden neurons 2 and 3 lead nowhere, 4 is fed by nothing, and each seems useful."""
    first, second = np.ones((4, 5), bool), np.ones((5, 3), bool)
    first[:, 4], second[2:4] = False, False
    return tk.from_masks([first, second])


def mostly_constant():
    masks = everything(4, 4, 4)
    free = [np.eye(4, dtype=bool), np.eye(4, dtype=bool)[::-1]]
    return tk.from_masks(masks, free)


def crowded_pair():
    """Two neurons see inputs 0 and 1 alone, and only one output sees these two."""
    first = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]], bool)
    return tk.from_masks([first, np.array([[1, 0], [1, 0], [1, 1]], bool)])


NETWORKS = {
    "one layer": t.dense(4, 3),
    "outputs with one input each": tk.from_masks(
        [np.kron(np.eye(3), np.ones(shape)) > 0 for shape in ((1, 2), (2, 1))]
    ),
    "dead ends": dead_ends(),
    "mostly constant": mostly_constant(),
    "bottleneck": t.low_rank(5, 6, 2),
    "wide, then narrow": t.erdos_renyi([5, 9, 4, 2], 0.3, seed=2),
    "sparse": t.erdos_renyi([6, 6, 6, 6], 0.3, seed=2),
    "skip": tk.with_skip(t.small_world(8, 4, 2, 0.3, seed=2)),
}


def gains(layers):
    """The sum over neurons of `min(t, k - 1)`, every edge counted."""
    total = 0
    for receivers, trainable in zip(layers.receivers, layers.trainable, strict=True):
        k, free = np.bincount(receivers), np.bincount(receivers, trainable)
        total += np.minimum(free, np.maximum(k - 1, 0)).sum()
    return total


# A fixture of the module, so that the tests of one descent stand together and share it.
@pytest.fixture(scope="module", params=NETWORKS)
def descents(request):
    """A network, and what descent in each form makes of it."""
    layers = tk.to_layers(NETWORKS[request.param])
    return layers, [
        controllability(layers, method=m, fairness=False, learning_rate=0.1) for m in METHODS
    ]


# ---- Laws


def test_no_control_exceeds_its_bounds(descents):
    layers, results = descents
    ancestors = np.linalg.multi_dot([np.eye(layers.n_in), *tk.to_masks(layers)]) > 0
    for result in results:
        assert result.K.shape == (layers.n_in, layers.n_out)
        assert (result.K >= 0).all()  # nor is any NaN
        assert (result.K[~ancestors] == 0).all()
        assert (result.K.sum(axis=0) <= (ancestors.sum(axis=0) - 1) * (1 + 1e-5)).all()
        assert result.total <= min(gains(layers), control_capacity(layers)) * (1 + 1e-5)


def test_descent_meets_its_bound_and_never_passes_it(descents):
    layers, results = descents
    bound = control_bound(layers)
    for result in results:
        assert result.bound <= result.loss
        assert result.bound == pytest.approx(bound, rel=1e-5, abs=1e-6)
        assert bound * (1 - 1e-5) <= result.loss <= bound * (1 + 1e-3) + 1e-3


def test_total_and_loss_are_those_of_the_best_K(descents):
    layers, results = descents
    for result in results:
        assert result.total == pytest.approx(result.K.sum())
        assert result.loss == pytest.approx(np.sum((layers.n_in - 1 - result.K.sum(axis=0)) ** 2))
        assert result.loss == pytest.approx(result.losses.min(), rel=1e-4, abs=1e-5)
        assert result.losses.shape == (500,)


def test_both_forms_have_one_total(descents):
    _, (one, other) = descents
    assert one.total == pytest.approx(other.total, rel=1e-3)


@settings(max_examples=3)
@given(layered_networks(max_width=5, max_depth=3))
def test_both_forms_have_one_total_on_random_networks(layers):
    totals = [
        controllability(layers, method=m, fairness=False, learning_rate=0.1).total for m in METHODS
    ]
    assert totals[0] == pytest.approx(totals[1], rel=1e-3, abs=1e-6)


def test_the_pairwise_total_is_less_where_a_pair_is_full():
    """Both neurons control the ratio of inputs 0 and 1, of which their output has but one (9)."""
    totals = [
        controllability(crowded_pair(), method=method, fairness=False).total for method in METHODS
    ]
    assert totals == pytest.approx([6, 5], rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_one_input_has_no_ratio(method):
    alone = tk.from_masks(everything(1, 3, 2))
    result = controllability(alone, method=method, fairness=False, steps=3)
    assert (result.K == 0).all()
    assert result.loss == result.bound == 0


# ---- Whose K


UNEVEN = t.torus.layers((3, 3), 2)


def test_the_pairwise_form_finds_nearly_the_canonical_K():
    found = controllability(UNEVEN, method="pairwise", learning_rate=0.1)
    np.testing.assert_allclose(found.K, controllability(UNEVEN).K, atol=0.01)


def test_plain_K_depends_on_the_key_and_on_nothing_else():
    one, same, other = (
        controllability(UNEVEN, fairness=False, key=jax.random.key(seed)).K for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    np.testing.assert_allclose(one.sum(axis=0), other.sum(axis=0), rtol=1e-4)


# ---- Arguments


def test_a_graph_and_its_recipe_are_one():
    results = [
        controllability(given, steps=10, fairness=False)
        for given in (crowded_pair(), tk.to_layers(crowded_pair()))
    ]
    assert np.array_equal(results[0].K, results[1].K)


def test_the_best_iterate_is_returned_even_if_the_last_is_not():
    """Steps this long leave a good start and do not come back in time."""
    result = controllability(t.hypercube(8, 2), fairness=False, steps=3, learning_rate=10)
    assert result.losses.argmin() == 0
    assert result.losses[-1] > 1.01 * result.losses[0]
    assert result.loss == pytest.approx(result.losses[0], rel=1e-5)


@pytest.mark.parametrize("form", [marginal, pairwise])
def test_strict_rank_promotion_does_no_harm(form):
    wiring = make_wiring(t.erdos_renyi.layers([4, 6, 6, 3], 0.6, seed=0))
    logits = draw_logits(np.random.default_rng(0), form, wiring, deviation=0.0)
    with jax.numpy_rank_promotion("raise"):
        given = form, 7, 3, 7, logits, wiring, 0.0, 0.1
        state, losses = _descent._descend.jitted.eval_shape(*given)
    assert (state.best.shape, losses.shape) == ((3, 4), (7,))


def test_a_descent_that_is_watched_ends_as_one_that_is_not(monkeypatch):
    monkeypatch.setattr(_descent, "SMALL", 0)
    monkeypatch.setattr(_descent, "PARTS", 3)
    told: list[tuple[int, int]] = []
    layers = t.torus.layers((2, 4), 2)
    watched, alone = (
        controllability(layers, fairness=False, steps=10, callback=callback)
        for callback in (lambda *steps: told.append(steps), None)
    )
    assert told == [(4, 10), (8, 10), (10, 10)]
    np.testing.assert_allclose(watched.K, alone.K, rtol=1e-4)
    np.testing.assert_allclose(watched.losses, alone.losses, rtol=1e-4)


def test_a_search_for_the_canonical_K_tells_its_steps():
    told: list[tuple[int, int]] = []
    found = controllability(UNEVEN, steps=60, callback=lambda *steps: told.append(steps))
    assert told == [(0, 60), (50, 60), (60, 60)][: len(found.losses)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "exact"}, "method must be 'marginal' or 'pairwise'"),
        ({"fairness": -1.0}, "fairness"),
        ({"fairness": np.nan}, "fairness"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"learning_rate": -0.1}, "learning_rate"),
        ({"key": -1}, "key must be an integer of at least 0"),
        ({"key": True}, "key must be a JAX random key or an integer seed; given True"),
        ({"key": 2**70}, "key must be an integer of at most"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        controllability(t.dense(2, 2), **arguments)


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    butterfly = t.butterfly.layers(1024, 10)
    with pytest.raises(ValueError, match="method='marginal' needs 1024 times less"):
        controllability(butterfly, method="pairwise")
    monkeypatch.setattr(_descent, "LIMIT", 2**20)
    with pytest.raises(ValueError, match="the canonical K, fairness=True, needs less"):
        controllability(butterfly, fairness=False)
