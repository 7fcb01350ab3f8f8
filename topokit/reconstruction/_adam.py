"""Adam: the default, and the best there is for deep cascades."""

from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array

from topokit._checks import MOST_STEPS, check_count, check_real
from topokit._compilation import compiled
from topokit.reconstruction._iterate import Stall, iterate
from topokit.reconstruction._problem import Parameters, Problem, Solution


class Adam(NamedTuple):
    """Adam with a cosine schedule from `learning_rate` to 0 (Kingma and Ba, 2015).

    The large first rate and the short memory of the second moment are what deep cascades want.

    Attributes:
        max_steps: Number of gradients taken at most; state it beside every loss.
        learning_rate: The rate of the first step.
        b1: Decay of the first moment.
        b2: Decay of the second moment.
        patience: Stop a target whose lowest loss did not fall by more than `tolerance` of itself
            in this many steps. None, the default, never stops: much of the gain comes late, as
            the rate falls.
        tolerance: What relative fall is worth going on for.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> quick = tk.reconstruction.Adam(max_steps=100)
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=quick)
        >>> found.steps.tolist()
        [100, 100]

    See Also:
        `LBFGS`, without a rate; `HierarchicalSVD`, in closed form; `Chain`, several in turn.
    """

    max_steps: int = 2000
    learning_rate: float = 0.3
    b1: float = 0.9
    b2: float = 0.95
    patience: int | None = None
    tolerance: float = 1e-3

    @compiled(static=1)
    def solve(self, problem: Problem, start: Parameters) -> Solution:
        """Descend, all steps inside one compiled loop."""
        adam = self._optimizer()

        def total(parameters: Parameters) -> tuple[Array, Array]:
            loss = problem.objective(parameters)
            return loss.sum(), loss

        def step(state: Any) -> tuple[Any, Parameters, Array]:
            parameters, moments = state
            (_, loss), gradient = jax.value_and_grad(total, has_aux=True)(parameters)
            updates, moments = adam.update(gradient, moments)
            return (optax.apply_updates(parameters, updates), moments), parameters, loss

        stall = Stall(self.patience, self.tolerance)
        return iterate(step, (start, adam.init(start)), start, steps=self.max_steps, stall=stall)

    def _optimizer(self) -> optax.GradientTransformation:
        steps = check_count("max_steps", self.max_steps, most=MOST_STEPS)
        rate = check_real("learning_rate", self.learning_rate, least=0.0, most=100.0)
        b1 = check_real("b1", self.b1, least=0.0, most=0.9999)
        b2 = check_real("b2", self.b2, least=0.0, most=0.999999)
        return optax.adam(optax.cosine_decay_schedule(rate, steps), b1=b1, b2=b2)
