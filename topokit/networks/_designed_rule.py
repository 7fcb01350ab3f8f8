"""The rule that takes the best topology of all: the one rule that has to search, and to compute."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from topokit._checks import check_count, check_flag, check_seed
from topokit.designs import design
from topokit.layers import Layers
from topokit.networks._rules import NARROW, ByShare, Rule

DEPTH = 3


def designed(
    share: float,
    *,
    depth: int | None = DEPTH,
    skip: bool = True,
    seed: int = 0,
    dense_below: int = NARROW,
    otherwise: Rule | None = None,
) -> Rule:
    """The best of all families by predicted loss, found by `topokit.design`.

    Layers of the same sizes get the same topology, which is looked for once in a process: that
    takes seconds to minutes a layer.

    Args:
        share: The most of the dense layer's connections that are trained, in (0, 1].
        depth: The most layers of a topology, as many as a Clos network has by default: deeper ones
            are predicted to be better still, but take longer steps and more of them. None is any.
        skip: Whether constant edges are allowed beside those of the share.
        seed: Seed of random members and of predictions.
        dense_below: Layers with fewer inputs or fewer outputs stay dense.
        otherwise: The rule for layers that the share has no room for; None refuses them.

    Raises:
        ValueError: If an argument is out of range; the rule, if a share has no room.

    Examples:
        >>> from topokit import networks
        >>> rule = networks.designed(0.4, depth=2)
        >>> rule(16, 16).n_trainable <= 0.4 * 16 * 16
        True

    See Also:
        `topokit.design`, which says more; `clos_with`, quicker; `sparsify`.
    """
    depth = None if depth is None else check_count("depth", depth)
    build = _Designed(depth, check_flag("skip", skip), check_seed("seed", seed))
    return ByShare("a designed layer", _trainable, build, share, dense_below, otherwise)


def _trainable(share: float, n_in: int, n_out: int) -> int:
    budget = int(share * n_in * n_out)
    return budget if budget >= n_in + n_out else 0


@dataclass(frozen=True)
class _Designed:
    depth: int | None
    skip: bool
    seed: int

    def __call__(self, n_in: int, n_out: int, trainable: int) -> Layers:
        return _best(n_in, n_out, trainable, self.depth, self.skip, self.seed)


@lru_cache(maxsize=64)
def _best(
    n_in: int, n_out: int, trainable: int, depth: int | None, skip: bool, seed: int
) -> Layers:
    options: dict[str, Any] = {"depth": depth, "skip": skip, "seed": seed, "candidates": 1}
    options |= {"measure": False, "trials": 0}
    return design(n_in, n_out, trainable=trainable, **options)[0].layers
