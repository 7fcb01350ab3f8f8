"""What every family can be between layers of given sizes, as widths and edges.

A line is a family that grows in one parameter, and may have no end; a sheet is lines side by side,
which begin larger and larger. Each member is the arguments of its builder, and its layers of
neurons behind the inputs.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, count, takewhile
from math import prod
from operator import mul
from typing import Any, NamedTuple, TypeAlias

from topokit._checks import check_power_of_two
from topokit.designs._factorizations import divisors, even_digits, grids

# Hidden layers of random networks: their usual widths as shares of the larger of both ends; and for
# a search how many widths a doubling, from twice that end down to 2: what narrow ones cannot do is
# known from their bandwidth.
INSIDE = (0.5, 0.75, 1.0, 1.5, 2.0)
WIDTHS = 3
REWIRING = 0.2  # of the edges of a small world
DEEPEST = 100  # layers of mixed radices and of random edges, some of which cost next to nothing


class Layer(NamedTuple):
    """A layer of neurons: how many, their in-edges, and how many of them mix signals."""

    width: int
    edges: float
    mixing: float


Line: TypeAlias = Iterable[tuple[dict[str, Any], tuple[Layer, ...]]]
Sheet: TypeAlias = Iterable[Line]


def _regular(widths: Sequence[int], fan_ins: Sequence[int]) -> tuple[Layer, ...]:
    """Layers of exact in-degrees: neurons mix where they have two senders or more."""
    return tuple(Layer(n, n * k, n * (k > 1)) for n, k in zip(widths, fan_ins, strict=True))


def _dense(n_in: int, n_out: int) -> list[Sheet]:
    return [[[({"n_in": n_in, "n_out": n_out}, _regular([n_out], [n_in]))]]]


def _low_rank(n_in: int, n_out: int) -> list[Sheet]:
    ends = {"n_in": n_in, "n_out": n_out}
    return [[((ends | {"rank": r}, _regular([r, n_out], [n_in, r])) for r in count(1))]]


def _block_diagonal(n_in: int, n_out: int) -> list[Sheet]:
    def member(blocks: int) -> tuple[dict[str, Any], tuple[Layer, ...]]:
        (p, r), (q, s) = divmod(n_in, blocks), divmod(n_out, blocks)
        several = min(blocks, n_in - blocks)  # blocks of two inputs or more
        edges = p * q * blocks + r * q + s * p + min(r, s)
        layer = Layer(n_out, edges, several * q + min(several, s))
        return {"n_in": n_in, "n_out": n_out, "blocks": blocks}, (layer,)

    return [[map(member, range(min(n_in, n_out), 0, -1))]]


def _diagonals(n_in: int, n_out: int) -> list[Sheet]:
    """Many bands of one diagonal, and one band of many."""
    ends = {"n_in": n_in, "n_out": n_out}

    def line(counts: Iterable[tuple[int, int]]) -> Line:
        for bands, width in counts:
            arguments = ends | {"bands": bands} | ({"width": width} if width > 1 else {})
            yield arguments, _regular([n_out], [bands * width])

    numbers = range(1, n_in + 1)
    return [[line((k, 1) for k in numbers), line((1, k) for k in numbers[1:])]]


def _monarch(n_in: int, n_out: int) -> list[Sheet]:
    """A line for each number of blocks, up to the rank at which tiles are full."""
    narrow = min(n_in, n_out)

    def line(blocks: int) -> Line:
        several = min(blocks, n_in - blocks)  # input blocks of two or more
        for rank in range(1, -(-narrow // blocks) + 1):
            wires = blocks * rank
            stages = (
                Layer(blocks * wires, n_in * wires, several * wires),
                Layer(n_out, n_out * wires, n_out * (wires > 1)),
            )
            arguments = {"n_in": n_in, "n_out": n_out, "blocks": blocks}
            yield arguments | ({"rank": rank} if rank > 1 else {}), stages

    return [map(line, range(min(2, narrow), narrow + 1))]  # one block is low_rank


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


def _rectangular_butterfly(n_in: int, n_out: int) -> list[Sheet]:
    """A line of more and more sweeps for each number system, in either order of its digits."""
    systems = set(_number_systems(max(n_in, n_out, 2)))
    ordered = sorted(systems | {radices[::-1] for radices in systems}, key=lambda r: (len(r), r))
    return [[_sweeps(n_in, n_out, radices)] for radices in ordered]


def _number_systems(wide: int) -> Iterator[tuple[int, ...]]:
    """Digits that count to `wide`: equal ones, or all but one, which is a power of two."""
    bits = (wide - 1).bit_length()
    for digits in range(min(2, bits), bits + 1):
        yield even_digits(wide, digits, above=True)
    for one in (2**bit for bit in range(1, bits)):
        rest = -(-wide // one)
        for digits in range(1, (rest - 1).bit_length() + 1):
            yield (one, *even_digits(rest, digits, above=True))


def _sweeps(n_in: int, n_out: int, radices: tuple[int, ...]) -> Line:
    ends = {"n_in": n_in, "n_out": n_out, "radices": radices}
    size = prod(radices)
    first, whole, last = (
        _sweep(*pair, radices) for pair in [(n_in, size), (size, size), (size, n_out)]
    )
    yield ends, _sweep(n_in, n_out, radices)
    for sweeps in range(2, DEEPEST // len(radices) + 1):
        yield ends | {"sweeps": sweeps}, first + whole * (sweeps - 2) + last


def _sweep(n_in: int, n_out: int, radices: tuple[int, ...]) -> tuple[Layer, ...]:
    def layer(before: int, radix: int) -> Layer:
        heads, left = -(-n_in // before), min(before * radix, n_out)
        after = -(-heads // radix)
        alone = (heads - 1) % radix == 0  # the last head, which keeps its only sender
        return Layer(after * left, heads * left, (after - alone) * left)

    places = accumulate(radices, mul, initial=1)
    return tuple(layer(before, radix) for before, radix in zip(places, radices, strict=False))


def _hypercube(n_in: int, n_out: int) -> list[Sheet]:
    n, bits = _power_of_two("hypercube", n_in, n_out)
    return [[_deepening({"n": n}, n, bits + 1)]]


def _torus(n_in: int, n_out: int) -> list[Sheet]:
    n = _square("torus", n_in, n_out)
    shapes = {shape: 1 + sum(min(side, 3) - 1 for side in shape) for shape in grids(n)}
    ascending = sorted(shapes.items(), key=lambda item: item[1])
    return [[_deepening({"shape": shape}, n, degree) for shape, degree in ascending]]


def _radix_net(n_in: int, n_out: int) -> list[Sheet]:
    """Digits that count to a common divisor of both ends, or nearly to the narrower end."""
    narrow = min(n_in, n_out)
    if narrow < 2:
        raise ValueError(
            f"radix_net needs at least 2 inputs and 2 outputs, which a digit can count; "
            f"given {n_in} and {n_out}"
        )
    exact = [shape[::-1] for size in divisors(math.gcd(n_in, n_out)) for shape in grids(size)]
    even = (even_digits(narrow, count)[::-1] for count in range(1, narrow.bit_length()))
    systems = dict.fromkeys([*filter(None, exact), *even])
    return [
        [_numerals(radices, ending, n_in, inside, n_out)]
        for radices in sorted(systems, key=prod)
        for inside in _doublings(*sorted(-(-n // prod(radices)) for n in (n_in, n_out)))
        for ending in _endings(radices)
    ]


def _doublings(least: int, most: int) -> list[int]:
    """The least, its doubles below the most, and the most."""
    below = range((-(-most // least) - 1).bit_length())
    return sorted({most, *(least * 2**times for times in below)})


def _endings(radices: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Nothing, or some digits, the least or the greatest ones."""
    places = range(1, len(radices))
    some = {radices[:place] for place in places} | {radices[place:] for place in places}
    return [(), *sorted(some, key=lambda digits: (len(digits), sum(digits)))]


