"""What a sparse layer costs on this machine, beside the dense layer in its place."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from topokit._checks import check_count, check_instance
from topokit._records import Record
from topokit.networks._linear import BATCH, SparseLinear
from topokit.products import in_turn

BATCHES = (1, 8, 64, 512)


class LayerSpeed(Record):
    """Times of a sparse layer and of the dense one in its place.

    Attributes:
        batch: Examples at once.
        density: Edges for each connection of the dense layer, of all layers of a cascade together.
        forward: Seconds of a prediction by the sparse layer.
        dense_forward: Seconds of a prediction by the dense layer.
        training: Seconds of a step with all gradients, by the sparse layer.
        dense_training: Seconds of a step with all gradients, by the dense layer.
        forward_from: The least batch of those tried from which on predictions are faster than
            dense ones; None if they are not.
        training_from: The same of steps.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(16), key=jax.random.key(0))
        >>> found = networks.speed(layer, batch=4)
        >>> found.batch, found.density
        (4, 0.5)

    See Also:
        `speed`, which returns it.
    """

    batch: int
    density: float
    forward: float
    dense_forward: float
    training: float
    dense_training: float
    forward_from: int | None
    training_from: int | None

    @property
    def forward_gain(self) -> float:
        """How many times as fast as the dense layer a prediction is; below 1 it is slower."""
        return self.dense_forward / self.forward

    @property
    def training_gain(self) -> float:
        """How many times as fast as the dense layer a step is; below 1 it is slower."""
        return self.dense_training / self.training

    @property
    def pays_below(self) -> float:
        """The density below which steps would be faster, were time in proportion to edges."""
        return self.density * self.training_gain


def speed(layer: SparseLinear, *, batch: int = BATCH) -> LayerSpeed:
    """Measure predictions and steps of a sparse layer against the dense one, here and now.

    Both take turns, compiled, and the shortest of several runs of each is what counts. Besides
    `batch`, the batches 1, 8, 64 and 512 are tried. It takes some seconds, mostly to compile; the
    dense layer takes the memory of its matrix and as much for the gradient.

    Args:
        layer: The sparse layer.
        batch: Examples at once.

    Raises:
        ValueError: If `layer` is no `SparseLinear`, or `batch` is no positive integer.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> layer = networks.SparseLinear(tk.topologies.low_rank(64, 64, 1), key=jax.random.key(0))
        >>> found = networks.speed(layer)
        >>> found.forward > 0, found.training_gain > 0
        (True, True)

    See Also:
        `SparseLinear`, which can measure how to multiply; `topokit.design`, whose candidates say
        what a step costs.
    """
    check_instance("layer", layer, SparseLinear, "a SparseLinear")
    batch = check_count("batch", batch)
    dense = eqx.nn.Linear(
        layer.n_in, layer.n_out, use_bias=layer.bias is not None, key=jax.random.key(0)
    )
    times = {size: _times(layer, dense, size) for size in sorted({batch, *BATCHES})}
    edges = sum(each.wiring.n_edges for each in layer.layers)
    forward, dense_forward, training, dense_training = times[batch]
    return LayerSpeed(
        batch=batch,
        density=edges / (layer.n_in * layer.n_out),
        forward=forward,
        dense_forward=dense_forward,
        training=training,
        dense_training=dense_training,
        forward_from=_least_batch({size: each[:2] for size, each in times.items()}),
        training_from=_least_batch({size: each[2:] for size, each in times.items()}),
    )


def _times(sparse: SparseLinear, dense: eqx.nn.Linear, batch: int) -> list[float]:
    """Seconds of a prediction by either, then of a step by either."""
    x = jnp.ones((batch, sparse.n_in), sparse.layers[0].weight.dtype)
    return times_of([sparse, dense], x)


def times_of(models: Sequence[Any], x: Float[Array, "batch *shape"]) -> list[float]:
    """Seconds of a prediction of a batch by each model, then of a step by each; in turn."""
    return in_turn([_compiled(call, model, x) for call in (_predict, _step) for model in models])


def _compiled(call: Any, model: Any, x: Array) -> Any:
    """The call, compiled and run once."""
    arrays, static = eqx.partition(model, eqx.is_array)
    compiled = jax.jit(lambda arrays, x: call(eqx.combine(arrays, static), x))
    jax.block_until_ready(compiled(arrays, x))
    return lambda: compiled(arrays, x)


def _predict(model: Any, x: Float[Array, "batch *shape"]) -> Float[Array, "batch *_out"]:
    return jax.vmap(model)(x)


def _step(model: Any, x: Float[Array, "batch *shape"]) -> Any:
    """The gradients of a sum over the outputs."""
    return eqx.filter_grad(lambda model: jnp.square(_predict(model, x)).sum())(model)


def _least_batch(pairs: dict[int, list[float]]) -> int | None:
    """The least batch from which on the first of two times is the shorter one."""
    least = None
    for batch in sorted(pairs, reverse=True):
        sparse, dense = pairs[batch]
        if sparse >= dense:
            break
        least = batch
    return least
