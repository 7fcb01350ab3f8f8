"""The convention: a topology is a plain `networkx.DiGraph`, and this is its one border to arrays.

Nodes are pairs `(layer, index)` with the attribute `layer`; layer 0 holds the inputs, the last
layer the outputs. Edges join consecutive layers. The edge attribute `trainable` (true where absent)
says whether the weight is free; where it is false, `weight` (1.0 where absent) is the constant.
`G.graph` keeps `name`, `family` and `parameters`, and in `changes` the calls that changed the graph
since, as pairs of a function and its options.
"""

from collections.abc import Hashable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import networkx as nx
import numpy as np
from jaxtyping import Bool, Shaped

from topokit._limits import check_memory
from topokit.layers._graph_size import check_graph
from topokit.layers._make_layers import make_layers
from topokit.layers._recipe import DescribedLayers, Layers, each_layer

LIMIT = 2**33  # bytes of masks
NO_NUMBERS = (bool, np.bool_, str, bytes)  # which Python would take for some
TYPE_OF_NODE = "a pair (layer, index) of integers, such as (0, 3)"


def to_layers(topology: nx.DiGraph | Layers) -> Layers:
    """Compile a topology into its recipe; cost O(E log E).

    Args:
        topology: A graph in the convention, or a recipe, which is returned as it is.

    Raises:
        ValueError: If the graph is not in the convention (`topokit.layered` brings any directed
            acyclic graph into it), a layer is empty, a constant is not finite, or an output
            cannot be reached.

    Examples:
        >>> import topokit as tk
        >>> import networkx as nx
        >>> graph = nx.DiGraph()
        >>> graph.add_edge((0, 0), (1, 0))
        >>> graph.add_edge((0, 1), (1, 0), trainable=False, weight=2.0)
        >>> nx.set_node_attributes(graph, {node: node[0] for node in graph}, "layer")
        >>> layers = tk.to_layers(graph)
        >>> layers.widths, layers.n_edges, layers.n_trainable
        ((2, 1), 2, 1)

    See Also:
        `from_layers`, the way back; `layered`, for graphs that are not in layers.
    """
    return topology if isinstance(topology, Layers) else make_layers(**edge_arrays(topology))


def edge_arrays(graph: nx.DiGraph) -> dict[str, Any]:
    """The arguments of `make_layers` that a graph in the convention stands for."""
    widths = _widths(graph)
    depth = len(widths) - 1
    columns: list[tuple[list, list, list, list]] = [([], [], [], []) for _ in range(depth)]
    for sender, receiver, data in graph.edges(data=True):
        if receiver[0] != sender[0] + 1:
            raise ValueError(
                f"edge {sender} -> {receiver} must lead from a layer to the next one; "
                "topokit.layered turns jumping edges into chains of relays"
            )
        trainable = data.get("trainable", True)
        if not isinstance(trainable, (bool, np.bool_)):
            raise ValueError(
                f"edge {sender} -> {receiver}: trainable must be a bool; given {trainable!r}"
            )
        constant = 1.0 if trainable else _constant(sender, receiver, data)
        for column, value in zip(
            columns[sender[0]], (sender[1], receiver[1], trainable, constant), strict=True
        ):
            column.append(value)
    kinds = (np.int64, np.int64, bool, np.float64)
    senders, receivers, trainables, constants = (
        [np.array(column[place], kind) for column in columns] for place, kind in enumerate(kinds)
    )
    return {
        "widths": widths,
        "senders": senders,
        "receivers": receivers,
        "trainable": trainables,
        "constant": constants,
    }


