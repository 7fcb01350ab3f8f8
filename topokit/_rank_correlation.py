"""Whether two columns of numbers have the same order: Spearman's rank correlation."""

import numpy as np
from jaxtyping import Float

# Pairs of which an order says anything.
FEWEST = 5


def rank_correlation(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float | None:
    """Pearson's of the ranks; None of fewer than `FEWEST`, or where either is the same for all."""
    if x.size < FEWEST or np.unique(x).size < 2 or np.unique(y).size < 2:
        return None
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """From 1; equal values share the mean of their places."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
