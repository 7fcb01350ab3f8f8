"""Rules that choose a topology for every layer of a network, from its width and a share of edges.

A rule takes the numbers of inputs and outputs of a dense layer and returns the topology that takes
its place. `share` is the most of the dense layer's connections that it may have. Layers with fewer
than 16 inputs or outputs, such as the last one of a classifier, stay dense: they have few
connections, and a sparse topology would cut the signals that go through.
"""

from collections.abc import Callable
from math import isqrt

import networkx as nx

from topokit._checks import check_real
from topokit.layers import Layers
from topokit.topologies import clos, low_rank, random_regular
from topokit.topologies import dense as dense_topology

NARROW = 16

Rule = Callable[[int, int], nx.DiGraph | Layers]
"""From the numbers of inputs and outputs to a topology with as many."""


def dense() -> Rule:
    """Every layer dense."""
    return dense_topology.layers


def clos_with(share: float) -> Rule:
    """Clos networks with about sqrt(n) routers on either side (ClosNets, equation (1)).

    `P = R_m (I + O + R_i R_o)` edges for `R_m` middle routers: as many as the share allows.
    """
    _check(share)

    def rule(n_in: int, n_out: int) -> Layers:
        first, last = _near_root(n_in), _near_root(n_out)
        middle = int(share * n_in * n_out / (n_in + n_out + first * last))
        if middle < 1 or min(n_in, n_out) < NARROW:
            return dense_topology.layers(n_in, n_out)
        return clos.layers(n_in, n_out, first, middle, last)

    return rule


def low_rank_with(share: float) -> Rule:
    """Products of two dense matrices, of the greatest rank that the share allows."""
    _check(share)

    def rule(n_in: int, n_out: int) -> Layers:
        rank = int(share * n_in * n_out / (n_in + n_out))
        if rank < 1 or share == 1 or min(n_in, n_out) < NARROW:
            return dense_topology.layers(n_in, n_out)
        return low_rank.layers(n_in, n_out, rank)

    return rule


def random_with(share: float, *, seed: int = 0) -> Rule:
    """One sparse layer of random edges with equal fan-in, "a priori pruned" in ClosNets."""
    _check(share)

    def rule(n_in: int, n_out: int) -> Layers:
        fan_in = int(share * n_in)
        if fan_in < 1 or min(n_in, n_out) < NARROW:
            return dense_topology.layers(n_in, n_out)
        return random_regular.layers([n_in, n_out], fan_in, seed=seed)

    return rule


def _check(share: float) -> None:
    if not check_real("share", share, least=0, most=1):
        raise ValueError("share must be above 0: a layer needs connections; given 0")


def _near_root(n: int) -> int:
    """The divisor of `n` nearest to its square root on a scale of ratios."""
    root = isqrt(n)
    return next(d for d in range(root, 0, -1) if n % d == 0)