def from_layers(layers: Layers, **attributes: Any) -> nx.DiGraph:
    """The graph of a recipe; cost O(E) in Python objects.

    Args:
        layers: The recipe.
        attributes: What `G.graph` shall keep, such as `name="mine"`.

    Raises:
        ValueError: If it would take more than 4 GiB of memory: some nine million edges.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.from_layers(tk.topologies.butterfly.layers(4), name="mine")
        >>> graph.name, sorted(graph.successors((0, 0)))
        ('mine', [(1, 0), (1, 1)])

    See Also:
        `to_layers`, the way back.
    """
    check_graph(sum(layers.widths), layers.n_edges)
    graph = nx.DiGraph()
    graph.graph.update(attributes)
    for layer, width in enumerate(layers.widths):
        graph.add_nodes_from(((layer, index) for index in range(width)), layer=layer)
    for layer, (senders, receivers, trainable, constant) in enumerate(each_layer(layers)):
        rows = zip(*(a.tolist() for a in (senders, receivers, trainable, constant)), strict=True)
        graph.add_edges_from(
            ((layer, s), (layer + 1, r), {"trainable": True} if t else fixed(c))
            for s, r, t, c in rows
        )
    return graph


def said_of(topology: nx.DiGraph | Layers) -> dict[str, Any]:
    """What a topology says of itself: the attributes of its graph; nothing of arrays alone."""
    match topology:
        case DescribedLayers():
            return topology.said
        case Layers():
            return {}
    return topology.graph


def from_masks(
    masks: Sequence[Shaped[np.ndarray, "_n_senders _n_receivers"]],
    trainable: Sequence[Bool[np.ndarray, "_n_senders _n_receivers"]] | None = None,
) -> nx.DiGraph:
    """The topology of a list of masks, one for each layer.

    Args:
        masks: Arrays of shape `(widths[l], widths[l + 1])`; sender `i` feeds receiver `j` where
            `masks[l][i, j]` is not 0. The value itself is the weight of a constant edge.
        trainable: Arrays of the same shapes, true where the edge is trainable; all by default.

    Raises:
        ValueError: If a mask is not a matrix of finite numbers, the shapes do not chain, or the
            network is not valid (see `to_layers`).

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> graph = tk.from_masks([np.array([[1, 1], [0, 1]]), np.ones((2, 1))])
        >>> graph.number_of_edges()
        5

    See Also:
        `to_masks`, the way back; `from_weights`, for the matrices of other frameworks.
    """
    arrays = [np.asarray(mask) for mask in masks]
    flags = [np.ones(a.shape, bool) for a in arrays] if trainable is None else trainable
    flags = [np.asarray(flag) for flag in flags]
    _check_masks(arrays, flags)
    places = [np.nonzero(a) for a in arrays]
    return from_layers(
        make_layers(
            [arrays[0].shape[0], *(a.shape[1] for a in arrays)],
            [senders for senders, _ in places],
            [receivers for _, receivers in places],
            trainable=[f[place].astype(bool) for f, place in zip(flags, places, strict=True)],
            constant=[a[place].astype(float) for a, place in zip(arrays, places, strict=True)],
        ),
        name="from_masks",
        family="from_masks",
    )


def to_masks(
    topology: nx.DiGraph | Layers, *, trainable: bool | None = None
) -> list[Bool[np.ndarray, "_n_senders _n_receivers"]]:
    """The masks of a topology, one boolean matrix `(widths[l], widths[l + 1])` for each layer.

    Args:
        topology: A graph or a recipe.
        trainable: If given, only the trainable edges (true) or only the constant ones (false).

    Raises:
        ValueError: If they would take more than 8 GiB.

    Examples:
        >>> import topokit as tk
        >>> for mask in tk.to_masks(tk.topologies.butterfly(4)):
        ...     print(mask.astype(int).tolist())
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
        [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]

    See Also:
        `from_masks`, the way back.
    """
    layers = to_layers(topology)
    check_memory(
        "to_masks",
        sum(n * m for n, m in pairwise(layers.widths)),
        LIMIT,
        "topokit.to_layers has the same edges as arrays",
    )
    masks = []
    for shape, (senders, receivers, free, _) in zip(
        pairwise(layers.widths), each_layer(layers), strict=True
    ):
        keep = slice(None) if trainable is None else free == trainable
        mask = np.zeros(shape, bool)
        mask[senders[keep], receivers[keep]] = True
        masks.append(mask)
    return masks


def fixed(weight: float) -> dict[str, Any]:
    """The attributes of a constant edge."""
    return {"trainable": False, "weight": weight}


