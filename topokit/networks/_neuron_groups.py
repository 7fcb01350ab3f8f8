"""The groups of a stack: each hidden neuron with all that it receives, its bias included.

At 0 the neuron is a constant. The weights of the last layer, whose neurons are the classes and
stay, are grouped by sender: at 0 nothing hears the neuron. So every weight is in one group, and
none of them is free to grow while others shrink: ReLU networks compute the same if what a neuron
receives is halved and what it sends doubled. A neuron without use on either side has no gradient
any more, and its incoming group follows.
"""

from typing import Any

import jax
import numpy as np

from topokit.networks._group_parts import Part, Path, along, itself, labeled
from topokit.networks._groups import Grouping, Scale, grouping
from topokit.networks._linear import SparseLayer, SparseLinear, edges
from topokit.networks._sequential import StackedLayer, read_stack


def neuron_groups(*, scale: Scale = np.sqrt) -> Grouping:
    """A group for each hidden neuron of a stack: its incoming weights and its bias.

    Those of the last layer are grouped by the neurons that they come from, without its biases;
    neurons inside of cascades count. In a model of one layer the groups are the weights from each
    input.

    Args:
        scale: As in `filter_groups`.

    Examples:
        >>> import jax
        >>> from topokit import networks
        >>> model = networks.mlp((1, 8, 8), [16], 10, key=jax.random.key(0))
        >>> [len(groups.scales) for groups in networks.neuron_groups()(model)]
        [16, 16]

    See Also:
        `filter_groups` and its neighbors, layer by layer and for any model.
    """
    return grouping("neurons", None, scale, _of_stack)


def _of_stack(model: Any, names: None) -> list[tuple[Part, ...]]:
    """Layer by layer, inputs' neighbors first, and the last layer's senders."""
    del names
    *before, last = read_stack(model)
    groups = [g for stage in before for g in _incoming(stage, len(_weights(stage)))]
    n_maps = len(_weights(last))
    return [*groups, *_incoming(last, n_maps - 1), (_outgoing(last),)]


def _incoming(stage: StackedLayer, n_maps: int) -> list[tuple[Part, ...]]:
    """What each receiver of the first maps of a stage gets; the last one of all has the bias."""
    groups: list[tuple[Part, ...]] = [(_of_map(stage, n, receives=True),) for n in range(n_maps)]
    if n_maps == len(_weights(stage)) and stage.linear.bias is not None:
        path = (*_place(stage), jax.tree_util.GetAttrKey("bias"))
        groups[-1] = (*groups[-1], itself(path, stage.linear.bias.shape))
    return groups


def _outgoing(stage: StackedLayer) -> Part:
    """What each sender of the last map of a stage sends."""
    return _of_map(stage, len(_weights(stage)) - 1, receives=False)


def _of_map(stage: StackedLayer, number: int, *, receives: bool) -> Part:
    """The weights of one map, by receiver or by sender."""
    path, weight = _path(stage, number), _weights(stage)[number]
    if isinstance(weight, SparseLayer):
        wiring = weight.wiring
        n = wiring.n_out if receives else wiring.n_in
        return labeled(path, weight.weight.shape, edges(weight)[receives], n)
    return along(path, weight.shape, (1,) if receives else (0,), weight.shape)


def _weights(stage: StackedLayer) -> list[Any]:
    """The maps of a stage: the layers of a cascade, or one matrix."""
    linear = stage.linear
    return list(linear.layers) if isinstance(linear, SparseLinear) else [linear.weight]


def _place(stage: StackedLayer) -> Path:
    return jax.tree_util.GetAttrKey("layers"), jax.tree_util.SequenceKey(stage.place)


def _path(stage: StackedLayer, number: int) -> Path:
    key = jax.tree_util.GetAttrKey
    if isinstance(stage.linear, SparseLinear):
        inside = key("layers"), jax.tree_util.SequenceKey(number)
        return *_place(stage), *inside, key("weight")
    return *_place(stage), key("weight")
