"""Steps towards the fairest plan: a primal-dual method in which all neurons move at once.

Given what each output is to have in all, the fairest K is the projection of 0 on a polyhedron of
flows. The primal-dual hybrid gradient method (Chambolle and Pock, 2011) finds it with sums along
edges alone: flows move against prices, prices against what is short. Each variable and each
constraint has a step of its own, by the number of constraints that a variable is in and of
variables that a constraint has (Pock and Chambolle, 2011).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from topokit._compilation import compiled
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


@compiled()
def begin(problem: FlowProblem, plan: Plan) -> Search:
    """Start from a plan, with every price 0."""
    n, m = problem.gain.size, problem.taken.size
    # A bare number would be of a weaker type than what a step returns, and compile it twice.
    short = jnp.where(problem.reach, jnp.float32(0), jnp.float32(CLOSED))
    prices = Prices(short, *(jnp.zeros(count, jnp.float32) for count in (n, n, m)))
    return Search(plan, prices, *_balance(problem, plan))


@compiled(static=1, donated=(2,))
def improve(steps: int, problem: FlowProblem, search: Search) -> tuple[Search, Float[Array, ""]]:
    """Take some steps, each O(kinds E), and say how far an entry of K has moved at most."""
    sizes = _step_sizes(problem)

    def step(search: Search, _: None) -> tuple[Search, None]:
        plan = _move_flows(problem, search)
        held, arrived = _balance(problem, plan)
        # Prices answer to a point as far beyond the step as the step is long.
        ahead = Search(
            jax.tree.map(_reflect, search.plan, plan),
            search.prices,
            _reflect(search.held, held),
            _reflect(search.arrived, arrived),
        )
        return Search(plan, _move_prices(problem, sizes, ahead), held, arrived), None

    before = search.plan.K
    search, _ = jax.lax.scan(step, search, length=steps)
    return search, jnp.abs(search.plan.K - before).max()


def _balance(problem: FlowProblem, plan: Plan) -> tuple[Array, Array]:
    """What each neuron passes on or keeps, and what comes to it."""
    n = problem.gain.size
    held = jax.ops.segment_sum(plan.sent, problem.senders, n, indices_are_sorted=True)
    held = held.at[n - problem.taken.size :].add(plan.K)
    return held, jax.ops.segment_sum(plan.sent, problem.receivers, n)


def _reflect(old: Array, new: Array) -> Array:
    return 2 * new - old


def _step_sizes(problem: FlowProblem) -> Prices:
    """The steps of prices: one over the number of flows in each constraint.

    Those of flows are one over the number of constraints: 3 for what an edge carries (short at
    either end, and room), 2 for what is added (short, gain), 3 for K (short, room, taken).
    """
    n, m = problem.gain.size, problem.taken.size
    reaching = jnp.maximum(problem.reach @ problem.inputs, 1)
    ones = jnp.ones(problem.senders.shape, jnp.float32)
    fan_out = jax.ops.segment_sum(ones, problem.senders, n).at[n - m :].add(1)
    fan_in = jax.ops.segment_sum(ones, problem.receivers, n)
    counts = Prices(
        (fan_out + fan_in + 1)[:, None],
        reaching,
        jnp.maximum(fan_out, 1) * reaching,
        reaching[n - m :],
    )
    return jax.tree.map(lambda count: 1 / (BALANCE * count), counts)


def _move_flows(problem: FlowProblem, search: Search) -> Plan:
    """Each flow moves against its price, and K also towards 0; none below 0."""
    plan, prices = search.plan, search.prices
    outputs = slice(problem.gain.size - problem.taken.size, None)
    held = prices.short + prices.room[:, None]
    sent = plan.sent - BALANCE / 3 * (held[problem.senders] - prices.short[problem.receivers])
    added = plan.added + BALANCE / 2 * (prices.short - prices.gain[:, None])
    K = plan.K - BALANCE / 3 * (held[outputs] - prices.taken[:, None])
    return Plan(
        jnp.maximum(sent, 0),
        jnp.maximum(added, 0) * problem.reach,
        jnp.maximum(K, 0) / (1 + BALANCE / 3),
    )


def _move_prices(problem: FlowProblem, sizes: Prices, ahead: Search) -> Prices:
    """Each price rises where its constraint is broken and falls where there is slack."""
    plan, prices, held, arrived = ahead
    short = prices.short + sizes.short * (held - arrived - plan.added)
    gain = prices.gain + sizes.gain * (plan.added @ problem.inputs - problem.gain)
    room = prices.room + sizes.room * (held @ problem.inputs - problem.room)
    taken = prices.taken - sizes.taken * (plan.K @ problem.inputs - problem.taken)
    short = jnp.where(problem.reach, jnp.maximum(short, 0), CLOSED)
    return Prices(short, jnp.maximum(gain, 0), jnp.maximum(room, 0), taken)
