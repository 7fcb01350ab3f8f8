"""What a step of training costs here: a batch forward and back, beside the dense layer."""

import jax.numpy as jnp
import networkx as nx
from jaxtyping import Array, Float

from topokit._checks import check_count
from topokit._limits import check_memory
from topokit._records import Record
from topokit.layers import Layers, to_layers
from topokit.products._forms import make_wiring
from topokit.products._timed_steps import energy, gradient_step, in_turn

LIMIT = 2**34


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
    dense, signals = layers.n_in * layers.n_out, batch * (sum(layers.widths) + layers.n_out)
    check_memory(
        "step_time",
        12 * (dense + signals) + 40 * layers.n_edges,
        LIMIT,
        "measure a smaller batch, or a smaller layer of the same family",
    )
    wirings = [make_wiring(layers, number) for number in range(layers.depth)]
    weights = [jnp.full(s.size, 0.1, jnp.float32) for s in layers.senders]
    x = jnp.ones((layers.n_in, batch), jnp.float32)
    matrix = jnp.full((layers.n_out, layers.n_in), 0.1, jnp.float32)
    steps = [gradient_step(energy, weights, x, wirings), gradient_step(_of_matrix, matrix, x)]
    return StepTime(*in_turn(steps))


def _of_matrix(
    matrix: Float[Array, "n_out n_in"], x: Float[Array, "n_in batch"]
) -> Float[Array, ""]:
    return jnp.square(matrix @ x).sum()
