"""Rules that choose a topology for every layer of a network, from its width and a share of edges.

A rule takes the numbers of inputs and outputs of a dense layer and returns the topology that takes
its place. `share` is the most of the dense layer's connections that it may have: a smaller one
never gives more, and where it has no room for any such topology the layer is refused, with the
least share that has. There are two words for leaving layers dense. `dense_below` says how many
inputs and outputs a layer must have to be replaced; the default keeps the last layer of a
classifier, which has few connections, and where a sparse topology would cut the signals that go
through. `otherwise` is the rule for layers without room: `clos_with(0.05, otherwise=dense())`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from math import isqrt

import networkx as nx

from topokit._checks import check_count, check_real
from topokit.layers import Layers
from topokit.topologies import clos, low_rank, random_regular
from topokit.topologies import dense as dense_topology

NARROW = 16
LEAST_DIGITS = Context(prec=4, rounding=ROUND_CEILING)

Rule = Callable[[int, int], nx.DiGraph | Layers]
"""From the numbers of inputs and outputs to a topology with as many."""


def dense() -> Rule:
    """Every layer dense.

    Examples:
        >>> from topokit import networks
        >>> networks.dense()(4, 3).n_edges
        12

    See Also:
        `topokit.topologies.dense`, the topology.
    """
    return dense_topology.layers


def clos_with(share: float, *, dense_below: int = NARROW, otherwise: Rule | None = None) -> Rule:
    """Clos networks with about sqrt(n) routers on either side (ClosNets, equation (1)).

    `P = R_m (I + O + R_i R_o)` edges for `R_m` middle routers: as many as the share allows.

    Args:
        share: The most of the dense layer's connections, in (0, 1].
        dense_below: Layers with fewer inputs or fewer outputs stay dense.
        otherwise: The rule for layers that the share has no room for; None refuses them.

    Raises:
        ValueError: If an argument is out of range; the rule, if a share has no room.

    Examples:
        >>> from topokit import networks
        >>> rule = networks.clos_with(0.2)
        >>> rule(256, 256).n_edges <= 0.2 * 256 * 256
        True

    See Also:
        `low_rank_with` and `random_with`, other wirings of that share; `designed`, the best of
        all; `sparsify`.
    """
    parts = "a Clos network", _middle_routers, _clos
    return ByShare(*parts, share, dense_below, otherwise)


def low_rank_with(
    share: float, *, dense_below: int = NARROW, otherwise: Rule | None = None
) -> Rule:
    """Products of two dense matrices, of the greatest rank that the share allows.

    That is the dense layer itself at a share of 1. Arguments as in `clos_with`.

    Examples:
        >>> from topokit import networks
        >>> networks.low_rank_with(0.2)(256, 256).widths
        (256, 25, 256)

    See Also:
        `clos_with` and `random_with`; `sparsify`.
    """
    parts = "a low-rank product", _rank, low_rank.layers
    rule = ByShare(*parts, share, dense_below, otherwise)
    return dense() if share == 1 else rule


def random_with(
    share: float, *, seed: int = 0, dense_below: int = NARROW, otherwise: Rule | None = None
) -> Rule:
    """One sparse layer of random edges with equal fan-in, "a priori pruned" in ClosNets.

    `seed` chooses the edges; the other arguments are those of `clos_with`.

    Examples:
        >>> from topokit import networks
        >>> networks.random_with(0.25)(256, 256).n_edges
        16384

    See Also:
        `clos_with` and `low_rank_with`; `sparsify`.
    """
    parts = "a random layer", _fan_in, _RandomLayer(check_count("seed", seed, least=0))
    return ByShare(*parts, share, dense_below, otherwise)


@dataclass(frozen=True)
class ByShare:
    """The rule that builds what it builds as large as the share allows; it can be pickled.

    Attributes:
        what: What it builds, in words.
        size: How large the greatest within a share is, from the share and both widths; 0 is none.
        build: From both widths and that size to the topology.
        share: The share.
        dense_below: Layers with fewer inputs or outputs stay dense.
        otherwise: The rule for layers without room, or None.
    """

    what: str
    size: Callable[[float, int, int], int]
    build: Callable[[int, int, int], Layers]
    share: float
    dense_below: int
    otherwise: Rule | None

    def __post_init__(self) -> None:
        check_real("share", self.share, least=0, most=1, above=True)
        check_count("dense_below", self.dense_below, least=0)
        try:
            _ = self.otherwise is None or inspect.signature(self.otherwise).bind(1, 1)
        except TypeError as error:
            raise ValueError(
                "otherwise must be a rule, a function of the numbers of inputs and outputs such as "
                f"dense(); given {self.otherwise!r}"
            ) from error

    def __call__(self, n_in: int, n_out: int) -> nx.DiGraph | Layers:
        if min(n_in, n_out) < self.dense_below:
            return dense_topology.layers(n_in, n_out)
        if fitting := self.size(self.share, n_in, n_out):
            return self.build(n_in, n_out, fitting)
        if self.otherwise is not None:
            return self.otherwise(n_in, n_out)
        least = _least(lambda share: self.size(share, n_in, n_out) > 0)
        need = "more than all" if least is None else f"a share of at least {least}"
        raise ValueError(
            f"{self.what} between {n_in} and {n_out} neurons takes {need} of the {n_in * n_out} "
            f"connections; given share={self.share}. Give more, or leave such layers dense, by "
            f"dense_below={min(n_in, n_out) + 1} or by otherwise=dense()"
        )


def _middle_routers(share: float, n_in: int, n_out: int) -> int:
    routers = _near_root(n_in) * _near_root(n_out)
    return int(share * n_in * n_out / (n_in + n_out + routers))


def _clos(n_in: int, n_out: int, middle: int) -> Layers:
    return clos.layers(n_in, n_out, _near_root(n_in), middle, _near_root(n_out))


def _rank(share: float, n_in: int, n_out: int) -> int:
    return int(share * n_in * n_out / (n_in + n_out))


def _fan_in(share: float, n_in: int, n_out: int) -> int:  # noqa: ARG001
    return int(share * n_in)


@dataclass(frozen=True)
class _RandomLayer:
    seed: int

    def __call__(self, n_in: int, n_out: int, fan_in: int) -> Layers:
        return random_regular.layers([n_in, n_out], fan_in, seed=self.seed)


def _least(fits: Callable[[float], bool]) -> float | None:
    """The least share that fits, rounded up to four digits; None if none does."""
    if not fits(1.0):
        return None
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if fits(middle) else (middle, high)
    return float(LEAST_DIGITS.create_decimal_from_float(high))


def _near_root(n: int) -> int:
    """The divisor of `n` nearest to its square root on a scale of ratios."""
    root = isqrt(n)
    return next(d for d in range(root, 0, -1) if n % d == 0)
