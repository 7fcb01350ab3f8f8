"""Which form a layer takes: measured thresholds, and a switch for who knows better."""

from collections.abc import Callable

from topokit.layers import Layers
from topokit.products._blocks import fill, find_blocks
from topokit.products._column_plan import Step, layer_step
from topokit.products._product_kernel import unroll
from topokit.products._signal_kernel import loop
from topokit.products._wiring import Wiring

FormRule = Callable[[Step, int], Wiring]
"""A function of a step of the plan and the batch size."""

# Measured on one core of a CPU (analyses/benchmarks/forms.py). A batch at the end of the arrays
# makes gathered rows faster and dense products slower.
BLOCK_ENTRIES = {False: 64, True: 256}
DENSE_FAN_IN = 20
DENSE_DENSITY = {False: 0.12, True: 0.0}

# The same for signals (analyses/benchmarks/layers.py): edges of a block, and density.
SIGNAL_BLOCK, SIGNAL_DENSITY = 4, 0.25


def fastest_form(step: Step, batch: int) -> Wiring:
    """What was fastest where it was measured, on a CPU.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.low_rank.layers(4, 4, 2)
        >>> network = products.compile_product(layers, form=products.fastest_form)
        >>> products.multiply(network, jnp.ones((layers.n_edges, 1)))[..., 0].tolist()[0]
        [2.0, 2.0, 2.0, 2.0]

    See Also:
        `gather_form`, `block_form` and `dense_form`, between which it chooses.
    """
    batched = batch > 1
    if step.parts > 1:
        return unroll(step)
    blocks = find_blocks(step)
    if blocks is not None and blocks.entries >= BLOCK_ENTRIES[batched]:
        return blocks
    fan_in = step.edges.size / step.n_receivers
    if fan_in >= DENSE_FAN_IN and fan_in >= DENSE_DENSITY[batched] * step.n_senders:
        return fill(step)
    return unroll(step)


def gather_form(step: Step, batch: int) -> Wiring:
    """Sums of gathered rows, always.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.low_rank.layers(4, 4, 2)
        >>> network = products.compile_product(layers, form=products.gather_form)
        >>> products.multiply(network, jnp.ones((layers.n_edges, 1)))[..., 0].tolist()[0]
        [2.0, 2.0, 2.0, 2.0]

    See Also:
        `fastest_form`, which chooses.
    """
    del batch
    return unroll(step)


def block_form(step: Step, batch: int) -> Wiring:
    """Dense blocks wherever a layer falls into equal ones, else gathered rows.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.low_rank.layers(4, 4, 2)
        >>> network = products.compile_product(layers, form=products.block_form)
        >>> products.multiply(network, jnp.ones((layers.n_edges, 1)))[..., 0].tolist()[0]
        [2.0, 2.0, 2.0, 2.0]

    See Also:
        `fastest_form`, which chooses.
    """
    return find_blocks(step) or gather_form(step, batch)


def dense_form(step: Step, batch: int) -> Wiring:
    """A masked dense matrix wherever rows are not yet short, else gathered rows.

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> layers = tk.topologies.low_rank.layers(4, 4, 2)
        >>> network = products.compile_product(layers, form=products.dense_form)
        >>> products.multiply(network, jnp.ones((layers.n_edges, 1)))[..., 0].tolist()[0]
        [2.0, 2.0, 2.0, 2.0]

    See Also:
        `fastest_form`, which chooses.
    """
    return fill(step) if step.parts == 1 else gather_form(step, batch)


def make_wiring(layers: Layers, number: int) -> Wiring:
    """Compile layer `number` of a recipe for signals, in the form that is fastest for them.

    Cost O(E log E).

    Examples:
        >>> import jax.numpy as jnp
        >>> import topokit as tk
        >>> from topokit import products
        >>> wiring = products.make_wiring(tk.topologies.butterfly.layers(4), 1)
        >>> products.apply_layer(wiring, jnp.ones(8), jnp.eye(4)).tolist()
        [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]

    See Also:
        `apply_layer`, which takes it; `compile_product`, for whole topologies.
    """
    step = layer_step(layers, number)
    blocks = find_blocks(step)
    if blocks is not None and blocks.entries >= SIGNAL_BLOCK:
        return blocks
    if step.edges.size >= SIGNAL_DENSITY * step.n_senders * step.n_receivers:
        return fill(step)
    return loop(step)
