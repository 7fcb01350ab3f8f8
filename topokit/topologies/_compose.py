"""Topologies made of topologies: end to end, side by side, and with a last diagonal layer.

A changed graph is a graph, a changed recipe (`topokit.Layers`) a recipe, so that a network too
large for a graph can be changed too. Constant edges keep their weights.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain, groupby, pairwise
from typing import Any, TypeVar, cast

import networkx as nx
import numpy as np

from topokit._names import fitting
from topokit.layers import (
    DescribedLayers,
    Layers,
    described,
    from_layers,
    make_layers,
    said_of,
    to_layers,
)
from topokit.topologies._member_size import as_graph, check_size

Topology = TypeVar("Topology", nx.DiGraph, Layers)


def with_diagonal(topology: Topology) -> Topology:
    """Append a layer with one trainable edge for each output (NeuroFabric, appendix A, figure 7).

    The diagonal layer sets the magnitude of each output, so that constant edges before it cost
    nothing: the network is left to set ratios. The ratios that it satisfies are the satisfied
    constraints less `n_out`.

    Args:
        topology: A graph or a recipe.

    Returns:
        The longer topology, `n_out` edges and one layer more.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.butterfly(8)
        >>> tk.with_diagonal(graph).number_of_edges() - graph.number_of_edges()
        8

    See Also:
        `with_skip`, which fixes weights instead of adding some.
    """
    layers = to_layers(topology)
    n = layers.n_out
    diagonal = Layers((n, n), (np.arange(n),), (np.arange(n),), (np.ones(n, bool),), (np.zeros(n),))
    return as_given(topology, _end_to_end([layers, diagonal]), "+ diagonal", "with_diagonal")


def cascade(topologies: Sequence[Topology]) -> Topology:
    """Join topologies end to end: the outputs of one are the inputs of the next.

    Depths and edges add up. The matrix of the cascade is the product of the matrices, and so are
    the numbers of paths.

    Args:
        topologies: Graphs or recipes, first to last.

    Raises:
        ValueError: If that is no list, there is none, or the outputs of one are not as many as the
            inputs of the next.

    Examples:
        >>> import topokit as tk
        >>> whole = tk.cascade([tk.topologies.butterfly(8), tk.topologies.low_rank(8, 4, 2)])
        >>> tk.to_layers(whole).widths
        (8, 8, 8, 8, 2, 4)

    See Also:
        `parallel`, side by side.
    """
    parts = _compiled(topologies)
    for place, (first, second) in enumerate(pairwise(parts)):
        if first.n_out != second.n_in:
            raise ValueError(
                f"topologies[{place}] has {first.n_out} outputs but topologies[{place + 1}] has "
                f"{second.n_in} inputs; they must be equal (topokit.trim drops neurons)"
            )
    return _as_given_all(topologies, _end_to_end(parts), "cascade", {})


def parallel(topologies: Sequence[Topology], *, shared: bool = True) -> Topology:
    """Join topologies side by side, as a sum or as a block-diagonal network.

    Summed, all of them read the same inputs and feed the same output neurons: the matrix and the
    numbers of paths are sums. Otherwise inputs and outputs are concatenated: block-diagonal
    matrices. Hidden neurons of the first come first. Edges add up.

    Give a sum its skip connections afterwards, `with_skip(parallel(...))`: an output of the sum is
    one neuron, which gets one constant edge in all and not one from each part.

    Args:
        topologies: Graphs or recipes of equal depth.
        shared: Whether to share inputs and sum outputs.

    Raises:
        ValueError: If that is no list, there is none, depths differ, or, where shared, the numbers
            of inputs or of outputs differ or one-layer networks have an edge in common.

    Examples:
        >>> import topokit as tk
        >>> two = [tk.topologies.butterfly(4), tk.topologies.butterfly(4)]
        >>> tk.to_layers(tk.parallel(two)).widths
        (4, 8, 4)
        >>> tk.to_layers(tk.parallel(two, shared=False)).widths
        (8, 8, 8)

    See Also:
        `cascade`, end to end; `topokit.topologies.parallel_butterfly`.
    """
    parts = _compiled(topologies)
    _check_equal("depth", [part.depth for part in parts], _LENGTHEN)
    if shared:
        _check_equal("number of inputs", [part.n_in for part in parts], _SEPARATE)
        _check_equal("number of outputs", [part.n_out for part in parts], _SEPARATE)
        _check_apart(parts)
    _check_whole(topologies, parts)
    options = {"shared": shared}
    return _as_given_all(topologies, join(parts, shared=shared), "parallel", options)


def join(parts: Sequence[Layers], *, shared: bool) -> Layers:
    """`parallel` of checked recipes."""
    widths = np.array([part.widths for part in parts])
    offsets = np.cumsum(widths, axis=0) - widths
    joined = widths.sum(axis=0)
    if shared:
        offsets[:, [0, -1]] = 0
        joined[[0, -1]] = widths[0, [0, -1]]
    pairs = list(zip(parts, offsets, strict=True))
    depths = range(parts[0].depth)
    return make_layers(
        joined.tolist(),
        [np.concatenate([p.senders[d] + o[d] for p, o in pairs]) for d in depths],
        [np.concatenate([p.receivers[d] + o[d + 1] for p, o in pairs]) for d in depths],
        trainable=[np.concatenate([p.trainable[d] for p in parts]) for d in depths],
        constant=[np.concatenate([p.constant[d] for p in parts]) for d in depths],
    )


def as_given(
    topology: Topology, layers: Layers, words: str, change: str, **options: Any
) -> Topology:
    """The changed recipe, or its graph where a graph was given.

    The graph keeps its attributes and those of its neurons (which keep their place); its name and
    its `changes` say the change.
    """
    if isinstance(topology, DescribedLayers):
        said = topology.said | changed(topology, words, change, **options)
        return cast(Topology, described(layers, said))
    if isinstance(topology, Layers):
        return layers
    graph = from_layers(layers)
    graph.graph.update(topology.graph)
    graph.graph.update(changed(topology, words, change, **options))
    graph.add_nodes_from(topology.nodes(data=True))
    return graph


def changed(
    topology: nx.DiGraph | Layers, words: str, change: str, **options: Any
) -> dict[str, Any]:
    """Name and `changes` of a graph after a call of the function `change` with such options."""
    before = said_of(topology).get("changes")
    calls = [*(before if isinstance(before, list) else ()), [change, options]]
    return {"name": fitting(f"{name_of(topology)} {words}"), "changes": calls}


def name_of(topology: nx.DiGraph | Layers) -> str:
    """The name of a graph, `topology` where it has none."""
    return said_of(topology).get("name") or "topology"


_LENGTHEN = (
    "lengthen the shallower ones with topokit.cascade, by relays of constant weight "
    "topokit.from_masks([np.eye(n)], [np.zeros((n, n), bool)])"
)
_SEPARATE = "drop neurons with topokit.trim, or join them with shared=False"


def _end_to_end(parts: Sequence[Layers]) -> Layers:
    """`cascade` of checked recipes."""
    hidden = (part.widths[1:] for part in parts)
    columns = zip(*(part.columns for part in parts), strict=True)
    return Layers((parts[0].n_in, *chain(*hidden)), *(tuple(chain(*column)) for column in columns))


def _compiled(topologies: Sequence[nx.DiGraph | Layers]) -> list[Layers]:
    if isinstance(topologies, Layers) or not isinstance(topologies, Sequence):
        raise ValueError(
            f"topologies must be a list of graphs or recipes; given {type(topologies).__name__}"
        )
    if not topologies:
        raise ValueError("topologies is empty: give at least one graph or recipe")
    return [to_layers(topology) for topology in topologies]


def _check_whole(topologies: Sequence[nx.DiGraph | Layers], parts: Sequence[Layers]) -> None:
    """Refuse what would be too large side by side."""
    arrays = any(isinstance(topology, Layers) for topology in topologies)
    with nullcontext() if arrays else as_graph():
        check_size(
            neurons=sum(sum(part.widths) for part in parts),
            edges=sum(part.n_edges for part in parts),
            parts=parts[0].depth,
        )


def _check_equal(what: str, numbers: Sequence[int], cure: str) -> None:
    if len(set(numbers)) > 1:
        raise ValueError(f"parallel topologies must have one {what}; given {numbers}; {cure}")


def _check_apart(parts: Sequence[Layers]) -> None:
    if parts[0].depth > 1:
        return
    edges = np.concatenate([p.senders[0] * p.n_out + p.receivers[0] for p in parts])
    codes, counts = np.unique(edges, return_counts=True)
    if counts.max() > 1:
        edge = divmod(int(codes[counts.argmax()]), parts[0].n_out)
        raise ValueError(
            f"topologies of one layer have no hidden neurons to keep them apart: edge {edge} is in "
            f"{counts.max()} of them; join them with shared=False, or give them a second layer"
        )


def _as_given_all(
    topologies: Sequence[Topology], layers: Layers, verb: str, options: dict[str, Any]
) -> Topology:
    """The joined recipe, or its graph where only graphs were given."""
    like = next((t for t in topologies if isinstance(t, Layers)), topologies[0])
    if isinstance(like, Layers):
        return layers
    names = [name_of(topology) for topology in topologies]
    runs = [(name, len(list(run))) for name, run in groupby(names)]
    short = [name if count == 1 else f"{count} x {name}" for name, count in runs]
    short += [f"{key}={value}" for key, value in options.items() if value is not True]
    return from_layers(
        layers,
        name=fitting(f"{verb}({', '.join(short)})"),
        family=verb,
        parameters={"topologies": names, **options},
    )
