"""The end-to-end matrix of a topology from the weights of its edges.

Weights are one array, `(edges, batch)`: the edges of all layers in the order of `Layers`, so that
nothing is stored for an absent one; the batch (targets, restarts) shares one wiring. Rows of a
partial product are `(neurons, columns, batch)`, a column an input that the neuron depends on.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from topokit._checks import check_count
from topokit.layers import Layers, to_layers
from topokit.products._column_plan import Step, plan_product
from topokit.products._differentiable_layer import contract
from topokit.products._forms import FormRule, fastest_form
from topokit.products._slot_tables import indices
from topokit.products._wiring import Wiring

# As many equal layers in a row are scanned, `UNROLL` at a time: slower to run than unrolled ones,
# faster to compile.
SCANNED, UNROLL = 24, 4


class Stage(NamedTuple):
    """One layer, or several equal ones in a row.

    Attributes:
        wiring: The layer; where there are several, stacked along a new first axis.
        repeats: One entry for each of several layers; None for a single one.
        receivers: One entry for each receiver where it has several rows, which come to lie side by
            side; None where it has one.
        spread: None, or the input of each column of each row: rows are spread out afterwards.
    """

    wiring: Wiring
    repeats: Int[Array, " repeats"] | None
    receivers: Int[Array, " n_out"] | None
    spread: Int[Array, "n_out columns"] | None

    @property
    def parts(self) -> int:
        """Rows of each receiver."""
        return 1 if self.receivers is None else self.wiring.n_out // self.receivers.size


class Product(NamedTuple):
    """A topology, ready for products; a pytree of arrays, so that equal shapes compile once.

    Pass it to a compiled function as an argument: closed over, its arrays are known to the
    compiler, which then undoes what keeps layers apart.

    Attributes:
        stages: The layers, inputs first.
        columns: The input to which each column of `product` belongs.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> network = products.compile_product(layers, batch=2)
        >>> weights = jnp.ones((layers.n_edges, 2))
        >>> products.multiply(network, weights).shape
        (4, 4, 2)

    See Also:
        `compile_product`, which makes it.
    """

    stages: tuple[Stage, ...]
    columns: Int[Array, " n_in"]


def compile_product(
    topology: nx.DiGraph | Layers, *, batch: int = 1, form: FormRule = fastest_form
) -> Product:
    """Prepare a topology for products; cost O(E log E).

    Args:
        topology: A graph or a recipe.
        batch: How many weight vectors are to be multiplied at once; only speed depends on it.
        form: Which form a layer takes: `fastest_form`, which was measured on a CPU, `gather_form`,
            `block_form`, `dense_form`, or a function like them.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> network = products.compile_product(layers, batch=2)
        >>> weights = jnp.ones((layers.n_edges, 2))
        >>> products.multiply(network, weights)[..., 0].tolist()
        [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]

    See Also:
        `multiply` and `total_error`, which take it; `fastest_form`, how layers are multiplied.
    """
    check_count("batch", batch)
    steps, columns = plan_product(to_layers(topology))
    wirings = [form(step, batch) for step in steps]
    return Product(tuple(_stages(steps, wirings)), indices(columns))


def multiply(
    network: Product, weights: Float[Array, "edges batch"]
) -> Float[Array, "n_out n_in batch"]:
    """The end-to-end matrices, transposed: the product of all layers for each of the batch.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> network = products.compile_product(layers, batch=2)
        >>> weights = jnp.ones((layers.n_edges, 2))
        >>> products.multiply(network, weights).shape
        (4, 4, 2)

    See Also:
        `total_error`, which needs no product of all columns at once;
        `topokit.reconstruction.end_to_end`, for the weights of a reconstruction.
    """
    return product(network, weights)[:, jnp.argsort(network.columns)]


def product(
    network: Product, weights: Float[Array, "edges batch"]
) -> Float[Array, "n_out n_in batch"]:
    """Like `multiply`, with the columns in the order of `network.columns`."""
    if weights.shape[1] == 1:  # faster than a trailing axis of one
        single = weights[:, 0]
        return through(network, single, ones(network, single))[..., None]
    return through(network, weights, ones(network, weights))


def ones(network: Product, weights: Float[Array, "edges *batch"]) -> Float[Array, "n_in 1 *batch"]:
    """The rows of the inputs: each depends on itself alone."""
    return jnp.ones((network.columns.size, 1, *weights.shape[1:]), weights.dtype)


def through(
    network: Product, weights: Float[Array, "edges *batch"], x: Array
) -> Float[Array, "n_out columns *batch"]:
    """Take rows through all stages."""
    sizes = [stage.wiring.n_edges for stage in network.stages]
    for stage, own in zip(network.stages, lax.split(weights, sizes), strict=True):
        x = _advance(stage, own, x)
        if stage.spread is not None:
            rows = jnp.arange(x.shape[0])[:, None]
            blank = jnp.zeros((x.shape[0], network.columns.size, *x.shape[2:]), x.dtype)
            x = blank.at[rows, stage.spread].add(x)
    return x


def _advance(
    stage: Stage, weights: Float[Array, "edges *batch"], x: Array
) -> Float[Array, "n_out columns *batch"]:
    if stage.repeats is None:
        y = contract(stage.wiring, "y", weights, x)
        return y.reshape(len(y) // stage.parts, stage.parts * y.shape[1], *y.shape[2:])

    def step(x: Array, layer: tuple[Wiring, Array]) -> tuple[Array, None]:
        wiring, weights = layer
        return contract(wiring, "y", weights, x), None

    stacked = weights.reshape(stage.repeats.size, -1, *weights.shape[1:])
    return lax.scan(step, x, (stage.wiring, stacked), unroll=UNROLL)[0]


def _stages(steps: list[Step], wirings: list[Wiring]) -> Iterator[Stage]:
    """One stage a layer, but for long runs of equal layers from rows of one size to the same."""
    for key, group in groupby(zip(steps, wirings, strict=True), key=_alike):
        pairs = list(group)
        if key is not None and len(pairs) >= SCANNED:
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(w for _, w in pairs))
            yield Stage(stacked, jnp.arange(len(pairs)), None, None)
        else:
            yield from (_single(step, wiring) for step, wiring in pairs)


def _alike(pair: tuple[Step, Wiring]) -> tuple | None:
    """What layers share that can be stacked; None for one that cannot."""
    step, wiring = pair
    if step.parts > 1 or step.n_senders != step.n_receivers or step.spread is not None:
        return None
    leaves, structure = jax.tree.flatten(wiring)
    return structure, tuple(leaf.shape for leaf in leaves)


def _single(step: Step, wiring: Wiring) -> Stage:
    receivers = None if step.parts == 1 else indices(np.arange(step.n_receivers))
    spread = None if step.spread is None else indices(step.spread)
    return Stage(wiring, None, receivers, spread)
