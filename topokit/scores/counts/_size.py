"""What a topology is called, and how large it is: the first columns of every table."""

import networkx as nx

from topokit._records import Record
from topokit.layers import Layers, said_of


class Label(Record):
    """What a topology is called, and of which kind it is.

    Attributes:
        name: The name that it was given, or that of the graph.
        family: Its family, or "" where the graph does not say.
        skip: True where some edges are constant.

    Examples:
        >>> import topokit as tk
        >>> found = tk.diagnose(tk.with_skip(tk.topologies.butterfly(4)))
        >>> found.name
        'butterfly(4) + skip'
    """

    name: str
    family: str
    skip: bool


class Size(Record):
    """How large a topology is.

    Attributes:
        n_in: Inputs.
        n_out: Outputs.
        depth: Layers of edges. A good topology's does not grow with its parameters (NeuroFabric,
            section VII.C).
        edges: Edges, constant ones included.
        trainable: Edges whose weight is free: the parameters.

    Examples:
        >>> import topokit as tk
        >>> row = tk.structure(tk.topologies.clos(8, 8, 4, 2, 4))
        >>> row.n_in, row.n_out, row.depth, row.edges, row.trainable
        (8, 8, 3, 64, 64)
    """

    n_in: int
    n_out: int
    depth: int
    edges: int
    trainable: int


def label_of(name: str, topology: nx.DiGraph | Layers, layers: Layers) -> Label:
    """The label of a topology, given also as its recipe."""
    family = str(said_of(topology).get("family") or "")
    return Label(name, family, layers.n_trainable < layers.n_edges)


def size_of(layers: Layers) -> Size:
    """Read the size off a recipe."""
    return Size(layers.n_in, layers.n_out, layers.depth, layers.n_edges, layers.n_trainable)
