"""The members of a family between layers of given sizes, counted before one is built.

The closed forms of the families (`_profiles`) tell what a member costs: the edges of its layers,
and a skip connection saves one in each neuron with two in-edges or more. Only random edges are
counted in expectation.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any, TypeVar

import networkx as nx

from topokit._checks import check_count
from topokit._records import Record
from topokit.designs._profiles import FINE, PROFILES, Layer, Sheet
from topokit.layers import Layers, to_layers
from topokit.topologies import families, with_skip

DRAWS = 1000  # of one random network, with one seed after the other
STRAYED = 0.125  # of the expected edges, which a draw may miss by so many
FAR = 0.25  # of the budget: a member that misses it by more is not near

Made = TypeVar("Made", nx.DiGraph, Layers)


class Member(Record):
    """A member of a family, with its size, not yet built.

    Attributes:
        family: The name of the family, as in `topokit.topologies.families`.
        n_in: Number of inputs.
        n_out: Number of outputs.
        arguments: What to call it with.
        skip: Whether it has skip connections.
        trainable: Its trainable edges; of `erdos_renyi` their expected number, rounded.
        depth: Its layers of edges.
        narrowest: The width of its narrowest layer of neurons, which its bandwidth cannot exceed.
        hidden: Its neurons between the inputs and the outputs.
    """

    family: str
    n_in: int
    n_out: int
    arguments: dict[str, Any]
    skip: bool
    trainable: int
    depth: int
    narrowest: int
    hidden: int

    def build(self) -> nx.DiGraph:
        """The topology as a graph; random edges are drawn again while too few or too many."""
        return self._made(families()[self.family])[0]

    def layers(self) -> Layers:
        """The topology as arrays."""
        return self.drawn()[0]

    def drawn(self) -> tuple[Layers, "Member"]:
        """The topology as arrays, and the member with the seed that gives it at the first draw."""
        layers, arguments = self._made(families()[self.family].layers)
        return layers, replace(self, arguments=arguments)

    def _made(self, builder: Callable[..., Made]) -> tuple[Made, dict[str, Any]]:
        bound = inspect.signature(builder).bind(**self.arguments)
        draws = DRAWS if self.family == "erdos_renyi" else 1
        while True:
            draws -= 1
            try:
                made = builder(*bound.args, **bound.kwargs)
            except ValueError:
                if not draws:
                    raise
            else:
                made = with_skip(made) if self.skip else made
                if not draws or self._as_large(made):
                    return made, dict(bound.arguments)
            bound.arguments["seed"] += 1

    def _as_large(self, made: nx.DiGraph | Layers) -> bool:
        """Whether a draw has about as many trainable edges as are expected."""
        return abs(to_layers(made).n_trainable - self.trainable) <= STRAYED * self.trainable


def members(
    family: str,
    n_in: int,
    n_out: int,
    *,
    most: float,
    skip: bool = False,
    seed: int = 0,
    fine: bool = False,
) -> Iterator[Member]:
    """Every member of a family with at most so many trainable edges, and the first ones beyond.

    Families without end are cut where their members grow too large: of each line of growing ones
    (deeper ones, wider ones) the first that is too large comes too. Of families of many parameters
    some are told for all: random networks have one width inside, number systems have nearly equal
    digits, but for one, and these have at most 100 layers.

    Args:
        family: One of `topokit.topologies.families`.
        n_in: Number of inputs.
        n_out: Number of outputs.
        most: Trainable edges at which to end, finite.
        skip: With skip connections, `topokit.with_skip`.
        seed: Seed of random members.
        fine: With all widths inside that a search goes through, not the usual ones alone.

    Raises:
        ValueError: If the family has no member between layers of these sizes; it says why.
    """
    describe = partial(_member, family, n_in, n_out, skip, seed)
    for sheet in (FINE if fine else PROFILES)[family](n_in, n_out):
        yield from (describe(*row) for row in _up_to(sheet, most, skip))


def greatest(
    family: str,
    n_in: int,
    n_out: int,
    *,
    most: float,
    deepest: float = inf,
    skip: bool = False,
    seed: int = 0,
) -> Iterator[tuple[Member, int]]:
    """Of each line of growing members the last one within bounds, and how many there are up to it.

    A line is of members that differ in one number, and where edges do not move when it grows the
    greater ones can do all that the smaller ones can. Lines side by side begin larger, and no
    shallower. Random networks have all the widths inside that `members` knows as `fine`.

    Args:
        family: One of `topokit.topologies.families`.
        n_in: Number of inputs.
        n_out: Number of outputs.
        most: The most trainable edges, finite.
        deepest: The most layers of edges.
        skip: With skip connections.
        seed: Seed of random members.

    Raises:
        ValueError: If the family has no member between layers of these sizes; it says why.
    """
    for sheet in FINE[family](n_in, n_out):
        for line in sheet:
            number, last = 0, None
            for number, (arguments, layers) in enumerate(line):
                if round(_trainable(layers, skip)) > most or len(layers) > deepest:
                    break
                last = _member(family, n_in, n_out, skip, seed, arguments, layers), number + 1
            if last is None:
                break
            yield last


def _member(
    family: str,
    n_in: int,
    n_out: int,
    skip: bool,
    seed: int,
    arguments: dict[str, Any],
    layers: tuple[Layer, ...],
) -> Member:
    random = "seed" in inspect.signature(families()[family]).parameters
    widths = [layer.width for layer in layers]
    return Member(
        family=family,
        n_in=n_in,
        n_out=n_out,
        arguments=arguments | ({"seed": seed} if random else {}),
        skip=skip,
        trainable=round(_trainable(layers, skip)),
        depth=len(layers),
        narrowest=min(n_in, *widths),
        hidden=sum(widths[:-1]),
    )


def nearest(
    family: str,
    n_in: int,
    n_out: int,
    trainable: int,
    *,
    among: Callable[[Member], bool] = lambda _: True,
    skip: bool = False,
    seed: int = 0,
) -> Member:
    """The member of a family whose trainable edges are nearest to a budget.

    Of several equally near that is the one of the fewest layers, and of these the first.

    Args:
        family: One of `topokit.topologies.families`.
        n_in: Number of inputs.
        n_out: Number of outputs.
        trainable: The budget, at least 1.
        among: Which members count; there must be one.
        skip: With skip connections.
        seed: Seed of random members.

    Raises:
        ValueError: If the family has no member between layers of these sizes; it says why. If the
            budget is no positive integer.
    """

    def order(one: Member) -> tuple[int, int]:
        return abs(one.trainable - trainable), one.depth

    reach = check_count("trainable", trainable)
    while True:
        found = members(family, n_in, n_out, most=trainable + reach, skip=skip, seed=seed)
        best = min(filter(among, found), key=order, default=None)
        # Whatever is not listed lies beyond the reach.
        if best is not None and abs(best.trainable - trainable) <= reach:
            return best
        reach *= 2


def why_far(member: Member, trainable: int) -> str:
    """What to say of a family whose nearest member misses a budget by more than a quarter.

    Args:
        member: The nearest one.
        trainable: The budget.

    Returns:
        A sentence that lacks its subject, the name of the family; empty where the member is near.
    """
    if abs(member.trainable - trainable) <= FAR * trainable:
        return ""
    outputs = "" if member.n_in == member.n_out else f"{member.n_out} "
    return (
        f"has no member near {trainable} trainable edges between {member.n_in} inputs and "
        f"{outputs}outputs: the nearest has {member.trainable}"
    )


def _up_to(
    sheet: Sheet, most: float, skip: bool
) -> Iterator[tuple[dict[str, Any], tuple[Layer, ...]]]:
    """What lies on the lines of a sheet, until a line begins too large."""
    for line in sheet:
        size = 0.0
        for place, (arguments, layers) in enumerate(line):
            size = _trainable(layers, skip)
            yield arguments, layers
            if size > most:
                if place == 0:
                    return
                break


def _trainable(layers: tuple[Layer, ...], skip: bool) -> float:
    return sum(layer.edges - skip * layer.mixing for layer in layers)
