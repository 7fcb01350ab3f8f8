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
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from topokit.layers import Layers
from topokit.products._blocks import Blocks, multiply_blocks
from topokit.products._column_plan import Step, plan_product
from topokit.products._forms import Form, FormRule, fastest_form
from topokit.products._gather import gather_multiply

# As many equal layers in a row are scanned, `UNROLL` at a time: slower to run than unrolled ones,
# faster to compile.
SCANNED, UNROLL = 24, 4


class Stage(NamedTuple):
    """One layer, or several equal ones in a row.

    Attributes:
        layers: The layer in one of the forms; where there are several, stacked along a new
            first axis.
        repeats: One entry for each of several layers; None for a single one.
        spread: None, or the input of each column of each row: rows are spread out afterwards.
    """

    layers: Form
    repeats: Int[Array, " repeats"] | None
    spread: Int[Array, "n_out columns"] | None


class Product(NamedTuple):
    """A topology, ready for products; a pytree of arrays, so that equal shapes compile once.

    Pass it to a compiled function as an argument: closed over, `true` is no secret.

    Attributes:
        stages: The layers, inputs first.
        columns: The input to which each column of `product` belongs.
        true: The value true, unknown to the compiler, where layers are to be kept apart (see
            `topokit.products._gather.fenced`).
    """

    stages: tuple[Stage, ...]
    columns: Int[Array, " n_in"]
    true: Bool[Array, ""] | None


def compile_product(layers: Layers, *, batch: int = 1, form: FormRule = fastest_form) -> Product:
    """Prepare a recipe for products; cost O(E log E).

    Args:
        layers: The recipe.
        batch: How many weight vectors are to be multiplied at once; only speed depends on it.
        form: Which form a layer takes: `fastest_form`, which was measured on a CPU, `gather_form`,
            `block_form`, `dense_form`, or a function like them.
    """
    steps, columns = plan_product(layers)
    stages = tuple(_stages(steps, [form(step, batch) for step in steps]))
    true = jnp.asarray(True) if jax.default_backend() == "cpu" else None
    return Product(stages, jax.device_put(columns.astype("int32")), true)


def multiply(
    network: Product, weights: Float[Array, "edges batch"]
) -> Float[Array, "n_out n_in batch"]:
    """The end-to-end matrices, transposed: the product of all layers for each of the batch."""
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
    first = 0
    for stage in network.stages:
        last = first + stage.layers.slots.size
        x = _advance(stage, weights[first:last], x, network.true)
        if stage.spread is not None:
            rows = jnp.arange(x.shape[0])[:, None]
            blank = jnp.zeros((x.shape[0], network.columns.size, *x.shape[2:]), x.dtype)
            x = blank.at[rows, stage.spread].add(x)
        first = last
    return x


def _advance(
    stage: Stage, weights: Float[Array, "edges *batch"], x: Array, true: Array | None
) -> Float[Array, "n_out columns *batch"]:
    if stage.repeats is None:
        return _multiply(stage.layers, weights, x, true)

    def step(x: Array, layer: tuple[Form, Array]) -> tuple[Array, None]:
        return _multiply(*layer, x, true), None

    stacked = weights.reshape(stage.repeats.size, -1, *weights.shape[1:])
    return lax.scan(step, x, (stage.layers, stacked), unroll=UNROLL)[0]


def _multiply(layer: Form, weights: Array, x: Array, true: Array | None) -> Array:
    if isinstance(layer, Blocks):
        return multiply_blocks(layer, weights, x)
    return gather_multiply(layer, weights, x, true)


def _stages(steps: list[Step], layers: list[Form]) -> Iterator[Stage]:
    """One stage a layer, but for long runs of equal layers from rows of one size to the same."""
    for key, group in groupby(zip(steps, layers, strict=True), key=_alike):
        pairs = list(group)
        if key is not None and len(pairs) >= SCANNED:
            stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(f for _, f in pairs))
            yield Stage(stacked, jnp.arange(len(pairs)), None)
        else:
            yield from (Stage(layer, None, _spread(step)) for step, layer in pairs)


def _alike(pair: tuple[Step, Form]) -> tuple | None:
    """What layers share that can be stacked; None for one that cannot."""
    step, layer = pair
    if step.parts > 1 or step.n_senders != step.n_receivers or step.spread is not None:
        return None
    leaves, structure = jax.tree.flatten(layer)
    return structure, tuple(leaf.shape for leaf in leaves)


def _spread(step: Step) -> Array | None:
    return None if step.spread is None else jax.device_put(step.spread.astype("int32"))
