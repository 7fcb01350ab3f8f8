"""Sparsity schedules: what their equations say, at which step."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topokit.networks._schedules import one_shot, zhu_gupta


def test_the_cubic_schedule_takes_the_values_that_its_equation_says_by_hand():
    share = zhu_gupta(0.5, start=10, every=10, times=4)
    # 1/2 (1 - (1 - k/4)^3) for k = 0 to 4, all of them exact in binary.
    by_hand = {10: 0, 20: 37 / 128, 30: 7 / 16, 40: 63 / 128, 50: 1 / 2}
    assert {t: float(share(t)) for t in by_hand} == by_hand


@given(
    ends=st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted),
    start=st.integers(0, 20),
    every=st.integers(1, 7),
    times=st.integers(1, 9),
)
@settings(max_examples=25)
def test_the_cubic_schedule_is_its_equation_and_constant_between_prunings(
    ends, start, every, times
):
    first, last = (Fraction(end, 100) for end in ends)
    share = zhu_gupta(float(last), initial=float(first), start=start, every=every, times=times)
    steps = np.arange(100)
    expected = []
    for t in steps.tolist():
        latest = max((s for s in range(start, t + 1, every)), default=None)
        if latest is None:
            expected.append(Fraction(0))
        elif latest >= start + times * every:
            expected.append(last)
        else:
            progress = Fraction(latest - start, times * every)
            expected.append(last + (first - last) * (1 - progress) ** 3)
    assert np.asarray(share(steps)) == pytest.approx([float(e) for e in expected], abs=2.0**-23)


def test_one_shot_is_nothing_before_its_step_and_everything_from_it_on():
    share = one_shot(0.75, step=3)
    assert [float(share(t)) for t in range(6)] == [0, 0, 0, 0.75, 0.75, 0.75]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: one_shot(1.5, step=0), "sparsity"),
        (lambda: one_shot(0.5, step=-1), "step"),
        (lambda: zhu_gupta(0.5, initial=0.6, start=0, every=1, times=1), "final"),
        (lambda: zhu_gupta(0.5, initial=-0.1, start=0, every=1, times=1), "initial"),
        (lambda: zhu_gupta(0.5, start=-1, every=1, times=1), "start"),
        (lambda: zhu_gupta(0.5, start=0, every=0, times=1), "every"),
        (lambda: zhu_gupta(0.5, start=0, every=1, times=0), "times"),
    ],
)
def test_wrong_arguments_are_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        wrong()
