"""What can be read off the graph: size, degrees, paths and bandwidth."""

from typing import Any

import networkx as nx
import numpy as np

from topokit.layers import Layers, in_degrees, out_degrees, to_layers
from topokit.scores.counts._paths import bandwidth, count_blocks
from topokit.scores.counts._size import Size, size_of

# The greatest integer that a float holds.
FLOAT_MAX = int(np.finfo(float).max)


class Structure(Size):
    """The shape of a topology in plain numbers: its `Size`, and what follows.

    Attributes:
        density: Share of the edges that layers of these widths could have, in (0, 1].
        bandwidth: Most paths that share no neuron, from 1 to the narrowest layer's width. A good
            topology's does not shrink with its parameters (section VII.D).
        paths_min: Fewest paths between an input and an output; 0 where a pair has none.
        paths_mean: Paths of a pair on average; beyond the greatest float an integer, rounded down.
        paths_max: Most paths between an input and an output, a Python integer of any size.
        reachable: Share of input-output pairs that a path joins, in (0, 1].
        fan_in_min: Fewest in-edges of a neuron behind the inputs.
        fan_in_max: Most in-edges of a neuron.
        fan_out_min: Fewest out-edges of a neuron before the outputs.
        fan_out_max: Most out-edges of a neuron.

    Examples:
        >>> import topokit as tk
        >>> found = tk.structure(tk.topologies.torus((4, 4), 2))
        >>> found.depth, found.fan_in_min, found.fan_out_max, found.reachable
        (2, 5, 5, 0.6875)

    See Also:
        `topokit.structure`, which returns it.
    """

    density: float
    bandwidth: int
    paths_min: int
    paths_mean: float | int
    paths_max: int
    reachable: float
    fan_in_min: int
    fan_in_max: int
    fan_out_min: int
    fan_out_max: int


def structure(topology: nx.DiGraph | Layers) -> Structure:
    """Count what a topology is made of.

    Every count is exact. Cost O(n_in E) for the paths of all pairs, in blocks of inputs so that
    memory stays near that of the recipe, and one maximum flow for the bandwidth.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> found = tk.structure(tk.topologies.butterfly(8))
        >>> found.edges, found.bandwidth, found.paths_max
        (48, 8, 1)
        >>> round(found.density, 2)
        0.25

    See Also:
        `score`, every number; `topokit.scores.path_counts` and `topokit.scores.bandwidth`.
    """
    layers = to_layers(topology)
    widths = np.array(layers.widths, float)
    fan_in = np.concatenate(in_degrees(layers))
    fan_out = np.concatenate(out_degrees(layers))
    return Structure(
        **size_of(layers)._asdict(),
        density=float(layers.n_edges / (widths[:-1] @ widths[1:])),
        bandwidth=bandwidth(layers),
        **_paths(layers),
        fan_in_min=int(fan_in.min()),
        fan_in_max=int(fan_in.max()),
        fan_out_min=int(fan_out.min()),
        fan_out_max=int(fan_out.max()),
    )


def _paths(layers: Layers) -> dict[str, Any]:
    """The fields of `Structure` that need the paths of every pair."""
    pairs = layers.n_in * layers.n_out
    least, most, total, joined = [], 0, 0, 0
    for counts in count_blocks(layers):
        least.append(int(counts.min()))
        most = max(most, int(counts.max()))
        total += sum(map(int, counts.sum(axis=0)))
        joined += int(np.count_nonzero(counts))
    return {
        "paths_min": min(least),
        "paths_mean": total / pairs if total <= FLOAT_MAX * pairs else total // pairs,
        "paths_max": most,
        "reachable": joined / pairs,
    }
