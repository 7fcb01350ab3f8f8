"""The members of least predicted loss at a budget, by bounds first.

Of each line of growing members the greatest within the budget stands for all. The most promising by
its lower bound is taken next: it is built for a better bound, and predicted, roughly, when it is
the most promising again. Shallow and deep ones take turns. Once as many are found as are wanted,
and no bound is below the worst of these, no other can be among them, and the search ends; or it
ends where it has cost enough. The leaders are then tried (`_rebuild`), or predicted precisely.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from math import inf
from typing import Any, NamedTuple

from topokit._limits import TooLargeError, check_memory
from topokit.designs._loss_bounds import bound_of_layers, bound_of_member
from topokit.designs._members import Member, greatest
from topokit.layers import Layers
from topokit.scores.freedom import PredictedLoss, cheap, predicted_loss
from topokit.topologies import families

LIMIT = 2**33  # bytes of the probes of an estimate

# Entries times squared columns up to which a loss is exact: tenths of a second a draw.
EXACT = 2**30

# Rough predictions: draws of weights, noise, and steps, of which deep networks would take hundreds.
ROUGH: dict[str, Any] = {"accuracy": 0.05, "max_steps": 24}
MOST_STEPS = 200

# Work of a probe of a precise prediction, edges times signals times steps: some seconds.
PRECISE = 2**33

# How many more than are wanted are predicted precisely, where they may belong to these.
SPARE = 2

# Rough predictions that are always made, and the work of a probe at which to make no more, summed
# over predictions: edges times signals times steps, which depth brings. A minute or two on a core.
FEWEST, WORK = 12, 2**35
LEAST_STEPS = 4

Tell = Callable[[str, int, int], object]
"""Learns what is being done, how much of it is done, and of how much."""


class Found(NamedTuple):
    """A member, built, with its predicted loss, and the loss of a trial if there was one."""

    loss: PredictedLoss
    member: Member
    layers: Layers
    trial: float | None = None

    @property
    def order(self) -> tuple[float, int, int]:
        """Best first; of equal ones the shallowest and then the smallest."""
        return float(self.loss), self.layers.depth, self.layers.n_trainable

    @property
    def hope(self) -> float:
        """How low its loss may well be."""
        return self.loss - 2 * self.loss.standard_error - self.loss.drift


class _Place(NamedTuple):
    """A place in a queue: a lower bound of a member's loss, and a better one once it is built."""

    bound: float
    depth: int
    number: int
    built: bool


class Searched(NamedTuple):
    """What a search found, and how.

    Attributes:
        found: All members that were predicted, roughly, best first.
        counted: Members within the budget.
        bounded: Those of them that cannot be among the best, by a bound or a greater one like it.
        predicted: Those whose loss was predicted.
        unseen: Those that might be better but would have cost too much to predict.
        refused: Families without a member of these sizes, with what they say.
    """

    found: list[Found]
    counted: int
    bounded: int
    predicted: int
    unseen: int
    refused: dict[str, str]


def search(
    n_in: int,
    n_out: int,
    budget: int,
    *,
    deepest: float,
    skip: bool,
    seed: int,
    wanted: int,
    tell: Tell,
) -> Searched:
    """Members of all families within a budget of trainable edges, the `wanted` best among them."""
    _check_size(n_in, n_out)
    listed, counted, refused = _list(n_in, n_out, budget, deepest=deepest, skip=skip, seed=seed)
    rough, unseen = _leaders(listed, budget, seed=seed, wanted=wanted, tell=tell)
    rough.sort(key=lambda one: one.order)
    return Searched(rough, counted, counted - len(rough) - unseen, len(rough), unseen, refused)


def best_predicted(found: list[Found], *, wanted: int, seed: int, tell: Tell) -> list[Found]:
    """The `wanted` best by precise predictions."""
    likely = precisely(_likely(found, wanted), seed=seed, tell=tell)
    return sorted(likely, key=lambda one: one.order)[:wanted]


def precisely(found: list[Found], *, seed: int, tell: Tell) -> list[Found]:
    """The same with precise predictions."""
    known = []
    for place, one in enumerate(found):
        tell("predicts the best", place, len(found))
        known.append(_precisely(one, seed))
    return known


def _check_size(n_in: int, n_out: int) -> None:
    """Refuse layers of which even the smallest member is too large for an estimate."""
    numbers = n_in * (n_in + n_out) + 15 * n_in * n_out  # what neurons hold, and probes
    check_memory(
        "a design",
        4 * numbers,
        LIMIT,
        "topokit.structure and topokit.scores.bandwidth count what each family has at such sizes",
        of=f"a layer of {n_in} x {n_out}",
    )


