"""The error of a product against a goal, a tile of columns or a device at a time.

Columns of the product do not mix: once every row has one column for each input, the rest of the
network and the error can be done for some columns alone, forward and backward. On a CPU a tile of
them keeps all its rows in the cache; several devices take a share of them each. Errors and
gradients add up, and nothing is approximated.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from topokit.products._device_kind import on_cpu
from topokit.products._end_to_end import Product, ones, through
from topokit.products._product_kernel import Unrolled

# Columns of a tile, and the numbers in the rows of one layer from which on tiles pay.
TILE, TILED = 128, 2**18

Cost = Callable[[Array], Array]
"""The cost of the error of one entry, applied entrywise, such as `jnp.square`."""


def arrange_goal(
    network: Product, goal: Float[np.ndarray | Array, "n_out n_in batch"]
) -> Float[np.ndarray | Array, "n_out n_in batch"]:
    """The goal with its columns in the order in which the product has them.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> network = products.compile_product(layers, batch=2)
        >>> weights = jnp.ones((layers.n_edges, 2))
        >>> goal = products.arrange_goal(network, jnp.zeros((4, 4, 2)))
        >>> products.total_error(network, weights, goal, jnp.square, unit=jnp.ones(2)).tolist()
        [16.0, 16.0]

    See Also:
        `total_error`, which takes such a goal.
    """
    columns = network.columns
    return goal[:, np.asarray(columns) if isinstance(goal, np.ndarray) else columns]


def total_error(
    network: Product,
    weights: Float[Array, "edges batch"],
    goal: Float[Array, "n_out n_in batch"],
    cost: Cost,
    *,
    unit: Float[Array, " batch"],
    mesh: Mesh | None = None,
) -> Float[Array, " batch"]:
    """Sum over all entries of `cost(unit * (goal - product))`, for a goal from `arrange_goal`.

    A value with its gradient costs one product forward and one backward. It is differentiable in
    the weights alone; goal and unit count as constants.

    Args:
        network: From `compile_product`.
        weights: The weights of all edges, layer by layer.
        goal: What the product should be.
        cost: The cost of one entry's error.
        unit: How large an error of 1 is, for costs that are not homogeneous.
        mesh: Devices along one axis, among which the columns are divided; their number must divide
            `n_in`. None for one device.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> network = products.compile_product(layers, batch=2)
        >>> weights = jnp.ones((layers.n_edges, 2))
        >>> goal = products.arrange_goal(network, jnp.zeros((4, 4, 2)))
        >>> products.total_error(network, weights, goal, jnp.abs, unit=jnp.ones(2)).tolist()
        [16.0, 16.0]

    See Also:
        `arrange_goal`, for its goal; `topokit.reconstruct`, which lowers it.
    """
    goal, unit = lax.stop_gradient((goal, unit))
    if weights.shape[1] == 1:  # faster than a trailing axis of one
        return _error(network, weights[:, 0], goal[..., 0], cost, unit[0], mesh)[None]
    return _error(network, weights, goal, cost, unit, mesh)


def _error(
    network: Product,
    weights: Float[Array, "edges *batch"],
    goal: Float[Array, "n_out n_in *batch"],
    cost: Cost,
    unit: Float[Array, "*batch"],
    mesh: Mesh | None,
) -> Float[Array, "*batch"]:
    split = _full_rows(network)
    front = network._replace(stages=network.stages[:split])
    back = network._replace(stages=network.stages[split:])
    edges = sum(stage.wiring.n_edges for stage in front.stages)
    x = through(front, weights[:edges], ones(network, weights))
    if mesh is None:
        return _rest(back, weights[edges:], x, goal, unit, cost)
    (axis,) = mesh.axis_names

    def share(back: Product, weights: Array, x: Array, goal: Array, unit: Array) -> Array:
        return lax.psum(_rest(back, weights, x, goal, unit, cost), axis)

    whole, columns = PartitionSpec(), PartitionSpec(None, axis)
    specs = (whole, whole, columns, columns, whole)
    # Unchecked, because the two branches of a fence differ in what JAX knows of their devices.
    shared = jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False)
    return shared(back, weights[edges:], x, goal, unit)


def _rest(
    back: Product, weights: Array, x: Array, goal: Array, unit: Array, cost: Cost
) -> Float[Array, "*batch"]:
    """The error from full rows on: for all columns at once, or in tiles where that pays."""
    cached = on_cpu() and any(isinstance(stage.wiring, Unrolled) for stage in back.stages)
    if not cached or goal.shape[1] % TILE or goal.size < TILED:
        return _of_columns(back, weights, x, goal, unit, cost)
    return _tiled(back, weights, x, goal, unit, cost)


def _of_columns(
    back: Product, weights: Array, x: Array, goal: Array, unit: Array, cost: Cost
) -> Float[Array, "*batch"]:
    return cost(unit * (goal - through(back, weights, x))).sum((0, 1))


@partial(jax.custom_vjp, nondiff_argnums=(5,))
def _tiled(
    back: Product, weights: Array, x: Array, goal: Array, unit: Array, cost: Cost
) -> Float[Array, "*batch"]:
    def error(tile: tuple[Array, Array]) -> Array:
        return _of_columns(back, weights, *tile, unit, cost)

    return lax.map(error, (_tiles(x), _tiles(goal))).sum(0)


def _forward(
    back: Product, weights: Array, x: Array, goal: Array, unit: Array, cost: Cost
) -> tuple[Array, tuple[Array, Array]]:
    """Value and gradients at once: each tile goes forward and backward before the next begins."""

    def error(weights: Array, x: Array, goal: Array) -> tuple[Array, Array]:
        each = _of_columns(back, weights, x, goal, unit, cost)
        return each.sum(), each

    def step(sums: tuple[Array, Array], tile: tuple[Array, Array]) -> tuple[tuple, Array]:
        (dw, dx), each = jax.grad(error, argnums=(0, 1), has_aux=True)(weights, *tile)
        return (sums[0] + each, sums[1] + dw), dx

    zero = jnp.zeros(weights.shape[1:], weights.dtype), jnp.zeros_like(weights)
    (total, dw), dx = lax.scan(step, zero, (_tiles(x), _tiles(goal)))
    return total, (dw, jnp.moveaxis(dx, 0, 1).reshape(x.shape))


def _backward(
    cost: Cost, gradients: tuple[Array, Array], seed: Array
) -> tuple[None, Array, Array, None, None]:
    del cost
    dw, dx = gradients
    return None, dw * seed, dx * seed, None, None


_tiled.defvjp(_forward, _backward)


def _full_rows(network: Product) -> int:
    """The number of stages after which every row has one column for each input."""
    columns, n_in = 1, network.columns.size
    for number, stage in enumerate(network.stages):
        columns *= stage.parts
        if stage.spread is not None or columns == n_in:
            return number + 1
    return len(network.stages)


def _tiles(rows: Float[Array, "rows columns *batch"]) -> Float[Array, "tiles rows tile *batch"]:
    return jnp.moveaxis(rows.reshape(rows.shape[0], -1, TILE, *rows.shape[2:]), 1, 0)
