"""How many processing elements an accelerator can have: the least of three bounds.

A processing element multiplies and adds `s` pairs of numbers a cycle (Wen et al., section III.B,
"SSL based FPGA Framework").
"""

from fractions import Fraction
from math import floor, inf

from topokit._checks import check_real
from topokit._records import Record

BOUNDS = ("multipliers", "memory", "bandwidth")


class ElementBounds(Record):
    """How many processing elements there can be, and why not more.

    Attributes:
        elements: Their number, the floor of the least bound.
        limit: Whose bound it is: "multipliers", "memory" or "bandwidth"; of equal ones the first.
        multipliers: Elements for which there are multipliers.
        memory: Elements for whose weights and maps there is memory on the chip.
        bandwidth: Elements that are not kept waiting for numbers from outside.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.ElementBounds(2, "memory", 3.5, 2.5, 8.0).elements
        2

    See Also:
        `processing_elements`, which returns it.
    """

    elements: int
    limit: str
    multipliers: float
    memory: float
    bandwidth: float


def processing_elements(
    *,
    multipliers: float,
    multipliers_each: float,
    pairs: float,
    memory: float,
    part: float,
    width: float,
    computed: float,
    streamed: float,
    bandwidth: float,
) -> ElementBounds:
    """Size an accelerator by its multipliers, its memory and its bandwidth.

    The bounds are `R / (r s)`, `M / (m w)` and `N B / (s I)`. The third is a roofline: computing
    `N / (elements s)` cycles is to take at least as long as streaming `I / B` cycles.

    Args:
        multipliers: `R`, multipliers (DSPs) on the chip.
        multipliers_each: `r`, of which one multiplication with addition takes so many.
        pairs: `s`, multiplications of an element in a cycle.
        memory: `M`, bits on the chip for weights and maps, what else needs memory left out.
        part: `m`, numbers of the part of a matrix that an element holds.
        width: `w`, bits of a number.
        computed: `N`, multiplications of a layer.
        streamed: `I`, numbers that the layer takes from outside the chip, or puts there.
        bandwidth: `B`, numbers a cycle from outside.

    Raises:
        ValueError: If a number is not positive.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.processing_elements(
        ...     multipliers=1000, multipliers_each=1, pairs=16, memory=2**20, part=1024, width=16,
        ...     computed=10**6, streamed=10**5, bandwidth=100,
        ... )
        ElementBounds(elements=62, limit='multipliers', multipliers=62.5, memory=64, bandwidth=62.5)

    See Also:
        `roofline`, of any work.
    """
    given = dict(locals())
    exact = {}
    for name, value in given.items():
        check_real(name, value, least=0, most=inf, above=True)
        exact[name] = Fraction(value)
    bounds = (
        exact["multipliers"] / (exact["multipliers_each"] * exact["pairs"]),
        exact["memory"] / (exact["part"] * exact["width"]),
        exact["computed"] * exact["bandwidth"] / (exact["pairs"] * exact["streamed"]),
    )
    least = min(bounds)
    return ElementBounds(floor(least), BOUNDS[bounds.index(least)], *map(float, bounds))
