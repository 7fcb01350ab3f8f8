"""Sparse matrices of residues, which multiply blocks of columns by two products with floats.

Entries are split into halves of 15 bits, as by `_rank_mod_p`, so that the sums of a row of at most
`ENTRIES` are exact; longer rows are cut.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from topokit.layers import places_within
from topokit.scores.freedom._rank_mod_p import HALF, settle, to_residues

ENTRIES = 1000  # times 2^14 * 2^29, below 2^53

Numbers = Int[np.ndarray, " entries"]


class SparseResidues:
    """A sparse matrix of residues, given by its entries."""

    def __init__(
        self, rows: Numbers, columns: Numbers, entries: Numbers, shape: tuple[int, int]
    ) -> None:
        self.shape, self.n_entries = shape, rows.size
        cuts = places_within(rows, shape[0]) // ENTRIES
        halves = [np.rint(to_residues(entries) / HALF), 0]
        halves[1] = to_residues(entries) - halves[0] * HALF
        self._parts = [
            [
                csr_array((half[cuts == cut], (rows[cuts == cut], columns[cuts == cut])), shape)
                for half in halves
            ]
            for cut in range(int(cuts.max(initial=-1)) + 1)
        ]

    def __matmul__(self, values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "m k"]:
        result = np.zeros((self.shape[0], values.shape[1]))
        for high, low in self._parts:
            product = settle(high @ values)
            product *= HALF
            product += low @ values
            result += settle(product)
        return settle(result) if len(self._parts) > 1 else result
