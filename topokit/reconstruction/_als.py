"""Alternating least squares: each layer in turn at its optimum, all others given."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from topokit._checks import check_count
from topokit._compilation import compiled
from topokit._limits import check_memory
from topokit.layers import split_by_layer
from topokit.reconstruction._iterate import Stall, iterate
from topokit.reconstruction._normal_equations import (
    LayerEdges,
    Side,
    backward,
    forward,
    improve,
    is_diagonal,
    wire,
)
from topokit.reconstruction._problem import Parameters, Problem, Solution
from topokit.reconstruction._svd import check_square

# Bytes that the normal equations of one layer may take.
MEMORY_LIMIT = 2**32

Weights = list[Float[Array, "_edges batch"]]


class ALS(NamedTuple):
    """Alternating least squares: no rate to choose, and no sweep raises the loss.

    All other layers given, the product is linear in the weights of one, whose optimum solves
    normal equations; edges without a common ancestor or without a common descendant do not meet in
    them. In a butterfly of depth log2(n) and in Monarch no two edges do, and a sweep costs
    O(n_in E) for each target. Where all do, as in hypercubes, it costs O(E^3 / depth^2). It suits
    shallow topologies, most of all after `HierarchicalSVD`; in deep ones `Adam` ends far lower.

    Attributes:
        max_steps: Number of sweeps at most; one solves for all layers, outputs to inputs and back.
        tolerance: A target stops when a sweep lowers its loss by less than this share of it.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> solver = tk.reconstruction.ALS(max_steps=20)
        >>> found = tk.reconstruct(tk.topologies.butterfly(8), targets, solver=solver)
        >>> bool((np.diff(found.losses) <= 1e-6).all())
        True

    See Also:
        `HierarchicalSVD`, a good start; `Chain`, which begins there.
    """

    max_steps: int = 100
    tolerance: float = 1e-4

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        """Solve for layer after layer, all sweeps inside one compiled loop.

        Raises:
            ValueError: If the loss is not `jnp.square`, or the normal equations of a layer need
                more than 4 GiB.
        """
        check_square("ALS", problem)
        check_count("max_steps", self.max_steps)
        layers = problem.layers
        wirings = wire(layers)
        _check_memory(wirings, problem)
        rows = split_by_layer(layers, problem.weights(start))
        weights = [jnp.pad(w, ((0, 1), (0, 0))) for w in rows]
        diagonal = layers.n_trainable == layers.n_edges and is_diagonal(wirings)
        solution = _sweeps(self, diagonal, problem.targets, wirings, weights)
        return solution._replace(parameters=jnp.concatenate([w[:-1] for w in solution.parameters]))


def _check_memory(wirings: list[LayerEdges], problem: Problem) -> None:
    """The normal matrices of a layer, twice over, for each of the batch."""
    shapes = [wiring.blocks.shape for wiring in wirings]
    largest = max((blocks * size**2 for blocks, size in shapes if size > 1), default=0)
    n_bytes = 2 * largest * problem.targets.dtype.itemsize * problem.scale.size
    check_memory("ALS", n_bytes, MEMORY_LIMIT, "use Adam")


@compiled(static=2)
def _sweeps(
    als: ALS, diagonal: bool, targets: Array, wirings: list[LayerEdges], start: Weights
) -> Solution:
    if targets.shape[2] == 1:  # faster without a trailing axis of one
        targets = targets[..., 0]
    first, last = _ends(targets, diagonal)

    def sweep(weights: Weights) -> tuple[Weights, Weights, Array]:
        found = [w.reshape(-1, *targets.shape[2:]) for w in weights]
        found, product = _sweep(first, last, wirings, found)
        loss = ((targets - product) ** 2).sum(axis=(0, 1)) / (targets**2).sum(axis=(0, 1))
        found = [new.reshape(old.shape) for new, old in zip(found, weights, strict=True)]
        return found, found, jnp.atleast_1d(loss)

    return iterate(sweep, start, start, steps=als.max_steps, stall=Stall(1, als.tolerance))


def _sweep(
    first: Side, last: Side, wirings: list[LayerEdges], weights: list[Array]
) -> tuple[list[Array], Array]:
    """Solve for every layer, outputs to inputs and back; the weights and their product."""
    befores, afters = [first], [last]
    for wiring, weight in zip(wirings, weights, strict=True):
        befores.append(forward(befores[-1], wiring, weight))
    upward = []
    for before, wiring, weight in zip(befores[-2::-1], wirings[::-1], weights[::-1], strict=True):
        upward.insert(0, improve(before, afters[0], wiring, weight))
        afters.insert(0, backward(afters[0], wiring, upward[0]))
    before, downward = first, []
    for after, wiring, weight in zip(afters[1:], wirings, upward, strict=True):
        downward.append(improve(before, after, wiring, weight))
        before = forward(before, wiring, downward[-1])
    return downward, before.product


def _ends(targets: Array, diagonal: bool) -> tuple[Side, Side]:
    """What lies before the first layer and after the last."""
    n_out, n_in, *batch = targets.shape

    def eye(n: int) -> Array:
        matrix = jnp.eye(n, dtype=targets.dtype)
        return jnp.broadcast_to(matrix.reshape(n, n, *(1 for _ in batch)), (n, n, *batch))

    def gram(n: int) -> Array:
        return jnp.ones((n, *batch), targets.dtype) if diagonal else eye(n)

    return Side(eye(n_in), gram(n_in)), Side(targets, gram(n_out))
