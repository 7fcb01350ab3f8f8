"""What a step of training costs here: a batch forward and back, beside the dense layer."""

from collections.abc import Callable, Sequence
from time import perf_counter

import jax
import jax.numpy as jnp
import networkx as nx
from jaxtyping import Array, Float

from topokit._checks import check_count
from topokit._records import Record
from topokit.layers import Layers, to_layers
from topokit.products._differentiable_layer import apply_layer
from topokit.products._forms import make_wiring
from topokit.products._wiring import Wiring

REPEATS = 7


class StepTime(Record):
    """Seconds of a step of training.

    Attributes:
        sparse: Seconds of the topology.
        dense: Seconds of the dense layer between as many neurons.

    Examples:
        >>> import topokit as tk
        >>> found = tk.products.step_time(tk.topologies.low_rank(8, 8, 1), batch=2)
        >>> found.sparse > 0, found.dense > 0
        (True, True)

    See Also:
        `step_time`, which returns it.
    """

    sparse: float
    dense: float


def step_time(topology: nx.DiGraph | Layers, *, batch: int = 128) -> StepTime:
    """Measure a batch forward and back, with the gradients of weights and signals, compiled.

    Constant edges count as weights. Both take turns, and the shortest run of each is what counts,
    for others may share the machine.

    Args:
        topology: A graph or a recipe.
        batch: Examples at once.

    Raises:
        ValueError: If the graph is not a valid topology, or `batch` is no positive integer.

    Examples:
        >>> import topokit as tk
        >>> found = tk.products.step_time(tk.topologies.butterfly(8), batch=2)
        >>> found.sparse > 0
        True

    See Also:
        `topokit.design`, which measures its candidates.
    """
    layers, batch = to_layers(topology), check_count("batch", batch)
    wirings = [make_wiring(layers, number) for number in range(layers.depth)]
    weights = [jnp.full(s.size, 0.1, jnp.float32) for s in layers.senders]
    x = jnp.ones((layers.n_in, batch), jnp.float32)
    matrix = jnp.full((layers.n_out, layers.n_in), 0.1, jnp.float32)
    steps = [_step(_of_layers, weights, x, wirings), _step(_of_matrix, matrix, x)]
    runs = [[_seconds(step) for step in steps] for _ in range(REPEATS)]
    sparse, dense = (min(times) for times in zip(*runs, strict=True))
    return StepTime(sparse, dense)


def _of_layers(
    weights: Sequence[Float[Array, " _edges"]],
    x: Float[Array, "n_in batch"],
    wirings: Sequence[Wiring],
) -> Float[Array, ""]:
    for wiring, weight in zip(wirings, weights, strict=True):
        x = apply_layer(wiring, weight, x)
    return jnp.square(x).sum()


def _of_matrix(
    matrix: Float[Array, "n_out n_in"], x: Float[Array, "n_in batch"]
) -> Float[Array, ""]:
    return jnp.square(matrix @ x).sum()


def _step(loss: Callable[..., Array], *arguments: object) -> Callable[[], object]:
    """The compiled gradients of weights and signals, run once."""
    step = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(*arguments).compile()
    jax.block_until_ready(step(*arguments))
    return lambda: step(*arguments)


def _seconds(step: Callable[[], object]) -> float:
    start = perf_counter()
    jax.block_until_ready(step())
    return perf_counter() - start
