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

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import inv, qr

from topokit._limits import TooLargeError, check_memory
from topokit._one_thread import one_thread
from topokit._records import Record
from topokit.layers import Layers, edge_factors, live_weights, numbered_edges, split_by_size
from topokit.scores.freedom import count_quickly, flat_weights, free_neurons

LIMIT = 2**31
DRAWS = 4

# Operations up to which degrees of freedom are counted, about a minute.
PATIENCE = 2**40


class Waste(Record):
    """Trainable edges without a degree of freedom of their own.

    Attributes:
        trainable: For each layer, its trainable edges.
        unused: For each layer, those that lie on no path: all of them are wasted.
        scales: For each hidden layer of neurons, those on a path whose edges are all free: scaling
            such a neuron up and its receivers' weights down changes nothing, which wastes one
            weight of those before and behind it.
        total: Trainable edges less degrees of freedom, at least the sum of `unused` and `scales`;
            None where `degrees_of_freedom` would take more than a minute.
        wasted: For each layer, how many of its edges are wasted: shares of edges, which add up to
            `total`. None where `total` is, or where they would take more than 2 GiB.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.low_rank(8, 8, 2)).waste
        >>> found.trainable, found.total
        ((16, 16), 4)

    See Also:
        `topokit.degrees_of_freedom`, of which it is the rest.
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


def most_freedom(layers: Layers) -> int:
    """The degrees of freedom that there are at most, as far as no calculus tells."""
    on = sum(int(edges.sum()) for edges in live_weights(layers))
    return on - sum(int(neurons.sum()) for neurons in free_neurons(layers)[1:-1])


def find_waste(layers: Layers, freedom: int | None = None) -> Waste:
    """Count the waste and name its layers; cost mostly that of the freedom, if unknown, a minute.

    Where more than scales is wasted, `DRAWS` factorizations of a matrix of live edges by pairs.
    """
    trainable, live = (
        np.array([int(edges.sum()) for edges in column])
        for column in (layers.trainable, live_weights(layers))
    )
    scales = tuple(int(neurons.sum()) for neurons in free_neurons(layers)[1:-1])
    dead = tuple((trainable - live).tolist())
    waste = Waste(tuple(trainable.tolist()), dead, scales, None, None)
    rank = count_quickly(layers, PATIENCE) if freedom is None else freedom
    if rank is None:
        return waste
    waste = replace(waste, total=layers.n_trainable - rank)
    try:
        return replace(waste, wasted=_shares(layers, waste, rank))
    except TooLargeError:
        return waste


def _shares(layers: Layers, waste: Waste, rank: int) -> tuple[float, ...]:
    """The shares of the edges of each layer, added up."""
    shares = _resistances(layers) if waste.total == waste.known else _idle(layers, rank)
    parts = split_by_size([int(on.sum()) for on in live_weights(layers)], shares)
    return tuple(float(part.sum()) + lost for part, lost in zip(parts, waste.unused, strict=True))


def _resistances(layers: Layers) -> Float[np.ndarray, " live"]:
    """Effective resistance of every trainable edge on a path, all but free neurons being ground."""
    free, on = np.concatenate(free_neurons(layers)), np.concatenate(live_weights(layers))
    n = int(free.sum())
    check_memory("the waste by layer", 24 * (n + 1) ** 2, LIMIT, "its total is known all the same")
    vertices = np.where(free, np.cumsum(free) - 1, n)
    a, b = (vertices[ends][on] for ends in numbered_edges(layers))
    laplacian = np.zeros((n + 1, n + 1))
    for place, sign in (((a, a), 1), ((b, b), 1), ((a, b), -1), ((b, a), -1)):
        np.add.at(laplacian, place, sign)
    potential = np.zeros_like(laplacian)
    if n:
        potential[:n, :n] = inv(laplacian[:n, :n], overwrite_a=True)
    return potential[a, a] + potential[b, b] - 2 * potential[a, b]


def _idle(layers: Layers, rank: int) -> Float[np.ndarray, " live"]:
    """One less the diagonal of the projector on the rows of the Jacobian, averaged over draws."""
    on = live_weights(layers)
    count = sum(int(kept.sum()) for kept in on)
    pairs = prod((layers.n_in, layers.n_out))
    check_memory("the waste by layer", 16 * count * pairs, LIMIT, "its total is known")
    rng = np.random.default_rng(0)
    rest = np.ones(count)
    with one_thread():
        for _ in range(DRAWS):
            rest -= row_leverage(layers, flat_weights(layers, rng), on, rank) / DRAWS
    return rest


def row_leverage(
    layers: Layers,
    weights: list[Float[np.ndarray, " _edges"]],
    on: Sequence[Bool[np.ndarray, " _edges"]],
    rank: int,
) -> Float[np.ndarray, " live"]:
    """Diagonal of the projector on the rows of the Jacobian by the logarithms of the weights."""
    a, b = edge_factors(layers, weights, on)
    a *= np.concatenate(weights)[np.concatenate(on)][:, None]
    rows = np.einsum("ei,eo->eio", a, b).reshape(len(a), -1)
    factors = qr(rows, overwrite_a=True, mode="economic", pivoting=True)
    basis = np.asarray(factors[0])[:, :rank]
    return np.einsum("ek,ek->e", basis, basis)
