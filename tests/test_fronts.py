"""Fronts of trainings against their definition, point by point."""

from itertools import product

import numpy as np
import pytest

from analyses._fronts import DOUBT, Point, best_at, cheapest_match, compared, front


def drawn(seed: int, n: int) -> list[Point]:
    """Points of few costs and validation accuracies, so that many tie, and of any test accuracy."""
    rng = np.random.default_rng(seed)
    return [
        Point(
            f"net {number}",
            float(rng.integers(1, 9)),
            float(rng.integers(0, 9)) / 8,
            float(rng.random()),
            0.1 * float(rng.random()),
        )
        for number in range(n)
    ]


@pytest.mark.parametrize(("seed", "n"), [*product(range(20), (1, 2, 12))])
def test_a_front_holds_the_points_that_no_other_equals_for_less(seed: int, n: int):
    points = drawn(seed, n)
    found = front(points)

    def beaten(one: Point) -> bool:
        return any(
            other.cost <= one.cost
            and other.validation >= one.validation
            and (other.cost, -other.validation, other.name) < (one.cost, -one.validation, one.name)
            for other in points
        )

    assert found == sorted((p for p in points if not beaten(p)), key=lambda one: one.cost)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_taken_at_a_cost_is_best_on_validation_of_all_that_cost_no_more(seed: int):
    points = drawn(seed, 12)
    for cost in np.arange(0.0, 10, 0.5):
        within = [point.validation for point in points if point.cost <= cost]
        taken = best_at(front(points), cost)
        assert (taken is None) == (not within)
        assert taken is None or (taken.validation == max(within) and taken.cost <= cost)


def test_test_accuracy_decides_nothing():
    points = drawn(0, 12)
    other = [point._replace(test=1 - point.test, error=0.0) for point in points]
    assert [p.name for p in front(points)] == [p.name for p in front(other)]


@pytest.mark.parametrize("seed", range(20))
def test_fronts_are_compared_wherever_one_changes_and_both_are_there(seed: int):
    ours, theirs = drawn(seed, 6), drawn(seed + 100, 6)
    found = compared(ours, theirs)
    changes = {point.cost for points in (ours, theirs) for point in front(points)}
    least = max(min(point.cost for point in points) for points in (ours, theirs))
    assert [one.cost for one in found] == sorted(cost for cost in changes if cost >= least)
    for one in found:
        own, other = (best_at(front(points), one.cost) for points in (ours, theirs))
        assert own is not None
        assert other is not None
        assert one.gap == own.test - other.test
        assert one.error**2 == pytest.approx(own.error**2 + other.error**2)
        assert one.sign == (one.gap > DOUBT * one.error) - (one.gap < -DOUBT * one.error)


def test_a_side_that_is_turned_has_the_opposite_sign():
    for seed in range(10):
        ours, theirs = drawn(seed, 6), drawn(seed + 100, 6)
        turned = [(one.cost, -one.sign) for one in compared(theirs, ours)]
        assert [(one.cost, one.sign) for one in compared(ours, theirs)] == turned


@pytest.mark.parametrize("seed", range(20))
def test_the_cheapest_match_is_the_first_of_the_front_that_is_no_less_accurate(seed: int):
    points, one = drawn(seed, 8), Point("one", 1.0, 0.5, 0.6, 0.02)
    found = cheapest_match(one, points)
    good = [
        other
        for other in front(points)
        if other.test + DOUBT * (other.error**2 + one.error**2) ** 0.5 >= one.test
    ]
    assert found == (min(good, key=lambda other: other.cost) if good else None)
