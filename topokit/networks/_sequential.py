"""A network read as a stack: linear layers, sparse or dense, with elementwise functions between."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from topokit.networks._linear import SparseLinear

# In no order, so that sorting, sums and running maxima are found out; large ones, for what joins
# entries only there, such as clipping by a norm.
PROBES = ((0.5, -1.0, 2.0, 0.0, -2.0), (-0.3, 1.5, -1.7), (300.0, -4e3, 2e4))


class StackedLayer(NamedTuple):
    """A linear layer of a stack and what follows it.

    Attributes:
        place: Its place among the layers of the model.
        linear: The layer itself.
        activate: The elementwise function up to the next linear layer; that of the last one is not
            looked at, and is the identity here.
    """

    place: int
    linear: SparseLinear | eqx.nn.Linear
    activate: Callable[[Array], Array]


def read_stack(model: eqx.nn.Sequential) -> list[StackedLayer]:
    """The linear layers of a model, inputs first.

    What comes before the first of them, such as the flattening of an image, and after the last one,
    such as a softmax, may be anything. Between them are `equinox.nn.Lambda` layers alone, and that
    they act on each entry by itself is seen on a few numbers.

    Raises:
        ValueError: If the model is no such sequence, there is no linear layer, or something else
            between two of them, or widths of neighbors differ.
    """
    if not isinstance(model, eqx.nn.Sequential):
        raise ValueError(
            f"the model must be an equinox.nn.Sequential of layers; given a {type(model).__name__}"
        )
    layers = model.layers
    places = [place for place, layer in enumerate(layers) if _is_linear(layer)]
    if not places:
        raise ValueError("the model has no SparseLinear or equinox.nn.Linear among its layers")
    for first, last in pairwise(places):
        for place in range(first + 1, last):
            _check_elementwise(place, layers[place])
        n_out, n_in = widths(layers[first])[1], widths(layers[last])[0]
        if n_out != n_in:
            raise ValueError(
                f"layer {first} of the model has {n_out} outputs, but layer {last} takes {n_in}"
            )
    ends = [*places[1:], places[-1] + 1]
    return [
        StackedLayer(place, layers[place], _composed(layers[place + 1 : end]))
        for place, end in zip(places, ends, strict=True)
    ]


def widths(linear: SparseLinear | eqx.nn.Linear) -> tuple[int, int]:
    """Inputs and outputs of a linear layer."""
    if isinstance(linear, SparseLinear):
        return linear.n_in, linear.n_out
    return linear.weight.shape[1], linear.weight.shape[0]


def _is_linear(layer: Any) -> bool:
    if isinstance(layer, eqx.nn.Linear):
        return "scalar" not in (layer.in_features, layer.out_features)
    return isinstance(layer, SparseLinear)


def _composed(functions: tuple[Any, ...]) -> Callable[[Array], Array]:
    def activate(x: Array) -> Array:
        for function in functions:
            x = function(x)
        return x

    return activate


def acts_alone(layer: Any) -> bool:
    """Whether a function acts on each entry of a vector by itself, seen on a few numbers."""
    return all(map(partial(_acts_alone_on, layer), PROBES))


def _acts_alone_on(layer: Any, numbers: tuple[float, ...]) -> bool:
    x = jnp.array(numbers)
    try:
        together, alone = layer(x), [layer(entry) for entry in x[:, None]]
        return jnp.shape(together) == x.shape and bool(
            jnp.allclose(together, jnp.concatenate(alone))
        )
    except (TypeError, ValueError):
        return False


def _check_elementwise(place: int, layer: Any) -> None:
    if isinstance(layer, eqx.nn.Lambda) and acts_alone(layer):
        return
    raise ValueError(
        f"layer {place} of the model, {layer}, must be an equinox.nn.Lambda of a function that "
        "acts on each entry by itself, such as jax.nn.relu: it stands between two linear layers"
    )
