"""Where signals get stuck: the fewest neurons that cut every path, and what each layer lets pass.

As many paths without a common neuron lead through a network as there are neurons in the smallest
set that cuts all paths (Menger). A maximum flow finds both: what can still be reached from the
source against the flow ends at such a set.
"""

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from topokit._records import Record
from topokit.layers import (
    Layers,
    disjoint_flow,
    first_numbers,
    keep_edges,
    live_edges,
    live_neurons,
)


class Bottleneck(Record):
    """How many independent signals pass, and what stops the others.

    Attributes:
        bandwidth: Most paths that share no neuron: the signals that pass.
        needed: `min(n_in, n_out)`, the most that could.
        neurons: For each layer of neurons, how many lie on a path: the bandwidth is at most the
            least of them.
        passing: For each layer of edges, how many signals it lets pass by itself: its maximum
            matching. The bandwidth is at most the least of them, and can be less where no layer
            alone is to blame.
        cut: `bandwidth` neurons `(layer, index)` that cut every path; of several such sets the one
            nearest to the inputs.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.topologies.low_rank(8, 8, 3)).bottleneck
        >>> found.bandwidth, found.needed, found.cut
        (3, 8, ((1, 0), (1, 1), (1, 2)))

    See Also:
        `topokit.scores.bandwidth`, the number alone.
    """

    bandwidth: int
    needed: int
    neurons: tuple[int, ...]
    passing: tuple[int, ...]
    cut: tuple[tuple[int, int], ...]


def find_bottleneck(layers: Layers) -> Bottleneck:
    """Cut the network, and each of its layers; cost that of two maximum flows."""
    cut = minimum_cut(layers)
    return Bottleneck(
        len(cut),
        min(layers.n_in, layers.n_out),
        tuple(int(alive.sum()) for alive in live_neurons(layers)),
        tuple(len(minimum_cut(layer)) for layer in _single_layers(layers)),
        tuple(cut),
    )


def minimum_cut(layers: Layers) -> list[tuple[int, int]]:
    """The fewest neurons that cut every path, those nearest to the inputs.

    Cost: one maximum flow over E edges.
    """
    first = first_numbers(layers)
    places = _cut_places(disjoint_flow(layers), int(first[-1]))
    layer_of = np.searchsorted(first, places, side="right") - 1
    return [(int(m), int(v - first[m])) for m, v in zip(layer_of, places, strict=True)]


def _cut_places(graph: csr_array, n: int) -> Int[np.ndarray, " cut"]:
    """The neurons that the source can still enter and not leave."""
    source, sink = 2 * n, 2 * n + 1
    residual = csr_array(graph - maximum_flow(graph, source, sink).flow)
    residual.eliminate_zeros()
    near = np.zeros(2 * n + 2, bool)
    near[breadth_first_order(residual, source, return_predecessors=False)] = True
    return np.flatnonzero(near[:n] & ~near[n : 2 * n])


def _single_layers(layers: Layers) -> list[Layers]:
    """Each layer as a network of its own, without the edges that lie on no path."""
    live = keep_edges(layers, live_edges(layers))
    parts = (slice(number, number + 1) for number in range(layers.depth))
    return [
        Layers(
            layers.widths[part.start : part.stop + 1], *(column[part] for column in live.columns)
        )
        for part in parts
    ]
