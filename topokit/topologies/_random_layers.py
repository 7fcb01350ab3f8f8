"""One random layer, drawn with whole arrays at a time."""

import numpy as np
from jaxtyping import Bool, Int

from topokit.topologies._edge_algebra import Edges, in_lists


def coins(cells: int, density: float, rng: np.random.Generator) -> Int[np.ndarray, " heads"]:
    """The cells chosen if each is with probability `density`, ascending; cost O(chosen).

    The gaps between chosen cells are geometric, so nothing is spent on those left out.
    """
    chosen = [np.array([-1])]
    while chosen[-1][-1] < cells:
        some = int(density * (cells - chosen[-1][-1])) + 16
        gaps = np.minimum(rng.geometric(density, some), cells + 1)
        chosen.append(chosen[-1][-1] + np.cumsum(gaps))
    places = np.concatenate(chosen[1:])
    return places[places < cells]


def regular_layer(n_senders: int, n_receivers: int, fan_in: int, rng: np.random.Generator) -> Edges:
    """Exact fan-in, balanced fan-out: drawn directly while sparse, else by its complement."""
    if 2 * fan_in > n_senders:
        senders, receivers = _sparse_layer(n_senders, n_receivers, n_senders - fan_in, rng)
        others = np.ones((n_senders, n_receivers), bool)
        others[senders, receivers] = False
        senders, receivers = np.nonzero(others)
        return senders, receivers
    return _sparse_layer(n_senders, n_receivers, fan_in, rng)


def _sparse_layer(n_senders: int, n_receivers: int, fan_in: int, rng: np.random.Generator) -> Edges:
    """The configuration model without repeated edges, for `fan_in <= n_senders / 2`."""
    receivers = np.repeat(np.arange(n_receivers), fan_in)
    senders = rng.permutation(np.resize(rng.permutation(n_senders), receivers.size))
    free = np.ones(receivers.size, bool)
    while (places := _repeats(receivers * n_senders + senders, free)).size:
        codes = receivers * n_senders + senders
        others = rng.integers(receivers.size, size=places.size)
        new = np.concatenate([receivers[places], receivers[others]]) * n_senders
        new += np.concatenate([senders[others], senders[places]])
        good = _once(new) & ~np.isin(new, codes) & _once(np.concatenate([places, others]))
        good = good[: places.size] & good[places.size :]
        a, b = places[good], others[good]
        senders[a], senders[b] = senders[b], senders[a]
    return senders, receivers


def rewired_ring(n: int, neighbours: int, rewiring: float, rng: np.random.Generator) -> Edges:
    """A ring in which some senders are drawn anew, again while they repeat another one."""
    steps = np.arange(-(neighbours // 2), neighbours // 2 + 1)
    senders, receivers = in_lists((np.arange(n)[:, None] + steps) % n)
    free = (rng.random(senders.size) < rewiring) & (senders != receivers)
    places = np.flatnonzero(free)
    while places.size:
        senders[places] = rng.integers(n, size=places.size)
        places = _repeats(receivers * n + senders, free)
    return senders, receivers


def _repeats(
    codes: Int[np.ndarray, " edges"], free: Bool[np.ndarray, " edges"]
) -> Int[np.ndarray, " repeats"]:
    """Places of the edges that repeat another one; of equal edges one stays, a bound one if any."""
    order = np.lexsort((free, codes))
    return order[1:][np.diff(codes[order]) == 0]


def _once(values: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """True where a value occurs once."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return count[place] == 1
