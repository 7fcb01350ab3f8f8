"""Columns of a Jacobian made orthonormal in groups, so that a projection takes fewer steps.

Columns of edges at one receiver have the same factor behind them, those of edges at one sender the
same before them; how they overlap is then the Gram matrix of the other factors. Each group is
turned to its principal directions, and these are scaled to length 1: the columns span what they
spanned, and what is left to the steps is how groups overlap. In the first layer columns of
different senders are orthogonal anyway, in the last those of different receivers.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

MOST_IN_GROUP = 32
LEAST = 1e-5  # of the squared length of a direction, as a share of the longest of the group
AT_ONCE = 2**22


def whitening(
    group: Int[np.ndarray, " columns"],
    other: Int[np.ndarray, " columns"],
    factors: Float[np.ndarray, "width length"],
) -> csr_array:
    """A matrix, columns by columns, after which the columns of a group are orthonormal.

    Args:
        group: For each column, the number of its group; larger ones than 32 are cut.
        other: For each column, the row of `factors` that is its other factor.
        factors: Factors of any lengths; columns are taken to have length 1.
    """
    if not group.size:
        return csr_array((0, 0), dtype=factors.dtype)
    units = factors / np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), 1e-30)
    order = np.argsort(group, kind="stable")
    starts, sizes = _pieces(group[order])
    blocks, places = [], []
    for size in np.unique(sizes):
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        blocks.append(_whiteners(units, other[members]))
        places.append(members)
    rows = [np.repeat(p[:, :, None], p.shape[1], 2).ravel() for p in places]
    columns = [np.repeat(p[:, None, :], p.shape[1], 1).ravel() for p in places]
    data = np.concatenate([block.ravel() for block in blocks])
    shape = group.size, group.size
    return csr_array((data, (np.concatenate(rows), np.concatenate(columns))), shape)


def _pieces(
    group: Int[np.ndarray, " columns"],
) -> tuple[Int[np.ndarray, " pieces"], Int[np.ndarray, " pieces"]]:
    """Where groups start in sorted order, cut into pieces, and how large these are."""
    bounds = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    within = np.arange(group.size) - np.repeat(bounds[:-1], np.diff(bounds))
    starts = np.flatnonzero(within % MOST_IN_GROUP == 0)
    return starts, np.diff(starts, append=group.size)


def _whiteners(
    units: Float[np.ndarray, "width length"], members: Int[np.ndarray, "groups size"]
) -> Float[np.ndarray, "groups size size"]:
    """For each group of unit vectors, what makes them orthonormal."""
    n_groups, size = members.shape
    result = np.empty((n_groups, size, size), units.dtype)
    step = max(1, AT_ONCE // (size * units.shape[1]))
    for first in range(0, n_groups, step):
        vectors = units[members[first : first + step]]
        lengths, turned = np.linalg.eigh(vectors @ vectors.swapaxes(1, 2))
        least = LEAST * lengths[:, -1:]
        result[first : first + step] = turned / np.sqrt(np.maximum(lengths, least))[:, None, :]
    return result