def node_indices(graph: nx.DiGraph) -> list[list[int]]:
    """The indices that occur in each layer of a graph, ascending; they may have gaps."""
    if not isinstance(graph, nx.DiGraph) or graph.is_multigraph():
        raise ValueError(
            f"a topology is a networkx.DiGraph or a topokit.Layers; given {type(graph).__name__}"
        )
    if not graph.number_of_nodes():
        raise ValueError("the graph is empty: a topology needs at least one input and one output")
    indices: dict[int, list[int]] = {}
    for node, layer in graph.nodes(data="layer"):
        match node:
            case (Integral() as first, Integral() as second) if _is_layer(layer, first):
                indices.setdefault(int(first), []).append(int(second))
            case _:
                raise ValueError(_wrong_node(graph, node, layer))
    missing = next((layer for layer in range(len(indices)) if layer not in indices), None)
    if missing is not None:
        raise ValueError(
            f"layer {missing} has no node, but there are {len(indices)} layers; number the layers "
            "from 0 without a gap, or let topokit.layered(graph) do it"
        )
    return [sorted(indices[layer]) for layer in range(len(indices))]


def _widths(graph: nx.DiGraph) -> list[int]:
    """Neurons per layer of a graph in the convention."""
    indices = node_indices(graph)
    for layer, row in enumerate(indices):
        _check_indices(layer, row)
    return [len(row) for row in indices]


def _is_layer(layer: Any, first: Any) -> bool:
    """Whether the attribute of a node is its layer, or not there."""
    return layer in (None, first) and not isinstance(layer, NO_NUMBERS)


def _wrong_node(graph: nx.DiGraph, node: Hashable, layer: Any) -> str:
    if isinstance(node, tuple) and len(node) == 2 and not _is_layer(layer, node[0]):
        return f"node {node} has the attribute layer={layer!r}; it must equal {node[0]!r}"
    if not nx.is_directed_acyclic_graph(graph):
        return f"the graph has a cycle: {nx.find_cycle(graph)}; a topology must be acyclic"
    return (
        f"node {node!r} is not {TYPE_OF_NODE}; topokit.layered(graph) brings any directed acyclic "
        "graph into the convention"
    )


def _check_indices(layer: int, indices: list[int]) -> None:
    if indices != list(range(len(indices))):
        gap = next(i for i, index in enumerate([*indices, -1]) if i != index)
        raise ValueError(
            f"layer {layer} has {len(indices)} nodes up to index {indices[-1]} but none with index "
            f"{gap}; topokit.trim and topokit.layered number the nodes anew"
        )


def _constant(sender: Hashable, receiver: Hashable, data: dict[str, Any]) -> float:
    value = data.get("weight", 1.0)
    try:
        if isinstance(value, NO_NUMBERS):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"edge {sender} -> {receiver}: the weight of a constant edge must be a number "
            f"that a float can hold; given {str(value)[:30]!r}"
        ) from None


def _check_masks(masks: list[np.ndarray], trainable: list[np.ndarray]) -> None:
    if not masks:
        raise ValueError("masks is empty: give one matrix for each layer")
    if len(trainable) != len(masks):
        raise ValueError(f"trainable has {len(trainable)} arrays for {len(masks)} masks")
    for layer, (mask, flag) in enumerate(zip(masks, trainable, strict=True)):
        if mask.ndim != 2 or mask.dtype.kind not in "biuf":
            raise ValueError(
                f"masks[{layer}] must be a matrix of booleans or real numbers; "
                f"given shape {mask.shape} of {mask.dtype}"
            )
        if flag.shape != mask.shape or flag.dtype != bool:
            raise ValueError(
                f"trainable[{layer}] must hold booleans in the shape of its mask, {mask.shape}; "
                f"given {flag.shape} of {flag.dtype}"
            )
        if not np.isfinite(mask).all():
            raise ValueError(f"masks[{layer}] holds NaN or infinity; give finite numbers")
    for layer, (before, after) in enumerate(pairwise(masks)):
        if before.shape[1] != after.shape[0]:
            raise ValueError(
                f"masks[{layer}] has {before.shape[1]} receivers but masks[{layer + 1}] has "
                f"{after.shape[0]} senders; they must be equal"
            )
