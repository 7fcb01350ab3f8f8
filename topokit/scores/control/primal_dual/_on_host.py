"""The search in numpy: for small networks, which JAX would take longer to compile for.

On one core of a CPU a step takes as long as JAX's, for networks of any size.
"""

import numpy as np
from jaxtyping import Float
from scipy import sparse

from topokit.scores.control._flow_plan import Plan
from topokit.scores.control.primal_dual._flow_steps import (
    FlowProblem,
    Search,
    begin,
    step,
    step_sizes,
)


class HostSums:
    """Sums along edges as products with sparse matrices of ones."""

    def __init__(self, problem: FlowProblem) -> None:
        """Lay the edges out by either end."""
        edges = np.arange(problem.senders.size)
        ones, shape = np.ones(edges.size, np.float32), (problem.gain.size, edges.size)
        self.outputs = problem.outputs
        self.leaving = sparse.csr_array((ones, (problem.senders, edges)), shape)
        self.arriving = sparse.csr_array((ones, (problem.receivers, edges)), shape)

    def by_sender(
        self, sent: Float[np.ndarray, "edges kinds"], K: Float[np.ndarray, "n_out kinds"]
    ) -> Float[np.ndarray, "neurons kinds"]:
        """What goes out at each neuron; from outputs, what they keep."""
        held = self.leaving @ sent
        held[self.outputs] += K
        return held

    def by_receiver(
        self, sent: Float[np.ndarray, "edges kinds"]
    ) -> Float[np.ndarray, "neurons kinds"]:
        """What comes in at each neuron."""
        return self.arriving @ sent


def begin_on_host(problem: FlowProblem, plan: Plan) -> Search:
    """Start from a plan, with every price 0."""
    return begin(problem, plan, HostSums(problem))


def improve_on_host(steps: int, problem: FlowProblem, search: Search) -> tuple[Search, float]:
    """Take some steps, each O(kinds E), and say how far an entry of K has moved at most."""
    sums, before = HostSums(problem), search.plan.K
    sizes = step_sizes(problem, sums)
    for _ in range(steps):
        search = step(problem, sizes, sums, search)
    return search, float(np.abs(search.plan.K - before).max())