def _precisely(one: Found, seed: int) -> Found:
    """With a precise loss; what takes no more steps than before is known well enough."""
    if not is_quick(one.layers) and _work(one.layers) * ROUGH["max_steps"] >= PRECISE:
        return one
    return one._replace(loss=predict(one.layers, seed=seed))


def predict(layers: Layers, *, seed: int) -> PredictedLoss:
    """The predicted loss, exact where that is quick, or as precise as its size allows."""
    steps = max(min(MOST_STEPS, PRECISE // _work(layers)), ROUGH["max_steps"])
    return predicted_loss(layers, method=_method(layers), seed=seed, max_steps=steps)


def _work(layers: Layers) -> int:
    """Edges times signals, of a step of a probe."""
    return layers.n_edges * (layers.n_in + layers.n_out)


def _list(
    n_in: int, n_out: int, budget: int, *, deepest: float, skip: bool, seed: int
) -> tuple[list[Member], int, dict[str, str]]:
    """The greatest members of all lines, how many stand behind them, and who has none."""
    listed, counted, refused = [], 0, {}
    for family in families():
        for constants in (False, True)[: 1 + skip]:
            options = {"most": budget, "deepest": deepest, "skip": constants, "seed": seed}
            try:
                for member, number in greatest(family, n_in, n_out, **options):
                    listed.append(member)
                    counted += number
            except ValueError as error:
                refused[family] = str(error)
    return listed, counted, refused


def _leaders(
    listed: list[Member], budget: int, *, seed: int, wanted: int, tell: Tell
) -> tuple[list[Found], int]:
    """Rough predictions of all that may be among the best, and how many there were no more of."""
    queues = _by_depth(listed)
    turns = deque(queues)
    found: list[Found] = []
    work, worst = 0, inf
    while turns and (len(found) < FEWEST or work < WORK):
        queue, waiting = turns.popleft(), sum(map(len, queues))
        tell("predicts members", len(listed) - waiting, len(listed))
        one = _most_promising(queue, listed, budget, worst)
        if one is None:
            continue
        turns.append(queue)
        layers, member = one
        if all(layers != other.layers for other in found):
            work += _work(layers) * min(LEAST_STEPS + 2 * layers.depth, ROUGH["max_steps"])
            with suppress(TooLargeError):  # of deep ones alone: the layer itself is not too large
                found.append(Found(_predict_roughly(layers, seed), member, layers))
            worst = min(worst, _worst(found, wanted))
    return found, sum(place.bound < worst for queue in queues for place in queue)


def _by_depth(listed: list[Member]) -> list[list[_Place]]:
    """Queues of members up to 1, 3, 7, 15, ... layers deep: shallow ones are quick to predict."""
    queues: dict[int, list[_Place]] = {}
    for number, member in enumerate(listed):
        place = _Place(bound_of_member(member), member.depth, number, False)
        heappush(queues.setdefault(member.depth.bit_length(), []), place)
    return [queue for _, queue in sorted(queues.items())]


def _most_promising(
    queue: list[_Place], listed: list[Member], budget: int, worst: float
) -> tuple[Layers, Member] | None:
    """The member of least bound, built; None where no bound is below the worst of the wanted."""
    while queue and queue[0].bound < worst:
        place = heappop(queue)
        layers, member = listed[place.number].drawn()
        if place.built:
            return layers, member
        if layers.n_trainable <= budget:  # random edges may be more than expected
            heappush(queue, place._replace(bound=bound_of_layers(layers), built=True))
    return None


def _worst(found: list[Found], wanted: int) -> float:
    """The loss of the last of the wanted ones, with its doubt."""
    if len(found) < wanted:
        return inf
    last = sorted(found, key=lambda one: one.order)[wanted - 1]
    return last.loss + 2 * last.loss.standard_error


def _likely(found: list[Found], wanted: int) -> list[Found]:
    """The wanted ones, and a few more that may belong to them."""
    worst = _worst(found, wanted)
    hopeful = sorted((one for one in found if one.hope <= worst), key=lambda one: one.order)
    return hopeful[: wanted + SPARE]


def _predict_roughly(layers: Layers, seed: int) -> PredictedLoss:
    method = _method(layers)
    n_samples = 2 if method == "exact" else 1
    return predicted_loss(layers, method=method, n_samples=n_samples, seed=seed, **ROUGH)


def _method(layers: Layers) -> str:
    return "exact" if is_quick(layers) else "estimate"


def is_quick(layers: Layers) -> bool:
    """Whether its freedom is counted, and its loss predicted exactly, in a second or so."""
    return cheap(layers, within=EXACT)
