"""What every neuron may add and hold: the numbers that bound all control.

An edge counts only if it carries something, from some input to some output. One that comes from no
input brings a constant zero and has no ratio to set; one that leads to no output wastes what is
sent over it. So `keep_edges` takes both out before anything is counted.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers import Layers, ancestors, in_degrees


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


def count_neurons(layers: Layers) -> list[Neurons]:
    """The neurons of each layer behind the inputs, of a network whose edges all carry."""
    return [
        Neurons(gain.astype(np.float32), count_room(reach, 1).astype(np.float32), reach)
        for gain, reach in zip(count_gains(layers), ancestors(layers)[1:], strict=True)
    ]


def count_gains(layers: Layers) -> list[Int[np.ndarray, " _width"]]:
    """The ratios that the neurons of each layer behind the inputs add (equation (28))."""
    rows = zip(layers.receivers, layers.trainable, in_degrees(layers), strict=True)
    return [
        np.maximum(np.minimum(np.bincount(r[free], minlength=fan_in.size), fan_in - 1), 0)
        for r, free, fan_in in rows
    ]


def count_room(
    reach: Bool[np.ndarray, "width kinds"], inputs: int | Int[np.ndarray, " kinds"]
) -> Int[np.ndarray, " width"]:
    """The ratios that neurons can hold (equation (11)), for kinds of so many inputs each."""
    return np.maximum((reach * inputs).sum(axis=1) - 1, 0)
