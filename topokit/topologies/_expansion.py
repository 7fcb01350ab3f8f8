"""How well a layer mixes: the second singular value of its mask and the bound that limits it.

Divide the entry of every edge by the root of both its degrees, `1 / sqrt(out(i) in(j))`. The first
singular value of this matrix is 1; the second says how fast a signal spreads: 0 for a dense layer,
1 for a layer that falls into parts which do not talk to each other. Where all in-degrees and all
out-degrees are equal it is the ratio of the mask's second singular value to its first.
"""

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator, svds

from topokit._graph import to_layers
from topokit._layers import Layers, in_degrees, out_degrees

DENSE_CELLS = 2**20
"""Layers with more cells than this are decomposed by Lanczos iteration."""


def second_singular_values(topology: nx.DiGraph | Layers) -> Float[np.ndarray, " depth"]:
    """Second singular value of each layer's mask, normalized by the degrees; in [0, 1].

    The smaller, the better the layer expands: for `d` edges a neuron and long random walks,
    deviations from a uniform spread shrink by this factor a layer (Hoory, Linial and Wigderson,
    2006; X-Nets, Prabhu et al., 2017). Compare with `ramanujan_bounds`.

    Args:
        topology: A graph or a recipe. Neurons without edges are left out; constant edges count.

    Returns:
        One number for each layer. Dense decomposition up to about a million cells, Lanczos
        iteration with a fixed start vector above.
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
    """
    layers = to_layers(topology)
    degrees = [
        [degree[degree > 0].mean() for degree in pair]
        for pair in zip(out_degrees(layers), in_degrees(layers), strict=True)
    ]
    fan_out, fan_in = np.array(degrees).T
    return (np.sqrt(fan_in - 1) + np.sqrt(fan_out - 1)) / np.sqrt(fan_in * fan_out)


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


def _second_of_large(matrix: csr_array, left: np.ndarray, right: np.ndarray) -> float:
    """The first singular pair is known, `left` and `right`; take it out and iterate for the next.

    (Asking for two values instead would miss the second where it equals the first.)
    """
    first = aslinearoperator(left[:, None]) @ aslinearoperator(right[None])
    start = np.random.default_rng(0).standard_normal(min(left.size, right.size))
    rest = aslinearoperator(matrix) - first
    values = svds(
        rest,
        k=1,
        v0=start,
        tol=1e-4,  # pyright: ignore[reportArgumentType] (inferred from the default, 0)
        return_singular_vectors=False,
    )
    return np.asarray(values).item()
