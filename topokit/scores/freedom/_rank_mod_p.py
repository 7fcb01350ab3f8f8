"""Rank over the field of residues modulo the prime 2^30 - 35, at the speed of float products.

Residues are kept as floats between `-(PRIME - 1) / 2` and `(PRIME - 1) / 2`. With one factor split
into halves of 15 bits, a product of two matrices over at most `TERMS` inner places is exact in
double precision, since no sum exceeds 2^53: the high halves meet the other factor times 2^15, the
low ones that factor itself, side by side in one product. Elimination is therefore nearly all BLAS.

A step of it is a swept block: `rows` of pivots and a matrix `change` such that elimination makes of
any column `q` the column `change @ q[rows]` plus `q` with zeros at `rows`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

PRIME = 2**30 - 35
HALF = 2.0**15
# TERMS * 2^14 * 2^29 for the low halves, the same for the high ones, plus a residue: below 2^53.
TERMS = 480
PANEL = 240
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 256, 4096  # which stay in the cache


class _Sweep(NamedTuple):
    """Gauss-Jordan elimination with pivots at `rows` and `columns`; a column of `change` each."""

    rows: Int[np.ndarray, " _pivots"]
    columns: Int[np.ndarray, " _pivots"]
    change: Float[np.ndarray, "_n _pivots"]


def to_residues(integers: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The residues of integers, next to zero."""
    residues = integers % PRIME
    return (residues - PRIME * (residues > PRIME // 2)).astype(float)


def to_integers(residues: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """The same residues as integers from 0 up."""
    return residues.astype(np.int64) % PRIME


def times(
    x: Float[np.ndarray, "*_shape"], y: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """The product of residues, entry by entry; the first are broadcast to the others."""
    high = np.rint(x * (1 / HALF))
    result = settle(high * y)
    result *= HALF
    result += (x - high * HALF) * y
    return settle(result)


def multiply(x: Float[np.ndarray, "m k"], y: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "m n"]:
    """The product of two matrices of residues; cost that of two float products."""
    result = np.zeros((x.shape[0], y.shape[1]))
    for first in range(0, x.shape[1], TERMS):
        part, other = x[:, first : first + TERMS], y[first : first + TERMS]
        result += halves(part) @ twice(other)
        settle(result)
    return result


def eliminate(matrix: Float[np.ndarray, "m n"]) -> int:
    """The rank of a matrix of residues, which is overwritten.

    Cost O(m n rank) in products of matrices, panel by panel; the memory beside the matrix is that
    of a few panels.
    """
    rank = 0
    for first in range(0, matrix.shape[1], PANEL):
        below = matrix[rank:, first:]
        panel = np.ascontiguousarray(below[:, :PANEL])
        sweep = _sweep(panel, np.ones(len(panel), bool))
        _update(below[:, PANEL:], sweep)
        rank += sweep.rows.size
    return rank


def clear(
    matrix: Float[np.ndarray, "m n"], n_columns: int
) -> tuple[Int[np.ndarray, " rank"], Int[np.ndarray, " rank"]]:
    """Eliminate in so many columns, in place: rows and columns of the pivots.

    These columns are then those of a unit matrix at pivots, and zero in all rows without one.
    """
    free, rows, columns = np.ones(len(matrix), bool), [], []
    for first in range(0, n_columns, PANEL):
        sweep = _sweep(matrix[:, first : min(first + PANEL, n_columns)], free)
        matrix[:] = _apply(sweep, matrix)
        free[sweep.rows] = False
        rows.append(sweep.rows)
        columns.append(first + sweep.columns)
    nothing = np.zeros(0, int)
    return np.concatenate([nothing, *rows]), np.concatenate([nothing, *columns])


def _sweep(block: Float[np.ndarray, "m w"], free: Bool[np.ndarray, " m"]) -> _Sweep:
    """Eliminate a block with pivots among the free rows: its left half, then its right half."""
    if block.shape[1] < 2:
        return _sweep_column(block, free)
    half = block.shape[1] // 2
    left = _sweep(block[:, :half], free)
    free = free.copy()
    free[left.rows] = False
    right = _sweep(_apply(left, block[:, half:]), free)
    return _Sweep(
        np.concatenate([left.rows, right.rows]),
        np.concatenate([left.columns, half + right.columns]),
        np.hstack([_apply(right, left.change), right.change]),
    )


def _sweep_column(column: Float[np.ndarray, "m w"], free: Bool[np.ndarray, " m"]) -> _Sweep:
    """Eliminate one column, if a free row has a pivot in it."""
    pivots = np.flatnonzero(free & column.any(axis=1))[:1]
    if not pivots.size:
        return _Sweep(pivots, pivots, np.zeros((len(column), 0)))
    inverse = to_residues(np.array([[pow(int(column[pivots[0], 0]), -1, PRIME)]]))
    change = multiply(column, -inverse)
    change[pivots] = inverse
    return _Sweep(pivots, np.zeros_like(pivots), change)


def _apply(sweep: _Sweep, block: Float[np.ndarray, "m w"]) -> Float[np.ndarray, "m w"]:
    """What elimination makes of other columns."""
    if not sweep.rows.size:
        return block
    result = block.copy()
    result[sweep.rows] = 0
    result += multiply(sweep.change, block[sweep.rows])
    return settle(result)


def _update(block: Float[np.ndarray, "m w"], sweep: _Sweep) -> None:
    """Eliminate in other columns, in place; the rows without a pivot end up at the bottom."""
    n_pivots = sweep.rows.size
    if not n_pivots or not block.size:
        return
    is_pivot = np.zeros(len(block), bool)
    is_pivot[sweep.rows] = True
    pivots, change = block[sweep.rows], sweep.change
    # The pivot rows are used up: rows from the top take their places.
    vacant = np.flatnonzero(is_pivot[n_pivots:]) + n_pivots
    moved = np.flatnonzero(~is_pivot[:n_pivots])
    block[vacant], change[vacant] = block[moved], change[moved]
    for left in range(0, block.shape[1], COLUMNS_AT_ONCE):
        columns = slice(left, left + COLUMNS_AT_ONCE)
        factor = twice(pivots[:, columns])
        for first in range(n_pivots, len(block), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            result = halves(change[rows]) @ factor
            result += block[rows, columns]
            block[rows, columns] = settle(result)


def halves(values: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "m twice"]:
    """The high halves of residues, and beside them the low ones."""
    high = np.rint(values * (1 / HALF))
    return np.hstack([high, values - high * HALF])


def twice(values: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "twice n"]:
    """What high halves are to meet, and below it what low ones are."""
    return np.vstack([settle(values * HALF), values])


def settle(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Bring integers of less than 2^53 back to their residues next to zero, in place."""
    quotients = values * (1.0 / PRIME)
    np.rint(quotients, out=quotients)
    quotients *= PRIME
    values -= quotients
    return values
