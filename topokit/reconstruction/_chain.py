"""One solver after another."""

from typing import NamedTuple

import jax.numpy as jnp

from topokit.reconstruction._problem import Parameters, Problem, Solution, Solver, check_solver


class Chain(NamedTuple):
    """Solvers in turn, each from the best that the one before it found.

    `Chain((HierarchicalSVD(), ALS()))` is the fastest way to rebuild a matrix by a butterfly of
    depth log2(n). Steps and losses are those of all of them.

    Attributes:
        solvers: At least one solver, the first one first.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> from topokit.reconstruction import ALS, Chain, HierarchicalSVD
        >>> solver = Chain((HierarchicalSVD(), ALS(max_steps=20)))
        >>> found = tk.reconstruct(tk.topologies.butterfly(8), targets, solver=solver)
        >>> bool((found.loss <= found.losses[:, 0]).all())
        True

    See Also:
        `topokit.reconstruct`, which can try several starts.
    """

    solvers: tuple[Solver, ...]

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        """Run every solver and keep the best parameters of all."""
        if isinstance(self.solvers, Solver) or not self.solvers:
            raise ValueError(f"solvers must be a tuple of at least one; given {self.solvers!r}")
        first, *rest = map(check_solver, self.solvers)
        whole = first.solve(problem, start)
        for solver in rest:
            whole = _join(whole, solver.solve(problem, whole.parameters))
        return whole


def _join(one: Solution, two: Solution) -> Solution:
    better = two.loss < one.loss
    best = jnp.where(better, two.parameters, one.parameters)
    losses = jnp.concatenate([one.losses, two.losses])
    return Solution(best, jnp.where(better, two.loss, one.loss), losses, one.steps + two.steps)
