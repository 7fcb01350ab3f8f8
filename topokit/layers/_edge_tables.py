"""Arrays over edges cut into parts: by layer, or by a neuron that owns them, padded to a table."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from jaxtyping import Int

from topokit.layers._recipe import Layers

Numbers = Int[np.ndarray, " _numbers"]
Values = TypeVar("Values")


def split_by_layer(layers: Layers, values: Values) -> list[Values]:
    """Cut an array over all edges, `(edges, ...)` of any library, into one for each layer."""
    return split_by_size([senders.size for senders in layers.senders], values)


def split_by_size(sizes: Iterable[int], values: Values) -> list[Values]:
    """Cut an array of any library, along its first axis, into parts of these sizes."""
    result, start = [], 0
    for size in sizes:
        result.append(values[start : start + size])  # type: ignore[index]
        start += size
    return result


def places_within(owners: Numbers, n_owners: int = 0) -> Numbers:
    """Of each, how many before it have the same owner; cost O(n log n), O(n) if owners ascend."""
    counts = np.bincount(owners, minlength=n_owners)
    firsts = np.cumsum(counts) - counts
    if (np.diff(owners) >= 0).all():
        return np.arange(owners.size) - firsts[owners]
    order = np.argsort(owners, kind="stable")
    places = np.empty_like(owners)
    places[order] = np.arange(owners.size) - firsts[owners[order]]
    return places


def padded_table(
    owners: Numbers, members: np.ndarray, *, blank: int, n_owners: int = 0
) -> Int[np.ndarray, "owners most"]:
    """The members of each owner in a row, in their order, filled up with `blank`.

    Args:
        owners: The owner of each member.
        members: Any numbers, such as edges or senders.
        blank: What stands where there is no member.
        n_owners: How many owners there are at least.
    """
    places = places_within(owners)
    rows = max(n_owners, int(owners.max(initial=-1)) + 1)
    table = np.full((rows, int(places.max(initial=0)) + 1), blank)
    table[owners, places] = members
    return table
