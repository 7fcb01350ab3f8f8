"""Solvers: small objects that lower many independent losses at once.

A solver has one method, `solve(objective, start)`: `objective` maps a list of arrays whose last
axis is the batch to one loss for each of it, `start` is such a list. The method is traced by JAX.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float

from topokit._checks import check_count, check_real

Parameters = list[Float[Array, "*_shape batch"]]
Objective = Callable[[Parameters], Float[Array, " batch"]]


class Solution(NamedTuple):
    """The best parameters that a solver met.

    Attributes:
        parameters: As `start`; each of the batch at its own best step.
        loss: The loss at these parameters.
        losses: The loss at every step.
    """

    parameters: Parameters
    loss: Float[Array, " batch"]
    losses: Float[Array, "steps batch"]


@runtime_checkable
class Solver(Protocol):
    """What `reconstruct` asks of a solver; hashable, since it is part of what is compiled."""

    def solve(self, objective: Objective, start: Parameters) -> Solution:
        """Lower every loss of the batch on its own."""
        ...


class Adam(NamedTuple):
    """Adam with a cosine schedule from `learning_rate` to 0.

    The large first rate and the short memory of the second moment are what deep cascades want.

    Attributes:
        steps: Number of gradients taken; state it beside every loss.
        learning_rate: The rate of the first step.
        b1: Decay of the first moment.
        b2: Decay of the second moment.
    """

    steps: int = 2000
    learning_rate: float = 0.3
    b1: float = 0.9
    b2: float = 0.95

    def solve(self, objective: Objective, start: Parameters) -> Solution:
        """Take `steps` steps, all inside one scan."""
        check_count("steps", self.steps, most=10**9)
        check_real("learning_rate", self.learning_rate, least=0.0, most=100.0)
        check_real("b1", self.b1, least=0.0, most=0.9999)
        check_real("b2", self.b2, least=0.0, most=0.999999)
        schedule = optax.cosine_decay_schedule(self.learning_rate, self.steps)
        adam = optax.adam(schedule, b1=self.b1, b2=self.b2)

        def total(parameters: Parameters) -> tuple[Array, Array]:
            loss = objective(parameters)
            return loss.sum(), loss

        def step(state: tuple, _: None) -> tuple[tuple, Array]:
            parameters, moments, best, lowest = state
            (_, loss), gradient = jax.value_and_grad(total, has_aux=True)(parameters)
            better = loss < lowest
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), parameters, best)
            updates, moments = adam.update(gradient, moments)
            following = optax.apply_updates(parameters, updates)
            return (following, moments, best, jnp.where(better, loss, lowest)), loss

        worst = jnp.full(jax.eval_shape(objective, start).shape, jnp.inf)
        state, losses = lax.scan(step, (start, adam.init(start), start, worst), length=self.steps)
        return Solution(state[2], state[3], losses)