def _numerals(
    radices: tuple[int, ...], ending: tuple[int, ...], n_in: int, inside: int, n_out: int
) -> Line:
    """The digits of one number system, again and again; at last perhaps a few of them alone."""
    size = prod(radices)
    first, last = -(-n_in // size), -(-n_out // size)
    cut = {"n_in": n_in} if n_in < first * size else {}
    cut |= {"n_out": n_out} if n_out < last * size else {}
    for sweeps in range(1, (DEEPEST - len(ending)) // len(radices) + 1):
        digits = [*radices] * sweeps + [*ending]
        if len(digits) == 1 and inside != first:
            continue  # one layer has no inside
        copies = [first, *[inside] * (len(digits) - 1), last]
        lists = [[*radices]] * sweeps + ([[*ending]] if ending else [])
        arguments = {"radices": lists} | ({"widths": copies} if {*copies} != {1} else {}) | cut
        yield arguments, _cut_short(digits, size, copies, n_in, n_out)


def _cut_short(
    digits: list[int], size: int, copies: list[int], n_in: int, n_out: int
) -> tuple[Layer, ...]:
    """Each neuron left of an end keeps all edges to whole layers."""
    if len(digits) == 1:
        return _regular([n_out], [n_in])
    widths = [n_in, *(size * many for many in copies[1:-1]), n_out]
    edges = [radix * w * many for radix, w, many in zip(digits, widths, copies[1:], strict=False)]
    edges[-1] = digits[-1] * n_out * copies[-2]
    return tuple(Layer(w, e, w) for w, e in zip(widths[1:], edges, strict=True))


def _random_regular(n_in: int, n_out: int, *, fine: bool = False) -> list[Sheet]:
    def line(widths: list[int]) -> Line:
        for fan_in in range(1, min(widths[:-1]) + 1):
            fan_ins = [fan_in] * (len(widths) - 1)
            yield {"widths": widths, "fan_in": fan_in}, _regular(widths[1:], fan_ins)

    return [map(line, inner) for inner in _inner_widths(n_in, n_out, fine=fine)]


def _erdos_renyi(n_in: int, n_out: int, *, fine: bool = False) -> list[Sheet]:
    def line(widths: list[int]) -> Line:
        narrow, wide = min(widths[:-1]), max(widths)
        # With fewer senders than these an output is likely to be left without any.
        least = max(1, min(narrow, math.ceil(math.log(wide))))
        for fan_in in range(least, narrow + 1):
            density = fan_in / narrow
            layers = (_binomial(*pair, density) for pair in zip(widths, widths[1:], strict=False))
            yield {"widths": widths, "density": density}, tuple(layers)

    return [map(line, inner) for inner in _inner_widths(n_in, n_out, fine=fine)]


def _binomial(senders: int, width: int, density: float) -> Layer:
    """A layer of independent edges, in expectation."""
    none = (1 - density) ** senders
    one = senders * density * (1 - density) ** (senders - 1)
    return Layer(width, density * senders * width, (1 - none - one) * width)


def _inner_widths(n_in: int, n_out: int, *, fine: bool) -> list[Iterable[list[int]]]:
    """One layer, and deeper and deeper networks for each of the widths inside."""

    def deeper(inside: int) -> Iterator[list[int]]:
        return ([n_in, *[inside] * (depth - 1), n_out] for depth in range(2, DEEPEST + 1))

    wide = max(n_in, n_out)
    usual = {max(1, round(share * wide)) for share in INSIDE}
    return [[[n_in, n_out]], *map(deeper, sorted(usual | (_fine_widths(wide) if fine else set())))]


def _fine_widths(wide: int) -> set[int]:
    """Widths in equal ratios."""
    widths = (round(2 * wide * 2 ** (-step / WIDTHS)) for step in count())
    return {*takewhile(lambda width: width >= 2, widths)}


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


Profile: TypeAlias = Callable[[int, int], list[Sheet]]

PROFILES: dict[str, Profile] = {
    "dense": _dense,
    "low_rank": _low_rank,
    "block_diagonal": _block_diagonal,
    "diagonals": _diagonals,
    "butterfly": _butterfly,
    "parallel_butterfly": _parallel_butterfly,
    "rectangular_butterfly": _rectangular_butterfly,
    "monarch": _monarch,
    "clos": _clos,
    "hypercube": _hypercube,
    "torus": _torus,
    "radix_net": _radix_net,
    "erdos_renyi": _erdos_renyi,
    "random_regular": _random_regular,
    "small_world": _small_world,
}

FINE: dict[str, Profile] = PROFILES | {
    "erdos_renyi": partial(_erdos_renyi, fine=True),
    "random_regular": partial(_random_regular, fine=True),
}
"""What a search goes through: of random networks many widths inside."""
