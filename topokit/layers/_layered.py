"""From any directed acyclic graph into the convention: layers by longest path, jumps by relays."""

from collections.abc import Hashable

import networkx as nx

from topokit.layers._graph import fixed
from topokit.layers._graph_size import check_graph


def layered(dag: nx.DiGraph) -> nx.DiGraph:
    """Bring any directed acyclic graph into the convention.

    Sources become the inputs, sinks the outputs, and the layer of a node is the length of the
    longest path to it (the last layer for sinks). An edge that jumps layers is led through relays:
    neurons with one constant edge of weight 1. All jumps from one node share its chain of relays.
    Within a layer, nodes keep the order of the given graph and relays come last. Each node keeps
    its former name as the attribute `label`.

    Args:
        dag: A directed acyclic graph with any hashable nodes; edges may carry `trainable` and
            `weight` as in the convention.

    Raises:
        ValueError: If the graph has a cycle, is no simple directed graph, has no edge, or has a
            node without edges.

    Examples:
        >>> import topokit as tk
        >>> import networkx as nx
        >>> dag = nx.DiGraph([("a", "hidden"), ("hidden", "out"), ("a", "out")])
        >>> graph = tk.layered(dag)
        >>> tk.to_layers(graph).widths
        (1, 2, 1)
        >>> tk.structure(graph).trainable
        3

    See Also:
        `to_layers`, which takes graphs that are in layers already.
    """
    layer_of, relays = _layers_of(dag), n_relays(dag)
    check_graph(len(dag) + relays, dag.number_of_edges() + relays)
    last = max(layer_of.values())
    graph = nx.DiGraph()
    graph.graph.update(dag.graph)
    place: dict[Hashable, tuple[int, int]] = {}
    filled = [0] * (last + 1)
    for node in dag:
        layer = layer_of[node]
        place[node] = (layer, filled[layer])
        filled[layer] += 1
    graph.add_nodes_from((place[n], {"layer": place[n][0], "label": str(n)}) for n in _by(place))
    for node in dag:
        _connect(graph, dag, node, place, filled)
    return graph


def _layers_of(dag: nx.DiGraph) -> dict[Hashable, int]:
    """The layer of each node: the length of the longest path to it, of sinks that of all."""
    _check_dag(dag)
    found: dict[Hashable, int] = {}
    for node in nx.topological_sort(dag):
        found[node] = max((found[p] + 1 for p in dag.predecessors(node)), default=0)
    last = max(found.values())
    return {node: layer if dag.out_degree(node) else last for node, layer in found.items()}


def n_relays(dag: nx.DiGraph) -> int:
    """How many relays the jumps of a graph need; raises as `layered`."""
    layer_of = _layers_of(dag)
    return sum(
        max((layer_of[receiver] - layer - 1 for receiver in dag.successors(node)), default=0)
        for node, layer in layer_of.items()
    )


def _by(place: dict[Hashable, tuple[int, int]]) -> list[Hashable]:
    return sorted(place, key=place.__getitem__)


def _connect(
    graph: nx.DiGraph,
    dag: nx.DiGraph,
    node: Hashable,
    place: dict[Hashable, tuple[int, int]],
    filled: list[int],
) -> None:
    """Add the out-edges of one node, through one chain of relays for all its jumps."""
    end = place[node]
    for receiver in sorted(dag.successors(node), key=place.__getitem__):
        while end[0] + 1 < place[receiver][0]:
            relay = (end[0] + 1, filled[end[0] + 1])
            filled[relay[0]] += 1
            graph.add_node(relay, layer=relay[0], label=f"relay of {node}")
            graph.add_edge(end, relay, **fixed(1.0))
            end = relay
        graph.add_edge(end, place[receiver], trainable=True)
        graph.edges[end, place[receiver]].update(dag.edges[node, receiver])


def _check_dag(dag: nx.DiGraph) -> None:
    if not isinstance(dag, nx.DiGraph) or dag.is_multigraph():
        raise ValueError(f"expected a networkx.DiGraph; given {type(dag).__name__}")
    if not dag.number_of_edges():
        raise ValueError("the graph has no edge: a topology needs at least one")
    if not nx.is_directed_acyclic_graph(dag):
        cycle = nx.find_cycle(dag)
        raise ValueError(f"the graph has a cycle: {cycle}; a topology must be acyclic")
    alone = next(nx.isolates(dag), None)
    if alone is not None:
        raise ValueError(f"node {alone!r} has no edge; connect it or remove it")
