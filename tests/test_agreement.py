"""How far to trust a ranking: agreement against scipy and by hand, remarks for every count."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from topokit.ranking import Result, agreement, mean_losses, remarks

# Few values, so that many of them tie.
PAIRS = st.tuples(*[st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.9])] * 2)


def rows(*pairs, free=10):
    """Rows of 4 x 4 topologies, from predicted and measured losses."""
    return [
        SimpleNamespace(
            name=f"row {n}", n_in=4, n_out=4, degrees_of_freedom=free, predicted_loss=p, loss=loss
        )
        for n, (p, loss) in enumerate(pairs)
    ]


@given(st.lists(PAIRS, min_size=3, max_size=16))
@settings(max_examples=60)
def test_the_correlation_is_that_of_scipy_with_ties_too(pairs):
    found = agreement(rows(*pairs)).correlation
    predicted, measured = zip(*(pair for pair in [(0.9, 0.9), *pairs] if pair[0]), strict=True)
    predicted, measured = predicted[1:], measured[1:]
    if len(predicted) < 5 or len(set(predicted)) == 1 or len(set(measured)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(np.asarray(spearmanr(predicted, measured))[0])


def test_the_error_is_the_median_of_shares_of_the_measured_loss():
    found = agreement(rows((0.1, 0.2), (0.3, 0.2), (0.22, 0.2), (0.2, 0.2), (0.1, 0.0)))
    assert found.topologies == 5
    assert found.median_error == pytest.approx((0.1 + 0.5) / 2)


def test_where_training_alone_decides_nothing_was_predicted():
    some = [(0.1, 0.1), (0.2, 0.3), (0.4, 0.2), (0.3, 0.3), (0.5, 0.4)]
    whole = rows((0.0, 1e-9), (0.0, 1e-13), free=16)
    assert agreement([*whole, *rows(*some)]) == agreement(rows(*some))
    assert agreement(whole).topologies == 0
    assert "of 5 of the 7 are off by 25% in the median" in remarks([*whole, *rows(*some)])[-1]
    assert len(remarks(whole)) == 1


def test_rows_without_a_finite_prediction_or_loss_are_left_out():
    some = [(0.1, 0.1), (0.2, 0.3), (0.4, 0.2)]
    none = [(None, 0.2), (math.nan, 0.1), (0.1, math.nan), (0.1, math.inf)]
    assert agreement(rows(*none, *some)) == agreement(rows(*some))
    nothing = agreement(rows(*none))
    assert (nothing.topologies, nothing.correlation, nothing.median_error) == (0, None, None)
    assert remarks(rows(*none)) == []


def test_one_row_has_an_error_and_no_correlation():
    found = agreement(rows((0.3, 0.2)))
    assert (found.topologies, found.correlation) == (1, None)
    assert found.median_error == pytest.approx(0.5)
    assert remarks(rows((0.3, 0.2))) == ["the loss predicted without training is off by 50%"]


def test_the_last_remark_says_the_agreement():
    some = rows(
        *[(None, 0.1), (0.1, 0.2), (0.3, 0.2), (0.5, 0.5), (0.5, math.nan), (0.2, 0.8), (0.6, 0.7)],
        (0.0, 0.1),
    )
    found = agreement(some)
    said = remarks(some)[-1]
    assert f"off by {found.median_error:.0%} in the median and by 75% at most (row 5)" in said
    assert f"at {found.correlation:.2f} (Spearman's" in said
    assert said.endswith("and both have the same best")
    assert "of 5 of the 8 are off" in said
    others = rows((0.3, 0.2), (0.1, 0.4), (0.5, 0.5), (0.6, 0.6), (0.7, 0.7))
    assert remarks(others)[-1].endswith("but the best by prediction is row 1")
    assert "Spearman" not in remarks(others[:4])[-1], "so few agree by chance"


@pytest.mark.parametrize(
    ("free", "text"),
    [
        ([15, 12, 10], None),
        ([16, 12, 10], "1 of 3 can set every entry of its matrix: its loss is what training"),
        ([16, 12, 16], "2 of 3 can set every entry: their order is that of training, not of wir"),
        ([16, None, 16], "at least 2 of 3 can set every entry: their order is that of training"),
        ([16, 16, 16], "all 3 can set every entry: this order is that of training, not of wirings"),
        ([16], "1 of 1 can set every entry of its matrix: its loss is what training leaves"),
    ],
)
def test_a_saturated_budget_is_said_in_words_that_fit_the_count(free, text):
    some = [row for count in free for row in rows((None, 0.1), free=count)]
    found = remarks(some)
    assert found == [] if text is None else [found[0][: len(text)]] == [text]


def test_results_of_a_sweep_are_averaged_by_name():
    shared = {"n_in": 2, "n_out": 2, "depth": 1, "edges": 4, "trainable": 4, "solver": ""}
    shared |= {"family": "dense", "skip": False, "seconds": 0.0, "seed": 0, "steps": 7}
    results = [
        Result(name=name, target=target, loss=loss, **shared)
        for name, target, loss in (("a", 0, 0.1), ("b", 0, 0.5), ("a", 1, 0.3))
    ]
    one, two = mean_losses(results)
    assert (one.name, one.trainable, one.targets, one.steps) == ("a", 4, 2, 7)
    assert (one.loss, one.loss_error) == pytest.approx((0.2, 0.1))
    assert (two.name, two.loss, two.loss_error) == ("b", 0.5, None)
