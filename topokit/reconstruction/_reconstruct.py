"""The benchmark of NeuroFabric section V: rebuild random matrices as products of masked ones.

All targets and restarts train side by side in one compiled loop, in chunks whose activations stay
in the cache.
"""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array, Bool, Float

from topokit._checks import check_count
from topokit._graph import to_layers
from topokit._keys import generator
from topokit._layers import Layers
from topokit.products import (
    Network,
    compile_network,
    from_slots,
    multiply,
    sparse_xavier,
    to_slots,
    xavier_radii,
)
from topokit.reconstruction._losses import squared_error
from topokit.reconstruction._solvers import Adam, Parameters, Solution, Solver

# Activations of one layer of one chunk, in numbers: 256 KiB in single precision.
CHUNK = 2**16

# Beside constant edges of weight 1 the trainable ones start small, or the product of many layers
# blows up before the first step.
SMALL = 0.3

LossFunction = Callable[[Array, Array], Array]


class Reconstruction(NamedTuple):
    """What `reconstruct` found, target by target.

    Attributes:
        loss: Relative loss at `weights`: 0 is exact, 1 as good as the zero matrix;
            there is no upper end.
        weights: For each layer, the weight of every edge in the order of `topokit.to_layers`,
            constant edges included.
        losses: The loss at every step, for the restart that ended best.
    """

    loss: Float[np.ndarray, " n_targets"]
    weights: tuple[Float[np.ndarray, "n_targets _edges"], ...]
    losses: Float[np.ndarray, "n_targets steps"]


class _Problem(NamedTuple):
    """One chunk of targets, as arrays for the compiler.

    `scale` belongs to one run of layers; elsewhere it is 1. Where a layer has no constant edge the
    targets are brought to the size that random weights produce and this layer undoes it.
    """

    network: Network
    targets: Float[Array, "n_out n_in batch"]
    trainable: list[Bool[Array, "_layers _n_out _fan_in"]]
    constant: list[Float[Array, "_layers _n_out _fan_in"]]
    start: list[Float[Array, "_layers _n_out _fan_in batch"]]


