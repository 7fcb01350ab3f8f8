"""Degrees of freedom: the rank of the Jacobian, counted where floats cannot lie.

The product of many layers is ill-conditioned, and a numerical rank takes small for zero. Over the
field of residues modulo the prime 2^30 - 35 nothing is small: at random weights elimination there
never counts too many, and too few with a chance of about `2 * rank * depth / 2^30`.

Columns of the end layers are eliminated by blocks (`_end_elimination`). What is left is a matrix of
the products of the other columns with as many random probes. A few are tried first: if they are
dependent already, more would add nothing. Then probes of single rows, if they are to see few edges
each: they may prove all columns independent (`_row_by_row`).

Constants are taken for their residues, so that a combination of them which matters must not be a
multiple of the prime; small integers and dyadic fractions combine to none.
"""

from math import inf

import networkx as nx
import numpy as np
from jaxtyping import Float, Int

from topokit._limits import TooLargeError, check_memory
from topokit.layers import Layers, each_layer, live_weights, to_layers
from topokit.scores.freedom._end_elimination import (
    AT_ONCE,
    eliminate_ends,
    end_work,
    make_readers,
    read_probes,
)
from topokit.scores.freedom._rank_mod_p import PRIME, eliminate, to_residues
from topokit.scores.freedom._row_by_row import all_independent, see
from topokit.scores.freedom._spanning_edges import free_neurons

LIMIT = 2**32

# Bytes that a pair of an edge and a place of pivots takes, at most.
OF_A_PAIR = 64

# Operations, as those of an elimination count: of an edge that carries a value through its layer,
# an entry of a block that a pivot changes, and an entry of a sparse matrix that reads a probe.
OF_A_PASS, OF_A_PIVOT, OF_AN_ENTRY = 60, 200, 12


