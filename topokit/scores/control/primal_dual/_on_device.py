"""The search in JAX, all steps inside one compiled loop: for large networks and accelerators."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from topokit._compilation import compiled
from topokit.scores.control.primal_dual._flow_steps import FlowProblem, Search, step, step_sizes


class DeviceSums(NamedTuple):
    """Sums along the edges of a problem."""

    problem: FlowProblem

    def by_sender(
        self, sent: Float[Any, "edges kinds"], K: Float[Any, "n_out kinds"]
    ) -> Float[Any, "neurons kinds"]:
        """What goes out at each neuron; from outputs, what they keep."""
        senders, neurons = self.problem.senders, self.problem.gain.size
        held = jax.ops.segment_sum(sent, senders, neurons, indices_are_sorted=True)
        return held.at[self.problem.outputs].add(K)

    def by_receiver(self, sent: Float[Any, "edges kinds"]) -> Float[Any, "neurons kinds"]:
        """What comes in at each neuron."""
        return jax.ops.segment_sum(sent, self.problem.receivers, self.problem.gain.size)


@compiled(static=1, donated=(2,))
def improve_on_device(
    steps: int, problem: FlowProblem, search: Search
) -> tuple[Search, Float[Array, ""]]:
    """Take some steps, each O(kinds E), and say how far an entry of K has moved at most."""
    sums, before = DeviceSums(problem), search.plan.K
    sizes = step_sizes(problem, sums)

    def advance(search: Search, _: None) -> tuple[Search, None]:
        return step(problem, sizes, sums, search), None

    search, _ = jax.lax.scan(advance, search, length=steps)
    return search, jnp.abs(search.plan.K - before).max()
