"""What is said of layers as a whole, and what their names say of their order."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from topokit.files._readings import Arrangement, never, precedes, precedes_in_count
from topokit.files._stored_layers import StoredLayer


class Said(NamedTuple):
    """What the caller said of the layers as a whole, and how they were given.

    `order` is "given", "numbers" or None; `ordered` says whether the container keeps an order,
    `listed` whether it has no names.
    """

    transpose: bool | Sequence[bool] | None
    order: str | None
    ordered: bool
    listed: bool


def rule_of_order(layers: Sequence[StoredLayer], said: Said) -> Callable[[str, str], bool] | None:
    """What names say of the order; None if the order is given."""
    if said.listed or said.order == "given":
        return None
    if said.order == "numbers":
        return precedes_in_count
    names = [layer.name for layer in layers]
    given = Arrangement(tuple(range(len(layers))), (True,) * len(layers))
    agree = not said.ordered or names == sorted(names) or keeps(layers, given, precedes)
    return precedes if agree else never


def keeps(
    layers: Sequence[StoredLayer], reading: Arrangement, before: Callable[[str, str], bool]
) -> bool:
    """Whether a reading has no layer before one that must come before it."""
    names = [layers[n].name for n in reading.order]
    return not any(before(b, a) for n, b in enumerate(names) for a in names[:n])
