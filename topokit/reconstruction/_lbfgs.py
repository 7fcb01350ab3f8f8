"""L-BFGS: curvature from past gradients, the length of a step by a line search."""

from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array

from topokit._checks import check_count
from topokit._compilation import compiled
from topokit.reconstruction._iterate import Stall, iterate
from topokit.reconstruction._problem import Parameters, Problem, Solution


class LBFGS(NamedTuple):
    """L-BFGS with a line search for the strong Wolfe conditions (Liu and Nocedal, 1989), by optax.

    Each target has its own memory and line search. A step costs one gradient and as many values as
    the line search asks for; no rate needs choosing.

    Attributes:
        max_steps: Number of steps taken at most.
        memory: How many past gradients shape the curvature.
        patience: Stop a target whose lowest loss did not fall by more than `tolerance` of itself
            in this many steps; None never stops.
        tolerance: What relative fall is worth going on for.

    Examples:
        >>> import topokit as tk
        >>> tk.reconstruction.LBFGS(max_steps=300).patience
        20

    See Also:
        `Adam`, which ends lower in deep topologies.
    """

    max_steps: int = 1000
    memory: int = 20
    patience: int | None = 20
    tolerance: float = 1e-4

    @compiled(static=1)
    def solve(self, problem: Problem, start: Parameters) -> Solution:
        """Descend, all steps inside one compiled loop."""
        lbfgs = optax.lbfgs(memory_size=check_count("memory", self.memory))

        def advance(goal: Array, scale: Array, now: tuple) -> tuple[tuple, Any]:
            parameters, state = now
            one = problem._replace(goal=goal[..., None], scale=scale[None])

            def value(p: Array) -> Array:
                return one.objective(p[:, None])[0]

            loss, slope = optax.value_and_grad_from_state(value)(parameters, state=state)
            updates, state = lbfgs.update(
                slope, state, parameters, value=loss, grad=slope, value_fn=value
            )
            return (optax.apply_updates(parameters, updates), state), loss

        each = jax.vmap(advance, in_axes=(-1, 0, (-1, 0)), out_axes=((-1, 0), 0))

        def step(now: Any) -> tuple[Any, Parameters, Array]:
            following, loss = each(problem.goal, problem.scale, now)
            return following, now[0], loss

        state = jax.vmap(lbfgs.init, in_axes=-1)(start)
        stall = Stall(self.patience, self.tolerance)
        return iterate(step, (start, state), start, steps=self.max_steps, stall=stall)
