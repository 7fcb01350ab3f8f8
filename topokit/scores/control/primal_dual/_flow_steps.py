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

from topokit.scores.control._control_network import ControlNetwork
from topokit.scores.control._flow_plan import Plan

# Steps of flows are this much shorter, and those of prices longer, than the theory's even choice.
# Crowded networks take more steps with a greater factor, and all do with one much smaller.
BALANCE = 0.2

# The price of what a neuron cannot hold, since the input does not reach it: it keeps flows at 0.
CLOSED = 1e6


class Prices(NamedTuple):
    """The multipliers of each constraint.

    Attributes:
        short: Of `held <= arrived + added`, for each neuron and kind of inputs.
        gain: Of what a neuron may add.
        room: Of what it can hold.
        taken: Of what each output is to have in all.
    """

    short: Float[Any, "neurons kinds"]
    gain: Float[Any, " neurons"]
    room: Float[Any, " neurons"]
    taken: Float[Any, " n_out"]


class Search(NamedTuple):
    """Where the method stands.

    Attributes:
        plan: Flows; what they ask for need not be there.
        prices: Prices.
        held: Of the plan, what each neuron passes on or keeps.
        arrived: Of the plan, what comes to it.
    """

    plan: Plan
    prices: Prices
    held: Float[Any, "neurons kinds"]
    arrived: Float[Any, "neurons kinds"]


class FlowProblem(NamedTuple):
    """The constraints, as `ControlNetwork` has them, and what each output is to have in all."""

    inputs: Float[Any, " kinds"]
    gain: Float[Any, " neurons"]
    room: Float[Any, " neurons"]
    reach: Bool[Any, "neurons kinds"]
    senders: Int[Any, " edges"]
    receivers: Int[Any, " edges"]
    taken: Float[Any, " n_out"]

    @property
    def outputs(self) -> slice:
        """The last neurons."""
        return slice(self.gain.shape[0] - self.taken.shape[0], None)


@runtime_checkable
class Sums(Protocol):
    """How to add up along edges."""

    def by_sender(
        self, sent: Float[Any, "edges kinds"], K: Float[Any, "n_out kinds"]
    ) -> Float[Any, "neurons kinds"]:
        """What goes out at each neuron; from outputs, what they keep."""
        ...

    def by_receiver(self, sent: Float[Any, "edges kinds"]) -> Float[Any, "neurons kinds"]:
        """What comes in at each neuron."""
        ...


def make_problem(network: ControlNetwork, taken: Float[np.ndarray, " n_out"]) -> FlowProblem:
    """The arrays of a network in single precision."""
    return FlowProblem(
        network.inputs.astype(np.float32),
        network.gain.astype(np.float32),
        network.room.astype(np.float32),
        network.reach,
        network.senders.astype(np.int32),
        network.receivers.astype(np.int32),
        taken.astype(np.float32),
    )


def begin(problem: FlowProblem, plan: Plan, sums: Sums) -> Search:
    """Start from a plan, with every price 0."""
    counts = problem.gain.size, problem.gain.size, problem.taken.size
    prices = Prices(_closed(problem), *(np.zeros(count, np.float32) for count in counts))
    return Search(plan, prices, *_balance(plan, sums))


def step(problem: FlowProblem, sizes: Prices, sums: Sums, search: Search) -> Search:
    """Take one step, O(kinds E)."""
    plan = _move_flows(problem, search)
    held, arrived = _balance(plan, sums)
    # Prices answer to a point as far beyond the step as the step is long.
    ahead = Search(
        Plan(*map(_reflect, search.plan, plan)),
        search.prices,
        _reflect(search.held, held),
        _reflect(search.arrived, arrived),
    )
    return Search(plan, _move_prices(problem, sizes, ahead), held, arrived)


def step_sizes(problem: FlowProblem, sums: Sums) -> Prices:
    """The steps of prices: one over the number of flows in each constraint.

    Those of flows are one over the number of constraints: 3 for what an edge carries (short at
    either end, and room), 2 for what is added (short, gain), 3 for K (short, room, taken).
    """
    edges, m = problem.senders.shape[0], problem.taken.shape[0]
    reaching = (problem.reach @ problem.inputs).clip(min=1)
    ones = np.ones((edges + m, 1), np.float32)
    fan_out = sums.by_sender(ones[:edges], ones[edges:])[:, 0]
    fan_in = sums.by_receiver(ones[:edges])[:, 0]
    counts = Prices(
        (fan_out + fan_in + 1)[:, None],
        reaching,
        fan_out.clip(min=1) * reaching,
        reaching[problem.outputs],
    )
    return Prices(*(1 / (BALANCE * count) for count in counts))


def _balance(plan: Plan, sums: Sums) -> tuple[Any, Any]:
    """What each neuron passes on or keeps, and what comes to it."""
    return sums.by_sender(plan.sent, plan.K), sums.by_receiver(plan.sent)


def _reflect(old: Any, new: Any) -> Any:
    return 2 * new - old


def _closed(problem: FlowProblem) -> Float[Any, "neurons kinds"]:
    """The price where an input does not reach a neuron, 0 elsewhere."""
    return CLOSED * (~problem.reach).astype(np.float32)


def _move_flows(problem: FlowProblem, search: Search) -> Plan:
    """Each flow moves against its price, and K also towards 0; none below 0."""
    plan, prices = search.plan, search.prices
    held = prices.short + prices.room[:, None]
    sent = plan.sent - BALANCE / 3 * (held[problem.senders] - prices.short[problem.receivers])
    added = plan.added + BALANCE / 2 * (prices.short - prices.gain[:, None])
    K = plan.K - BALANCE / 3 * (held[problem.outputs] - prices.taken[:, None])
    return Plan(
        sent.clip(min=0), added.clip(min=0) * problem.reach, K.clip(min=0) / (1 + BALANCE / 3)
    )


def _move_prices(problem: FlowProblem, sizes: Prices, ahead: Search) -> Prices:
    """Each price rises where its constraint is broken and falls where there is slack."""
    plan, prices, held, arrived = ahead
    short = prices.short + sizes.short * (held - arrived - plan.added)
    gain = prices.gain + sizes.gain * (plan.added @ problem.inputs - problem.gain)
    room = prices.room + sizes.room * (held @ problem.inputs - problem.room)
    taken = prices.taken - sizes.taken * (plan.K @ problem.inputs - problem.taken)
    short = short.clip(min=0) * problem.reach + _closed(problem)
    return Prices(short, gain.clip(min=0), room.clip(min=0), taken)
