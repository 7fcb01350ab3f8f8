"""Group lasso: training that brings whole neurons to exactly zero.

Group lasso adds to the loss the norms, not squared, of groups of weights,

    strength * sum over groups g of sqrt(size of g) * |w_g|

(Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006, section
2; of neurons and channels of a network: Wen and others, "Learning structured sparsity in deep
neural networks", 2016, as Li and others, 2018, section III and equations (1) and (2), tell it,
without the root; in fine-tuning: FSSL, Wang and others, 2019, who give no formula). The norm has an
edge at 0, so that at the minimum whole groups are 0, not only small. The gradient does not see that
edge; the proximal operator of the penalty steps onto it, in a closed form for each group:

    w_g  ->  max(0, 1 - learning_rate * strength * sqrt(size of g) / |w_g|) * w_g.

The group of a hidden neuron is all that it receives, its incoming weights and its bias: at 0 the
neuron is a constant. The weights of the last layer, whose neurons are the classes and stay, are
grouped by sender: at 0 nothing hears the neuron. So every weight is in one group, and none of them
is free to grow while others shrink: ReLU networks compute the same if what a neuron receives is
halved and what it sends doubled. A neuron without use on either side has no gradient any more, and
its incoming group follows. `without_dead_neurons` then takes it out.
"""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from topokit._checks import check_real
from topokit.networks._linear import SparseLayer, SparseLinear, edges
from topokit.networks._sequential import StackedLayer, read_stack


class GroupLassoState(NamedTuple):
    """What `group_lasso` remembers; in a chain that it ends, `opt_state[-1]`.

    Attributes:
        step: Number of updates taken.
    """

    step: Int[Array, ""]


class Part(NamedTuple):
    """One array of parameters, and how it falls into groups.

    Attributes:
        leaf: From a model, or a tree like it, to the array.
        sizes: Entries of each group.
        sums: From an array like it to the sums of each group.
        spread: From one number a group to what multiplies the array.
    """

    leaf: Callable[[Any], Array]
    sizes: Int[np.ndarray, " groups"]
    sums: Callable[[Array], Float[Array, " groups"]]
    spread: Callable[[Float[Array, " groups"]], Array]


Groups = tuple[Part, ...]
"""The arrays whose entries make up the groups of one layer of neurons."""


def group_lasso(
    model: eqx.nn.Sequential, strength: float, *, learning_rate: float | optax.Schedule
) -> optax.GradientTransformation:
    """Bring whole neurons to zero while training; the last part of an optimizer's chain.

        optimizer = optax.chain(optax.adam(1e-3), group_lasso(model, 0.1, learning_rate=1e-3))

    After the update that the chain has made so far, the proximal operator of the penalty (see the
    module) is applied to all groups. The updates returned are such that `optax.apply_updates`
    gives exactly 0 for a group that vanishes, which is why nothing may change them afterwards; a
    gradient may bring it back later.

    With plain gradient descent of the same learning rate this is proximal gradient descent, which
    stands still where loss and penalty together do. Behind Adam the penalty is taken apart from the
    scaling of gradients, as AdamW takes weight decay: the strength then compares with the root mean
    square of a group's scaled gradients, which are hardly above 1, and at 1 little survives. Either
    way the penalty takes `learning_rate * strength` a step from the root mean square of a group's
    weights: with `r` before, the group needs at least `r / (learning_rate * strength)` steps to
    vanish.

    Args:
        model: A stack of `SparseLinear` and `equinox.nn.Linear` layers with elementwise functions
            between them; only its wiring and shapes are used. The updates are those of its
            parameters, `equinox.filter(model, equinox.is_inexact_array)`.
        strength: Weight of the penalty, at least 0.
        learning_rate: That of the optimizer before it: a number, or a function of the number of
            updates before this one.

    Returns:
        A transformation for `jax.jit` and `jax.lax.scan`; a step costs O(n) for n parameters. The
        biases of the last layer are left alone, and so are constant edges. In a model of one layer
        the groups are the weights from each input.

    Raises:
        ValueError: If the model is no such stack, `strength` is below 0, or at an update without
            `params`.

    Examples:
        >>> import jax
        >>> import optax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> lasso = networks.group_lasso(model, 0.01, learning_rate=0.1)
        >>> optimizer = optax.chain(optax.sgd(0.1), lasso)
        >>> isinstance(optimizer, optax.GradientTransformation)
        True

    See Also:
        `without_dead_neurons`, which takes out what is left; `prune`, weight by weight.
    """
    strength = check_real("strength", strength, least=0, most=inf)
    if not callable(learning_rate):
        learning_rate = optax.constant_schedule(learning_rate)
    every = model_groups(model)
    parts = [part for groups in every for part in groups]

    def init(params: PyTree) -> GroupLassoState:
        del params
        return GroupLassoState(jnp.zeros((), jnp.int32))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None
    ) -> tuple[PyTree, GroupLassoState]:
        if params is None:
            raise ValueError(
                "group_lasso needs the weights: give params to update(updates, state, params)"
            )
        threshold = jnp.asarray(learning_rate(state.step)) * strength
        new = []
        for groups in every:
            old = [part.leaf(params) for part in groups]
            moved = [w + part.leaf(updates) for w, part in zip(old, groups, strict=True)]
            shrunk = shrink_groups(groups, moved, threshold)
            new += [a - w for a, w in zip(shrunk, old, strict=True)]
        updates = eqx.tree_at(lambda tree: [part.leaf(tree) for part in parts], updates, new)
        return updates, GroupLassoState(state.step + 1)

    return optax.GradientTransformation(init, update)


