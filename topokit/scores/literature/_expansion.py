"""How well a layer mixes: the second singular value of its mask and the bound that limits it.

Divide the entry of every edge by the root of both its degrees, `1 / sqrt(out(i) in(j))`. The first
singular value of this matrix is 1; the second says how fast a signal spreads: 0 for a dense layer,
1 for a layer that falls into parts which do not talk to each other. Where all in-degrees and all
out-degrees are equal it is the ratio of the mask's second singular value to its first.
"""

from collections.abc import Iterator

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator, svds

from topokit.layers import Layers, in_degrees, numbered_edges, out_degrees, to_layers

DENSE_CELLS = 2**16
"""Layers with more cells than this are decomposed by Lanczos iteration."""

LEAST_DEGREE = 3


def second_singular_values(topology: nx.DiGraph | Layers) -> Float[np.ndarray, " depth"]:
    """Second singular value of each layer's mask, normalized by the degrees; in [0, 1].

    The smaller, the better the layer expands: for `d` edges a neuron and long random walks,
    deviations from a uniform spread shrink by this factor a layer (Hoory, Linial and Wigderson,
    2006; X-Nets, Prabhu et al., 2017). Compare with `ramanujan_bounds`.

    Args:
        topology: A graph or a recipe. Neurons without edges are left out; constant edges count.

    Returns:
        One number for each layer. Dense decomposition of small layers, Lanczos iteration with a
        fixed start vector above, O(E) a step.

    Examples:
        >>> import topokit as tk
        >>> tk.scores.second_singular_values(tk.topologies.dense(8, 8)).round(6)
        array([0.])
        >>> tk.scores.second_singular_values(tk.topologies.butterfly(8)).round(6)
        array([1., 1., 1.])

    See Also:
        `ramanujan_bounds`, what they are compared with.
    """
    layers = to_layers(topology)
    degrees = zip(out_degrees(layers), in_degrees(layers), strict=True)
    rows = zip(layers.senders, layers.receivers, degrees, strict=True)
    return np.array([_second(senders, receivers, *pair) for senders, receivers, pair in rows])


def ramanujan_bounds(topology: nx.DiGraph | Layers) -> Float[np.ndarray, " depth"]:
    """The limit that the second singular values of ever larger layers cannot stay below.

    `(sqrt(d_in - 1) + sqrt(d_out - 1)) / sqrt(d_in d_out)` for biregular layers (Feng and Li, 1996;
    a layer at or below it is a bipartite Ramanujan graph). Where degrees vary, `d_in` and `d_out`
    are their means over the neurons that have edges, and the number is only a guide.

    Args:
        topology: A graph or a recipe.

    Examples:
        >>> import topokit as tk
        >>> tk.scores.ramanujan_bounds(tk.topologies.random_regular([64, 64], 8, seed=0)).round(3)
        array([0.661])

    See Also:
        `second_singular_values`, which may lie below.
    """
    layers = to_layers(topology)
    degrees = [
        [degree[degree > 0].mean() for degree in pair]
        for pair in zip(out_degrees(layers), in_degrees(layers), strict=True)
    ]
    fan_out, fan_in = np.array(degrees).T
    return (np.sqrt(fan_in - 1) + np.sqrt(fan_out - 1)) / np.sqrt(fan_in * fan_out)


def graph_spectral_gap(topology: nx.DiGraph | Layers) -> float:
    """One less the second eigenvalue of the whole network's normalized adjacency; in [0, 1].

    The network is read as one undirected graph of neurons, entries divided by the root of both
    degrees: the gap is the second eigenvalue of the normalized Laplacian (Chung, 1997), which by
    Cheeger's inequality bounds how few edges cut the graph in two. 0 where it falls into parts.
    That a sparse network be scored as one graph of all its neurons, not layer by layer, is argued
    by Cunegatti, Farina, Bucur and Iacca (2024, arXiv:2305.16886); the normalization is ours.

    Neurons of even and of odd layers are the two sides of one bipartite graph, so that one second
    singular value tells it. A chain of layers is long and thin: between regular layers that mix
    well the gap is `1 - cos(pi / depth)` and says nothing else. Cost as `second_singular_values`.

    Args:
        topology: A graph or a recipe. Neurons without edges are left out; constant edges count.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.graph_spectral_gap(tk.topologies.dense(4, 4)), 6)
        1.0

    See Also:
        `second_singular_values`, layer by layer.
    """
    layers = to_layers(topology)
    odd = np.repeat(np.arange(layers.depth) % 2 == 1, [s.size for s in layers.senders])
    senders, receivers = numbered_edges(layers)
    sides = np.where(odd, [receivers, senders], [senders, receivers])
    left, right = (np.unique(side, return_inverse=True)[1] for side in sides)
    return max(0.0, 1 - _second(left, right, np.bincount(left), np.bincount(right)))


