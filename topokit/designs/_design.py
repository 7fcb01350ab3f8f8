"""From sizes and a budget to topologies: the door."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil, inf
from numbers import Integral
from operator import attrgetter
from typing import Any

from topokit._checks import check_count, check_real, check_seed
from topokit.designs._candidates import Candidate, Design
from topokit.designs._rebuild import affordable, agreement, check, leaders, trial, try_out
from topokit.designs._refine import check_refine, move_edges
from topokit.designs._search import Found, best_predicted, precisely, predict, search
from topokit.products import step_time
from topokit.scores.freedom import freedom_and_error
from topokit.topologies import lines_of

COUNTED = 2**33  # operations up to which degrees of freedom are counted, about a second
FIRST = 3  # candidates that are rebuilt for a check where it is not said how many


def design(
    n_in: int,
    n_out: int,
    *,
    trainable: int | None = None,
    share: float | None = None,
    depth: int | None = None,
    skip: bool = True,
    seed: int = 0,
    refine: float = 0.0,
    trials: int | None = None,
    verify: bool | int = False,
    measure: bool = True,
    candidates: int = 5,
    callback: Callable[[str, int, int], object] | None = None,
) -> Design:
    """Which topology to take for a layer of these sizes, at a budget of trainable edges.

    All members of all families within the budget are counted before one is built: all depths and
    fan-ins, and of random wirings widths inside in equal ratios up to twice the larger end.
    What their predicted loss cannot go below is known from their sizes, and better once they are
    built; the others are predicted (`topokit.predicted_loss`). The result says how many of each
    there were.

    Predictions leave most members out; they do not tell the best ones apart, and favor deep ones.
    So of the leaders of each kind those that are affordable are tried: they rebuild a few random
    matrices in short descents, and stand in the order of what is left, before all others.

    The best are often deep still, which costs time in each step and many steps: give `depth` where
    that matters, and look at `step_share`.

    Cost: half a minute for 32 inputs and outputs, mostly trials, a few for larger layers; memory
    for the topologies that are predicted.

    Args:
        n_in: Number of inputs, at least 2.
        n_out: Number of outputs, at least 2.
        trainable: The most trainable edges, from `n_in + n_out`, without which not all pairs can be
            joined, to `n_in * n_out`, the dense layer.
        share: The same as a share of the dense layer; either this or `trainable` is given.
        depth: The most layers of edges; any number by default.
        skip: Whether members with skip connections, `topokit.with_skip`, are looked at too. Of
            these the constant edges are not of the budget.
        seed: Seed of random members and of predictions.
        refine: The share of the best one's trainable edges that may be moved to where the soft
            leverage is least, if that lowers its predicted loss; for small layers.
        trials: How many leaders to try; by default 16, or as many as take minutes in all: 7
            for a tenth of 784 x 300, none far beyond. 0 leaves the order to predictions.
        verify: Whether to rebuild other random matrices with the first candidates, in 2,000 steps,
            or with how many of them; three by default.
        measure: Whether to measure a step of training here, beside the dense layer.
        candidates: The most to return.
        callback: Called with what is being done, how much of it is done, and of how much.

    Returns:
        The candidates, best first: those that were tried by `trial_loss`, others by
        `predicted_loss`.

    Raises:
        ValueError: If an argument is out of range, both or neither of `trainable` and `share` are
            given, or the layer is too large to be refined.

    Examples:
        >>> import topokit as tk
        >>> found = tk.design(8, 8, trainable=40, trials=2, measure=False)
        >>> found[0].predicted_loss < 0.2, found[0].trainable <= 40
        (True, True)
        >>> found[0].trial_loss <= found[1].trial_loss, found[2].trial_loss
        (True, None)

    See Also:
        `topokit.rank`, which measures; `topokit.networks.designed`, for whole models.
    """
    budget = _check_budget(n_in, n_out, trainable=trainable, share=share)
    n_in, n_out = int(n_in), int(n_out)
    most = check_count("candidates", candidates)
    rules: dict[str, Any] = {
        "seed": check_seed("seed", seed),
        "tell": callback or _silent,
    }
    deepest = inf if depth is None else check_count("depth", depth)
    moved = check_real("refine", refine, least=0.0, most=1.0)
    if moved:
        check_refine(n_in, n_out, budget)
    checked = FIRST * verify if isinstance(verify, bool) else verify
    checked = check_count("verify", checked, least=0)
    number = affordable(n_in, n_out, budget) if trials is None else trials
    number = check_count("trials", number, least=0)
    wanted = max(most, number // 2)  # and with these many more that are nearly as good
    limits = {"deepest": deepest, "skip": bool(skip)}
    searched = search(n_in, n_out, budget, wanted=wanted, **limits, **rules)
    tried = try_out(leaders(searched.found, number), **rules)
    best = _best(searched.found, tried, most, rules)
    found = [*map(_candidate, best)]
    if moved:
        found = _with_refined(found, best[0], moved, rules)[:most]
    found = [*_checked(found[:checked], rules), *found[checked:]]
    found = [*_measured(found, rules)] if measure else found
    counts = {name: value for name, value in searched._asdict().items() if name != "found"}
    counts |= {"tried": len(tried), "agreement": agreement(tried)}
    return Design(found, budget=budget, **counts)


def _check_budget(
    n_in: int, n_out: int, *, trainable: int | None = None, share: float | None = None
) -> int:
    """The most trainable edges, or a ValueError that says what they can be."""
    n_in, n_out = check_count("n_in", n_in, least=2), check_count("n_out", n_out, least=2)
    least, most = n_in + n_out, n_in * n_out
    if (trainable is None) == (share is None):
        raise ValueError(
            "give either trainable, a number of edges, or share, of the dense layer; given "
            f"trainable={trainable} and share={share}"
        )
    between = f"between {n_in} inputs and {n_out} outputs"
    if share is None:
        whole = isinstance(trainable, Integral) and not isinstance(trainable, bool)
        if trainable is None or not whole or not least <= trainable <= most:
            raise ValueError(
                f"trainable must be an integer from {least}, without which weights alone cannot "
                f"join all pairs {between}, to {most}, the dense layer; given {trainable!r}"
            )
        return int(trainable)
    budget = int(check_real("share", share, least=0.0, most=1.0, above=True) * most)
    if budget < least:
        raise ValueError(
            f"share must be from {ceil(1e4 * least / most) / 1e4}, {least} edges, without which "
            f"weights alone cannot join all pairs {between}, to 1, the dense layer; given {share}"
        )
    return budget


def _silent(*_: object) -> None:
    """Tell nobody."""


def _candidate(found: Found, moved: float = 0.0) -> Candidate:
    """What is known of a topology before it is measured."""
    layers, member, loss = found.layers, found.member, found.loss
    freedom, error = freedom_and_error(layers, within=COUNTED)
    lines = lines_of(member.family, member.arguments, [("with_skip", {})] if member.skip else [])
    python = lines.python or ()
    call = "".join(python[2:3]).removeprefix("graph = tk.topologies.")
    name = call + " + skip" * member.skip + f" + {moved:.1%} of its edges moved" * (moved > 0)
    return Candidate(
        name=name,
        member=member,
        layers=layers,
        predicted_loss=float(loss),
        predicted_loss_error=loss.error,
        converged=loss.converged,
        trainable=layers.n_trainable,
        edges=layers.n_edges,
        depth=layers.depth,
        degrees_of_freedom=freedom,
        freedom_error=error,
        python=python,
        command=lines.command,
        moved=moved,
        trial_loss=found.trial,
        step_seconds=None,
        dense_seconds=None,
        measured_loss=None,
        measured_loss_error=None,
    )


def _best(found: list[Found], tried: list[Found], most: int, rules: dict[str, Any]) -> list[Found]:
    """Those that were tried first, or else all by precise predictions."""
    if not tried:
        return best_predicted(found, wanted=most, **rules)
    seen = {id(one.layers) for one in tried}
    others = [one for one in found if id(one.layers) not in seen]
    return precisely([*tried, *others][:most], **rules)


def _with_refined(
    found: list[Candidate], best: Found, share: float, rules: dict[str, Any]
) -> list[Candidate]:
    """With the best one as it is with some of its edges elsewhere, in its place."""
    predict_alike = partial(predict, seed=rules["seed"])
    layers, loss, moved = move_edges(best.layers, best.loss, share, predict=predict_alike, **rules)
    if not moved:
        return found
    left = None if best.trial is None else trial(layers, seed=rules["seed"])
    refined = _candidate(best._replace(layers=layers, loss=loss, trial=left), moved)
    return sorted([refined, *found], key=attrgetter("order"))


def _checked(found: list[Candidate], rules: dict[str, Any]) -> Iterator[Candidate]:
    for place, one in enumerate(found):
        rules["tell"]("rebuilds matrices", place, len(found))
        loss, error = check(one.layers, seed=rules["seed"])
        yield replace(one, measured_loss=loss, measured_loss_error=error)


def _measured(found: list[Candidate], rules: dict[str, Any]) -> Iterator[Candidate]:
    for place, one in enumerate(found):
        rules["tell"]("measures steps", place, len(found))
        time = step_time(one.layers)
        yield replace(one, step_seconds=time.sparse, dense_seconds=time.dense)
