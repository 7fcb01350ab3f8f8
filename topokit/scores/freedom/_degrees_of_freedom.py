"""Degrees of freedom: the rank of the Jacobian, counted where floats cannot lie.

The product of many layers is ill-conditioned, and a numerical rank takes small for zero. Over the
field of residues modulo the prime 2^31 - 1 nothing is small: at random weights elimination there
never counts too many, and too few with a chance of about `2 * rank * depth / 2^31`.

Constants are taken for their residues, so that a combination of them which matters must not be a
multiple of the prime; small integers and dyadic fractions combine to none.
"""

from math import inf

import networkx as nx
import numpy as np
from jaxtyping import Float, Int

from topokit._limits import TooLargeError, check_memory
from topokit.layers import Layers, each_layer, edge_factors, residues, to_layers
from topokit.scores.freedom._rank_mod_p import PRIME, eliminate, multiply, to_residues
from topokit.scores.freedom._spanning_edges import count_spanning, spanning_edges

LIMIT = 2**30
ROWS_AT_ONCE = 256


def degrees_of_freedom(topology: nx.DiGraph | Layers) -> int:
    """In how many independent directions the trainable weights can move the end-to-end matrix.

    This is the rank of `dW_d/dw` over the trainable weights at almost all weights, the constants
    being what they are; it lies between 0 and `satisfiable_constraints`, which bounds it from
    the zeros of the same matrix alone. Weights that are all free and waste nothing give
    `sum(fan_in - 1)` over all neurons, plus one magnitude for each output: the total
    controllability plus `n_out`. A low-rank layer gives `r (n_in + n_out - r)`.

    The matrix eliminated is the Jacobian, or where that is smaller the entrywise product of the
    Gram matrices of its two factors, which has its rank once random scalings exclude the
    self-orthogonal vectors of a finite field. The random weights are fixed: the same topology
    always gives the same number.

    Cost: elimination of m rows, O(m^3) in products of matrices, m the number of trainable edges
    less that of hidden neurons. Where `n_in * n_out` is smaller, it is the number of rows, and m
    that of columns. `estimate_freedom` goes further.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the matrix would take more than 1 GiB: 11,585 rows and columns.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.low_rank(8, 8, 2)
        >>> graph.number_of_edges(), tk.degrees_of_freedom(graph)
        (32, 28)

    See Also:
        `satisfiable_constraints`, an upper bound; `leverage`, where they lie;
        `topokit.scores.estimate_freedom`, for large networks.
    """
    layers = to_layers(topology)
    check_elimination(layers)
    if layers.depth == 1:
        return layers.n_trainable  # each is an entry of its own
    kept, pairs = count_spanning(layers), layers.n_in * layers.n_out
    if not kept:
        return 0
    rng = np.random.default_rng(0)
    weights = [
        np.where(free, rng.integers(1, PRIME, free.size), _residues(constant))
        for _, _, free, constant in each_layer(layers)
    ]
    a, b = edge_factors(layers, weights, spanning_edges(layers), algebra=residues(PRIME))
    return eliminate(_jacobian(a, b) if pairs < kept else _gram(a, b, rng))


def check_elimination(layers: Layers) -> None:
    """Refuse what `degrees_of_freedom` would take too much memory for."""
    kept = 1 if layers.depth == 1 else count_spanning(layers)
    check_memory(
        "degrees_of_freedom",
        8 * kept * min(kept, layers.n_in * layers.n_out),
        LIMIT,
        "topokit.scores.estimate_freedom needs no such matrix",
    )


def elimination_work(layers: Layers) -> float:
    """How many operations an elimination takes, about; infinite beyond its memory."""
    try:
        check_elimination(layers)
    except TooLargeError:
        return inf
    if layers.depth == 1:
        return 0
    kept, pairs = count_spanning(layers), layers.n_in * layers.n_out
    return kept * min(kept, pairs) ** 2


def _jacobian(
    a: Int[np.ndarray, "kept n_in"], b: Int[np.ndarray, "kept n_out"]
) -> Float[np.ndarray, "pairs kept"]:
    """The Jacobian, its rows input by input."""
    result = np.empty((a.shape[1], b.shape[1], len(a)))
    for rows, column in zip(result, a.T, strict=True):
        rows[:] = to_residues(b.T * column)
    return result.reshape(-1, len(a))


def _gram(
    a: Int[np.ndarray, "kept n_in"], b: Int[np.ndarray, "kept n_out"], rng: np.random.Generator
) -> Float[np.ndarray, "kept kept"]:
    """(A D1 A^T) * (B D2 B^T)."""
    scaled = [to_residues(x * rng.integers(1, PRIME, x.shape[1])) for x in (a, b)]
    flipped = [to_residues(x.T) for x in (a, b)]
    result = np.empty((len(a), len(a)))
    for first in range(0, len(a), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        one, other = [multiply(x[rows], y) for x, y in zip(scaled, flipped, strict=True)]
        result[rows] = to_residues(one.astype(np.int64) * other.astype(np.int64))
    return result


def _residues(constants: Float[np.ndarray, " edges"]) -> Int[np.ndarray, " edges"]:
    """The constants in the field: every finite float is an integer over a power of two."""
    values, places = np.unique(constants, return_inverse=True)
    return np.array([_residue(*value.as_integer_ratio()) for value in values.tolist()])[places]


def _residue(numerator: int, denominator: int) -> int:
    while numerator and numerator % PRIME == 0:  # not 0, so it must not become 0
        numerator //= PRIME
    return numerator * pow(denominator, -1, PRIME) % PRIME
