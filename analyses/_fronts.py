"""What the best of several networks reaches at each cost, and which of two sides is ahead.

A point is a training: what it costs, the mean accuracies of its seeds on validation and on test
images, and the standard error of the latter. Who spends no more than a cost takes, of the trainings
that cost no more, the one of highest validation accuracy; what counts is its test accuracy, which
has decided nothing. The front is where that choice changes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

DOUBT = 2  # standard errors within which two accuracies are the same


class Point(NamedTuple):
    """A training of a network, with several seeds."""

    name: str
    cost: float
    validation: float
    test: float
    error: float


class Comparison(NamedTuple):
    """The best of one side less the best of the other at a cost, and its standard error."""

    cost: float
    gap: float
    error: float

    @property
    def sign(self) -> int:
        """1 where the first side is ahead, -1 where it is behind, 0 within doubt."""
        return int(np.sign(self.gap)) if abs(self.gap) > DOUBT * self.error else 0


def front(points: Iterable[Point]) -> list[Point]:
    """Those that no other one of at most their cost equals on validation images, by cost."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.cost, -one.validation, one.name)):
        if not found or point.validation > found[-1].validation:
            found.append(point)
    return found


def best_at(points: Sequence[Point], cost: float) -> Point | None:
    """Of a front, which is sorted: what is taken at a cost; None if everything costs more."""
    place = bisect_right(points, cost, key=lambda one: one.cost)
    return points[place - 1] if place else None


def compared(ours: Iterable[Point], theirs: Iterable[Point]) -> list[Comparison]:
    """Both fronts at every cost where one of them changes and both have a network."""
    sides = front(ours), front(theirs)
    costs = sorted({point.cost for side in sides for point in side})
    found = []
    for cost in costs:
        own, other = (best_at(side, cost) for side in sides)
        if own and other:
            error = float(np.hypot(own.error, other.error))
            found.append(Comparison(cost, own.test - other.test, error))
    return found


def cheapest_match(point: Point, others: Iterable[Point]) -> Point | None:
    """Of a front of others the cheapest that is no less accurate, but for doubt; None if none."""
    for other in front(others):
        if other.test - point.test >= -DOUBT * float(np.hypot(point.error, other.error)):
            return other
    return None
