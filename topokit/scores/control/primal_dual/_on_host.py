"""The search in numpy: for small networks, which JAX would take longer to compile for.

On one core of a CPU a step takes as long as JAX's, for networks of any size.
"""

import numpy as np
from jaxtyping import Float

from topokit.scores.control._flow_network import adding
from topokit.scores.control._flow_plan import Plan
from topokit.scores.control.primal_dual._flow_steps import (
    FlowProblem,
    Search,
    begin,
    step,
    step_sizes,
)


class HostSums:
    """Sums as products with sparse matrices."""

    def __init__(self, problem: FlowProblem) -> None:
        """Lay the edges out by either end, and rows by neuron."""
        rows, ones = problem.owner.size, np.ones(problem.senders.size)
        leaving, arriving = (
            ones if counts is None else counts for counts in (problem.leaving, problem.arriving)
        )
        self.outputs, self.inputs = problem.outputs, problem.inputs
        self.leaving = adding(problem.senders, leaving, rows)
        self.arriving = adding(problem.receivers, arriving, rows)
        self.members = adding(problem.owner, problem.alike, problem.gain.size)

    def by_sender(
        self, sent: Float[np.ndarray, "edges columns"], K: Float[np.ndarray, "ends columns"]
    ) -> Float[np.ndarray, "rows columns"]:
        """What goes out at a neuron of each row; from outputs, what they keep."""
        held = self.leaving @ sent
        held[self.outputs] += K
        return held

    def by_receiver(
        self, sent: Float[np.ndarray, "edges columns"]
    ) -> Float[np.ndarray, "rows columns"]:
        """What comes in at a neuron of each row."""
        return self.arriving @ sent

    def by_neuron(
        self, amounts: Float[np.ndarray, "rows columns"]
    ) -> Float[np.ndarray, " neurons"]:
        """What there is at each neuron of all inputs together."""
        return self.members @ (amounts @ self.inputs)


def begin_on_host(problem: FlowProblem, plan: Plan) -> Search:
    """Start from a plan, with every price 0."""
    return begin(problem, plan, HostSums(problem))


def improve_on_host(steps: int, problem: FlowProblem, search: Search) -> tuple[Search, float]:
    """Take some steps, each O(edges columns), and say how far an entry of K has moved at most."""
    sums, before = HostSums(problem), search.plan.K
    sizes = step_sizes(problem, sums)
    for _ in range(steps):
        search = step(problem, sizes, sums, search)
    return search, float(np.abs(search.plan.K - before).max())
