"""Which edges need a column of their own in the Jacobian of the end-to-end matrix.

One that lies on no path has none. And a hidden neuron whose weights are all free can have its
in-edges scaled up and its out-edges down without a change of `W_d`, so that one of its in-edges
depends on its other edges (and, layer by layer from the last, only on edges that stay): without it
the columns span the same space.
"""

import numpy as np
from jaxtyping import Bool

from topokit.layers import Layers, live_edges, live_neurons, live_weights, remembered


@remembered
def free_neurons(layers: Layers) -> tuple[Bool[np.ndarray, " _width"], ...]:
    """For each layer of neurons, those that can be scaled: on a path, by trainable edges alone.

    Inputs and outputs are none. Cost O(E).
    """
    result = [alive.copy() for alive in live_neurons(layers)]
    result[0][:] = result[-1][:] = False
    for number, (on, free) in enumerate(zip(live_edges(layers), layers.trainable, strict=True)):
        result[number][layers.senders[number][on & ~free]] = False
        result[number + 1][layers.receivers[number][on & ~free]] = False
    return tuple(result)


@remembered
def spanning_edges(layers: Layers) -> tuple[Bool[np.ndarray, " _edges"], ...]:
    """For each layer, the trainable edges whose columns span those of all; cost O(E).

    Of the live edges into each free neuron, the first is left out.
    """
    keep = [kept.copy() for kept in live_weights(layers)]
    for kept, receivers, free in zip(keep, layers.receivers, free_neurons(layers)[1:], strict=True):
        places = np.flatnonzero(kept)
        neurons, firsts = np.unique(receivers[places], return_index=True)
        kept[places[firsts[free[neurons]]]] = False
    return tuple(keep)


def count_spanning(layers: Layers) -> int:
    """How many columns span the Jacobian's: the size of what is eliminated or factored."""
    return sum(int(kept.sum()) for kept in spanning_edges(layers))
