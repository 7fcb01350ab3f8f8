"""Out of a layer again: a dense layer, matrices, a topology with its weights."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
from jaxtyping import Array, Float

from topokit._checks import check_instance
from topokit.layers import Layers, from_layers, make_layers
from topokit.networks._conv import SparseConv2d
from topokit.networks._factored_layer import FactoredLayer, is_convolution, is_linear
from topokit.networks._linear import SparseLayer, SparseLinear
from topokit.networks._patch_matrices import nonzero_edges, patch_matrices
from topokit.products import edge_ends

Wired = SparseLinear | SparseConv2d | FactoredLayer | eqx.nn.Linear | eqx.nn.Conv2d


def to_dense(linear: SparseLinear) -> eqx.nn.Linear:
    """The dense layer that computes the same; cost O(n_in edges).

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> dense = networks.to_dense(layer)
        >>> x = jax.numpy.arange(4.0)
        >>> bool(jax.numpy.allclose(dense(x), layer(x), atol=1e-5))
        True

    See Also:
        `to_matrices`, layer by layer.
    """
    check_instance("linear", linear, SparseLinear, "a SparseLinear")
    weight = _product(linear.layers)
    biased = linear.bias is not None
    kind = {"use_bias": biased, "key": jax.random.key(0)}
    dense = eqx.filter_eval_shape(eqx.nn.Linear, linear.n_in, linear.n_out, **kind)
    weight = weight.astype(linear.layers[0].weight.dtype)
    dense = eqx.tree_at(lambda d: d.weight, dense, weight)
    return eqx.tree_at(lambda d: d.bias, dense, linear.bias) if biased else dense


@eqx.filter_jit
def _product(layers: tuple[SparseLayer, ...]) -> Float[Array, "n_out n_in"]:
    signals = jnp.eye(layers[0].wiring.n_in)
    for layer in layers:
        signals = layer(signals)
    return signals


def to_matrices(linear: SparseLinear) -> list[Float[np.ndarray, "_n_senders _n_receivers"]]:
    """The matrix of each layer with its zeros, constant edges included: `x @ matrix` goes on.

    Of the type of the weights, though not below single precision.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> [matrix.shape for matrix in networks.to_matrices(layer)]
        [(4, 4), (4, 4)]

    See Also:
        `to_dense`, their product; `to_topology`, as a graph.
    """
    return [_matrix(layer) for layer in linear.layers]


def to_topology(linear: Wired) -> nx.DiGraph:
    """The topology, with the present weight of each edge as its attribute `weight`.

    Scores and builders read the weights of constant edges alone, so that the graph counts as the
    same topology; `networkx.to_numpy_array` and the like see all weights.

    Args:
        linear: A sparse layer, or a dense one, a convolution or a layer that `decompose` has taken
            apart, whose weights other than 0 are the edges. Of a convolution it is the topology
            of one pixel of its output, from the entries `(channel, row, column)` of a patch; edges
            that are the same entry of a kernel at several pixels count each for itself.

    Raises:
        ValueError: If a layer of weights is all 0, or it is none of these.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> networks.to_topology(layer).number_of_edges()
        16

    See Also:
        `to_matrices`, as arrays; `to_recipe`, without weights.
    """
    recipe, values = _recipe_and_weights(linear)
    graph = from_layers(recipe, name="to_topology", family="to_topology")
    ends = zip(recipe.senders, recipe.receivers, strict=True)
    for number, ((senders, receivers), weights) in enumerate(zip(ends, values, strict=True)):
        rows = zip(senders.tolist(), receivers.tolist(), weights.tolist(), strict=True)
        for sender, receiver, weight in rows:
            graph.edges[(number, sender), (number + 1, receiver)]["weight"] = weight
    return graph


def to_recipe(linear: Wired) -> Layers:
    """The topology as a recipe, with the constants of its constant edges; cost O(edges).

    Layers are those of `to_topology`.

    Examples:
        >>> import jax
        >>> import topokit as tk
        >>> from topokit import networks
        >>> key = jax.random.key(0)
        >>> layer = networks.SparseLinear(tk.topologies.butterfly(4), key=key)
        >>> networks.to_recipe(layer) == tk.topologies.butterfly.layers(4)
        True

    See Also:
        `to_topology`, as a graph with weights.
    """
    return _recipe_and_weights(linear)[0]


def _recipe_and_weights(layer: Any) -> tuple[Layers, list[Float[np.ndarray, " _edges"]]]:
    if isinstance(layer, SparseConv2d):
        layer = layer.linear
    if isinstance(layer, SparseLinear):
        weights = [np.asarray(each.weights(), float) for each in layer.layers]
        return _recipe_of(layer), weights
    factors = layer.layers if isinstance(layer, FactoredLayer) else (layer,)
    if not all(is_linear(each) or is_convolution(each) for each in factors):
        raise ValueError(
            "a layer must be a SparseLinear or SparseConv2d, an equinox.nn.Linear or Conv2d, or "
            f"one that decompose has taken apart; given a {type(layer).__name__}"
        )
    return nonzero_edges("", patch_matrices(factors))


def _recipe_of(linear: SparseLinear) -> Layers:
    senders, receivers = zip(*(edge_ends(layer.wiring) for layer in linear.layers), strict=True)
    constant, trainable = zip(*(_constants(layer) for layer in linear.layers), strict=True)
    widths = [linear.n_in, *(layer.wiring.n_out for layer in linear.layers)]
    return make_layers(widths, senders, receivers, trainable=trainable, constant=constant)


def _matrix(layer: SparseLayer) -> Float[np.ndarray, "n_senders n_receivers"]:
    dtype = jnp.promote_types(layer.weight.dtype, np.float32)
    matrix = np.zeros((layer.wiring.n_in, layer.wiring.n_out), dtype)
    matrix[edge_ends(layer.wiring)] = layer.weights()
    return matrix


def _constants(layer: SparseLayer) -> tuple[np.ndarray, np.ndarray]:
    """The constant of each edge, 0 of a trainable one, and which are those."""
    values, free = np.zeros(layer.wiring.n_edges), np.ones(layer.wiring.n_edges, bool)
    if layer.constant is not None:
        fixed = np.asarray(layer.fixed)
        values[fixed], free[fixed] = layer.constant.values, False
    return values, free
