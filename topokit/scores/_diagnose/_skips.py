"""Neurons that mix signals, and which of them have a weight fixed."""

from typing import NamedTuple

import numpy as np

from topokit._layers import Layers, in_degrees


class Skips(NamedTuple):
    """How far a topology uses skip connections.

    Attributes:
        mixing: Neurons with two in-edges or more.
        fixed: Those of them with one constant in-edge.
        several: Those of them with more; each constant beyond the first takes a ratio away. The
            neurons that are left have none, and a weight to spare.
    """

    mixing: int
    fixed: int
    several: int


def count_skips(layers: Layers) -> Skips:
    """Count constants at each neuron; cost O(E)."""
    mixes = np.concatenate(in_degrees(layers)) > 1
    rows = zip(layers.receivers, layers.trainable, layers.widths[1:], strict=True)
    constants = np.concatenate([np.bincount(r[~t], minlength=w) for r, t, w in rows])
    return Skips(
        int(mixes.sum()),
        int(np.count_nonzero(mixes & (constants == 1))),
        int(np.count_nonzero(constants > 1)),
    )