def model_groups(model: eqx.nn.Sequential) -> list[Groups]:
    """The groups of each layer of neurons, inputs' neighbors first, and the last layer's senders.

    Raises:
        ValueError: As `group_lasso` does.
    """
    *before, last = read_stack(model)
    groups = [g for stage in before for g in _incoming(stage, len(_weights(stage)))]
    n_maps = len(_weights(last))
    return [*groups, *_incoming(last, n_maps - 1), _outgoing(last)]


def shrink_groups(
    groups: Groups, arrays: list[Array], threshold: Float[Array, ""] | float
) -> list[Array]:
    """The proximal operator of `threshold * sum of sqrt(size) |w_g|`: group soft thresholding."""
    pairs = list(zip(groups, arrays, strict=True))
    squares = [part.sums(w * w) for part, w in pairs]
    norms = jnp.sqrt(sum(squares[1:], squares[0]))
    roots = jnp.asarray(np.sqrt(sum(part.sizes for part in groups)), norms.dtype)
    factors = jnp.where(norms == 0, 0.0, jnp.maximum(0.0, 1.0 - threshold * roots / norms))
    return [part.spread(factors) * w for part, w in pairs]


def _incoming(stage: StackedLayer, n_maps: int) -> list[Groups]:
    """What each receiver of the first maps of a stage gets; the last one of all has the bias."""
    groups: list[Groups] = [(part,) for part in map(_by_receiver, *_places(stage, n_maps))]
    if n_maps == len(_weights(stage)) and stage.linear.bias is not None:
        place = stage.place
        ones = np.ones(stage.linear.bias.size, int)
        bias = Part(lambda tree: tree.layers[place].bias, ones, _itself, _itself)
        groups[-1] = (*groups[-1], bias)
    return groups


def _outgoing(stage: StackedLayer) -> Groups:
    """What each sender of the last map of a stage sends."""
    number = len(_weights(stage)) - 1
    leaf, weight = _leaf(stage, number), _weights(stage)[number]
    if isinstance(weight, SparseLayer):
        return (_labeled(leaf, edges(weight)[0], weight.wiring.n_in),)
    return (_along(leaf, weight, 0),)


def _places(stage: StackedLayer, n_maps: int) -> tuple[list, list]:
    return [_leaf(stage, number) for number in range(n_maps)], _weights(stage)[:n_maps]


def _by_receiver(leaf: Callable[[Any], Array], weight: SparseLayer | Array) -> Part:
    if isinstance(weight, SparseLayer):
        return _labeled(leaf, edges(weight)[1], weight.wiring.n_out)
    return _along(leaf, weight, 1)


def _weights(stage: StackedLayer) -> list[SparseLayer | Array]:
    """The maps of a stage: the layers of a cascade, or one matrix."""
    linear = stage.linear
    return list(linear.layers) if isinstance(linear, SparseLinear) else [linear.weight]


def _leaf(stage: StackedLayer, number: int) -> Callable[[Any], Array]:
    place = stage.place
    if isinstance(stage.linear, SparseLinear):
        return lambda tree: tree.layers[place].layers[number].weight
    return lambda tree: tree.layers[place].weight


def _labeled(leaf: Callable[[Any], Array], labels: Int[np.ndarray, " weights"], n: int) -> Part:
    sizes, labels = np.bincount(labels, minlength=n), labels.astype(np.int32)
    return Part(leaf, sizes, lambda w: jax.ops.segment_sum(w, labels, n), lambda f: f[labels])


def _along(leaf: Callable[[Any], Array], weight: Array, axis: int) -> Part:
    """A group is all that lies along an axis of a matrix `(receivers, senders)`."""
    sizes = np.full(weight.shape[1 - axis], weight.shape[axis])
    return Part(leaf, sizes, lambda w: w.sum(axis), lambda f: jnp.expand_dims(f, axis))


def _itself(array: Array) -> Array:
    return array
