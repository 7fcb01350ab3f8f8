"""Ways to write a number as a product: what decides routers, grids and mixed radices."""

from collections.abc import Iterator
from functools import cache
from math import isqrt


@cache
def divisors(n: int) -> list[int]:
    """All divisors, ascending."""
    low = [d for d in range(1, isqrt(n) + 1) if n % d == 0]
    return low + [n // d for d in reversed(low) if d * d < n]


def squarest(n: int) -> tuple[int, int]:
    """The two factors that are nearest to each other, the greater one first."""
    small = max(d for d in divisors(n) if d * d <= n)
    return n // small, small


def grids(n: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """All lists of factors of at least 2 that do not ascend."""
    if n == 1:
        yield ()
    for first in divisors(n)[1:]:
        if first <= (most or n):
            yield from ((first, *rest) for rest in grids(n // first, first))
