"""What the placements of `topokit.devices` send, in closed form.

Of a Clos network on `R x C` devices, each sends its part of the inputs around its row, of the wires
behind input routers around its column, of the wires before output routers around its row. Gradients
of these go back, so that a step of training sends twice as much as a prediction. With one neuron a
device, `n` of them on `R` rows, that is `2 (n / R - 1) + (R - 1)` hops (ClosNets, section III).
"""

from collections.abc import Sequence

from topokit._checks import check_count, check_counts, check_power_of_two
from topokit.devices.costs._exchange import Exchange, all_gather, all_reduce, reduce_scatter


def sent_by_clos(
    n_in: int,
    input_routers: int,
    middle_routers: int,
    output_routers: int,
    *,
    sides: Sequence[int],
    batch: int,
    itemsize: int = 4,
    training: bool = False,
) -> Exchange:
    """What a device sends of a Clos network on a torus, as `clos_on_torus` does.

    Args:
        n_in: Inputs; how many outputs there are makes no difference.
        input_routers: Input routers.
        middle_routers: Middle routers.
        output_routers: Output routers.
        sides: Rows and columns of devices.
        batch: Examples at once.
        itemsize: Bytes of a number.
        training: With the gradients, those of the inputs included.

    Raises:
        ValueError: If a number is none from 1 on, or there are no two sides.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.sent_by_clos(1024, 32, 32, 32, sides=(32, 32), batch=1)
        Exchange(messages=93, bytes=372)

    See Also:
        `topokit.devices.headings`, which counts it in a compiled program.
    """
    rows, columns = _two(sides)
    layers = [
        (n_in, columns),
        (input_routers * middle_routers, rows),
        (output_routers * middle_routers, columns),
    ]
    size = check_count("itemsize", itemsize) * check_count("batch", batch)
    each = [all_gather([side], size * width // (rows * columns)) for width, side in layers]
    return _both_ways(each, training)


def sent_by_dense(
    widths: Sequence[int],
    *,
    devices: int,
    batch: int,
    itemsize: int = 4,
    training: bool = False,
) -> Exchange:
    """What a device sends of dense layers on a ring, as `dense_on_ring` does.

    Args:
        widths: Neurons of each layer, inputs first.
        devices: Devices of the ring.
        batch: Examples at once.
        itemsize: Bytes of a number.
        training: With the gradients, those of the inputs included.

    Raises:
        ValueError: If a number is none from 1 on.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.sent_by_dense([1024, 1024], devices=1024, batch=1)
        Exchange(messages=1023, bytes=4092)

    See Also:
        `sent_by_clos`.
    """
    check_count("devices", devices)
    size = check_count("itemsize", itemsize) * check_count("batch", batch)
    each = [all_gather([devices], size * n // devices) for n in check_counts("widths", widths)[:-1]]
    return _both_ways(each, training)


def sent_by_butterfly(
    n: int,
    depth: int,
    *,
    devices: int,
    batch: int,
    itemsize: int = 4,
    training: bool = False,
) -> Exchange:
    """What a device sends of a butterfly on a hypercube, as `butterfly_on_hypercube` does.

    Args:
        n: Neurons, a power of two.
        depth: Layers; layer `l` has the stride `2^(l mod log2 n)`.
        devices: A power of two, at most `n`.
        batch: Examples at once.
        itemsize: Bytes of a number.
        training: With the gradients, those of the inputs included.

    Raises:
        ValueError: If a number is none from 1 on, or no power of two where it has to be one.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.sent_by_butterfly(1024, 10, devices=1024, batch=1)
        Exchange(messages=10, bytes=40)

    See Also:
        `sent_by_clos`.
    """
    bits, cube = check_power_of_two("n", n), check_power_of_two("devices", devices)
    if devices > n:
        raise ValueError(f"devices must be at most n={n}, a neuron each; given {devices}")
    sweeps, rest = divmod(check_count("depth", depth), bits)
    leaving = sweeps * cube + max(0, rest - (bits - cube))  # the upper bits come last in a sweep
    own = check_count("itemsize", itemsize) * check_count("batch", batch) * n // devices
    return _both_ways([Exchange(leaving, leaving * own)], training)


def sent_by_dense_blocks(
    n_in: int,
    n_out: int,
    *,
    sides: Sequence[int],
    batch: int,
    itemsize: int = 4,
    training: bool = False,
) -> Exchange:
    """What a device sends of a dense layer on a torus, its weights cut by rows and by columns.

    Inputs are gathered along a column, sums of outputs scattered along a row, so that no device
    sees them all, as on a ring. Nothing here runs it; it is the rival that a torus allows.

    Args:
        n_in: Inputs.
        n_out: Outputs.
        sides: Rows and columns of devices.
        batch: Examples at once.
        itemsize: Bytes of a number.
        training: With the gradients, those of the inputs included.

    Raises:
        ValueError: If a number is none from 1 on, or there are no two sides.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.sent_by_dense_blocks(1024, 1024, sides=(32, 32), batch=1)
        Exchange(messages=62, bytes=248)

    See Also:
        `sent_by_dense`, `sent_by_clos`.
    """
    rows, columns = _two(sides)
    size = check_count("itemsize", itemsize) * check_count("batch", batch)
    inputs = size * check_count("n_in", n_in) // (rows * columns)
    outputs = size * check_count("n_out", n_out) // rows
    return _both_ways([all_gather([rows], inputs), reduce_scatter([columns], outputs)], training)


def sent_by_low_rank(
    rank: int,
    *,
    sides: Sequence[int],
    batch: int,
    itemsize: int = 4,
    training: bool = False,
) -> Exchange:
    """What a device sends of a layer of low rank: the sum, for all, of its few hidden neurons.

    Each device has a part of the inputs and of the outputs, and the weights of both. How many there
    are makes no difference.

    Args:
        rank: Hidden neurons.
        sides: Devices along each axis of the torus: `[p]` for a ring, `[2] * d` for a hypercube.
        batch: Examples at once.
        itemsize: Bytes of a number.
        training: With the gradients, those of the inputs included.

    Raises:
        ValueError: If a number is none from 1 on.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.sent_by_low_rank(48, sides=[4, 4], batch=1)
        Exchange(messages=12, bytes=360)

    See Also:
        `all_reduce`, which it is; `sent_by_clos`.
    """
    size = check_count("itemsize", itemsize) * check_count("batch", batch)
    return _both_ways([all_reduce(sides, size * check_count("rank", rank))], training)


def _two(sides: Sequence[int]) -> tuple[int, ...]:
    """Rows and columns; or a ValueError."""
    given = check_counts("sides", sides)
    if len(given) != 2:
        raise ValueError(f"sides must be rows and columns; given {given}")
    return tuple(given)


def _both_ways(each: Sequence[Exchange], training: bool) -> Exchange:
    """All of them, and again for gradients."""
    return sum([*each, *(each if training else ())], start=Exchange(0, 0))
