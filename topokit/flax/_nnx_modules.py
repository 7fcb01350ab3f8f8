"""The linear map of `topokit.networks` as a Flax module: weights are parameters, the rest not."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import networkx as nx
import numpy as np
from flax import nnx  # pyright: ignore[reportMissingImports]
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from topokit import networks
from topokit._checks import check_instance
from topokit.layers import Layers

Radii = list[Float[np.ndarray, " _edges"]]


class Frame(nnx.Variable):
    """An Equinox layer without its weights: wirings and constants, which nothing trains."""


class SparseLinear(nnx.Module):
    """`x -> x W + b` with `W` the product of the sparse layers of a topology.

    It takes the place of `flax.nnx.Linear`: signals are `(..., n_in)`. Inside a cascade everything
    is linear; the network's activation comes after it. Parameters, gradients and the optimizer's
    state are of the size of the trainable edges. Cost O(edges) an example, forward and backward.

    Attributes:
        weights: A parameter for each layer: its trainable edges, by receiver and then by sender.
        bias: Added to the outputs; None if there is none.
        frame: All else, of another kind of variable.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from flax import nnx
        >>> layer = tk.flax.SparseLinear(tk.topologies.clos(16, 8, 4, 2, 4), rngs=nnx.Rngs(0))
        >>> layer(jax.numpy.ones((5, 16))).shape
        (5, 8)
        >>> sum(p.size for p in jax.tree.leaves(nnx.state(layer, nnx.Param)))
        88

    See Also:
        `to_equinox`, out of it; `topokit.networks.clos_with`, to choose topologies by a share.
    """

    def __init__(
        self,
        topology: nx.DiGraph | Layers,
        *,
        rngs: nnx.Rngs,
        bias: bool = True,
        init: Callable[[Layers], Radii] = networks.kaiming,
        param_dtype: DTypeLike | None = None,
    ) -> None:
        """Draw the first weights, from the stream `params`.

        Args:
            topology: A graph or a recipe, of any depth, square or not.
            rngs: Random streams.
            bias: Whether there is a bias, which starts at 0.
            init: Radii of the uniform distributions from which the weights are drawn, such as
                `topokit.networks.xavier`, or `topokit.networks.kaiming` for a layer with a ReLU
                behind it.
            param_dtype: Type of weights and bias; JAX's default, single precision, if None.

        Raises:
            ValueError: If the topology is not valid (see `topokit.to_layers`), or the type is not
                one of real numbers.
        """
        check_instance("rngs", rngs, nnx.Rngs, "a flax.nnx.Rngs, such as nnx.Rngs(0)")
        kind = {"bias": bias, "init": init, "dtype": param_dtype}
        linear = networks.SparseLinear(topology, key=rngs.params(), **kind)
        self.weights = nnx.List([nnx.Param(layer.weight) for layer in linear.layers])
        self.bias = nnx.Param(linear.bias) if bias else None
        self.frame = Frame(eqx.filter(linear, eqx.is_inexact_array, inverse=True))

    def __call__(self, x: Float[Array, "*batch n_in"]) -> Float[Array, "*batch n_out"]:
        """Send signals through."""
        linear = to_equinox(self)
        if not x.ndim or x.shape[-1] != linear.n_in:
            raise ValueError(
                f"signals of this layer have {linear.n_in} features along their last axis; given "
                f"shape {x.shape}"
            )
        return jnp.moveaxis(linear(jnp.moveaxis(x, -1, 0)), 0, -1)


def from_equinox(linear: networks.SparseLinear) -> SparseLinear:
    """The Flax module of an Equinox layer: the same topology and weights.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> key = jax.random.key(0)
        >>> layer = tk.networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> tk.flax.from_equinox(layer)(jax.numpy.ones((5, 4))).shape
        (5, 4)

    See Also:
        `to_equinox`, the way back.
    """
    kind = {"bias": linear.bias is not None, "param_dtype": linear.layers[0].weight.dtype}
    module = SparseLinear(networks.to_recipe(linear), rngs=nnx.Rngs(0), **kind)
    for parameter, value in zip(_parameters(module), _learned(linear, kind["bias"]), strict=True):
        parameter.set_value(value)
    return module


def to_equinox(module: SparseLinear) -> networks.SparseLinear:
    """The Equinox layer of a Flax module: the same topology and weights.

    Examples:
        >>> import topokit as tk
        >>> from flax import nnx
        >>> module = tk.flax.SparseLinear(tk.topologies.butterfly(4), rngs=nnx.Rngs(0))
        >>> tk.networks.n_parameters(tk.flax.to_equinox(module))
        20

    See Also:
        `from_equinox`, the way back.
    """
    values = [parameter.get_value() for parameter in _parameters(module)]
    biased, frame = module.bias is not None, module.frame.get_value()
    return eqx.tree_at(
        lambda linear: _learned(linear, biased), frame, values, is_leaf=lambda leaf: leaf is None
    )


def _parameters(module: SparseLinear) -> list[nnx.Param]:
    return [*module.weights, *([] if module.bias is None else [module.bias])]


def _learned(linear: networks.SparseLinear, biased: bool) -> list[Any]:
    """What takes the place of each parameter, in their order."""
    return [*(layer.weight for layer in linear.layers), *([linear.bias] if biased else [])]
