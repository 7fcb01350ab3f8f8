"""The schedule of successive halving: how many candidates train for how many steps, rung by rung.

Of the candidates of a rung the best `1/eta` go on, to `eta` times as many steps, until no more than
`eta` are left: Karnin, Koren and Somekh (2013, "Almost optimal exploration in multi-armed
bandits"), where the halving comes from; Jamieson and Talwalkar (2016, arXiv:1502.07943), where a
pull of an arm is a step of a training; and Li and others (2018, arXiv:1603.06560), algorithm 1,
whose inner loop has the steps in a geometric sequence, as here. The finalists of the last rung are
trained with several seeds, so that one knows how sure their order is.
"""

from bisect import bisect_right
from math import ceil

from topokit._records import Record


class Rung(Record):
    """A rung of successive halving.

    Attributes:
        candidates: How many candidates reach it.
        seeds: How many seeds each of them is trained with.
        steps: Steps that each of these trainings has taken at its end, since its beginning.

    Examples:
        >>> from topokit.networks import Rung
        >>> Rung(candidates=9, seeds=1, steps=40)
        Rung(candidates=9, seeds=1, steps=40)

    See Also:
        `choose`, whose result has them.
    """

    candidates: int
    seeds: int
    steps: int


def schedule(
    candidates: int, *, eta: int, seeds: int, horizon: int, budget: int
) -> tuple[Rung, ...]:
    """The longest schedule within a budget of steps; no training goes beyond the horizon.

    Raises:
        ValueError: If the budget does not give every candidate one step.
    """

    def begun(first: int) -> tuple[Rung, ...]:
        return _rungs(candidates, eta, seeds, horizon, first)

    first = bisect_right(range(1, horizon + 1), budget, key=lambda n: total_steps(begun(n)))
    if not first:
        raise ValueError(
            f"budget must be at least {total_steps(begun(1))} steps, for {candidates} candidates "
            f"begin with one each; given {budget}, which is less than that"
        )
    return begun(first)


def total_steps(rungs: tuple[Rung, ...]) -> int:
    """Steps of all trainings: each goes on from where it was, further seeds begin at the last."""
    before, total = 0, 0
    for rung in rungs:
        total += rung.candidates * (rung.steps - before + (rung.seeds - 1) * rung.steps)
        before = rung.steps
    return total


def _rungs(candidates: int, eta: int, seeds: int, horizon: int, first: int) -> tuple[Rung, ...]:
    """All rungs, the first of so many steps."""
    fields = [candidates]
    while fields[-1] > eta:
        fields.append(ceil(fields[-1] / eta))
    last = len(fields) - 1
    return tuple(
        Rung(field, seeds if place == last else 1, min(horizon, first * eta**place))
        for place, field in enumerate(fields)
    )
