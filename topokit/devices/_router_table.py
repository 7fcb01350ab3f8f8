"""Who sends what in which direction and when: the routers of figures 6 and 7 of ClosNets.

A torus of `R x C` devices takes `2 (C - 1) + (R - 1)` steps for a Clos network: around rows, around
columns, around rows again. In each, every device sends one block to its next neighbor, east or
south: that of the device which many steps back. Gradients go back over the same links in the
opposite order, each to the device of which it began.
"""

from collections import Counter
from math import prod
from typing import Any

from jax.sharding import Mesh

from topokit._checks import check_count
from topokit._records import Record
from topokit.devices._collectives import Collective, traffic
from topokit.devices._placement import check_axes

Place = tuple[int, int]

PHASES = ("inputs", "wires", "outputs")
BACK = {"east": "west", "south": "north"}
SHIFTS = {(0, 1): "east", (1, 0): "south", (0, -1): "west", (-1, 0): "north"}


class Move(Record):
    """A block that a device sends to a neighbor.

    Attributes:
        step: When: all moves of a step go at once.
        phase: Around rows for the "inputs" of input routers, around columns for the "wires" of
            middle routers, around rows for what "outputs" are made of.
        direction: "east" or "south" with values, "west" or "north" with gradients; of a ring of two
            devices both neighbors are the same.
        sender: Row and column.
        receiver: Row and column.
        block: Row and column of the device whose values these are, or of whose values they are the
            gradients, summed up so far.

    Examples:
        >>> from topokit import devices
        >>> devices.router_table(2, 2)[0]
        Move(step=0, phase='inputs', direction='east', sender=(0, 0), receiver=(0, 1), block=(0, 0))

    See Also:
        `router_table`, all of them.
    """

    step: int
    phase: str
    direction: str
    sender: Place
    receiver: Place
    block: Place


class Heading(Record):
    """What a device of a torus sends in one direction.

    Attributes:
        direction: "east", "south", "west" or "north".
        hops: How often it sends to its neighbor there.
        bytes: How much in all.

    Examples:
        >>> from topokit import devices
        >>> devices.Heading("east", hops=2, bytes=64)
        Heading(direction='east', hops=2, bytes=64)

    See Also:
        `headings`, which counts them.
    """

    direction: str
    hops: int
    bytes: int


def router_table(rows: int, columns: int, *, training: bool = False) -> tuple[Move, ...]:
    """Every move of a Clos network on a torus, by `clos_on_torus`, in order.

    A router of inference (figure 6) sends east and south alone; one of training (figure 7) in all
    four directions.

    Args:
        rows: Rows of devices.
        columns: Columns of devices.
        training: With the moves of gradients behind those of values.

    Raises:
        ValueError: If a number is none from 1 on.

    Examples:
        >>> from topokit import devices
        >>> table = devices.router_table(2, 4)
        >>> len(table), max(move.step for move in table)
        (56, 6)
        >>> sorted({move.direction for move in devices.router_table(2, 4, training=True)})
        ['east', 'north', 'south', 'west']

    See Also:
        `headings`, which finds the same in a compiled program.
    """
    check_count("rows", rows)
    check_count("columns", columns)
    forward: list[Move] = []
    for phase, down in zip(PHASES, (0, 1, 0), strict=True):
        begin = forward[-1].step + 1 if forward else 0
        for turn in range((rows if down else columns) - 1):
            forward += _turn(begin + turn, turn, phase, down, (rows, columns))
    if not training:
        return tuple(forward)
    last = 2 * forward[-1].step + 1 if forward else 0
    return (*forward, *(_returned(move, last) for move in reversed(forward)))


def _turn(step: int, turn: int, phase: str, down: int, sides: Place) -> list[Move]:
    """All devices send what has come to them in so many turns: along rows, or down."""
    rows, columns = sides

    def beyond(place: Place, by: int) -> Place:
        row, column = place
        return (row + by * down) % rows, (column + by * (1 - down)) % columns

    way = "south" if down else "east"
    return [
        Move(step, phase, way, place, beyond(place, 1), beyond(place, -turn))
        for place in ((row, column) for row in range(rows) for column in range(columns))
    ]


def _returned(move: Move, last: int) -> Move:
    """The way back of a gradient; the last step forward is followed by the first back."""
    return Move(
        step=last - move.step,
        phase=move.phase,
        direction=BACK[move.direction],
        sender=move.receiver,
        receiver=move.sender,
        block=move.block,
    )


def headings(program: Any, mesh: Mesh) -> tuple[Heading, ...]:
    """What a device sends in each direction, read from a compiled program.

    Args:
        program: What `traffic` reads, of `clos_on_torus` or of one's own.
        mesh: Of two axes, rows and columns, whose devices run it.

    Returns:
        The directions that are used. In a ring of two devices, where both neighbors are the same,
        they are east and south.

    Raises:
        ValueError: If the mesh has no two axes, or the program does not only move blocks from every
            device to its neighbor in one direction.

    Examples:
        >>> import jax
        >>> from topokit import devices
        >>> mesh = jax.sharding.Mesh(jax.devices()[:1], ("ring",))
        >>> devices.headings(jax.jit(lambda x: x).lower(1.0).compile(), mesh)
        Traceback (most recent call last):
        ...
        ValueError: mesh must be one of 2 axes, such as topokit.devices.make_mesh(rows=2, columns=2); given axes ('ring',)

    See Also:
        `router_table`, what it should be.
    """  # noqa: E501
    check_axes(mesh, 2, "rows=2, columns=2")
    rows, columns = mesh.shape.values()
    hops, sizes = Counter[str](), Counter[str]()
    for collective in traffic(program):
        direction = _direction(collective, rows, columns)
        hops[direction] += collective.times
        sizes[direction] += collective.times * collective.held
    return tuple(Heading(name, hops[name], sizes[name]) for name in SHIFTS.values() if hops[name])


def _direction(collective: Collective, rows: int, columns: int) -> str:
    """The one direction in which all devices send, or a ValueError."""
    pairs = [(divmod(a, columns), divmod(b, columns)) for a, b in collective.pairs]
    for (down, right), direction in SHIFTS.items():
        goals = {(r, c): ((r + down) % rows, (c + right) % columns) for (r, c), _ in pairs}
        if len(pairs) == prod((rows, columns)) and goals == dict(pairs):
            return direction
    raise ValueError(
        "the program must only send from every device to its neighbor in one direction of the "
        f"{rows} x {columns} torus; what it has of {collective.kind!r} does not"
    )
