"""The benchmark of NeuroFabric section V: rebuild random matrices as products of masked ones.

All targets and restarts are solved side by side, in chunks whose activations stay in the cache.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Shaped

from topokit._checks import check_count
from topokit._inputs import components_of
from topokit._keys import generator
from topokit._records import Record
from topokit.layers import (
    Layers,
    check_constants,
    draw_within,
    split_by_layer,
    to_layers,
    training_radii,
)
from topokit.products import (
    Cost,
    FormRule,
    Product,
    arrange_goal,
    compile_product,
    fastest_form,
    multiply,
)
from topokit.reconstruction._adam import Adam
from topokit.reconstruction._chain import Chain
from topokit.reconstruction._objective import Comparison, loss_of_weights
from topokit.reconstruction._problem import (
    Parameters,
    Problem,
    Solution,
    Solver,
    check_solver,
)
from topokit.reconstruction._svd import HierarchicalSVD
from topokit.reconstruction._target_checks import check_targets, sizes

# Activations of one layer of one chunk, in numbers: 256 KiB in single precision.
CHUNK = 2**16

# The share of a target's size up to which its outputs over inputs are what rounding left of zeros:
# variances are known to the rounding of the greatest, and this is its root.
SILENT = 1e-7


class Reconstruction(Record):
    """What `reconstruct` found, target by target.

    Attributes:
        loss: Relative loss at `weights`, whatever the solver says: 0 is exact, 1 as good as the
            zero matrix; there is no upper end.
        weights: For each layer, the weight of every edge in the order of `topokit.to_layers`,
            constant edges included.
        losses: The loss at every step, for the restart that ended best; from where it stopped
            early, its lowest.
        steps: How many steps that restart took.
        seconds: Wall time of all targets and restarts, compilation included.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> closed = tk.reconstruction.HierarchicalSVD()
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=closed)
        >>> found.loss.shape, [weights.shape for weights in found.weights]
        ((2,), [(2, 32), (2, 32)])

    See Also:
        `topokit.reconstruct`, which returns it; `end_to_end`, the matrices of its weights.
    """

    loss: Float[np.ndarray, " n_targets"]
    weights: tuple[Float[np.ndarray, "n_targets _edges"], ...]
    losses: Float[np.ndarray, "n_targets steps"]
    steps: Int[np.ndarray, " n_targets"]
    seconds: float


def reconstruct(
    topology: nx.DiGraph | Layers,
    targets: Float[np.ndarray | Array, "*_n_targets n_in n_out"],
    *,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    restarts: int = 1,
    loss: Cost = jnp.square,
    key: Array | int | None = None,
    form: FormRule = fastest_form,
    devices: Sequence[Any] | None = None,
    callback: Callable[[int, int], object] | None = None,
    inputs: Shaped[np.ndarray, "..."] | None = None,
) -> Reconstruction:
    """Train the topology's weights so that its end-to-end matrix approaches each target.

    The loss is `sum cost(W_O - W_d) / sum cost(W_O)` over the entries (NeuroFabric (3), made
    relative). Every target starts from its own sparse Xavier weights. Where the topology has a
    layer without constant edges and the cost is a power, the result does not depend on the scale of
    the targets; elsewhere the scale matters, and the paper's is a standard deviation of 1. The cost
    of a step grows with `n_targets * restarts * n_in * E`.

    Args:
        topology: A graph or a recipe.
        targets: One matrix `(n_in, n_out)` or a stack `(n_targets, n_in, n_out)`.
        solver: How to descend, such as `Adam(max_steps=4000)`.
        restarts: Independent starts for each target; the best one is returned.
        loss: The cost of one entry's error, a function that maps an array entry by entry:
            `jnp.square`, or `jnp.abs`, which settles single entries (NeuroFabric V.A).
        key: A JAX random key, or an integer seed for one; 0 by default.
        form: Which form layers take in products, such as `topokit.products.dense_form`; the
            default was measured on a CPU.
        devices: Divide the columns of every target among these, such as `jax.devices()`, whose
            number must divide `n_in`: for one problem too large or too slow for one device.
        callback: Called after each chunk with the number of starts done and of all.
        inputs: Examples of inputs, `(n, n_in)`: the loss is then that of the outputs over them,
            `sum |x (W_O - W_d)|^2 / sum |x W_O|^2`, for squares alone. Their scale has no say.
            They stand before the topology as one more layer, of constants, which solvers see:
            `HierarchicalSVD` takes none.

    Raises:
        ValueError: If the targets do not fit the topology, are not finite, one is zero or too large
            or small for a relative loss, constants are too large or small for the numbers that are
            computed with, the solver cannot solve for this topology or loss, or what it returns is
            no solution; or if the inputs do not fit, or come with another loss.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> graph = tk.topologies.low_rank(8, 8, 4)
        >>> found = tk.reconstruct(graph, targets)
        >>> found.loss.shape, bool((found.loss < 0.5).all())
        ((2,), True)
        >>> tk.reconstruction.end_to_end(graph, found.weights).shape
        (2, 8, 8)
        >>> few = np.random.default_rng(1).standard_normal((3, 8))  # three examples: rank 3
        >>> seen = tk.reconstruct(graph, targets, inputs=few)
        >>> bool((seen.loss < 1e-3).all())
        True

    See Also:
        `predicted_loss`, without training; `rank`, for many topologies;
        `topokit.reconstruction.satisfy`, for single entries.
    """
    began = perf_counter()
    layers = to_layers(topology)
    stack = check_arguments(layers, targets, solver=solver, restarts=restarts, loss=loss)
    radii = training_radii(layers)
    if inputs is not None:
        _check_squares(solver, loss)
        root = components_of(inputs, layers.n_in).root
        layers, radii = _behind(root, layers), [np.zeros(root.size), *radii]
        stack = check_targets(layers, _outputs(root, stack), loss)
    comparison = Comparison(loss, _mesh(layers, devices))
    rng = generator(key)
    repeated = np.repeat(stack, restarts, axis=0)
    size = max(1, min(len(repeated), CHUNK // (max(layers.widths) * layers.n_in)))
    problem = _problem(layers, compile_product(layers, batch=size, form=form), comparison)
    parts = []
    for start in range(0, len(repeated), size):
        chunk = repeated[start : start + size]
        full = np.concatenate([chunk, repeated[: size - len(chunk)]])
        part = _solve_chunk(problem, full, solver, radii, rng)
        parts.append(jax.tree.map(itemgetter((..., slice(len(chunk)))), part))
        if callback is not None:
            callback(start + len(chunk), len(repeated))
    whole = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=-1), *parts)
    own = whole._replace(parameters=whole.parameters[inputs is not None :])
    return _best_restart(own, restarts, began)


def check_arguments(
    topology: nx.DiGraph | Layers,
    targets: Float[np.ndarray | Array, "*_n_targets n_in n_out"],
    *,
    solver: Solver = Adam(),  # noqa: B008 (a NamedTuple of numbers)
    restarts: int = 1,
    loss: Cost = jnp.square,
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """Refuse now what `reconstruct` would refuse, for who plans many of its calls.

    Nothing is run: what a solver has to say of its own settings, it says when it starts.

    Returns:
        The targets as a stack in double precision.

    Raises:
        ValueError: As `reconstruct` does before it starts.
    """
    layers = to_layers(topology)
    check_constants(layers, jnp.result_type(float))
    stack = check_targets(layers, targets, loss)
    check_count("restarts", restarts)
    check_solver(solver)
    return stack


def end_to_end(
    topology: nx.DiGraph | Layers, weights: tuple[Float[np.ndarray, "n_targets _edges"], ...]
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """The end-to-end matrices of a topology with the weights of a `Reconstruction`.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> graph, closed = tk.topologies.low_rank(8, 8, 4), tk.reconstruction.HierarchicalSVD()
        >>> found = tk.reconstruct(graph, targets, solver=closed)
        >>> products = tk.reconstruction.end_to_end(graph, found.weights)
        >>> left = ((targets - products) ** 2).sum((1, 2)) / (targets**2).sum((1, 2))
        >>> bool(np.allclose(left, found.loss, atol=1e-4))
        True

    See Also:
        `topokit.reconstruct`, which finds weights; `topokit.products.multiply`, within JAX.
    """
    layers = to_layers(topology)
    stacked = jnp.asarray(np.concatenate([np.asarray(w).T for w in weights]))
    network = compile_product(layers, batch=stacked.shape[1])
    return np.asarray(jax.jit(multiply)(network, stacked)).transpose(2, 1, 0)


def _check_squares(solver: Solver, loss: Cost) -> None:
    """Refuse what cannot be together with inputs."""
    if loss is not jnp.square:
        raise ValueError(
            f"inputs weigh squared errors alone; give loss=jnp.square with them, not {loss!r}"
        )
    every = solver.solvers if isinstance(solver, Chain) else (solver,)
    if any(isinstance(one, HierarchicalSVD) for one in every):
        raise ValueError("HierarchicalSVD knows no inputs; give ALS, LBFGS or Adam with them")


def _outputs(
    root: Float[np.ndarray, "n_in n_in"], stack: Float[np.ndarray, "n_targets n_in n_out"]
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """What targets make of inputs; refused where it is nothing but rounding."""
    outputs = root @ stack
    sizes = [np.linalg.norm(values, axis=(1, 2)) for values in (outputs, stack)]
    silent = np.flatnonzero(sizes[0] <= SILENT * sizes[1])
    if silent.size:
        raise ValueError(
            f"target {silent[0]} is not zero, but its outputs over the inputs are: a loss relative "
            "to them has no meaning; give inputs that it tells apart from zero"
        )
    return outputs


def _behind(root: Float[np.ndarray, "n_in n_in"], layers: Layers) -> Layers:
    """The topology behind a layer of constants; zeros among them are as good as any."""
    receivers, senders = (ends.ravel() for ends in np.indices(root.shape))
    return Layers(
        widths=(layers.n_in, *layers.widths),
        senders=(senders, *layers.senders),
        receivers=(receivers, *layers.receivers),
        trainable=(np.zeros(root.size, bool), *layers.trainable),
        constant=(root[senders, receivers], *layers.constant),
    )


def _mesh(layers: Layers, devices: Sequence[Any] | None) -> Mesh | None:
    if devices is None:
        return None
    if not len(devices) or layers.n_in % len(devices):
        raise ValueError(
            f"devices: their number must divide the {layers.n_in} inputs; given {len(devices)}"
        )
    return Mesh(np.array(devices), ("columns",))


def _solve_chunk(
    problem: Problem,
    targets: np.ndarray,
    solver: Solver,
    radii: list[Float[np.ndarray, " _edges"]],
    rng: np.random.Generator,
) -> Solution:
    """Solve for one chunk; the weights of the solution are for each layer, `(edges, batch)`.

    Around the solver numpy does what JAX would compile a program for.
    """
    layers, dtype = problem.layers, problem.targets.dtype
    free = next((n for n, t in enumerate(layers.trainable) if t.all()), None)
    scale = sizes(targets) if free is not None else np.ones(len(targets))
    scaled = (targets / scale[:, None, None]).transpose(2, 1, 0).astype(dtype)
    problem = problem._replace(
        targets=jax.device_put(scaled),
        goal=jax.device_put(arrange_goal(problem.network, scaled)),
        scale=jax.device_put(scale.astype(dtype)),
    )
    start = _start(problem, radii, rng)
    solution = _checked(solver, solver.solve(problem, start), start.shape)
    parameters = np.asarray(solution.parameters)
    whole = np.where(problem.trainable[:, None], parameters, problem.constant[:, None])
    weights = split_by_layer(layers, whole)
    if free is not None:
        weights[free] = weights[free] * scale.astype(dtype)
    loss = loss_of_weights(layers, weights, targets, problem.comparison.cost)
    if not np.isfinite(loss).all():
        raise ValueError(
            f"the end-to-end matrix of what {solver!r} returned does not fit {dtype}: products of "
            "constants and weights are too large; give constants nearer to 1, or a smaller rate"
        )
    return jax.tree.map(np.asarray, solution._replace(parameters=weights, loss=loss))


def _checked(solver: Solver, solution: object, shape: tuple[int, ...]) -> Solution:
    """What a solver returned, if a ranking may keep it."""
    if not isinstance(solution, Solution):
        raise ValueError(f"{solver!r} must return a Solution; it returned {solution!r}")
    if np.isnan(solution.loss).any():
        raise ValueError(f"{solver!r} returned a loss that is not a number; try a smaller rate")
    if np.shape(solution.parameters) != shape:
        raise ValueError(
            f"{solver!r} must return parameters of the shape of its start, {shape}; it returned "
            f"{np.shape(solution.parameters)}"
        )
    if not np.isfinite(solution.parameters).all():
        raise ValueError(f"{solver!r} returned parameters that are not finite")
    return solution


def _problem(layers: Layers, network: Product, comparison: Comparison) -> Problem:
    """All of a problem but its targets."""
    dtype = jnp.result_type(float)
    none = jax.device_put(np.zeros((layers.n_out, layers.n_in, 0), dtype))
    scale = jax.device_put(np.zeros(0, dtype))
    free = jax.device_put(np.concatenate(layers.trainable))
    fixed = jax.device_put(np.concatenate(layers.constant).astype(dtype))
    return Problem(layers, network, none, none, scale, free, fixed, comparison)


def _start(
    problem: Problem, radii: list[Float[np.ndarray, " _edges"]], rng: np.random.Generator
) -> Parameters:
    """Weights within radii."""
    start = draw_within(np.concatenate(radii), problem.scale.size, rng)
    return jax.device_put(start.astype(problem.scale.dtype))


def _best_restart(whole: Solution, restarts: int, began: float) -> Reconstruction:
    loss = whole.loss.reshape(-1, restarts)
    best = np.arange(len(loss)) * restarts + loss.argmin(1)
    weights, loss, losses, steps = jax.tree.map(lambda leaf: leaf[..., best].T, whole)
    return Reconstruction(loss, tuple(weights), losses, steps, perf_counter() - began)
