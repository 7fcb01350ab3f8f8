"""What every family can be between layers of given sizes, as widths and in-degrees.

A line is a family that grows in one parameter, and may have no end; a sheet is lines side by side,
which begin larger and larger. Each member is the arguments of its builder, and its layers of
neurons behind the inputs.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from math import prod
from typing import Any, NamedTuple, TypeAlias

from topokit._checks import check_power_of_two
from topokit.designs._factorizations import divisors, grids

# Hidden layers of random networks: their widths as shares of the larger of both ends.
INSIDE = (0.5, 0.75, 1.0, 1.5, 2.0)
REWIRING = 0.2  # of the edges of a small world


class Layer(NamedTuple):
    """A layer of neurons: how many, the in-degree of each, and the share that mixes signals."""

    width: int
    fan_in: float
    mixing: float


Line: TypeAlias = Iterable[tuple[dict[str, Any], tuple[Layer, ...]]]
Sheet: TypeAlias = Iterable[Line]


def _regular(widths: Sequence[int], fan_ins: Sequence[int]) -> tuple[Layer, ...]:
    """Layers of exact in-degrees: neurons mix where they have two senders or more."""
    return tuple(Layer(n, k, float(k > 1)) for n, k in zip(widths, fan_ins, strict=True))


def _dense(n_in: int, n_out: int) -> list[Sheet]:
    return [[[({"n_in": n_in, "n_out": n_out}, _regular([n_out], [n_in]))]]]


def _low_rank(n_in: int, n_out: int) -> list[Sheet]:
    ends = {"n_in": n_in, "n_out": n_out}
    return [[((ends | {"rank": r}, _regular([r, n_out], [n_in, r])) for r in count(1))]]


def _clos(n_in: int, n_out: int) -> list[Sheet]:
    routers = [(first, last) for first in divisors(n_in) for last in divisors(n_out)]

    def line(first: int, last: int) -> Line:
        ends = {"n_in": n_in, "n_out": n_out, "input_routers": first}
        for middle in count(1):
            arguments = ends | {"middle_routers": middle, "output_routers": last}
            widths, fan_ins = [first * middle, last * middle, n_out], [n_in // first, first, middle]
            yield arguments, _regular(widths, fan_ins)

    return [[line(*pair) for pair in sorted(routers, key=prod)]]


def _deepening(arguments: dict[str, Any], n: int, fan_in: int) -> Line:
    """The same layer again and again."""
    return ((arguments | {"depth": d}, _regular([n] * d, [fan_in] * d)) for d in count(1))


def _butterfly(n_in: int, n_out: int) -> list[Sheet]:
    n, _ = _power_of_two("butterfly", n_in, n_out)
    return [[_deepening({"n": n}, n, 2)]]


def _parallel_butterfly(n_in: int, n_out: int) -> list[Sheet]:
    n, _ = _power_of_two("parallel_butterfly", n_in, n_out)

    def line(depth: int) -> Line:
        for copies in count(1):
            arguments = {"n": n, "depth": depth, "copies": copies}
            widths, fan_ins = [copies * n] * (depth - 1) + [n], [2] * (depth - 1) + [2 * copies]
            yield arguments, _regular(widths, fan_ins)

    return [map(line, count(2))]


def _hypercube(n_in: int, n_out: int) -> list[Sheet]:
    n, bits = _power_of_two("hypercube", n_in, n_out)
    return [[_deepening({"n": n}, n, bits + 1)]]


def _torus(n_in: int, n_out: int) -> list[Sheet]:
    n = _square("torus", n_in, n_out)
    shapes = {shape: 1 + sum(min(side, 3) - 1 for side in shape) for shape in grids(n)}
    ascending = sorted(shapes.items(), key=lambda item: item[1])
    return [[_deepening({"shape": shape}, n, degree) for shape, degree in ascending]]


def _radix_net(n_in: int, n_out: int) -> list[Sheet]:
    sizes = [size for size in divisors(math.gcd(n_in, n_out)) if size > 1]
    if not sizes:
        raise ValueError(
            "radix_net needs a size above 1 that divides the numbers of inputs and of outputs; "
            f"given {n_in} and {n_out}"
        )
    ends = {(size, n // size) for size in sizes for n in (n_in, n_out)}
    return [
        [_numerals(shape[::-1], n_in // size, inside, n_out // size)]
        for size, inside in sorted(ends)
        for shape in grids(size)
    ]


def _numerals(radices: tuple[int, ...], first: int, inside: int, last: int) -> Line:
    """The digits of one number system, again and again; at last perhaps a few of them alone."""
    least = len(radices) if inside == first else max(2, len(radices))  # one layer has no inside
    for depth in count(least):
        whole, rest = divmod(depth, len(radices))
        endings = {radices[:rest], radices[len(radices) - rest :]} if rest else {()}
        for ending in sorted(endings, key=sum):
            digits = [*radices] * whole + [*ending]
            copies = [first, *[inside] * (depth - 1), last]
            lists = [[*radices]] * whole + [[*ending]] * (rest > 0)
            fan_ins = [radix * before for radix, before in zip(digits, copies, strict=False)]
            arguments = {"radices": lists} | ({"widths": copies} if {*copies} != {1} else {})
            yield arguments, _regular([prod(radices) * copy for copy in copies[1:]], fan_ins)


def _random_regular(n_in: int, n_out: int) -> list[Sheet]:
    def line(widths: list[int]) -> Line:
        for fan_in in range(1, min(widths[:-1]) + 1):
            fan_ins = [fan_in] * (len(widths) - 1)
            yield {"widths": widths, "fan_in": fan_in}, _regular(widths[1:], fan_ins)

    return [map(line, inner) for inner in _inner_widths(n_in, n_out)]


def _erdos_renyi(n_in: int, n_out: int) -> list[Sheet]:
    def line(widths: list[int]) -> Line:
        narrow, wide = min(widths[:-1]), max(widths)
        # With fewer senders than these an output is likely to be left without any.
        least = max(1, min(narrow, math.ceil(math.log(wide))))
        for fan_in in range(least, narrow + 1):
            density = fan_in / narrow
            layers = (_binomial(*pair, density) for pair in zip(widths, widths[1:], strict=False))
            yield {"widths": widths, "density": density}, tuple(layers)

    return [map(line, inner) for inner in _inner_widths(n_in, n_out)]


def _binomial(senders: int, width: int, density: float) -> Layer:
    """A layer of independent edges, in expectation."""
    none = (1 - density) ** senders
    one = senders * density * (1 - density) ** (senders - 1)
    return Layer(width, density * senders, 1 - none - one)


def _inner_widths(n_in: int, n_out: int) -> list[Iterable[list[int]]]:
    """One layer, and deeper and deeper networks for each of the usual widths inside."""

    def deeper(inside: int) -> Iterator[list[int]]:
        return ([n_in, *[inside] * (depth - 1), n_out] for depth in count(2))

    inner = sorted({max(1, round(share * max(n_in, n_out))) for share in INSIDE})
    return [[[n_in, n_out]], *map(deeper, inner)]


def _small_world(n_in: int, n_out: int) -> list[Sheet]:
    n = _square("small_world", n_in, n_out)
    if n < 4:
        raise ValueError(f"small_world needs at least 4 inputs, for its ring; given {n}")
    shares = {"rewiring": REWIRING}
    rings = range(2, n // 2 + 1, 2)
    return [[_deepening({"n": n, "neighbours": k} | shares, n, k + 1) for k in rings]]


def _square(family: str, n_in: int, n_out: int) -> int:
    if n_in != n_out or n_in < 2:
        raise ValueError(
            f"{family} needs as many inputs as outputs, at least 2; given {n_in} and {n_out}"
        )
    return n_in


def _power_of_two(family: str, n_in: int, n_out: int) -> tuple[int, int]:
    n = _square(family, n_in, n_out)
    return n, check_power_of_two(f"{family}: the number of inputs and of outputs", n)


PROFILES: dict[str, Callable[[int, int], list[Sheet]]] = {
    "dense": _dense,
    "low_rank": _low_rank,
    "butterfly": _butterfly,
    "parallel_butterfly": _parallel_butterfly,
    "clos": _clos,
    "hypercube": _hypercube,
    "torus": _torus,
    "radix_net": _radix_net,
    "erdos_renyi": _erdos_renyi,
    "random_regular": _random_regular,
    "small_world": _small_world,
}
