"""What a choice costs: the accuracy of the best wiring less that of the one that was picked.

The choice is that of a score, or that of `topokit.networks.choose`, told from trainings that are
kept: they take its very steps, and it looks at nothing but which is first by the kernel
regression's error, and how many validation examples are right at the end of each of its rungs.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from analyses._accuracy_networks import rungs_of
from topokit.networks import Rung


class Field(NamedTuple):
    """Candidates, as a choice sees them.

    Attributes:
        names: They.
        parameters: Numbers that are trained of each.
        promise: The error of the kernel regression of each.
        right: Right validation examples of each, for all seeds and looks.
        looks: After how many steps those are.
    """

    names: list[str]
    parameters: list[int]
    promise: Float[np.ndarray, " candidates"]
    right: Int[np.ndarray, "candidates seeds looks"]
    looks: list[int]


class Pick(NamedTuple):
    """What was chosen, and the steps of all trainings."""

    name: str
    steps: int


def halve(field: Field, rungs: tuple[Rung, ...], first: int = 0) -> Pick:
    """The choice of `topokit.networks.choose` with these rungs, its seeds counted from `first`."""
    left = sorted(range(len(field.names)), key=lambda one: _promise(field, one))
    steps = {}
    for rung in rungs:
        left = left[: rung.candidates]
        seeds = [(first + number) % field.right.shape[1] for number in range(rung.seeds)]
        right = field.right[:, seeds, field.looks.index(rung.steps)].sum(axis=1)
        steps |= {(one, seed): rung.steps for one in left for seed in seeds}
        left = sorted(left, key=lambda one: (-right[one], *_tie(field, one)))
    return Pick(field.names[left[0]], sum(steps.values()))


def _promise(field: Field, one: int) -> tuple[float, int, str]:
    return float(field.promise[one]), *_tie(field, one)


def _tie(field: Field, one: int) -> tuple[int, str]:
    return field.parameters[one], field.names[one]


def regret(means: Float[np.ndarray, " wirings"], picked: int) -> float:
    """Of one pick."""
    return float(means.max() - means[picked])


def expected_regret(
    score: Float[np.ndarray, " wirings"],
    means: Float[np.ndarray, " wirings"],
    *,
    draws: int,
    seed: int = 0,
) -> float:
    """Its mean over random halves of the wirings, of which the highest score is picked."""
    rng, half = np.random.default_rng(seed), len(means) // 2
    parts = [rng.permutation(len(means))[:half] for _ in range(draws)]
    return float(np.mean([regret(means[part], int(score[part].argmax())) for part in parts]))


def chooser(
    field: Field, means: Float[np.ndarray, " wirings"], how: Any, horizon: int
) -> dict[str, Any]:
    """Regret and share of the steps of all, each seed being the first in turn."""
    n = len(field.names)
    rungs = rungs_of(how, n, horizon)
    picks = [halve(field, rungs, first) for first in range(field.right.shape[1])]
    regrets = [regret(means, field.names.index(pick.name)) for pick in picks]
    return {
        "picks": [pick.name for pick in picks],
        "regrets": [round(value, 5) for value in regrets],
        "regret": round(float(np.mean(regrets)), 5),
        "share": round(picks[0].steps / (n * horizon), 4),
    }
