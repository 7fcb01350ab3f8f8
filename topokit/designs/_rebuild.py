"""What members really leave of random matrices.

Short descents decide the order of the leaders: predictions are good enough to leave most members
out, but not to tell the best ones apart. They know no steps, of which deep networks take many; they
are too low for wirings of much structure, and the more so the deeper these are; and too high where
some pairs have few paths. So the leaders are taken from all kinds, by family, skip connections and
depth, in turns. Whoever checks the order afterwards takes other matrices and more steps.
"""

import numpy as np
from jaxtyping import Float

from topokit._rank_correlation import rank_correlation
from topokit.designs._search import Found, Tell
from topokit.layers import Layers
from topokit.reconstruction import Adam, reconstruct

# Leaders that are tried, steps of a descent, and entries of all its targets: losses of members then
# differ by more than those of targets.
LEADERS, STEPS, ENTRIES = 16, 500, 2**12

# Edges times inputs times targets times steps of all trials together: a minute on a core, of deep
# networks a few.
WORK = 2**36

FAR = 2  # times the least prediction: beyond, a member is not the best, as far as we know

TARGETS, CHECK_STEPS = 4, 2000  # of a check


def affordable(n_in: int, n_out: int, budget: int) -> int:
    """How many leaders of a budget can be tried in minutes; 0 if one alone would be."""
    number = WORK // (budget * n_in * STEPS * _targets(n_in, n_out))
    return min(number, LEADERS) if number > 1 else 0


def _targets(n_in: int, n_out: int) -> int:
    return min(-(-ENTRIES // (n_in * n_out)), 4 * TARGETS)


def leaders(found: list[Found], number: int) -> list[Found]:
    """So many of the best by prediction, of every kind that has one near the best, in turns."""
    near = [one for one in found if one.hope <= FAR * found[0].loss]
    turns: dict[tuple, int] = {}
    placed = []
    for one in near:
        kind = one.member.family, one.member.skip, one.member.depth.bit_length()
        turns[kind] = turns.get(kind, 0) + 1
        placed.append((turns[kind], one))
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])[:number]]


def try_out(found: list[Found], *, seed: int, tell: Tell) -> list[Found]:
    """The same with what short descents left, best first."""
    tried = []
    for place, one in enumerate(found):
        tell("tries the leaders", place, len(found))
        tried.append(one._replace(trial=trial(one.layers, seed=seed)))
    return sorted(tried, key=lambda one: (one.trial, one.order))


def agreement(tried: list[Found]) -> float | None:
    """Spearman's rank correlation of trials with predictions, where it says anything."""
    pairs = np.array([(float(one.loss), one.trial) for one in tried]).reshape(-1, 2)
    return rank_correlation(*pairs.T)


def trial(layers: Layers, *, seed: int) -> float:
    """What a short descent leaves, on average over targets."""
    number = _targets(layers.n_in, layers.n_out)
    return float(_losses(layers, number, STEPS, np.random.default_rng([seed, 1])).mean())


def check(layers: Layers, *, seed: int) -> tuple[float, float]:
    """What a long descent leaves of other matrices, and its standard error."""
    loss = _losses(layers, TARGETS, CHECK_STEPS, np.random.default_rng(seed), key=seed)
    return float(loss.mean()), float(loss.std(ddof=1) / TARGETS**0.5)


def _losses(
    layers: Layers, number: int, steps: int, rng: np.random.Generator, *, key: int = 0
) -> Float[np.ndarray, " number"]:
    targets = rng.standard_normal((number, layers.n_in, layers.n_out))
    return np.asarray(reconstruct(layers, targets, solver=Adam(max_steps=steps), key=key).loss)
