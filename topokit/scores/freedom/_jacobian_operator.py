"""The Jacobian of the end-to-end matrix as an operator: multiplied with, never written down.

A change of the weights is carried forward along the edges, a change of the end-to-end matrix
backward: either product costs about as much as two products of all layers with a matrix. Columns
are scaled to length 1, which leaves their span alone.

Every neuron has units of its own, powers of two: one in which what it holds is near 1, and one in
which the product of the layers behind it is. So constants and depth may be of any size.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.sparse import block_diag, csr_array

from topokit.layers import (
    Algebra,
    Layers,
    Matrix,
    Scaled,
    as_matrix,
    forward,
    in_units,
    live_weights,
    pull,
    scaled,
    split_by_size,
)
from topokit.scores.freedom._group_whitening import whitening
from topokit.scores.freedom._lsqr_projection import Operator

PAIRS_AT_ONCE = 256

# Rounding errors up to which a sum is one of constants that cancel.
NOISE = 2**6

# Entries from which on numbers of 32 bits are enough for probes: the errors of so many cancel.
LARGE = 2**16

# Layers up to which products stay within the range of numbers of 32 bits.
DEEP = 40


class Tangent(NamedTuple):
    """A network at given weights, ready for products with its Jacobian.

    Attributes:
        widths: Neurons per layer.
        into: Every edge's weight in the units of its sender's and its receiver's states.
        weights: Every edge's weight in the units of what lies behind these two.
        ahead: The latter as a matrix for each layer, receivers by senders.
        behind: The same, senders by receivers.
        states: What each sender holds: the product of the layers before, transposed.
        edges: For each layer, the places of the edges that have a column.
        senders: For each layer, the senders of these edges.
        receivers: For each layer, their receivers.
        scales: For each layer, what brings their columns to length 1.
    """

    widths: tuple[int, ...]
    into: list[Float[np.ndarray, " _edges"]]
    weights: list[Float[np.ndarray, " _edges"]]
    ahead: list[Matrix]
    behind: list[Matrix]
    states: list[Float[np.ndarray, "_width n_in"]]
    edges: list[Int[np.ndarray, " _columns"]]
    senders: list[Int[np.ndarray, " _columns"]]
    receivers: list[Int[np.ndarray, " _columns"]]
    scales: list[Float[np.ndarray, " _columns"]]


def precision(layers: Layers) -> type:
    """What probes need: numbers of 32 bits halve the time of large networks that are not deep."""
    large = layers.n_in * layers.n_out >= LARGE
    return np.float32 if large and layers.depth <= DEEP else np.float64


def linearize(
    layers: Layers, weights: Sequence[Shaped[np.ndarray, " _edges"]], *, dtype: type = np.float64
) -> Tangent:
    """Set up the products at these weights, of any size; cost O((n_in + n_out) E).

    Products take half the time and memory with a `dtype` of `numpy.float32`.
    """
    algebra = scaled(noise=NOISE * float(np.finfo(dtype).eps))
    held = list(forward(layers, _one_each(layers.n_in, dtype), weights, algebra=algebra))
    lengths, units = _lengths_behind(layers, weights, algebra, dtype)
    ends = list(zip(layers.senders, layers.receivers, weights, strict=True))
    into = [
        in_units(w, before.powers[s], after.powers[r])
        for (s, r, w), (before, after) in zip(ends, pairwise(held), strict=True)
    ]
    own = [
        in_units(w, after[r], before[s]).astype(dtype)
        for (s, r, w), (before, after) in zip(ends, pairwise(units), strict=True)
    ]
    rows = zip(layers.senders, layers.receivers, own, pairwise(layers.widths), strict=True)
    ahead, behind = zip(
        *(
            (as_matrix(w, (r, s), shape[::-1]), as_matrix(w, (s, r), shape))
            for s, r, w, shape in rows
        ),
        strict=True,
    )
    states = [state.numbers for state in held[:-1]]
    columns = _columns(layers, states, lengths[1:])
    return Tangent(layers.widths, into, own, list(ahead), list(behind), states, *columns)


def _columns(
    layers: Layers,
    states: list[Float[np.ndarray, "_width n_in"]],
    lengths: list[Float[np.ndarray, " _width"]],
) -> Iterator[list[np.ndarray]]:
    """Edges that have a column, their senders, their receivers, and scales, for each layer each."""
    found = []
    for row in zip(
        layers.senders, layers.receivers, live_weights(layers), states, lengths, strict=True
    ):
        senders, receivers, wanted, state, length = row
        norms = np.linalg.norm(state, axis=1)[senders] * length[receivers]
        edges = np.flatnonzero(wanted & (norms > 0))
        found.append((edges, senders[edges], receivers[edges], 1 / norms[edges]))
    return map(list, zip(*found, strict=True))


def jacobian_operator(tangent: Tangent) -> Operator:
    """The Jacobian with columns of length 1; rows are the pairs, output by output."""
    n_columns = sum(edges.size for edges in tangent.edges)
    return Operator(
        (tangent.widths[-1] * tangent.widths[0], n_columns),
        partial(_push, tangent),
        partial(_pull, tangent),
    )


def whitened_operator(tangent: Tangent) -> Operator:
    """The same range from other columns, orthonormal within groups: see `_group_whitening`.

    Columns of the first half of the layers are grouped by sender, others by receiver. Cost: the
    Gram matrices of the groups, about one product of all layers with a matrix for each edge at a
    neuron, up to 32.
    """
    plain, turn = jacobian_operator(tangent), _turn(tangent)
    turn_back = csr_array(turn.T)
    return Operator(
        plain.shape, lambda x: plain.forward(turn @ x), lambda y: turn_back @ plain.backward(y)
    )


def _turn(tangent: Tangent) -> csr_array:
    """The whitening of all columns, layer by layer."""
    depth, carried = len(tangent.edges), np.eye(tangent.widths[-1], dtype=tangent.states[0].dtype)
    parts = []
    for number in reversed(range(depth)):
        senders, receivers = tangent.senders[number], tangent.receivers[number]
        if 2 * number < depth - 1:
            parts.append(whitening(senders, receivers, carried))
        else:
            parts.append(whitening(receivers, senders, tangent.states[number]))
        carried = tangent.behind[number] @ carried
    return csr_array(block_diag(parts[::-1], format="csr"))


def _push(tangent: Tangent, changes: np.ndarray) -> Float[np.ndarray, " pairs"]:
    """How `W_d`, transposed and flattened, moves with the scaled weights."""
    parts = split_by_size([edges.size for edges in tangent.edges], changes.ravel())
    moved = np.zeros_like(tangent.states[0])
    for number, part in enumerate(parts):
        moved = tangent.ahead[number] @ moved
        if part.size:
            places = tangent.receivers[number], tangent.senders[number]
            shape = tangent.widths[number + 1], tangent.widths[number]
            change = as_matrix(part * tangent.scales[number], places, shape)
            moved += change @ tangent.states[number]
    return moved.ravel()


def _pull(tangent: Tangent, matrix: np.ndarray) -> Float[np.ndarray, " columns"]:
    """The transposed product: how the columns agree with a matrix."""
    carried = matrix.reshape(-1, tangent.widths[0])
    result = []
    for number in reversed(range(len(tangent.edges))):
        dots = _pairwise_dots(tangent, number, carried)
        result.append(dots * tangent.scales[number])
        carried = tangent.behind[number] @ carried
    return np.concatenate(result[::-1])


def _pairwise_dots(
    tangent: Tangent, number: int, carried: Float[np.ndarray, "width n_in"]
) -> Float[np.ndarray, " columns"]:
    """For each edge with a column, what its sender holds times what its receiver was handed."""
    senders, receivers = tangent.senders[number], tangent.receivers[number]
    state = tangent.states[number]
    if isinstance(tangent.ahead[number], np.ndarray):
        return (state @ carried.T)[senders, receivers]
    dots = np.empty(senders.size, carried.dtype)
    for first in range(0, senders.size, PAIRS_AT_ONCE):
        some = slice(first, first + PAIRS_AT_ONCE)
        dots[some] = np.vecdot(state[senders[some]], carried[receivers[some]])
    return dots


def _lengths_behind(
    layers: Layers, weights: Sequence[Shaped[np.ndarray, " _edges"]], algebra: Algebra, dtype: type
) -> tuple[list[Float[np.ndarray, " _width"]], list[Int[np.ndarray, " _width"]]]:
    """For each layer of neurons, the lengths of their rows of the product behind, and the units."""
    carried = _one_each(layers.n_out, dtype)
    lengths, units = [np.linalg.norm(carried.numbers, axis=1)], [carried.powers]
    for number in reversed(range(layers.depth)):
        carried = pull(layers, number, carried, weights[number], algebra=algebra)
        lengths.append(np.linalg.norm(carried.numbers, axis=1))
        units.append(carried.powers)
    return lengths[::-1], units[::-1]


def _one_each(n: int, dtype: type) -> Scaled:
    """The identity, at the inputs or at the outputs."""
    return Scaled(np.eye(n, dtype=dtype), np.zeros(n, np.int64))
