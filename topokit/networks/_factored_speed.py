"""What layers that were taken apart cost here, beside those they come from and beside theory."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from topokit._checks import check_count
from topokit._records import Record
from topokit.networks._factored_layer import Factor, FactoredLayer, is_convolution, is_linear
from topokit.networks._infer_one import infer_one
from topokit.networks._linear import BATCH
from topokit.networks._model_size import check_shape
from topokit.networks._sparsify import named_nodes, with_nodes
from topokit.networks._speed import times_of
from topokit.networks._untrained import check_state


class DecomposedSpeed(Record):
    """Times of a layer that was taken apart and of the one in its place before.

    Attributes:
        layer: Its name in the model.
        ranks: Neurons or channels between its factors.
        theoretical: How many times fewer multiplications it takes.
        batch: Examples at once.
        forward: Seconds of a prediction by the factors.
        whole_forward: Seconds of a prediction by the layer before.
        training: Seconds of a step with all gradients, by the factors.
        whole_training: Seconds of a step with all gradients, by the layer before.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1000,), [1000], 2, key=jax.random.key(0))
        >>> small = networks.decompose(model, {"layers.1": networks.svd(rank=1)})
        >>> found = networks.decomposed_speed(model, small, (1000,))
        >>> found[0].layer, found[0].ranks, found[0].theoretical
        ('layers.1', (1,), 500.0)

    See Also:
        `decomposed_speed`, which returns them.
    """

    layer: str
    ranks: tuple[int, ...]
    theoretical: float
    batch: int
    forward: float
    whole_forward: float
    training: float
    whole_training: float

    @property
    def forward_gain(self) -> float:
        """How many times as fast as the layer before a prediction is; below 1 it is slower."""
        return self.whole_forward / self.forward

    @property
    def training_gain(self) -> float:
        """How many times as fast as the layer before a step is; below 1 it is slower."""
        return self.whole_training / self.training


def decomposed_speed(
    whole: Any, apart: Any, shape: Sequence[int], *, state: Any = None, batch: int = BATCH
) -> tuple[DecomposedSpeed, ...]:
    """Measure each layer that `decompose` has taken apart against what it was, here and now.

    Both take turns, compiled, on signals of the shape that they get in the model; the shortest of
    several runs of each is what counts. It takes a second or so for each layer, mostly to compile.

    Args:
        whole: The model before.
        apart: The model after `decompose`.
        shape: Shape of an example.
        state: The state of a model that has one.
        batch: Examples at once.

    Returns:
        One row for each layer, in the order of the model. Theory counts multiplications for images
        of this size, for `pca` those of `theoretical_speedup`.

    Raises:
        ValueError: If nothing is taken apart, or the models do not belong together.

    Warns:
        RuntimeWarning: Names the layers whose predictions are slower than before.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1000,), [1000], 2, key=jax.random.key(0))
        >>> small = networks.decompose(model, {"layers.1": networks.svd(rank=1)})
        >>> [row.forward_gain > 1 for row in networks.decomposed_speed(model, small, (1000,))]
        [True]

    See Also:
        `theoretical_speedup`; `speed`, of a sparse layer.
    """
    batch, shape = check_count("batch", batch), check_shape(shape)
    pairs = _pairs(whole, apart)
    check_state(whole, state)
    seen = _inputs(whole, {name: before for name, (before, _) in pairs.items()}, shape, state)
    rows = tuple(_row(name, *pair, seen[name], batch) for name, pair in pairs.items())
    slower = [row.layer for row in rows if row.forward_gain < 1]
    if slower:
        warnings.warn(
            f"taken apart, {', '.join(slower)} predict slower here than before, whatever "
            "multiplications say: leave these layers whole, or measure another batch",
            RuntimeWarning,
            stacklevel=2,
        )
    return rows


def _pairs(whole: Any, apart: Any) -> dict[str, tuple[Factor, FactoredLayer]]:
    factored = {name: each for name, _, each in named_nodes(apart, _is_factored)}
    if not factored:
        raise ValueError("no layer of the second model is taken apart; take it from decompose")
    before = {name: layer for name, _, layer in named_nodes(whole, _is_whole)}
    lost = [name for name in factored if name not in before]
    if lost:
        raise ValueError(
            f"the first model has no layer {lost[0]!r}, which the second has taken apart; its "
            f"layers are {list(before)}"
        )
    return {name: (before[name], each) for name, each in factored.items()}


def _inputs(
    model: Any, layers: Mapping[str, Factor], shape: tuple[int, ...], state: Any
) -> dict[str, tuple[int, ...]]:
    """The shape of the signal that each layer gets, once the model is followed."""
    seen: dict[str, tuple[int, ...]] = {}
    watched = {name: _Watched(layer, name, _Notes(seen)) for name, layer in layers.items()}
    model = with_nodes(model, watched, _is_whole)
    example = jax.ShapeDtypeStruct(shape, next(iter(layers.values())).weight.dtype)
    try:
        eqx.filter_eval_shape(infer_one, model, state, example)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the model cannot take an example of shape {shape}: {error}") from error
    return seen


class _Notes:
    """Where shapes are noted; another one for JAX each time, so that it traces anew."""

    def __init__(self, seen: dict[str, tuple[int, ...]]) -> None:
        self.seen = seen


class _Watched(eqx.Module):
    """A layer that notes the shape of what it gets."""

    layer: Any
    name: str = eqx.field(static=True)
    notes: _Notes = eqx.field(static=True)

    def __call__(self, x: Any, **how: Any) -> Any:
        self.notes.seen[self.name] = x.shape
        return self.layer(x, **how)


def _row(
    name: str, before: Factor, after: FactoredLayer, shape: tuple[int, ...], batch: int
) -> DecomposedSpeed:
    x = jnp.ones((batch, *shape), before.weight.dtype)
    forward, whole_forward, training, whole_training = times_of([after, before], x)
    fewer = _multiplications([before], shape) / _multiplications(after.layers, shape)
    return DecomposedSpeed(
        name, after.ranks, fewer, batch, forward, whole_forward, training, whole_training
    )


def _multiplications(layers: Sequence[Factor], shape: tuple[int, ...]) -> int:
    """Of an example; a weight counts once for each pixel that comes out."""
    total = 0
    for layer in layers:
        out = jax.eval_shape(layer, jax.ShapeDtypeStruct(shape, layer.weight.dtype))
        total, shape = total + layer.weight.size * out.size // out.shape[0], out.shape
    return total


def _is_factored(node: Any) -> bool:
    return isinstance(node, FactoredLayer)


def _is_whole(node: Any) -> bool:
    return is_linear(node) or is_convolution(node)
