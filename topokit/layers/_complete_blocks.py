"""Layers that fall into equal blocks, in each of which every sender feeds every receiver."""

import numpy as np
from jaxtyping import Int


def complete_blocks(
    senders: Int[np.ndarray, " edges"],
    receivers: Int[np.ndarray, " edges"],
    n_senders: int,
    n_receivers: int,
) -> tuple[Int[np.ndarray, "blocks fan_in"], Int[np.ndarray, "blocks fan_out"]] | None:
    """Senders and receivers of each block, ascending; None where there are none; O(E log E).

    Edges are sorted by receiver, then by sender.
    """
    fan_in = senders.size // n_receivers
    if (np.bincount(receivers, minlength=n_receivers) != fan_in).any():
        return None
    rows = senders.reshape(n_receivers, fan_in)
    members, block = np.unique(rows, axis=0, return_inverse=True)
    sizes = np.bincount(block.ravel())
    disjoint = np.array_equal(np.sort(members, axis=None), np.arange(n_senders))
    if not disjoint or (sizes != sizes[0]).any():
        return None
    return members, np.argsort(block.ravel(), kind="stable").reshape(len(members), -1)
