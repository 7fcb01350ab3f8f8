"""The objective: how far the product of a network's weights is from its target, relative to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from topokit.layers import Layers, end_to_end_matrix
from topokit.products import Cost, Product, total_error


@jax.tree_util.register_static
@dataclass(frozen=True)
class Comparison:
    """How a product is compared with its target; nothing that is differentiated.

    Attributes:
        cost: The cost of one entry's error.
        mesh: Devices among which the columns are divided, or None.
    """

    cost: Cost
    mesh: Mesh | None = None


def relative_loss(
    network: Product,
    weights: Float[Array, "edges batch"],
    goal: Float[Array, "n_out n_in batch"],
    scale: Float[Array, " batch"],
    comparison: Comparison,
) -> Float[Array, " batch"]:
    """`sum cost(s (W_O - W_d)) / sum cost(s W_O)` for each of the batch; 0 is exact.

    The goal and the product are in units of `scale`, in which a cost that is not homogeneous must
    be told their true size.
    """
    cost, mesh = comparison.cost, comparison.mesh
    error = total_error(network, weights, goal, cost, unit=scale, mesh=mesh)
    return error / cost(scale[None, None] * goal).sum(axis=(0, 1))


def loss_of_weights(
    layers: Layers,
    weights: Sequence[Float[np.ndarray, "_edges batch"]],
    targets: Float[np.ndarray, "batch n_in n_out"],
    cost: Cost,
) -> Float[np.ndarray, " batch"]:
    """The same for the weights of each layer and true targets; infinite where it is no number.

    One sparse product on the host, for which nothing is compiled: the word of no solver is needed.
    """
    products = np.stack(
        [end_to_end_matrix(layers, one) for one in zip(*(w.T for w in weights), strict=True)]
    )
    dtype = jnp.result_type(float)
    with np.errstate(over="ignore", invalid="ignore"):
        stacks = (targets - products).astype(dtype), targets.astype(dtype)
        left, whole = (np.asarray(total_cost(jax.device_put(s), cost)) for s in stacks)
        loss = left / whole
    return np.where(np.isnan(loss), np.inf, loss)


def total_cost(
    targets: Float[Array, "n_targets n_in n_out"], cost: Cost
) -> Float[Array, " n_targets"]:
    """What each loss is relative to: the cost of an error as large as the target."""
    return jnp.sum(cost(targets), axis=(1, 2))
