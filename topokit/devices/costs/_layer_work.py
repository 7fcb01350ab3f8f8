"""Operations, memory and bytes moved of a cascade, and the time that they take at least.

With `e` edges, batch `b` and `s` numbers of the optimizer for each weight (2 for Adam), a layer of
`n` senders and `m` receivers has

| | prediction | step of training |
| --- | --- | --- |
| operations | `2 e b` | `6 e b`: values, gradients of inputs and of weights |
| numbers moved | `e + b (n + m)` | `3 (e + b (n + m))`, and `(3 + 2 s) e` by the optimizer |
| numbers kept | `e` | `(2 + s) e` |

and beside the weights a prediction keeps the neurons at both ends of one layer, a step those of
all. The wiring itself is known in advance, and counts nothing.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

import networkx as nx

from topokit._checks import check_count, check_counts, check_real
from topokit._records import Record
from topokit.layers import Layers, to_layers


class LayerSizes(NamedTuple):
    """How large a cascade is, also one that nobody could build here.

    Attributes:
        widths: Neurons of each layer, inputs first.
        edges: Edges of each layer.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.LayerSizes([2**20, 2**20], [2**40]).edges
        [1099511627776]

    See Also:
        `layer_sizes`, of a topology.
    """

    widths: Sequence[int]
    edges: Sequence[int]


class Work(Record):
    """What a prediction or a step of a batch takes.

    Attributes:
        operations: Multiplications and additions.
        memory: Bytes that are kept.
        moved: Bytes that are read and written.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.Work(operations=8, memory=16, moved=32)
        Work(operations=8, memory=16, moved=32)

    See Also:
        `work`, which counts it; `roofline`, how long it takes.
    """

    operations: int
    memory: int
    moved: int


def layer_sizes(topology: nx.DiGraph | Layers) -> LayerSizes:
    """Widths and edges of a topology.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the topology is not valid (see `topokit.to_layers`).

    Examples:
        >>> import topokit as tk
        >>> from topokit.devices import costs
        >>> costs.layer_sizes(tk.topologies.low_rank(8, 4, 2))
        LayerSizes(widths=[8, 2, 4], edges=[16, 8])

    See Also:
        `work`, which takes them.
    """
    layers = to_layers(topology)
    return LayerSizes(list(layers.widths), [senders.size for senders in layers.senders])


def work(
    sizes: LayerSizes, *, batch: int, training: bool = False, itemsize: int = 4, states: int = 2
) -> Work:
    """Count what a prediction takes, or a step of training, on one device.

    Args:
        sizes: Of the cascade: `layer_sizes` of a topology, or numbers.
        batch: Examples at once.
        training: A step, with gradients of inputs and weights and the optimizer's update.
        itemsize: Bytes of a number.
        states: Numbers that the optimizer keeps for each weight.

    Raises:
        ValueError: If a number is negative, or there is not one more width than edges.

    Examples:
        >>> import topokit as tk
        >>> from topokit.devices import costs
        >>> sizes = costs.layer_sizes(tk.topologies.clos(1024, 1024, 32, 32, 32))
        >>> found = costs.work(sizes, batch=64, training=True)
        >>> found.operations == 6 * 64 * 3 * 1024 * 32
        True

    See Also:
        `roofline`; `topokit.networks.speed`, which measures.
    """
    widths = check_counts("widths", sizes.widths)
    each = check_counts("edges", sizes.edges, least=0)
    if len(widths) != len(each) + 1:
        raise ValueError(
            f"sizes must have one width more than edges; given {len(widths)} and {len(each)}"
        )
    check_count("states", states, least=0)
    b, size, edges = check_count("batch", batch), check_count("itemsize", itemsize), sum(each)
    ends = [b * (n + m) for n, m in pairwise(widths)]
    moved = edges + sum(ends)
    if not training:
        return Work(2 * edges * b, size * (edges + max(ends, default=0)), size * moved)
    kept = (2 + states) * edges + b * sum(widths)
    return Work(6 * edges * b, size * kept, size * (3 * moved + (3 + 2 * states) * edges))


def roofline(found: Work, *, peak: float, bandwidth: float) -> float:
    """Seconds at least: what takes longer of computing and moving (Williams et al., 2009).

    Args:
        found: The work.
        peak: Operations a second.
        bandwidth: Bytes a second between memory and arithmetic.

    Raises:
        ValueError: If a rate is not positive.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.roofline(costs.Work(operations=800, memory=0, moved=100), peak=10, bandwidth=1)
        100.0

    See Also:
        `work`; `pipelined`, with what is sent meanwhile.
    """
    check_real("peak", peak, least=0, most=inf, above=True)
    check_real("bandwidth", bandwidth, least=0, most=inf, above=True)
    return float(max(found.operations / peak, found.moved / bandwidth))
