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


def even_digits(n: int, count: int, *, above: bool = False) -> tuple[int, ...]:
    """So many radices that differ by one at most, descending, which count nearest to `n`.

    Their product is at most `n`, or `above` at least `n`.
    """
    root = round(n ** (1 / count))
    root -= root**count > n
    raised = max(k for k in range(count) if (root + 1) ** k * root ** (count - k) <= n)
    raised += above and (root + 1) ** raised * root ** (count - raised) < n
    return (root + 1,) * raised + (root,) * (count - raised)
