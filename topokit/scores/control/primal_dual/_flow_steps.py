"""Steps towards the fairest plan: a primal-dual method in which all neurons move at once.

Given what each output is to have in all, the fairest K is the projection of 0 on a polyhedron of
flows. The primal-dual hybrid gradient method (Chambolle and Pock, 2011) finds it with sums along
edges alone: flows move against prices, prices against what is short. Each variable and each
constraint has a step of its own, by the number of constraints that a variable is in and of
variables that a constraint has (Pock and Chambolle, 2011).

A step is written for arrays of numpy and of JAX alike: what both call differently, to add up along
edges, it is given.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.scores.control._flow_network import FlowNetwork
from topokit.scores.control._flow_plan import Plan

# Steps of flows are this much shorter, and those of prices longer, than the theory's even choice.
# Crowded networks take more steps with a greater factor, and all do with one much smaller.
BALANCE = 0.2

# The price of what a neuron cannot hold, since the input does not reach it: it keeps flows at 0.
CLOSED = 1e6


class Prices(NamedTuple):
    """The multipliers of each constraint.

    Attributes:
        short: Of `held <= arrived + added`, for each row and column.
        gain: Of what a neuron may add.
        room: Of what it can hold.
        taken: Of what each output is to have in all.
    """

    short: Float[Any, "rows columns"]
    gain: Float[Any, " neurons"]
    room: Float[Any, " neurons"]
    taken: Float[Any, " outputs"]


class Search(NamedTuple):
    """Where the method stands.

    Attributes:
        plan: Flows; what they ask for need not be there.
        prices: Prices.
        held: Of the plan, what a neuron of each row passes on or keeps.
        arrived: Of the plan, what comes to it.
    """

    plan: Plan
    prices: Prices
    held: Float[Any, "rows columns"]
    arrived: Float[Any, "rows columns"]


class FlowProblem(NamedTuple):
    """The constraints, as `FlowNetwork` has them, and what each output is to have in all.

    Where only one edge leaves and arrives each time, nothing says so. `ends` is the output of each
    of the last rows.
    """

    gain: Float[Any, " neurons"]
    room: Float[Any, " neurons"]
    owner: Int[Any, " rows"]
    alike: Float[Any, " rows"]
    inputs: Float[Any, " columns"]
    reach: Bool[Any, "rows columns"]
    senders: Int[Any, " edges"]
    receivers: Int[Any, " edges"]
    leaving: Float[Any, " edges"] | None
    arriving: Float[Any, " edges"] | None
    taken: Float[Any, " outputs"]
    ends: Int[Any, " ends"]

    @property
    def outputs(self) -> slice:
        """The last rows."""
        return slice(self.owner.shape[0] - self.ends.shape[0], None)


@runtime_checkable
class Sums(Protocol):
    """How to add up along edges, and over rows."""

    def by_sender(
        self, sent: Float[Any, "edges columns"], K: Float[Any, "ends columns"]
    ) -> Float[Any, "rows columns"]:
        """What goes out at a neuron of each row; from outputs, what they keep."""
        ...

    def by_receiver(self, sent: Float[Any, "edges columns"]) -> Float[Any, "rows columns"]:
        """What comes in at a neuron of each row."""
        ...

    def by_neuron(self, amounts: Float[Any, "rows columns"]) -> Float[Any, " neurons"]:
        """What there is at each neuron of all inputs together."""
        ...


def make_problem(network: FlowNetwork, taken: Float[np.ndarray, " outputs"]) -> FlowProblem:
    """The arrays of a network in single precision."""
    owner = network.owner.astype(np.int32)
    return FlowProblem(
        network.gain.astype(np.float32),
        network.room.astype(np.float32),
        owner,
        network.alike.astype(np.float32),
        network.inputs.astype(np.float32),
        network.reach,
        network.senders.astype(np.int32),
        network.receivers.astype(np.int32),
        _unless_one(network.leaving),
        _unless_one(network.arriving),
        taken.astype(np.float32),
        owner[network.outputs] - np.int32(network.gain.size - taken.size),
    )


def _unless_one(counts: Float[np.ndarray, " edges"]) -> Float[np.ndarray, " edges"] | None:
    return None if (counts == 1).all() else counts.astype(np.float32)


def begin(problem: FlowProblem, plan: Plan, sums: Sums) -> Search:
    """Start from a plan, with every price 0."""
    counts = problem.gain.size, problem.gain.size, problem.taken.size
    prices = Prices(_closed(problem), *(np.zeros(count, np.float32) for count in counts))
    return Search(plan, prices, *_balance(plan, sums))


def step(problem: FlowProblem, sizes: Prices, sums: Sums, search: Search) -> Search:
    """Take one step, O(edges columns)."""
    plan = _move_flows(problem, search)
    held, arrived = _balance(plan, sums)
    # Prices answer to a point as far beyond the step as the step is long.
    pairs = (search.plan.added, plan.added), (search.held, held), (search.arrived, arrived)
    ahead = (2 * new - old for old, new in pairs)
    return Search(plan, _move_prices(problem, sizes, sums, search.prices, *ahead), held, arrived)


def step_sizes(problem: FlowProblem, sums: Sums) -> Prices:
    """The steps of prices: one over the number of flows in each constraint.

    Those of flows are one over the number of constraints: 3 for what an edge carries (short at
    either end, and room), 2 for what is added (short, gain), 3 for K (short, room, taken).
    """
    edges, m = problem.senders.shape[0], problem.ends.shape[0]
    ones = np.ones((edges + m, 1), np.float32)
    fan_out = sums.by_sender(ones[:edges], ones[edges:])
    fan_in = sums.by_receiver(ones[:edges])
    reaching = sums.by_neuron(problem.reach.astype(np.float32)).clip(min=1)
    counts = Prices(
        fan_out + fan_in + 1,
        reaching,
        sums.by_neuron(fan_out.clip(min=1) * problem.reach).clip(min=1),
        reaching[-problem.taken.shape[0] :],
    )
    return Prices(*(1 / (BALANCE * count) for count in counts))


def _balance(plan: Plan, sums: Sums) -> tuple[Any, Any]:
    """What each row passes on or keeps, and what comes to it."""
    return sums.by_sender(plan.sent, plan.K), sums.by_receiver(plan.sent)


def _closed(problem: FlowProblem) -> Float[Any, "rows columns"]:
    """The price where an input does not reach a neuron, 0 elsewhere."""
    return CLOSED * (~problem.reach).astype(np.float32)


def _move_flows(problem: FlowProblem, search: Search) -> Plan:
    """Each flow moves against its price, and K also towards 0; none below 0."""
    plan, prices, owner = search.plan, search.prices, problem.owner
    # Scaled by row, of which there are fewer than edges.
    held = BALANCE / 3 * (prices.short + prices.room[owner, None])
    short = BALANCE / 3 * prices.short
    sent = plan.sent - held[problem.senders] + short[problem.receivers]
    added = plan.added + BALANCE / 2 * (prices.short - prices.gain[owner, None])
    K = plan.K - held[problem.outputs] + BALANCE / 3 * prices.taken[problem.ends, None]
    return Plan(
        sent.clip(min=0), added.clip(min=0) * problem.reach, K.clip(min=0) / (1 + BALANCE / 3)
    )


def _move_prices(
    problem: FlowProblem,
    sizes: Prices,
    sums: Sums,
    prices: Prices,
    added: Float[Any, "rows columns"],
    held: Float[Any, "rows columns"],
    arrived: Float[Any, "rows columns"],
) -> Prices:
    """Each price rises where its constraint is broken and falls where there is slack."""
    totals, outputs = sums.by_neuron(held), slice(-problem.taken.shape[0], None)
    short = prices.short + sizes.short * (held - arrived - added)
    gain = prices.gain + sizes.gain * (sums.by_neuron(added) - problem.gain)
    room = prices.room + sizes.room * (totals - problem.room)
    taken = prices.taken - sizes.taken * (totals[outputs] - problem.taken)
    short = short.clip(min=0) * problem.reach + _closed(problem)
    return Prices(short, gain.clip(min=0), room.clip(min=0), taken)
