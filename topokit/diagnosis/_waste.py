"""Wasted weights, by layer: trainable edges less degrees of freedom.

Near random weights, changes of the weights that change nothing else form a space. Changes are
measured in proportion to the weights, so that it does not matter how the scale of a signal is
spread over the layers. Split a unit change of one weight into a part within that space and a part
across it: the square of the first is the share of this weight that is wasted. It is 1 if the weight
does nothing that others could not do as well, 0 if nothing makes up for it. Whichever basis one
takes, the shares add up to the dimension of the space, the number of wasted weights.

Where scaling hidden neurons is all that changes nothing, the space is that of the cuts of a graph
whose vertices are the free hidden neurons and a ground, and the share of an edge is its effective
resistance between its ends (Foster's theorem says that they add up to the number of neurons). Then
no weights are drawn.
"""

from dataclasses import replace
from math import prod

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import inv, qr
from threadpoolctl import threadpool_limits

from topokit._limits import TooLargeError, check_memory
from topokit._records import Record
from topokit.diagnosis._reach import live_neurons
from topokit.layers import Layers, live_edges
from topokit.scores.freedom import degrees_of_freedom, edge_factors, flat_weights, free_neurons

LIMIT = 2**31
DRAWS = 4


class Waste(Record):
    """Trainable edges without a degree of freedom of their own.

    Attributes:
        trainable: For each layer, its trainable edges.
        unused: For each layer, those that lie on no path: all of them are wasted.
        scales: For each hidden layer of neurons, those on a path whose edges are all free: scaling
            such a neuron up and its receivers' weights down changes nothing, which wastes one
            weight of those before and behind it.
        total: Trainable edges less degrees of freedom, at least the sum of `unused` and `scales`;
            None where `degrees_of_freedom` is beyond its memory limit.
        wasted: For each layer, how many of its edges are wasted: shares of edges, which add up to
            `total`. None where `total` is, or where they would take more than 2 GiB.
    """

    trainable: tuple[int, ...]
    unused: tuple[int, ...]
    scales: tuple[int, ...]
    total: int | None
    wasted: tuple[float, ...] | None

    @property
    def known(self) -> int:
        """Wasted weights that need no calculus to be found: a lower bound of `total`."""
        return sum(self.unused) + sum(self.scales)


def find_waste(layers: Layers) -> Waste:
    """Count the waste and name its layers; cost mostly that of `degrees_of_freedom`.

    Where more than scales is wasted, `DRAWS` factorizations of a matrix of live edges by pairs.
    """
    live = live_edges(layers)
    free = _free_neurons(layers, live)
    dead = [int(np.count_nonzero(t & ~on)) for t, on in zip(layers.trainable, live, strict=True)]
    scales = [int(neurons.sum()) for neurons in free[1:-1]]
    waste = Waste(
        tuple(int(t.sum()) for t in layers.trainable), tuple(dead), tuple(scales), None, None
    )
    try:
        rank = degrees_of_freedom(layers)
        waste = replace(waste, total=layers.n_trainable - rank)
        return replace(waste, wasted=_by_layer(layers, waste, free, live, rank))
    except TooLargeError:
        return waste


def _by_layer(
    layers: Layers,
    waste: Waste,
    free: list[Bool[np.ndarray, " _width"]],
    live: list[Bool[np.ndarray, " _edges"]],
    rank: int,
) -> tuple[float, ...]:
    """The shares of the edges of each layer, added up."""
    on = [t & alive for t, alive in zip(layers.trainable, live, strict=True)]
    parts = (
        _resistances(layers, on, free) if waste.total == waste.known else _idle(layers, on, rank)
    )
    return tuple(float(part.sum()) + lost for part, lost in zip(parts, waste.unused, strict=True))


def _free_neurons(
    layers: Layers, live: list[Bool[np.ndarray, " _edges"]]
) -> list[Bool[np.ndarray, " _width"]]:
    """For each layer of neurons, those that can be scaled: no inputs, no outputs."""
    ends = [np.zeros(width, bool) for width in (layers.n_in, layers.n_out)]
    hidden = zip(free_neurons(layers, live), live_neurons(layers)[1:-1], strict=True)
    return [ends[0], *(free & alive for free, alive in hidden), ends[1]]


def _resistances(
    layers: Layers,
    on: list[Bool[np.ndarray, " _edges"]],
    free: list[Bool[np.ndarray, " _width"]],
) -> list[Float[np.ndarray, " _live"]]:
    """Effective resistance of every trainable edge on a path, all others being ground."""
    n = sum(int(neurons.sum()) for neurons in free)
    check_memory("the waste by layer", 24 * (n + 1) ** 2, LIMIT, "its total is known all the same")
    ends = _numbered_ends(layers, on, free, n)
    laplacian = np.zeros((n + 1, n + 1))
    for a, b in ends:
        for place, sign in (((a, a), 1), ((b, b), 1), ((a, b), -1), ((b, a), -1)):
            np.add.at(laplacian, place, sign)
    potential = np.zeros_like(laplacian)
    if n:
        potential[:n, :n] = inv(laplacian[:n, :n], overwrite_a=True)
    return [potential[a, a] + potential[b, b] - 2 * potential[a, b] for a, b in ends]


def _numbered_ends(
    layers: Layers,
    on: list[Bool[np.ndarray, " _edges"]],
    free: list[Bool[np.ndarray, " _width"]],
    ground: int,
) -> list[tuple[Int[np.ndarray, " _live"], Int[np.ndarray, " _live"]]]:
    """The vertices that each edge joins: free neurons in order, or the ground."""
    numbers = np.cumsum(np.concatenate(free)) - 1
    vertices = np.split(
        np.where(np.concatenate(free), numbers, ground), np.cumsum(layers.widths)[:-1]
    )
    rows = zip(vertices, layers.senders, vertices[1:], layers.receivers, on, strict=False)
    return [(before[s[k]], behind[r[k]]) for before, s, behind, r, k in rows]


def _idle(
    layers: Layers, on: list[Bool[np.ndarray, " _edges"]], rank: int
) -> list[Float[np.ndarray, " _live"]]:
    """One less the diagonal of the projector on the rows of the Jacobian, averaged over draws."""
    counts = [int(kept.sum()) for kept in on]
    pairs = prod((layers.n_in, layers.n_out))
    check_memory("the waste by layer", 16 * sum(counts) * pairs, LIMIT, "its total is known")
    rng = np.random.default_rng(0)
    rest = np.ones(sum(counts))
    with threadpool_limits(1, user_api="blas"):
        for _ in range(DRAWS):
            rest -= row_leverage(layers, flat_weights(layers, rng), on, rank) / DRAWS
    return np.split(rest, np.cumsum(counts)[:-1])


def row_leverage(
    layers: Layers,
    weights: list[Float[np.ndarray, " _edges"]],
    on: list[Bool[np.ndarray, " _edges"]],
    rank: int,
) -> Float[np.ndarray, " live"]:
    """Diagonal of the projector on the rows of the Jacobian by the logarithms of the weights."""
    a, b = edge_factors(layers, weights, on, settle=lambda values: values)
    a *= np.concatenate([w[kept] for w, kept in zip(weights, on, strict=True)])[:, None]
    rows = np.einsum("ei,eo->eio", a, b).reshape(len(a), -1)
    factors = qr(rows, overwrite_a=True, mode="economic", pivoting=True)
    basis = np.asarray(factors[0])[:, :rank]
    return np.einsum("ek,ek->e", basis, basis)
