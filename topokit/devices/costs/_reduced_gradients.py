"""What a device sends of gradients that all workers have a share in, by how they are reduced.

In full that is one sum for all. What is rounded, or made ternary, goes as the compiled programs of
`topokit.devices` send it: each worker adds up one part of the array, gets it from all others in
few bits, and sends them the result; ternary digits are gathered as they are where that is less.
Besides, the scalers of arrays are shared by a maximum, in full.
"""

from collections.abc import Sequence
from typing import NamedTuple

from topokit._checks import check_choice, check_count, check_counts
from topokit.devices._digits import words_of
from topokit.devices.costs._exchange import Exchange, all_gather, all_reduce

FULL, WORD, TERNARY = 4, 4, 3


class Way(NamedTuple):
    """How a gradient is sent.

    Attributes:
        itemsize: Bytes of an entry, there and back; None for digits in words.
        scaled: Whether a scaler of each array goes with it.
    """

    itemsize: int | None
    scaled: bool


WAYS = {
    "averaged": Way(FULL, scaled=False),
    "averaged_bfloat16": Way(2, scaled=False),
    "averaged_int8": Way(1, scaled=True),
    "terngrad": Way(None, scaled=True),
}


def sent_by_gradients(
    sizes: Sequence[int], *, devices: int, reduction: str = "averaged"
) -> Exchange:
    """What a device sends of the gradients of a step, as `topokit.devices.terngrad` and others do.

    Args:
        sizes: Entries of each array, in single precision.
        devices: Workers, on a ring.
        reduction: The function of `topokit.devices`: `"averaged"`, `"averaged_bfloat16"`,
            `"averaged_int8"` or `"terngrad"`, with shared scalers and no array sent whole; add
            `"averaged"` of those.

    Raises:
        ValueError: If a size is negative, there is less than one device, or no such reduction.

    Examples:
        >>> from topokit.devices import costs
        >>> plain = costs.sent_by_gradients([10**6], devices=4)
        >>> plain.bytes
        6000000
        >>> ternary = costs.sent_by_gradients([10**6], devices=4, reduction="terngrad")
        >>> round(plain.bytes / ternary.bytes, 1)
        13.3

    See Also:
        `topokit.devices.traffic`, which reads it from a compiled program.
    """
    each, p = check_counts("sizes", sizes, least=0), check_count("devices", devices)
    check_choice("reduction", reduction, list(WAYS))
    way = WAYS[reduction]
    scalers = all_reduce([p], FULL * len(each)) if way.scaled else Exchange(0, 0)
    return scalers + _entries(sum(each), p, way.itemsize)


def _entries(n: int, p: int, itemsize: int | None) -> Exchange:
    if itemsize == FULL:
        return all_reduce([p], FULL * n)
    block = -(-n // p)
    if itemsize is not None:
        return all_gather([p], itemsize * block) + all_gather([p], itemsize * block)
    there, back = words_of(block, TERNARY), words_of(block, p * (TERNARY - 1) + 1)
    if words_of(n, TERNARY) <= there + back:
        return all_gather([p], WORD * words_of(n, TERNARY))
    return all_gather([p], WORD * there) + all_gather([p], WORD * back)
