"""A layer as a matrix, for who multiplies with it many times."""

from math import prod

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

Matrix = np.ndarray | csr_array
Places = tuple[Int[np.ndarray, " edges"], Int[np.ndarray, " edges"]]

# The density from which on a dense matrix multiplies faster than a sparse one.
DENSE_FROM = 1 / 40


def as_matrix(
    weights: Float[np.ndarray, " edges"], places: Places, shape: tuple[int, ...]
) -> Matrix:
    """The matrix of this shape with these weights at their places: sparse or dense, the faster."""
    if weights.size <= DENSE_FROM * prod(shape):
        return csr_array((weights, places), shape=shape)
    matrix = np.zeros(shape, weights.dtype)
    matrix[places] = weights
    return matrix
