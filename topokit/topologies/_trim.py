"""Drop neurons, and what lies on no path without them."""

from collections.abc import Collection, Sequence
from itertools import pairwise

import networkx as nx
import numpy as np
from jaxtyping import Bool

from topokit._checks import check_counts
from topokit.layers import (
    ANY,
    Layers,
    backward,
    edge_arrays,
    forward,
    keep_edges,
    make_layers,
    node_indices,
    sort_layers,
)
from topokit.topologies._compose import Topology, changed


def trim(
    topology: Topology,
    *,
    drop_inputs: Collection[int] = (),
    drop_outputs: Collection[int] = (),
) -> Topology:
    """Drop inputs and outputs, then all neurons that lie on no input-output path.

    Inputs that are not named stay, even where nothing is left for them to feed: the data still has
    them. Outputs that no input reaches go. The neurons left are numbered anew in their order, so
    trimming also closes the gaps that `networkx.DiGraph.remove_node` leaves. It is the cure for
    graphs that `topokit.to_layers` rejects for such gaps or for unreachable outputs.

    Args:
        topology: A graph, or a recipe.
        drop_inputs: Indices of inputs to drop.
        drop_outputs: Indices of outputs to drop.

    Returns:
        The smaller topology. Attributes of the graph, of its neurons and of its edges stay.

    Raises:
        ValueError: If the indices are no list of integers, one is not that of an input or output,
            or nothing is left.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.trim(tk.topologies.butterfly(8), drop_outputs=range(1, 8))
        >>> tk.to_layers(graph).widths
        (8, 4, 2, 1)
        >>> graph.number_of_edges()
        14

    See Also:
        `topokit.scores.effective_edges`, which edges lie on a path.
    """
    if isinstance(topology, Layers):
        indices = [range(width) for width in topology.widths]
        layers = topology
    else:
        indices = node_indices(topology)
        layers = sort_layers(**edge_arrays(_renumbered(topology, indices)))
    keep_in = _kept("drop_inputs", indices[0], drop_inputs)
    keep_out = _kept("drop_outputs", indices[-1], drop_outputs)
    alive = _alive(layers, keep_in, keep_out)
    if not (keep_in.any() and alive[-1].any()):
        raise ValueError("trim leaves no path from an input to an output; drop fewer neurons")
    if isinstance(topology, Layers):
        return _compress(layers, alive)
    rest = [np.array(i)[a].tolist() for i, a in zip(indices, alive, strict=True)]
    graph = _renumbered(topology, rest)
    dropped = {"drop_inputs": [*map(int, drop_inputs)], "drop_outputs": [*map(int, drop_outputs)]}
    graph.graph.update(changed(topology, "trimmed", "trim", **dropped))
    return graph


def _kept(
    name: str, indices: Collection[int], dropped: Collection[int]
) -> Bool[np.ndarray, " width"]:
    dropped = check_counts(name, dropped, least=0)
    lost = sorted(set(dropped) - set(indices))
    if lost:
        raise ValueError(
            f"{name} holds {lost[0]}, but the indices go from {min(indices)} to {max(indices)}"
        )
    return ~np.isin(np.array(indices), dropped)


def _alive(
    layers: Layers, keep_in: Bool[np.ndarray, " n_in"], keep_out: Bool[np.ndarray, " n_out"]
) -> list[Bool[np.ndarray, " _width"]]:
    """For each layer, the neurons to keep: between a kept input and a kept output."""
    fed = list(forward(layers, keep_in, algebra=ANY))
    heard = backward(layers, keep_out & fed[-1], algebra=ANY)
    hidden = zip(fed[1:], heard[1:], strict=True)
    return [keep_in, *(before & after for before, after in hidden)]


def _compress(layers: Layers, alive: list[Bool[np.ndarray, " _width"]]) -> Layers:
    """The recipe of the neurons alive, numbered anew."""
    number = [np.cumsum(a) - 1 for a in alive]
    rows = zip(pairwise(alive), layers.senders, layers.receivers, strict=True)
    left = keep_edges(layers, [before[s] & after[r] for (before, after), s, r in rows])
    return make_layers(
        [int(a.sum()) for a in alive],
        [n[s] for n, s in zip(number, left.senders, strict=False)],
        [n[r] for n, r in zip(number[1:], left.receivers, strict=True)],
        trainable=left.trainable,
        constant=left.constant,
    )


def _renumbered(graph: nx.DiGraph, indices: Sequence[Sequence[int]]) -> nx.DiGraph:
    """The part of a graph on some of its neurons, numbered without gaps; all attributes stay."""
    place = {
        (layer, index): (layer, number)
        for layer, row in enumerate(indices)
        for number, index in enumerate(row)
    }
    result = nx.DiGraph()
    result.graph.update(graph.graph)
    result.add_nodes_from((new, graph.nodes[old]) for old, new in place.items())
    result.add_edges_from(
        (place[sender], place[receiver], data)
        for sender, receiver, data in graph.edges(data=True)
        if sender in place and receiver in place
    )
    return result
