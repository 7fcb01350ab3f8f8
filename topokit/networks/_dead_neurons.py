"""Dead neurons taken out of a network: smaller arrays, the same function.

A neuron that no input reaches by nonzero weights is a constant, `f(bias)`, 0 for ReLU and a bias of
0; one that reaches no output by nonzero weights is not heard. Either kind is taken out with all its
edges; what a constant sends is added to the biases that it arrives at. One sweep forward finds all
of the first kind, for a neuron whose senders are constants is one itself, and one sweep backward
all of the second; what the second takes out, none that stays has listened to.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers import NUMBERS, Layers, fed_neurons, live_neurons, push, sort_layers
from topokit.networks._linear import SparseLayer, SparseLinear
from topokit.networks._sequential import StackedLayer, read_stack
from topokit.products import edge_ends

Mask = Bool[np.ndarray, " _neurons"]


class Map(NamedTuple):
    """One layer of edges of nonzero weights, by receiver and then by sender.

    Attributes:
        shape: Numbers of senders and receivers.
        senders: Sender of each edge.
        receivers: Receiver of each edge.
        weights: Weight of each edge.
        trainable: Which of them are trainable.
    """

    shape: tuple[int, int]
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]
    weights: Float[np.ndarray, " edges"]
    trainable: Bool[np.ndarray, " edges"]


def without_dead_neurons(model: eqx.nn.Sequential) -> eqx.nn.Sequential:
    """Take out every neuron and every edge that does nothing, such as `group_lasso` leaves behind.

    Inputs and outputs stay, all hidden neurons count: also those inside of a cascade. Outputs are
    the same for every input, up to the rounding of sums in another order. The result is a model
    like any other, which can be trained, exported and scored; optimizers begin anew on it.

    Edges of sparse layers whose weight is exactly 0 go; in a dense layer zeros go with their
    neurons alone. An output that nothing reaches any more keeps one edge, of weight 0, for a
    topology reaches all its outputs. A layer without a bias gets one if constants arrive there.

    Args:
        model: A stack of `SparseLinear` and `equinox.nn.Linear` layers with elementwise functions
            between them. Before and after it may be other layers, which are kept.

    Returns:
        The smaller model; cost O(edges), at most as many as the entries of the dense layers.

    Raises:
        ValueError: If the model is no such stack, or no hidden neuron of a layer is left, so that
            the outputs are constants.

    Examples:
        >>> import equinox as eqx
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> weight = model.layers[1].weight.at[:4].set(0.0)
        >>> dead = eqx.tree_at(lambda m: m.layers[1].weight, model, weight)
        >>> networks.kernels(networks.without_dead_neurons(dead))
        {'layers.1': (64, 12), 'layers.3': (12, 10)}

    See Also:
        `group_lasso`, which makes neurons dead.
    """
    stages = read_stack(model)
    maps = [_maps(stage.linear) for stage in stages]
    whole = _network([each for stage in maps for each in stage])
    alive, biases = _alive(whole), _biases(stages, maps, whole)
    layers, first = list(model.layers), 0
    for stage, own, bias in zip(stages, maps, biases, strict=True):
        masks = alive[first : first + len(own) + 1]
        layers[stage.place] = _smaller(stage.linear, own, bias[masks[-1]], masks)
        first += len(own)
    return eqx.nn.Sequential(layers)


def _network(maps: list[Map]) -> Layers:
    """All layers of edges, their weights as constants: a recipe to walk, checked by nobody."""
    _, senders, receivers, weights, trainable = zip(*maps, strict=True)
    widths = (maps[0].shape[0], *(each.shape[1] for each in maps))
    return Layers(widths, senders, receivers, trainable, weights)


def _biases(
    stages: list[StackedLayer], maps: list[list[Map]], whole: Layers
) -> list[Float[np.ndarray, " _n_out"]]:
    """Each bias with what constants add to it."""
    biases, sent, number = [], np.zeros(whole.n_in), 0
    for stage, own in zip(stages, maps, strict=True):
        for weights in whole.constant[number : number + len(own)]:
            sent = push(whole, number, sent, weights, algebra=NUMBERS)
            number += 1
        if stage.linear.bias is not None:
            sent = sent + np.asarray(stage.linear.bias, float)
        biases.append(sent)
        activated = np.asarray(stage.activate(jnp.asarray(sent)), float)
        sent = np.where(fed_neurons(whole)[number], 0.0, activated)
    return biases


def _alive(whole: Layers) -> list[Mask]:
    """The neurons that stay: hidden ones that are fed and heard, all inputs and outputs."""
    first, *hidden, last = live_neurons(whole)
    alive = [np.ones_like(first), *hidden, np.ones_like(last)]
    empty = [layer for layer, mask in enumerate(alive) if not mask.any()]
    if empty:
        raise ValueError(
            f"no neuron of layer {empty[0]} of neurons is left (inputs are layer 0): the outputs "
            "are constants; take a smaller penalty, or prune less"
        )
    return alive


def _smaller(
    linear: SparseLinear | eqx.nn.Linear,
    maps: list[Map],
    bias: Float[np.ndarray, " n_out"],
    alive: list[Mask],
) -> SparseLinear | eqx.nn.Linear:
    """The layer between the neurons that stay."""
    key, biased = jax.random.key(0), linear.bias is not None or bool(bias.any())
    if isinstance(linear, SparseLinear):
        dtype = linear.layers[0].weight.dtype
        left = [_left(m, *masks) for m, *masks in zip(maps, alive, alive[1:], strict=False)]
        new = SparseLinear(_recipe(left), key=key, bias=biased, init=_zeros, dtype=dtype)
        weights = [jnp.asarray(m.weights[m.trainable], dtype) for m in left]
        new = eqx.tree_at(lambda s: [layer.weight for layer in s.layers], new, weights)
    else:
        dtype, (before, after) = linear.weight.dtype, alive
        shape = int(before.sum()), int(after.sum())
        new = eqx.nn.Linear(*shape, use_bias=biased, key=key, dtype=dtype)
        kept = jnp.asarray(np.asarray(linear.weight)[np.ix_(after, before)])
        new = eqx.tree_at(lambda d: d.weight, new, kept)
    return eqx.tree_at(lambda s: s.bias, new, jnp.asarray(bias, dtype)) if biased else new


def _left(each: Map, before: Mask, after: Mask) -> Map:
    """The edges between neurons that stay, which are counted anew."""
    keep = before[each.senders] & after[each.receivers]
    place, slot = np.cumsum(before) - 1, np.cumsum(after) - 1
    shape = int(before.sum()), int(after.sum())
    senders, receivers = place[each.senders[keep]], slot[each.receivers[keep]]
    lost = np.setdiff1d(np.arange(shape[1]), receivers)
    receivers = np.append(receivers, lost)
    order = np.argsort(receivers, kind="stable")
    return Map(
        shape,
        np.append(senders, np.zeros_like(lost))[order],
        receivers[order],
        np.append(each.weights[keep], np.zeros(lost.size))[order],
        np.append(each.trainable[keep], np.ones(lost.size, bool))[order],
    )


def _recipe(maps: list[Map]) -> Layers:
    return sort_layers(
        [maps[0].shape[0], *(m.shape[1] for m in maps)],
        [m.senders for m in maps],
        [m.receivers for m in maps],
        trainable=[m.trainable for m in maps],
        constant=[m.weights for m in maps],
    )


def _zeros(layers: Layers) -> list[Float[np.ndarray, " _edges"]]:
    return [np.zeros(senders.size) for senders in layers.senders]


def _maps(linear: SparseLinear | eqx.nn.Linear) -> list[Map]:
    if isinstance(linear, SparseLinear):
        return [_of_layer(layer) for layer in linear.layers]
    matrix = np.asarray(linear.weight, float)
    receivers, senders = np.nonzero(matrix)
    weights = matrix[receivers, senders]
    return [Map(matrix.shape[::-1], senders, receivers, weights, np.ones(senders.size, bool))]


def _of_layer(layer: SparseLayer) -> Map:
    senders, receivers = edge_ends(layer.wiring)
    weights, trainable = np.array(layer.weights(), float), np.ones(senders.size, bool)
    if layer.constant is not None:
        fixed = np.asarray(layer.fixed)
        weights[fixed], trainable[fixed] = layer.constant.values, False
    keep = weights != 0
    ends = senders[keep], receivers[keep]
    shape = layer.wiring.n_in, layer.wiring.n_out
    return Map(shape, *ends, weights[keep], trainable[keep])