def reconstruct(
    topology: nx.DiGraph | Layers,
    targets: Float[np.ndarray | Array, "*_n_targets n_in n_out"],
    *,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    restarts: int = 1,
    loss: LossFunction = squared_error,
    key: Array | int | None = None,
) -> Reconstruction:
    """Train the topology's weights so that its end-to-end matrix approaches each target.

    Every target starts from its own sparse Xavier weights. Where the topology has a layer without
    constant edges the result does not depend on the scale of the targets; where it has none the
    scale matters, and the paper's is a standard deviation of 1. The cost of a step grows with
    `n_targets * restarts * n_in * E`.

    Args:
        topology: A graph or a recipe.
        targets: One matrix `(n_in, n_out)` or a stack `(n_targets, n_in, n_out)`.
        solver: How to descend, such as `Adam(steps=4000)`.
        restarts: Independent starts for each target; the best one is returned.
        loss: `squared_error` or `absolute_error`, or any function like them.
        key: A JAX random key, or an integer seed for one; 0 by default.

    Raises:
        ValueError: If the targets do not fit the topology, are not finite, or one is zero.
    """
    layers = to_layers(topology)
    stack = _checked_targets(layers, np.asarray(targets))
    restarts = check_count("restarts", restarts)
    if isinstance(solver, type) or not isinstance(solver, Solver):
        raise ValueError(f"solver must be an object such as Adam(steps=4000); given {solver!r}")
    if not callable(loss):
        raise ValueError(f"loss must be a function such as squared_error; given {loss!r}")
    rng = generator(key)
    repeated = np.repeat(stack, restarts, axis=0)
    size = max(1, min(len(repeated), CHUNK // (max(layers.widths) * layers.n_in)))
    parts = []
    for start in range(0, len(repeated), size):
        chunk = repeated[start : start + size]
        full = np.concatenate([chunk, repeated[: size - len(chunk)]])
        part = _solve_chunk(layers, full, solver, loss, rng)
        parts.append(jax.tree.map(itemgetter(slice(len(chunk))), part))
    whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return _best_restart(whole, restarts)


def end_to_end(
    topology: nx.DiGraph | Layers, weights: tuple[Float[np.ndarray, "n_targets _edges"], ...]
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """The end-to-end matrices of a topology with the weights of a `Reconstruction`."""
    layers = to_layers(topology)
    network = compile_network(layers)
    slots = to_slots(layers, network, [np.asarray(w).T for w in weights])
    return np.asarray(multiply(network, [jnp.asarray(s) for s in slots])).transpose(2, 1, 0)


def _solve_chunk(
    layers: Layers,
    targets: np.ndarray,
    solver: Solver,
    loss: LossFunction,
    rng: np.random.Generator,
) -> Reconstruction:
    network = compile_network(layers)
    free = next((n for n, t in enumerate(layers.trainable) if t.all()), None)
    scale = _scale(targets) if free is not None else np.ones(len(targets))
    small = SMALL if layers.n_trainable < layers.n_edges else 1.0
    dtype = jnp.result_type(float)
    radii = to_slots(layers, network, [small * r for r in xavier_radii(layers)])
    problem = _Problem(
        network,
        jnp.asarray(targets.transpose(2, 1, 0) / scale, dtype),
        _slots(layers, network, layers.trainable),
        _slots(layers, network, [c.astype(dtype) for c in layers.constant]),
        [jnp.asarray(sparse_xavier(r, len(targets), rng), dtype) for r in radii],
    )
    solution = _solve(problem, solver=solver, loss=loss)
    weights = [w.T for w in from_slots(layers, [np.asarray(p) for p in solution.parameters])]
    if free is not None:
        weights[free] = weights[free] * scale[:, None].astype(dtype)
    return Reconstruction(np.asarray(solution.loss), tuple(weights), np.asarray(solution.losses).T)


@partial(jax.jit, static_argnames=("solver", "loss"))
def _solve(problem: _Problem, *, solver: Solver, loss: LossFunction) -> Solution:
    def full(parameters: Parameters) -> Parameters:
        rows = zip(parameters, problem.trainable, problem.constant, strict=True)
        return [jnp.where(t[..., None], p, c[..., None]) for p, t, c in rows]

    def objective(parameters: Parameters) -> Array:
        return loss(multiply(problem.network, full(parameters)), problem.targets)

    solution = solver.solve(objective, problem.start)
    return solution._replace(parameters=full(solution.parameters))


def _slots(layers: Layers, network: Network, values: list | tuple) -> list[Array]:
    return [jnp.asarray(s) for s in to_slots(layers, network, values)]


def _scale(targets: Float[np.ndarray, "batch n_in n_out"]) -> Float[np.ndarray, " batch"]:
    """Root mean square of the targets' columns: 1 for what Xavier weights produce."""
    return np.sqrt((targets.astype(float) ** 2).sum(axis=(1, 2)) / targets.shape[2])


def _best_restart(whole: Reconstruction, restarts: int) -> Reconstruction:
    loss = whole.loss.reshape(-1, restarts)
    best = np.arange(len(loss)) * restarts + np.nanargmin(np.where(np.isnan(loss), np.inf, loss), 1)
    return jax.tree.map(lambda leaf: leaf[best], whole)


def _checked_targets(layers: Layers, targets: np.ndarray) -> np.ndarray:
    shape = (layers.n_in, layers.n_out)
    if targets.ndim not in (2, 3) or targets.shape[-2:] != shape or not targets.size:
        raise ValueError(
            f"targets must have shape {shape} or (n_targets, {shape[0]}, {shape[1]}) to fit the "
            f"topology; given {targets.shape}"
        )
    if targets.dtype.kind not in "biuf" or not np.isfinite(targets).all():
        raise ValueError("targets must be finite real numbers")
    stack = targets.reshape(-1, *shape)
    zero = np.flatnonzero(~stack.any(axis=(1, 2)))
    if zero.size:
        raise ValueError(f"target {zero[0]} is zero: a loss relative to it has no meaning")
    return stack
