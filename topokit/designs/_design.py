"""From sizes and a budget to topologies: the door."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil, inf
from numbers import Integral
from typing import Any

from topokit._checks import check_count, check_real
from topokit.designs._candidates import Candidate, Design
from topokit.designs._rebuild import rebuild
from topokit.designs._refine import check_refine, move_edges
from topokit.designs._search import Found, is_quick, predict, search
from topokit.products import step_time
from topokit.scores.freedom import degrees_of_freedom
from topokit.topologies import lines_of

FIRST = 3  # candidates that are rebuilt where it is not said how many


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
    verify: bool | int = False,
    measure: bool = True,
    candidates: int = 5,
    callback: Callable[[str, int, int], object] | None = None,
) -> Design:
    """Which topology to take for a layer of these sizes, at a budget of trainable edges.

    All members of all families within the budget are counted before one is built: all depths and
    fan-ins, and of random wirings widths inside in equal ratios up to twice the larger end.
    What their predicted loss cannot go below is known from their sizes, and better once they are
    built; the others are predicted, first roughly and the leaders precisely
    (`topokit.predicted_loss`). The result says how many of each there were.

    The best by predicted loss are often deep, which costs time in each step and many steps: give
    `depth` where that matters, and look at `step_share`.

    Cost: seconds for 32 inputs and outputs, a minute or a few for a layer of 784 x 300, more for
    larger ones; memory for the topologies that are predicted.

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
        verify: Whether to rebuild random matrices with the first candidates, or with how many of
            them; three by default.
        measure: Whether to measure a step of training here, beside the dense layer.
        candidates: The most to return.
        callback: Called with what is being done, how much of it is done, and of how much.

    Returns:
        The candidates, best first.

    Raises:
        ValueError: If an argument is out of range, both or neither of `trainable` and `share` are
            given, or the layer is too large to be refined.

    Examples:
        >>> import topokit as tk
        >>> found = tk.design(8, 8, trainable=40, measure=False)
        >>> found[0].predicted_loss < 0.2, found[0].trainable <= 40
        (True, True)
        >>> found[0].predicted_loss <= found[1].predicted_loss
        True

    See Also:
        `topokit.rank`, which measures; `topokit.networks.designed`, for whole models.
    """
    budget = _check_budget(n_in, n_out, trainable=trainable, share=share)
    n_in, n_out = int(n_in), int(n_out)
    settings: dict[str, Any] = {
        "deepest": inf if depth is None else check_count("depth", depth),
        "skip": bool(skip),
        "seed": check_count("seed", seed, least=0),
        "wanted": check_count("candidates", candidates),
        "tell": callback or _silent,
    }
    moved = check_real("refine", refine, least=0.0, most=1.0)
    wanted = FIRST * verify if isinstance(verify, bool) else verify
    rebuilt = check_count("verify", wanted, least=0)
    if moved:
        check_refine(n_in, n_out, budget)
    searched = search(n_in, n_out, budget, **settings)
    found = [_candidate(one) for one in searched.found]
    if moved:
        refined = _refined(searched.found[0], moved, settings)
        found = [refined, *found][:candidates] if refined.moved else found
    found = [*_rebuilt(found[:rebuilt], settings), *found[rebuilt:]]
    found = [*_measured(found, settings)] if measure else found
    counts = {name: value for name, value in searched._asdict().items() if name != "found"}
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
    lines = lines_of(member.family, member.arguments, [("with_skip", {})] if member.skip else [])
    python = lines.python or ()
    call = "".join(python[2:3]).removeprefix("graph = tk.topologies.")
    name = call + " + skip" * member.skip + f" + {moved:.1%} of its edges moved" * (moved > 0)
    return Candidate(
        name=name,
        member=member,
        layers=layers,
        predicted_loss=float(loss),
        predicted_loss_error=loss.standard_error,
        converged=loss.converged,
        trainable=layers.n_trainable,
        edges=layers.n_edges,
        depth=layers.depth,
        degrees_of_freedom=degrees_of_freedom(layers) if is_quick(layers) else None,
        python=python,
        command=lines.command,
        moved=moved,
        step_seconds=None,
        dense_seconds=None,
        measured_loss=None,
        measured_loss_error=None,
    )


def _refined(best: Found, share: float, settings: dict[str, Any]) -> Candidate:
    """The best one with some of its edges elsewhere."""
    rules = {name: settings[name] for name in ("seed", "tell")}
    predict_alike = partial(predict, seed=settings["seed"])
    layers, loss, moved = move_edges(best.layers, best.loss, share, predict=predict_alike, **rules)
    return _candidate(best._replace(layers=layers, loss=loss), moved)


def _rebuilt(found: list[Candidate], settings: dict[str, Any]) -> Iterator[Candidate]:
    for place, one in enumerate(found):
        settings["tell"]("rebuilds matrices", place, len(found))
        yield rebuild(one, seed=settings["seed"])


def _measured(found: list[Candidate], settings: dict[str, Any]) -> Iterator[Candidate]:
    for place, one in enumerate(found):
        settings["tell"]("measures steps", place, len(found))
        time = step_time(one.layers)
        yield replace(one, step_seconds=time.sparse, dense_seconds=time.dense)
