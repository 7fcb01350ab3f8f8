"""The members by which a family is known: on one line a family, which grows with the budget.

They are those of NeuroFabric's figures where it has the family: routers and grids as square as the
width allows (8, and 8 x 4, for 32 neurons), RadiX-Nets of the same two radices, parallel
butterflies that join all pairs and grow by copies. Monarch has the square root of the width as
blocks, as in its paper, and grows by rank; rectangular butterflies are of radix 2, diagonals lie
apart. Random networks have about as many layers as
their neurons have senders.
"""

from collections.abc import Callable
from math import isqrt, prod
from typing import Any

from topokit.designs._factorizations import squarest
from topokit.designs._members import Member

NEIGHBOURS = 4  # of a neuron in a small world, where its ring has room for them


def usual(member: Member) -> bool:
    """Whether a member with as many inputs as outputs is on the line of its family."""
    rule = RULES.get(member.family)
    return rule is None or rule(member.n_in, member.arguments)


def _clos(n: int, arguments: dict[str, Any]) -> bool:
    routers = squarest(n)[0]
    return arguments["input_routers"] == arguments["output_routers"] == routers


def _monarch(n: int, arguments: dict[str, Any]) -> bool:
    return arguments["blocks"] == min(n, max(2, isqrt(n)))


def _rectangular_butterfly(_: int, arguments: dict[str, Any]) -> bool:
    return {*arguments["radices"]} == {2}


def _diagonals(_: int, arguments: dict[str, Any]) -> bool:
    return "width" not in arguments


def _torus(n: int, arguments: dict[str, Any]) -> bool:
    return prod(arguments["shape"][:1]) == squarest(n)[0] and len(arguments["shape"]) <= 2


def _radix_net(n: int, arguments: dict[str, Any]) -> bool:
    wide, narrow = squarest(n)
    return arguments["radices"][0] == [side for side in (narrow, wide) if side > 1]


def _parallel_butterfly(n: int, arguments: dict[str, Any]) -> bool:
    bits, copies = n.bit_length() - 1, arguments["copies"]
    return bits <= arguments["depth"] <= (2 * bits if copies > 1 else bits)


def _random_regular(n: int, arguments: dict[str, Any]) -> bool:
    return _as_deep_as_wide(n, arguments["widths"], arguments["fan_in"])


def _erdos_renyi(n: int, arguments: dict[str, Any]) -> bool:
    return _as_deep_as_wide(n, arguments["widths"], n * arguments["density"])


def _as_deep_as_wide(n: int, widths: list[int], fan_in: float) -> bool:
    depth = len(widths) - 1
    return set(widths) == {n} and depth > 1 and depth <= 2 * fan_in and fan_in <= 2 * depth


def _small_world(n: int, arguments: dict[str, Any]) -> bool:
    return arguments["neighbours"] == min(NEIGHBOURS, n // 4 * 2)


RULES: dict[str, Callable[[int, dict[str, Any]], bool]] = {
    "clos": _clos,
    "monarch": _monarch,
    "rectangular_butterfly": _rectangular_butterfly,
    "diagonals": _diagonals,
    "torus": _torus,
    "radix_net": _radix_net,
    "parallel_butterfly": _parallel_butterfly,
    "random_regular": _random_regular,
    "erdos_renyi": _erdos_renyi,
    "small_world": _small_world,
}
