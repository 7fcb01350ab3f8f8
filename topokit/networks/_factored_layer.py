"""A layer that is the product of several: a dense layer or convolution taken apart."""

from math import prod
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

Factor = eqx.nn.Linear | eqx.nn.Conv2d


class FactoredLayer(eqx.Module):
    """Layers one after the other, without anything between them, in the place of one.

    As `decompose` makes them, only the last one has a bias; `shrink` may give others one, for
    constants that arrive there. They are trained like any others.

    Attributes:
        layers: The factors, inputs first: all of them `equinox.nn.Linear`, or all convolutions.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((6,), [4], 2, key=jax.random.key(0))
        >>> layer = networks.svd(rank=2)(model.layers[1])
        >>> layer.ranks, layer(jax.numpy.ones(6)).shape
        ((2,), (4,))

    See Also:
        `decompose`, which makes them of the layers of a model; `to_topology`, of one of them.
    """

    layers: tuple[Factor, ...]

    @property
    def ranks(self) -> tuple[int, ...]:
        """Neurons or channels between the factors."""
        return tuple(len(layer.weight) for layer in self.layers[:-1])

    @property
    def n_weights(self) -> int:
        """Weights of all factors, without the bias."""
        return sum(layer.weight.size for layer in self.layers)

    def __call__(
        self, x: Float[Array, "n_in *sides"], *, key: PRNGKeyArray | None = None
    ) -> Float[Array, "n_out *_new_sides"]:
        """Send a signal through; `key` is ignored, for the sake of `equinox.nn.Sequential`."""
        del key
        for layer in self.layers:
            x = layer(x)
        return x


def is_linear(node: Any) -> bool:
    """Whether a node is a dense layer between vectors that has its weights to itself."""
    return (
        isinstance(node, eqx.nn.Linear)
        and "scalar" not in (node.in_features, node.out_features)
        and getattr(node.weight, "ndim", None) == 2
    )


def is_convolution(node: Any) -> bool:
    """Whether a node is a convolution of images that has its weights to itself."""
    return isinstance(node, eqx.nn.Conv2d) and getattr(node.weight, "ndim", None) == 4


def filter_sizes(layer: Factor) -> tuple[int, int, int]:
    """Number of filters, entries of each, and groups, of a layer."""
    groups = layer.groups if isinstance(layer, eqx.nn.Conv2d) else 1
    return len(layer.weight), prod(layer.weight.shape[1:]), groups
