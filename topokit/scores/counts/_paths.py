"""Paths from inputs to outputs: how many there are, and how many keep out of each other's way."""

from collections.abc import Iterator

import networkx as nx
import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse.csgraph import maximum_flow

from topokit._limits import check_memory
from topokit.layers import (
    NUMBERS,
    Algebra,
    Bundles,
    Layers,
    at_outputs,
    disjoint_flow,
    forward,
    to_layers,
)

Numbers = Int[np.ndarray, " _numbers"]

LIMIT = 2**32
TERMS_AT_ONCE = 2**22


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

    Examples:
        >>> import topokit as tk
        >>> tk.scores.path_counts(tk.topologies.butterfly(4, 3)).tolist()
        [[2, 2, 2, 2], [2, 2, 2, 2], [2, 2, 2, 2], [2, 2, 2, 2]]

    See Also:
        `bandwidth`, how many of them share no neuron.
    """
    layers = to_layers(topology)
    check_memory(
        "path_counts",
        8 * layers.n_in * layers.n_out,
        LIMIT,
        "topokit.structure keeps only their least, mean and most",
    )
    return np.concatenate(list(count_blocks(layers)))


def count_blocks(layers: Layers) -> Iterator[Shaped[np.ndarray, "_block n_out"]]:
    """Yield the rows of `path_counts` a few inputs at a time, so that memory stays small."""
    kind, algebra = (np.int64, NUMBERS) if _fit_int64(layers) else (object, _merging())
    block = max(1, TERMS_AT_ONCE // max(s.size for s in layers.senders))
    for first in range(0, layers.n_in, block):
        start = np.eye(layers.n_in, min(block, layers.n_in - first), k=-first, dtype=np.int64)
        last = at_outputs(layers, start.astype(kind), algebra=algebra)
        yield last.T


def bandwidth(topology: nx.DiGraph | Layers) -> int:
    """How many independent signals pass: the most input-output paths that share no neuron.

    It equals the fewest neurons that cut every path (Menger), found as a maximum flow through
    neurons of capacity 1, and the rank of the end-to-end matrix at random weights, were every
    weight free (Lindström, Gessel and Viennot). NeuroFabric, section II, calls it the
    information bandwidth; a low-rank layer has its rank.

    Cost: one maximum flow over E unit edges, O(E sqrt(neurons)).

    Examples:
        >>> import topokit as tk
        >>> tk.scores.bandwidth(tk.topologies.low_rank(8, 8, 3))
        3
        >>> tk.scores.bandwidth(tk.topologies.butterfly(8))
        8

    See Also:
        `topokit.structure`, which holds it; `topokit.diagnose`, which says what stops the others.
    """
    layers = to_layers(topology)
    graph, n = disjoint_flow(layers), sum(layers.widths)
    return int(maximum_flow(graph, 2 * n, 2 * n + 1).flow_value)


def _fit_int64(layers: Layers) -> bool:
    """Whether every count of paths is sure to fit.

    A neuron's paths from all inputs, in floating point, bound its paths from any one of them; the
    factor 2 covers the rounding.
    """
    with np.errstate(over="ignore"):
        totals = forward(layers, np.ones(layers.n_in), algebra=NUMBERS)
        most = max(total.max() for total in totals)
    return bool(2 * most < np.iinfo(np.int64).max)


def _merging() -> Algebra:
    """Sums of Python integers, once for all neurons at which edges from the same ones meet."""
    found: dict[int, tuple[list[Numbers], Numbers]] = {}

    def add(bundles: Bundles, held: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        if id(bundles) not in found:
            found[id(bundles)] = _equal_bundles(bundles)
        lists, which = found[id(bundles)]
        return np.stack([held[tails].sum(axis=0) for tails in lists])[which]

    return add


def _equal_bundles(bundles: Bundles) -> tuple[list[Numbers], Numbers]:
    """The different lists of neurons that edges come from, and which of them each neuron has."""
    own = [tails.tobytes() for tails in np.split(bundles.tails, bundles.bounds[1:-1])]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(own))}
    lists = [np.frombuffer(key, bundles.tails.dtype) for key in numbers]
    return lists, np.array([numbers[key] for key in own])
