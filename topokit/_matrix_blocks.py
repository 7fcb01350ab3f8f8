"""A large matrix by blocks, each shown by the entry that stands out: nothing odd gets lost."""

import numpy as np
from jaxtyping import Int, Real, Shaped


def farthest(
    values: Real[np.ndarray, "n m"],
    rows: Int[np.ndarray, " rows"],
    columns: Int[np.ndarray, " columns"],
) -> Real[np.ndarray, "rows columns"]:
    """Of the blocks that begin at these rows and columns, the value farthest from the mean of all.

    Where a block goes as far up as down, the greater one.
    """
    mean = values.mean()
    high, low = (over_blocks(part, values, rows, columns) for part in (np.maximum, np.minimum))
    return np.where(high - mean >= mean - low, high, low)


def extreme_blocks(matrix: Real[np.ndarray, "n m"], most: int) -> Real[np.ndarray, "rows columns"]:
    """A matrix of at most `most` rows and columns: the `farthest` of blocks of about one size."""
    return farthest(matrix, *(np.arange(k) * n // k for n in matrix.shape for k in [min(n, most)]))


def over_blocks(
    part: np.ufunc,
    values: Shaped[np.ndarray, "n m"],
    rows: Int[np.ndarray, " rows"],
    columns: Int[np.ndarray, " columns"],
) -> Shaped[np.ndarray, "rows columns"]:
    """What becomes of each block by joining its entries."""
    return part.reduceat(part.reduceat(values, rows, axis=0), columns, axis=1)
