"""Neurons that play the same part, by color refinement.

Two neurons are alike if they may add and hold as much and have equally many neurons of each kind
before and behind them: the coarsest equitable partition of the network. A convex program has an
optimum that treats all neurons of a kind alike, for averaging over a kind keeps every constraint
and raises no convex cost (Grohe, Kersting, Mladenov and Selman, "Dimension reduction via colour
refinement", 2014).
"""

import numpy as np
from jaxtyping import Int

from topokit.scores.control._control_network import ControlNetwork


def find_kinds(network: ControlNetwork) -> Int[np.ndarray, " neurons"]:
    """Part neurons by what they are, then by the kinds around them until nothing parts any more.

    The kinds around a neuron are told by the sum of a random number for each: that two sets of them
    have one sum has a chance of 2^-64. Cost: O(E + N log N) a round, for N neurons, and a few
    rounds more than there are layers.
    """
    rng = np.random.default_rng(0)
    layer = np.repeat(np.arange(len(network.layers)), [s.stop - s.start for s in network.layers])
    kinds = _classes(layer, network.gain, network.room)
    while True:
        before, behind = rng.integers(2**64, size=(2, int(kinds.max()) + 1), dtype=np.uint64)
        arriving, leaving = np.zeros((2, kinds.size), np.uint64)
        np.add.at(arriving, network.receivers, before[kinds[network.senders]])
        np.add.at(leaving, network.senders, behind[kinds[network.receivers]])
        finer = _classes(kinds, arriving, leaving)
        if finer.max() == kinds.max():
            return kinds
        kinds = finer


def _classes(*columns: np.ndarray) -> Int[np.ndarray, " rows"]:
    """Number the rows so that equal rows have one number."""
    table = np.stack([column.astype(np.uint64) for column in columns], axis=1)
    return np.unique(table, axis=0, return_inverse=True)[1].ravel()
