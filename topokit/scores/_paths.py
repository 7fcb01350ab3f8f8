"""Paths from inputs to outputs: how many there are, and how many keep out of each other's way."""

from collections import deque
from collections.abc import Iterator
from functools import reduce
from itertools import accumulate, pairwise

import networkx as nx
import numpy as np
from jaxtyping import Shaped
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from topokit._graph import to_layers
from topokit._layers import Layers, in_degrees
from topokit._limits import check_memory
from topokit.scores._propagate import forward

limit = 2**32
terms_at_once = 2**22


def path_counts(topology: nx.DiGraph | Layers) -> Shaped[np.ndarray, "n_in n_out"]:
    """Number of paths from each input to each output: the product of the masks.

    The counts are exact. They are of type int64 where a bound proves that no count can overflow,
    and Python integers (dtype object), hundreds of times slower, where it does not: a dense
    network of 80 layers of 8 neurons has 8^79 paths for each pair.

    Cost O(n_in E): 0.04 s for a butterfly of 1,024 inputs and 20 layers.

    Raises:
        ValueError: If the counts would take more than 4 GiB.
    """
    layers = to_layers(topology)
    check_memory(
        "path_counts",
        8 * layers.n_in * layers.n_out,
        limit,
        "topokit.structure keeps only their least, mean and most",
    )
    return np.concatenate(list(count_blocks(layers)))


def count_blocks(layers: Layers) -> Iterator[Shaped[np.ndarray, "_block n_out"]]:
    """Yield the rows of `path_counts` a few inputs at a time, so that memory stays small."""
    masks = _transposed_masks(layers) if _fit_int64(layers) else None
    ones = [np.ones(s.size, object) for s in layers.senders] if masks is None else []
    block = max(1, terms_at_once // max(s.size for s in layers.senders))
    for first in range(0, layers.n_in, block):
        start = np.eye(layers.n_in, min(block, layers.n_in - first), k=-first, dtype=np.int64)
        if masks is None:
            yield deque(forward(layers, ones, start.astype(object)), maxlen=1)[0].T
        else:
            yield reduce(lambda held, mask: mask @ held, masks, start).T


def bandwidth(topology: nx.DiGraph | Layers) -> int:
    """How many independent signals pass: the most input-output paths that share no neuron.

    It equals the fewest neurons that cut every path (Menger), found as a maximum flow through
    neurons of capacity 1, and the rank of the end-to-end matrix at random weights, were every
    weight free (Lindström, Gessel and Viennot). NeuroFabric, section II, calls it the
    information bandwidth; a low-rank layer has its rank.

    Cost: one maximum flow over E unit edges, O(E sqrt(neurons)).
    """
    layers = to_layers(topology)
    n = sum(layers.widths)
    return int(maximum_flow(neuron_network(layers), 2 * n, 2 * n + 1).flow_value)


def neuron_network(layers: Layers) -> csr_array:
    """The capacities of a flow whose units share no neuron.

    Of `n` neurons, numbered through, `v` is an edge `v -> n + v` of capacity 1, so that one unit at
    most goes through it; no other edge can be full. The source is `2 n`, the sink `2 n + 1`.
    """
    n, first = sum(layers.widths), list(accumulate(layers.widths, initial=0))
    neurons, source, sink = np.arange(n), 2 * n, 2 * n + 1
    tails = [neurons, np.full(layers.n_in, source), n + neurons[n - layers.n_out :]]
    heads = [n + neurons, neurons[: layers.n_in], np.full(layers.n_out, sink)]
    tails += [n + first[layer] + s for layer, s in enumerate(layers.senders)]
    heads += [first[layer + 1] + r for layer, r in enumerate(layers.receivers)]
    tail, head = np.concatenate(tails), np.concatenate(heads)
    capacity = np.where(np.arange(tail.size) < n, 1, n).astype(np.int32)
    return csr_array((capacity, (tail, head)), shape=(2 * n + 2, 2 * n + 2))


def _transposed_masks(layers: Layers) -> list[csr_array]:
    """Masks of integers, receivers by senders: a recipe is sorted so that these are its arrays."""
    rows = zip(layers.senders, in_degrees(layers), pairwise(layers.widths), strict=True)
    return [
        csr_array((np.ones_like(s), s, np.append(0, np.cumsum(degrees))), shape=(after, before))
        for s, degrees, (before, after) in rows
    ]


def _fit_int64(layers: Layers) -> bool:
    """Whether every count of paths is sure to fit.

    A neuron's paths from all inputs, in floating point, bound its paths from any one of them; the
    factor 2 covers the rounding.
    """
    ones = [np.ones(s.size) for s in layers.senders]
    with np.errstate(over="ignore"):
        most = max(total.max() for total in forward(layers, ones, np.ones((layers.n_in, 1))))
    return bool(2 * most < np.iinfo(np.int64).max)
