"""Which inputs reach which outputs, whether a free weight lies on the way, and how soon."""

import numpy as np
from jaxtyping import Bool, Float

from topokit._limits import check_memory
from topokit._records import Record
from topokit.layers import NUMBERS, Layers, forward, live_neurons

TERMS_AT_ONCE = 2**24
LIMIT = 2**33  # bytes of which pairs have a path

# What a neuron holds of an input: 0 for no path, 1 for paths of constants alone, FREE for a path
# with a trainable edge. FREE exceeds any fan-in, so that sums of ones do not reach it.
FREE = 2.0**40


class Reach(Record):
    """Which entries of the end-to-end matrix are more than zeros and constants.

    Attributes:
        unreached: Pairs of an input and an output without a path: entries that are 0.
        frozen: Pairs with paths, all of constant edges alone: entries that no weight can change.
        complete_after: The first layer of neurons all of which all inputs reach (neurons that lie
            on no path left out), 0 for a single input; None where a pair has no path.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.butterfly(8, 2)).reach
        >>> found.unreached, found.frozen, found.complete_after
        (32, 0, None)
    """

    unreached: int
    frozen: int
    complete_after: int | None


def find_reach(layers: Layers) -> tuple[Reach, Bool[np.ndarray, "n_in n_out"]]:
    """Follow all inputs; also which pairs have a path.

    Cost O(n_in E), a few inputs at a time.
    """
    check_memory(
        "a diagnosis",
        layers.n_in * layers.n_out,
        LIMIT,
        "topokit.structure counts how much is reached, topokit.scores.bandwidth what passes",
    )
    alive = live_neurons(layers)
    weights = [np.where(free, FREE, 1.0) for free in layers.trainable]
    complete = np.ones(layers.depth + 1, bool)
    reached, frozen = np.empty((layers.n_in, layers.n_out), bool), 0
    block = max(1, TERMS_AT_ONCE // max(s.size for s in layers.senders))
    for first in range(0, layers.n_in, block):
        rows = slice(first, min(first + block, layers.n_in))
        held = start = np.eye(layers.n_in, rows.stop - first, k=-first)
        states = forward(layers, start, weights, algebra=NUMBERS, settle=_settle)
        for layer, held in enumerate(states):
            complete[layer] &= bool(held[alive[layer]].all())
        reached[rows] = held.T > 0
        frozen += int(np.count_nonzero(held == 1))
    first = int(complete.argmax()) if complete.any() else None
    return Reach(int(np.count_nonzero(~reached)), frozen, first), reached


def _settle(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Back to 0, 1 or FREE."""
    return np.where(values >= FREE, FREE, np.minimum(values, 1.0))
