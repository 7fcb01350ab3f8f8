"""Which form a layer takes: measured thresholds, and a switch for who knows better."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from topokit.layers import Layers
from topokit.products._blocks import fill, find_blocks
from topokit.products._column_plan import Step, layer_step
from topokit.products._device_kind import on_cpu
from topokit.products._product_kernel import unroll
from topokit.products._signal_kernel import loop
from topokit.products._timed_steps import energy, gradient_step, in_turn
from topokit.products._wiring import Wiring

FormRule = Callable[[Step, int], Wiring]
"""A function of a step of the plan and the batch size."""

# Measured on one core of a CPU (analyses/benchmarks/forms.py). A batch at the end of the arrays
# makes gathered rows faster and dense products slower.
BLOCK_ENTRIES = {False: 64, True: 256}
DENSE_FAN_IN = 20
DENSE_DENSITY = {False: 0.12, True: 0.0}

# The same for signals, on a CPU (analyses/benchmarks/layers.py) or not (on_gpu.py there, on a GPU):
# edges of a block, and density.
SIGNAL_BLOCK, SIGNAL_DENSITY = {True: 4, False: 64}, {True: 0.25, False: 0.1}

# The longest sums that are unrolled, and the largest matrices that are filled, to measure them.
MOST_UNROLLED, MOST_FILLED = 32, 2**25


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


def make_wiring(layers: Layers, number: int, *, batch: int | None = None) -> Wiring:
    """Compile layer `number` of a recipe for signals, in the form that is fastest for them.

    Cost O(E log E), and with a batch that of some steps of training.

    Args:
        layers: A recipe.
        number: Which of its layers.
        batch: Examples at once for which forms are measured on this machine, in one step of
            training each, once in a process for a layer; None takes the form that was fastest where
            topokit measured it: on one core of a CPU or, where JAX computes on another device by
            default, on a GPU.

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
    if batch is None:
        return _usual(step)
    forms = _candidates(step)
    if len(forms) == 1:
        return next(iter(forms.values()))()
    return forms[_fastest_here(_Measured(step), batch)]()


@dataclass(frozen=True)
class _Measured:
    """A step, for which forms are measured once: equal if its edges are."""

    step: Step = field(compare=False)
    key: tuple[int, int, bytes] = field(init=False)

    def __post_init__(self) -> None:
        ends = np.stack([self.step.senders, self.step.receivers])
        digest = hashlib.sha256(ends.astype(np.int64).tobytes()).digest()
        object.__setattr__(self, "key", (self.step.n_senders, self.step.n_receivers, digest))


@lru_cache(maxsize=1024)
def _fastest_here(measured: _Measured, batch: int) -> str:
    forms = _candidates(measured.step)
    weights = [jnp.full(measured.step.edges.size, 0.1, jnp.float32)]
    x = jnp.ones((measured.step.n_senders, batch), jnp.float32)
    steps = [gradient_step(energy, weights, x, [form()]) for form in forms.values()]
    times = in_turn(steps)
    return list(forms)[times.index(min(times))]


def _candidates(step: Step) -> dict[str, Callable[[], Wiring]]:
    """Forms that may be fastest, and that neither compile nor store too much."""
    forms: dict[str, Callable[[], Wiring]] = {"loops": lambda: loop(step)}
    if (blocks := find_blocks(step)) is not None:
        forms["blocks"] = lambda: blocks
    if np.bincount(step.receivers).max() <= MOST_UNROLLED:
        forms["unrolled"] = lambda: unroll(step)
    if step.n_senders * step.n_receivers <= MOST_FILLED:
        forms["filled"] = lambda: fill(step)
    return forms


def _usual(step: Step) -> Wiring:
    blocks, cpu = find_blocks(step), on_cpu()
    if blocks is not None and blocks.entries >= SIGNAL_BLOCK[cpu]:
        return blocks
    if step.edges.size >= SIGNAL_DENSITY[cpu] * step.n_senders * step.n_receivers:
        return fill(step)
    return loop(step)