def degrees_of_freedom(topology: nx.DiGraph | Layers) -> int:
    """In how many independent directions the trainable weights can move the end-to-end matrix.

    This is the rank of `dW_d/dw` over the trainable weights at almost all weights, the constants
    being what they are; it lies between 0 and `satisfiable_constraints`, which bounds it from
    the zeros of the same matrix alone. Weights that are all free and waste nothing give
    `sum(fan_in - 1)` over all neurons, plus one magnitude for each output: the total
    controllability plus `n_out`. A low-rank layer gives `r (n_in + n_out - r)`.

    Weights of the first layer move single rows of that matrix, those of the last single columns:
    they are eliminated row by row and column by column, and only those between need a matrix of
    their own. The random weights are fixed: the same topology always gives the same number.

    Cost: elimination of m rows, O(m^3) in products of matrices, m about the number of trainable
    edges between the first and the last layer less that of hidden neurons, or `n_in * n_out` less
    what the end layers settle; less where probes of single rows prove all of them independent. Two
    layers of 1,024 neurons take seconds, three with 61,440 edges a minute or two.
    `estimate_freedom` goes further.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the matrix would take more than 4 GiB: about 23,000 rows and columns.

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
    _check(_least_bytes(layers))
    if layers.depth == 1:
        return layers.n_trainable  # each is an entry of its own
    elimination = _Elimination(layers)
    found = elimination.by_less(inf)
    return elimination.by_all() if found is None else found


def count_quickly(layers: Layers, most: float) -> int | None:
    """`degrees_of_freedom`, or None if that takes more operations than so many, or much memory."""
    if layers.depth == 1:
        return layers.n_trainable
    try:
        _check(_least_bytes(layers))
        if _least_work(layers) > most:
            return None
        elimination = _Elimination(layers)
    except TooLargeError:
        return None
    found = elimination.by_less(most)
    return elimination.by_all() if found is None and elimination.work <= most else found


class _Elimination:
    """The Jacobian at random weights, its end layers eliminated, and all it takes to go on."""

    def __init__(self, layers: Layers) -> None:
        rng = np.random.default_rng(0)
        self.layers = layers
        self.weights = [
            np.where(free, rng.integers(1, PRIME, free.size), _residues(constant))
            for _, _, free, constant in each_layer(layers)
        ]
        self.ends = eliminate_ends(layers, self.weights)
        entries = layers.n_in * layers.n_out - self.ends.rank
        self.n_probes = min(self.ends.n_kept, entries)
        _check(_bytes(layers, self.ends.n_kept, self.n_probes, self.ends.n_places))
        self.readers = make_readers(layers, self.weights, self.ends)

    @property
    def work(self) -> float:
        """How many operations `by_all` takes, about."""
        reading = OF_AN_ENTRY * self.readers.n_entries * self.n_probes
        return _work(self.ends.n_kept, self.n_probes) + reading

    def by_less(self, most: float) -> int | None:
        """The rank of the Jacobian, if few probes or probes of single rows are all it takes."""
        few = min(self.n_probes, AT_ONCE)
        rank = eliminate(self._products(few))
        if rank < few or few == self.n_probes:
            return self.ends.rank + rank
        if self.n_probes < self.ends.n_kept:  # which cannot all be independent
            return None
        sight = see(self.layers, self.ends)
        entries = self.readers.n_entries - self.readers.columns.strip.n_entries
        work = sight.work + OF_AN_ENTRY * entries * sight.n_probes
        if work > min(most, self.work) or 2 * sight.common.sum() > self.n_probes:
            return None  # of more common edges the proof would take more memory than `by_all`
        independent = all_independent(self.layers, self.ends, self.readers, sight)
        return self.ends.rank + self.ends.n_kept if independent else None

    def by_all(self) -> int:
        """The rank of the Jacobian, by as many probes as columns are left."""
        return self.ends.rank + eliminate(self._products(self.n_probes))

    def _products(self, n_probes: int) -> Float[np.ndarray, "kept probes"]:
        """Products of the columns that are left with so many random probes."""
        rng, ends = np.random.default_rng(1), (self.layers.n_in, self.layers.n_out)
        result = np.empty((self.ends.n_kept, n_probes))
        for first in range(0, n_probes, AT_ONCE):
            part = result[:, first : first + AT_ONCE]
            u, v = (to_residues(rng.integers(0, PRIME, (n, part.shape[1]))) for n in ends)
            part[:] = read_probes(self.layers, self.ends, self.readers, u, v)
        return result


def _least(layers: Layers) -> tuple[int, int]:
    """How many columns are left at least, as the shapes say, and how many probes of them."""
    sizes = [int(live.sum()) for live in live_weights(layers)]
    kept = max(sum(sizes[1:-1]) - sum(int(free.sum()) for free in free_neurons(layers)), 0)
    return kept, min(kept, max(layers.n_in * layers.n_out - sizes[0] - sizes[-1], 0))


def _least_bytes(layers: Layers) -> int:
    """What memory counting takes at least."""
    return 0 if layers.depth == 1 else _bytes(layers, *_least(layers), 0)


def _bytes(layers: Layers, kept: int, probes: int, places: int) -> int:
    """What memory it takes with so many columns left, and end layers eliminated in these places."""
    passed = 2 * sum(layers.widths) * max(layers.n_in, layers.n_out)
    return 8 * (kept * probes + passed) + OF_A_PAIR * places * layers.n_edges


def _least_work(layers: Layers) -> float:
    """How many operations counting takes at least."""
    passed = OF_A_PASS * layers.n_edges * (layers.n_in + layers.n_out)
    kept, probes = _least(layers)
    proof = OF_AN_ENTRY * layers.n_edges * kept  # that all are independent, if single rows prove it
    return min(_work(kept, probes), proof) + passed + OF_A_PIVOT * end_work(layers)


def _work(kept: int, probes: int) -> float:
    """How many operations it takes to eliminate so many columns: of them 2^37 take 10 seconds."""
    return kept * probes * min(kept, probes) / 2


def _check(n_bytes: int) -> None:
    check_memory(
        "degrees_of_freedom",
        n_bytes,
        LIMIT,
        "topokit.scores.estimate_freedom needs no such matrix",
    )


def _residues(constants: Float[np.ndarray, " edges"]) -> Int[np.ndarray, " edges"]:
    """The constants in the field: every finite float is an integer over a power of two."""
    values, places = np.unique(constants, return_inverse=True)
    return np.array([_residue(*value.as_integer_ratio()) for value in values.tolist()])[places]


def _residue(numerator: int, denominator: int) -> int:
    while numerator and numerator % PRIME == 0:  # not 0, so it must not become 0
        numerator //= PRIME
    return numerator * pow(denominator, -1, PRIME) % PRIME