def mean_difference_of_bound(topology: nx.DiGraph | Layers) -> float | None:
    """How far below the Ramanujan bound layers stay, taken over parts of one fan-out each.

    For each layer and each fan-out `d` that occurs, the senders of that fan-out with all receivers
    that they reach form a graph regular on the left, with `m` edges a receiver on average. Its
    difference of bound is `sqrt(d - 1) + sqrt(m - 1) - s`, with `s` the second singular value of
    its mask; positive where it is a Ramanujan graph. The score is the mean over the parts of a
    layer, then over layers: the iterative mean difference of bound (IMDB) of Hoang, Liu, Marculescu
    and Wang (2023, "Revisiting pruning at initialization through the lens of Ramanujan graph").

    As in their code, parts of fewer than three senders, and those where `d` or `m` is below 3, are
    left out. The mean over layers is ours: they show layers one by one.

    Args:
        topology: A graph or a recipe. Constant edges count.

    Returns:
        The mean; higher is better. None where no part is left, as in any butterfly. Cost as
        `second_singular_values`, once for each part.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.random_regular([64, 64], 8, seed=0)
        >>> bool(tk.scores.mean_difference_of_bound(graph) > 0)
        True

    See Also:
        `ramanujan_bounds`, of whole layers.
    """
    layers = to_layers(topology)
    rows = zip(layers.senders, layers.receivers, out_degrees(layers), strict=True)
    found = [differences for row in rows if (differences := list(_differences(*row)))]
    return float(np.mean([np.mean(each) for each in found])) if found else None


def _differences(
    senders: np.ndarray, receivers: np.ndarray, fan_out: np.ndarray
) -> Iterator[float]:
    """The difference of bound of each part of a layer that has one."""
    degrees, counts = np.unique(fan_out, return_counts=True)
    for degree in degrees[(degrees >= LEAST_DEGREE) & (counts >= LEAST_DEGREE)]:
        part = fan_out[senders] == degree
        _, left = np.unique(senders[part], return_inverse=True)
        _, right = np.unique(receivers[part], return_inverse=True)
        mean = left.size / (right.max() + 1)
        if mean >= LEAST_DEGREE:
            mask = csr_array((np.ones(left.size), (left, right)))
            yield np.sqrt(degree - 1) + np.sqrt(mean - 1) - _second_of_any(mask)


def _second(
    senders: np.ndarray, receivers: np.ndarray, fan_out: np.ndarray, fan_in: np.ndarray
) -> float:
    if senders.size == np.count_nonzero(fan_out) * np.count_nonzero(fan_in):
        return 0.0
    shape = (fan_out.size, fan_in.size)
    entries = 1 / np.sqrt(fan_out[senders] * fan_in[receivers])
    matrix = csr_array((entries, (senders, receivers)), shape=shape)
    if fan_out.size * fan_in.size <= DENSE_CELLS:
        return float(np.linalg.svd(matrix.toarray(), compute_uv=False)[1])
    return _second_of_large(matrix, np.sqrt(fan_out / senders.size), np.sqrt(fan_in / senders.size))


def _second_of_any(matrix: csr_array) -> float:
    """The second singular value of a mask of any degrees, without empty rows or columns."""
    n_left, n_right = matrix.shape  # pyright: ignore[reportGeneralTypeIssues]
    if matrix.nnz == n_left * n_right:
        return 0.0
    if n_left * n_right <= DENSE_CELLS:
        return float(np.linalg.svd(matrix.toarray(), compute_uv=False)[1])
    left, first, right = map(np.asarray, svds(matrix, k=1, v0=_start(n_left, n_right)))
    return _second_of_large(matrix, first * left[:, 0], right[0])


def _second_of_large(matrix: csr_array, left: np.ndarray, right: np.ndarray) -> float:
    """Take the first singular pair, `left right^T`, out and iterate for the next.

    (Asking for two values instead would miss the second where it equals the first.)
    """
    first = aslinearoperator(left[:, None]) @ aslinearoperator(right[None])
    values = svds(
        aslinearoperator(matrix) - first,
        k=1,
        v0=_start(left.size, right.size),
        tol=1e-4,  # pyright: ignore[reportArgumentType] (inferred from the default, 0)
        return_singular_vectors=False,
    )
    return np.asarray(values).item()


def _start(n_left: int, n_right: int) -> np.ndarray:
    """Where an iteration begins, always the same."""
    return np.random.default_rng(0).standard_normal(min(n_left, n_right))
