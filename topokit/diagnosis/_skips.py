"""Neurons that mix signals, and which of them have a weight fixed."""

import numpy as np

from topokit._records import Record
from topokit.layers import Layers, in_degrees, keep_edges, live_edges


class Skips(Record):
    """How far a topology uses skip connections.

    Attributes:
        mixing: Neurons with two in-edges or more, of those that lie on a path.
        fixed: Those of them with one constant in-edge.
        several: Those of them with more; each constant beyond the first takes a ratio away. The
            neurons that are left have none, and a weight to spare.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.with_skip(tk.topologies.butterfly(8))).skips
        >>> found.mixing, found.fixed, found.several
        (24, 24, 0)

    See Also:
        `topokit.with_skip`, which fixes one weight of each.
    """

    mixing: int
    fixed: int
    several: int


def count_skips(layers: Layers) -> Skips:
    """Count constants at each neuron, among the edges that lie on a path; cost O(E)."""
    live = keep_edges(layers, live_edges(layers))
    fixed = keep_edges(live, [~free for free in live.trainable])
    mixes = np.concatenate(in_degrees(live)) > 1
    constants = np.concatenate(in_degrees(fixed))
    return Skips(
        int(mixes.sum()),
        int(np.count_nonzero(mixes & (constants == 1))),
        int(np.count_nonzero(constants > 1)),
    )
