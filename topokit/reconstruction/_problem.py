"""The border between a reconstruction and its solvers: a problem goes in, a solution comes out.

A solver is a hashable object with one method, `solve(problem, start)`. It runs outside of
compilation, so that it may look at the recipe; what it repeats it compiles itself. A `Problem` is
a pytree, so that problems of equal shapes are compiled once. The page of this package in the
documentation shows a solver of one's own.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from topokit._records import one_line
from topokit.layers import Layers
from topokit.products import Product
from topokit.reconstruction._objective import Comparison, relative_loss

Parameters = Float[Array, "edges batch"]
"""One number for each edge, layer by layer in the order of `topokit.to_layers`."""


def _unflatten(widths: tuple[int, ...], columns: Iterable[tuple]) -> Layers:
    """A recipe of whatever JAX puts in its place, unchecked."""
    layers = object.__new__(Layers)
    vars(layers).update(zip(("widths", *RECIPE), (widths, *columns), strict=True))
    return layers


RECIPE = ("senders", "receivers", "trainable", "constant")
jax.tree_util.register_pytree_node(
    Layers, lambda layers: (tuple(vars(layers)[name] for name in RECIPE), layers.widths), _unflatten
)


class Problem(NamedTuple):
    """Many targets for one topology, independent of each other: a pytree.

    Attributes:
        layers: The recipe, for solvers that use the wiring; to be read outside of compilation.
        network: The same, ready for `topokit.products.multiply`.
        targets: The matrices to rebuild, transposed, in units of `scale`.
        goal: The same with its columns in the order in which the network computes them.
        scale: Size of each target: where a layer has no constant edge, targets are brought to the
            size that random weights produce, and else it is 1.
        trainable: Which edges are trainable.
        constant: Weights of the constant edges; 0 for all others.
        comparison: The cost of one entry's error, and the devices to work on.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> from typing import NamedTuple
        >>> from topokit.reconstruction import Parameters, Problem, Solution
        >>> class Stay(NamedTuple):
        ...     def solve(self, problem: Problem, start: Parameters) -> Solution:
        ...         print(problem.layers.widths, problem.goal.shape, start.shape)
        ...         loss = problem.objective(start)
        ...         return Solution(start, loss, loss[None], 0 * loss.astype(int))
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=Stay())
        (8, 4, 8) (8, 8, 2) (64, 2)

    See Also:
        `Solver`, which is given one.
    """

    layers: Layers
    network: Product
    targets: Float[Array, "n_out n_in batch"]
    goal: Float[Array, "n_out n_in batch"]
    scale: Float[Array, " batch"]
    trainable: Bool[Array, " edges"]
    constant: Float[Array, " edges"]
    comparison: Comparison

    __repr__ = one_line

    def weights(self, parameters: Parameters) -> Parameters:
        """The parameters with the constants in their places."""
        return jnp.where(self.trainable[:, None], parameters, self.constant[:, None])

    def objective(self, parameters: Parameters) -> Float[Array, " batch"]:
        """The relative loss of each of the batch; differentiable."""
        weights = self.weights(parameters)
        return relative_loss(self.network, weights, self.goal, self.scale, self.comparison)


class Solution(NamedTuple):
    """The best parameters that a solver met.

    Attributes:
        parameters: As `start`; each of the batch at its own best step.
        loss: The loss at these parameters; `reconstruct` computes it again.
        losses: The loss at every step; from where one of the batch stopped, its lowest.
        steps: How many steps each of the batch took.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> from typing import NamedTuple
        >>> from topokit.reconstruction import Parameters, Problem, Solution
        >>> class Stay(NamedTuple):
        ...     def solve(self, problem: Problem, start: Parameters) -> Solution:
        ...         loss = problem.objective(start)
        ...         return Solution(start, loss, loss[None], 0 * loss.astype(int))
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=Stay())
        >>> found.steps.tolist(), found.losses.shape
        ([0, 0], (2, 1))

    See Also:
        `Solver`, which returns one; `Reconstruction`, what becomes of it.
    """

    parameters: Parameters
    loss: Float[Array, " batch"]
    losses: Float[Array, "steps batch"]
    steps: Int[Array, " batch"]

    __repr__ = one_line


@runtime_checkable
class Solver(Protocol):
    """What `reconstruct` asks of a solver; hashable, and its `repr` names all its settings.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> from typing import NamedTuple
        >>> from topokit.reconstruction import Parameters, Problem, Solution
        >>> class Stay(NamedTuple):
        ...     def solve(self, problem: Problem, start: Parameters) -> Solution:
        ...         loss = problem.objective(start)
        ...         return Solution(start, loss, loss[None], 0 * loss.astype(int))
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=Stay())
        >>> found.steps.tolist()
        [0, 0]

    See Also:
        `Adam`, the default; `Chain`, several in turn.
    """

    def solve(self, problem: Problem, start: Parameters, /) -> Solution:
        """Lower every loss of the batch on its own, from random weights."""
        ...


def check_solver(solver: object) -> Solver:
    """Return a solver, or raise a ValueError that shows one."""
    if isinstance(solver, type) or not isinstance(solver, Solver):
        raise ValueError(f"solver must be an object such as Adam(max_steps=4000); given {solver!r}")
    return solver
