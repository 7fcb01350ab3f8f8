"""What devices exchange, as messages and bytes, and how long it takes: alpha and beta.

A message of `m` bytes to a neighbor takes `alpha + m beta`. A torus of any number of axes does an
exchange axis by axis, each a ring; a ring is a torus of one axis, and a hypercube of `2^d` devices
is one of `d` axes of two, on which the rings are recursive doubling and halving. All send the same
least number of bytes; they differ in messages:

| `p` devices | ring | torus, `R x C` | hypercube |
| --- | --- | --- | --- |
| messages of a gather or a scatter | `p - 1` | `R + C - 2` | `log2 p` |
| bytes of a gather of `m` each | `(p - 1) m` | the same | the same |
| bytes of a sum of `n` for all | `2 n (p - 1) / p` | the same | the same |
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import inf, prod

from topokit._checks import check_count, check_counts, check_real
from topokit._records import Record


class Link(Record):
    """A connection from a device to its neighbor.

    Attributes:
        latency: Seconds until the first byte arrives, "alpha".
        bandwidth: Bytes a second in one direction, 1 / "beta".

    Examples:
        >>> from topokit.devices import costs
        >>> costs.Link(latency=1e-6, bandwidth=50e9)
        Link(latency=1e-06, bandwidth=5e+10)

    See Also:
        `Exchange`, what takes how long over it.
    """

    latency: float
    bandwidth: float

    def __post_init__(self) -> None:
        check_real("latency", self.latency, least=0, most=inf)
        check_real("bandwidth", self.bandwidth, least=0, most=inf, above=True)
        super().__post_init__()


class Exchange(Record):
    """What each device sends in an exchange; two of them add up.

    Attributes:
        messages: Messages one after the other.
        bytes: Bytes that a device sends in all of them.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.all_gather([4], 100) + costs.all_gather([2], 100)
        Exchange(messages=4, bytes=400)

    See Also:
        `all_gather`, `reduce_scatter`, `all_reduce`, and those of a placement such as
        `sent_by_clos`.
    """

    messages: int
    bytes: float

    def __add__(self, other: "Exchange") -> "Exchange":
        return Exchange(self.messages + other.messages, self.bytes + other.bytes)

    def time(self, link: Link) -> float:
        """Seconds over links of one kind, all of which are used at once."""
        return self.messages * link.latency + self.bytes / link.bandwidth


def send_time(link: Link, size: float, *, hops: int = 1, cut_through: bool = True) -> float:
    """Seconds that a message takes to a device some hops away.

    Args:
        link: Each of the links on the way.
        size: Bytes.
        hops: Links on the way.
        cut_through: Whether a device passes on what it has while the rest arrives; else it stores
            the message and then forwards it.

    Raises:
        ValueError: If a number is negative.

    Examples:
        >>> from topokit.devices import costs
        >>> link = costs.Link(latency=500e-9, bandwidth=50 * 2**30)
        >>> round(costs.send_time(link, 2**20, hops=3) * 1e9)
        21031

    See Also:
        `all_gather`, in which all devices send to neighbors.
    """
    check_count("hops", hops, least=0)
    once = check_real("size", size, least=0, most=inf) / link.bandwidth if hops else 0.0
    return hops * link.latency + (once if cut_through else hops * once)


def all_gather(sides: Sequence[int], block: float) -> Exchange:
    """Each device has a block, and gets those of all others.

    Args:
        sides: Devices along each axis of the torus: `[p]` for a ring, `[2] * d` for a hypercube.
        block: Bytes of a block.

    Raises:
        ValueError: If a side is none from 1 on, or the size is negative.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.all_gather([16], 10), costs.all_gather([4, 4], 10), costs.all_gather([2] * 4, 10)
        (Exchange(messages=15, bytes=150), Exchange(messages=6, bytes=150), Exchange(messages=4, bytes=150))

    See Also:
        `reduce_scatter`, the way back.
    """  # noqa: E501
    p, messages = _torus(sides)
    return Exchange(messages, (p - 1) * _exact("block", block))


def reduce_scatter(sides: Sequence[int], total: float) -> Exchange:
    """Each device has an array, and gets its part of their sum.

    Args:
        sides: Devices along each axis of the torus.
        total: Bytes of the array.

    Raises:
        ValueError: If a side is none from 1 on, or the size is negative.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.reduce_scatter([4], 100)
        Exchange(messages=3, bytes=75)

    See Also:
        `all_reduce`, the whole sum for all.
    """
    p, messages = _torus(sides)
    return Exchange(messages, _plain(Fraction(_exact("total", total)) * (p - 1) / p))


def all_reduce(sides: Sequence[int], total: float) -> Exchange:
    """Each device has an array, and gets the sum of all: scattered, then gathered.

    Args:
        sides: Devices along each axis of the torus.
        total: Bytes of the array.

    Raises:
        ValueError: If a side is none from 1 on, or the size is negative.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.all_reduce([4], 100), costs.all_reduce([2, 2], 100)
        (Exchange(messages=6, bytes=150), Exchange(messages=4, bytes=150))

    See Also:
        `all_gather`, `reduce_scatter`.
    """
    half = reduce_scatter(sides, total)
    return half + half


def pipelined(multiply: float, send: float, steps: int, *, overlap: bool = True) -> float:
    """Seconds of a dense layer over a ring, which multiplies so many blocks and sends all but one.

    Args:
        multiply: Seconds to multiply a block.
        send: Seconds to send one.
        steps: Blocks, which are the devices of the ring.
        overlap: Whether a block is sent while it is multiplied.

    Raises:
        ValueError: If a time is negative, or there is no step.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.pipelined(2, 3, 4), costs.pipelined(2, 3, 4, overlap=False)
        (11.0, 17.0)

    See Also:
        `topokit.devices.clos_on_torus`, which has three of them.
    """
    check_real("multiply", multiply, least=0, most=inf)
    check_real("send", send, least=0, most=inf)
    check_count("steps", steps)
    each = max(multiply, send) if overlap else multiply + send
    return float(multiply + (steps - 1) * each)


def _torus(sides: Iterable[int]) -> tuple[int, int]:
    """The devices of a torus, and the messages around all its axes."""
    counts = check_counts("sides", sides)
    return prod(counts), sum(side - 1 for side in counts)


def _exact(name: str, size: float) -> float:
    """A size as it was given; or a ValueError."""
    check_real(name, size, least=0, most=inf)
    return size


def _plain(size: Fraction) -> float:
    """An integer where it is one."""
    return size.numerator if size.denominator == 1 else float(size)
