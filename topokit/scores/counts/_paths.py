"""Paths from inputs to outputs: how many there are, and how many keep out of each other's way."""

import operator
from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import accumulate, pairwise

import networkx as nx
import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from topokit._limits import check_memory
from topokit.layers import Layers, forward, in_degrees, to_layers

Step = Callable[[np.ndarray], np.ndarray]

limit = 2**32
terms_at_once = 2**22


def path_counts(topology: nx.DiGraph | Layers) -> Shaped[np.ndarray, "n_in n_out"]:
    """Number of paths from each input to each output: the product of the masks.

    The counts are exact. They are of type int64 where a bound proves that no count can overflow,
    and Python integers (dtype object), up to hundreds of times slower, where it does not: a dense
    network of 80 layers of 8 neurons has 8^79 paths for each pair.

    Cost O(n_in E): 0.04 s for a butterfly of 1,024 inputs and 20 layers. Python integers are added
    up once for all receivers with the same senders, of which the Graph Challenge's networks have 16
    each.

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
    fit = _fit_int64(layers)
    steps = _fast_steps(layers) if fit else _exact_steps(layers)
    block = max(1, terms_at_once // max(s.size for s in layers.senders))
    for first in range(0, layers.n_in, block):
        start = np.eye(layers.n_in, min(block, layers.n_in - first), k=-first, dtype=np.int64)
        yield reduce(lambda held, step: step(held), steps, start if fit else start.astype(object)).T


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


def _fast_steps(layers: Layers) -> list[Step]:
    """Products with the masks, receivers by senders: a recipe is sorted as these arrays are."""
    rows = zip(layers.senders, in_degrees(layers), pairwise(layers.widths), strict=True)
    masks = (
        csr_array((np.ones_like(s), s, np.append(0, np.cumsum(degrees))), shape=(after, before))
        for s, degrees, (before, after) in rows
    )
    return [partial(operator.matmul, mask) for mask in masks]


def _exact_steps(layers: Layers) -> list[Step]:
    """Sums of Python integers, once for all receivers that have the same senders.

    Layers that share their arrays share what is found of them.
    """
    found: dict[tuple[int, int], Step] = {}
    rows = list(zip(layers.senders, layers.receivers, in_degrees(layers), strict=True))
    for senders, receivers, degrees in rows:
        if (id(senders), id(receivers)) not in found:
            own = [part.tobytes() for part in np.split(senders, np.cumsum(degrees)[:-1])]
            numbers = {key: number for number, key in enumerate(dict.fromkeys(own))}
            lists = [np.frombuffer(key, senders.dtype) for key in numbers]
            which = np.array([numbers[key] for key in own])
            found[id(senders), id(receivers)] = partial(_sums, lists, which)
    return [found[id(senders), id(receivers)] for senders, receivers, _ in rows]


def _sums(
    lists: list[Int[np.ndarray, " _senders"]],
    which: Int[np.ndarray, " receivers"],
    held: Shaped[np.ndarray, "before n"],
) -> Shaped[np.ndarray, "receivers n"]:
    """For each receiver the sum over its list of senders; of none, an integer 0."""
    return np.stack([held[senders].sum(axis=0) for senders in lists])[which]


def _fit_int64(layers: Layers) -> bool:
    """Whether every count of paths is sure to fit.

    A neuron's paths from all inputs, in floating point, bound its paths from any one of them; the
    factor 2 covers the rounding.
    """
    ones = [np.ones(s.size) for s in layers.senders]
    with np.errstate(over="ignore"):
        most = max(total.max() for total in forward(layers, ones, np.ones((layers.n_in, 1))))
    return bool(2 * most < np.iinfo(np.int64).max)
