"""The search in JAX, all steps inside one compiled loop: for large networks and accelerators."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from topokit._compilation import compiled
from topokit._jax_backend import jax_backend
from topokit.scores.control.primal_dual._flow_steps import FlowProblem, Search, step, step_sizes


def has_device() -> bool:
    """Whether JAX has a device to compute on."""
    return jax_backend() is not None


class DeviceSums(NamedTuple):
    """Sums along the edges of a problem."""

    problem: FlowProblem

    def by_sender(
        self, sent: Float[Any, "edges columns"], K: Float[Any, "ends columns"]
    ) -> Float[Any, "rows columns"]:
        """What goes out at a neuron of each row; from outputs, what they keep."""
        senders, rows = self.problem.senders, self.problem.owner.size
        going = _times(sent, self.problem.leaving)
        held = jax.ops.segment_sum(going, senders, rows, indices_are_sorted=True)
        return held.at[self.problem.outputs].add(K)

    def by_receiver(self, sent: Float[Any, "edges columns"]) -> Float[Any, "rows columns"]:
        """What comes in at a neuron of each row."""
        coming = _times(sent, self.problem.arriving)
        return jax.ops.segment_sum(coming, self.problem.receivers, self.problem.owner.size)

    def by_neuron(self, amounts: Float[Any, "rows columns"]) -> Float[Any, " neurons"]:
        """What there is at each neuron of all inputs together."""
        each = self.problem.alike * (amounts @ self.problem.inputs)
        return jax.ops.segment_sum(each, self.problem.owner, self.problem.gain.size)


def _times(sent: Float[Any, "edges columns"], counts: Float[Any, " edges"] | None) -> Any:
    return sent if counts is None else sent * counts[:, None]


@compiled(static=1, donated=(2,))
def improve_on_device(
    steps: int, problem: FlowProblem, search: Search
) -> tuple[Search, Float[Array, ""]]:
    """Take some steps, each O(edges columns), and say how far an entry of K has moved at most."""
    sums, before = DeviceSums(problem), search.plan.K
    sizes = step_sizes(problem, sums)

    def advance(search: Search, _: None) -> tuple[Search, None]:
        return step(problem, sizes, sums, search), None

    search, _ = jax.lax.scan(advance, search, length=steps)
    return search, jnp.abs(search.plan.K - before).max()
