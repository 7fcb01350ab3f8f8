"""What every neuron may add and hold: the numbers that bound all control.

An edge counts only if it carries something, from some input to some output. One that comes from no
input brings a constant zero and has no ratio to set; one that leads to no output wastes what is
sent over it. So both go before anything is counted.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from topokit._layers import Layers, ancestors, descendants, sort_layers


class Neurons(NamedTuple):
    """One layer of neurons, or a stack of them: arrays of numpy, or of JAX while it compiles.

    Attributes:
        gain: The ratios that a neuron's own in-edges add, `min(t, k - 1)` with `k` in-edges of
            which `t` are trainable (equation (28)).
        room: The ratios there are, `|A(v)| - 1` (equation (11)).
        reach: A(v), the inputs that reach the neuron.
    """

    gain: Float[Any, "*layers width"]
    room: Float[Any, "*layers width"]
    reach: Bool[Any, "*layers width n_in"]


def carrying(layers: Layers) -> Layers:
    """The network without the edges that come from no input or lead to no output."""
    fed = [np.any(reach, axis=1) for reach in ancestors(layers)]
    heard = [np.any(reach, axis=1) for reach in descendants(layers)]
    rows = zip(layers.senders, layers.receivers, fed, heard[1:], strict=False)
    keep = [np.logical_and(before[s], after[r]) for s, r, before, after in rows]
    senders, receivers, trainable, constant = (
        [array[kept] for array, kept in zip(arrays, keep, strict=True)] for arrays in layers[1:]
    )
    return sort_layers(layers.widths, senders, receivers, trainable=trainable, constant=constant)


def count_neurons(layers: Layers) -> list[Neurons]:
    """The neurons of each layer behind the inputs, of a network whose edges all carry."""
    rows = zip(layers.receivers, layers.trainable, ancestors(layers)[1:], strict=True)
    return [_count(*row) for row in rows]


def _count(receivers: np.ndarray, trainable: np.ndarray, reach: np.ndarray) -> Neurons:
    fan_in = np.bincount(receivers, minlength=len(reach))
    free = np.bincount(receivers[trainable], minlength=len(reach))
    gain = np.maximum(np.minimum(free, fan_in - 1), 0)
    room = np.maximum(reach.sum(axis=1) - 1, 0)
    return Neurons(gain.astype(np.float32), room.astype(np.float32), reach)
