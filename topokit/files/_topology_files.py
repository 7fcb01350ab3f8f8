"""Topologies in files: `.npz` (arrays, no pickle), `.json` (networkx node-link), `.graphml`.

What is written reads back equal, with all attributes that JSON can hold; what would not is refused
before there is a file. A file appears whole or not at all: it is written beside its place and then
moved there. Files of graphs from elsewhere are read too: `.gml`, `.edgelist`, `.mtx`.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import networkx as nx

from topokit._atomic import replacing
from topokit.files._edge_lists import read_edge_list
from topokit.files._gml_files import read_gml
from topokit.files._graphml_files import graphml_content, read_graphml, save_graphml
from topokit.files._json_files import json_content, read_json, save_text
from topokit.files._matrix_market import read_matrix_market
from topokit.files._npz_files import npz_content, read_npz, read_npz_layers, save_npz
from topokit.files._refusals import refusals
from topokit.layers import (
    Layers,
    described,
    each_layer,
    from_layers,
    make_layers,
    said_of,
    to_layers,
)

NO_TOPOLOGY = " does not hold a topology"

# For each ending what makes the content of a file, or says why it cannot, and what writes it.
WRITERS: dict[str, tuple[Callable[..., Any], Callable[[Any, Path], None]]] = {
    ".npz": (npz_content, save_npz),
    ".json": (json_content, save_text),
    ".graphml": (graphml_content, save_graphml),
}
READERS: dict[str, Callable[[Path], nx.DiGraph]] = {
    ".npz": read_npz,
    ".json": read_json,
    ".graphml": read_graphml,
    ".gml": read_gml,
    ".edgelist": read_edge_list,
    ".mtx": read_matrix_market,
}


def write(topology: nx.DiGraph | Layers, path: str | os.PathLike[str]) -> None:
    """Save a topology; the ending of `path` says how.

    Args:
        topology: A valid graph or recipe. Attributes of the graph, its nodes and its edges are
            kept; they must be text, numbers, booleans, None, or lists, tuples and dictionaries of
            such. Numbers of numpy are read as Python's.
        path: A name that ends in `.npz`, `.json` or `.graphml`. An existing file is replaced.

    Raises:
        ValueError: If the ending is another one, the topology is not valid, or an attribute
            would not be read as it is. In `.json` a node has no attribute `id` and an edge no
            `source` and `target`. No file is left then.
        OSError: If the folder does not exist or cannot be written to.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.with_skip(tk.topologies.butterfly(8))
        >>> tk.write(graph, "mine.npz")
        >>> tk.read("mine.npz").edges == graph.edges
        True

    See Also:
        `read` and `read_layers`, the way back.
    """
    path = Path(path)
    content_of, save = _format(path, WRITERS)
    layers = _checked(topology) if isinstance(topology, Layers) else to_layers(topology)
    if isinstance(topology, Layers):
        said = said_of(topology)
        graph_needed = save is not save_npz
        topology = from_layers(layers, **said) if graph_needed else described(layers, said)
    try:
        content = content_of(topology, layers)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with replacing(path) as part:
        save(content, part)


def read(path: str | os.PathLike[str]) -> nx.DiGraph:
    r"""Load a topology that `write` saved, or a graph from elsewhere.

    Args:
        path: A file that ends in one of

            - `.npz`, `.json` or `.graphml`, as `write` saves them; `.json` also from networkx
              before 3.6, which says `links` for edges;
            - `.gml`, whose nodes have labels `(layer, index)`;
            - `.edgelist`, a line for each edge: sender, receiver, and perhaps a weight or a
              dictionary of attributes. Other names than `(layer, index)` make a directed acyclic
              graph, which `layered` brings into layers;
            - `.mtx`, the adjacency matrix of such a graph, entry (i, j) for an edge from i to j.

    Raises:
        ValueError: If the file does not hold a valid topology; it says which key or line is wrong.
        OSError: If the file cannot be read.

    Examples:
        >>> import topokit as tk
        >>> tk.write(tk.topologies.butterfly(8), "mine.json")
        >>> tk.read("mine.json").name
        'butterfly(8)'
        >>> from pathlib import Path
        >>> _ = Path("mine.edgelist").write_text("a hidden\nhidden out\na out\n")
        >>> tk.to_layers(tk.read("mine.edgelist")).widths
        (1, 2, 1)

    See Also:
        `read_layers`, without a graph; `from_weights`, for files of weights.
    """
    path = Path(path)
    reader = _format(path, READERS)
    with refusals(path, NO_TOPOLOGY):
        return reader(path)


def read_layers(path: str | os.PathLike[str]) -> Layers:
    """Load a topology as a recipe; from `.npz` without building a graph, for millions of edges.

    Args:
        path: A file that `read` reads.

    Raises:
        ValueError: If the file does not hold a valid topology.
        OSError: If the file cannot be read.

    Examples:
        >>> import topokit as tk
        >>> tk.write(tk.topologies.butterfly.layers(1024), "large.npz")
        >>> tk.read_layers("large.npz").n_edges
        20480

    See Also:
        `read`, as a graph.
    """
    path = Path(path)
    if path.suffix != ".npz":
        return to_layers(read(path))
    with refusals(path, NO_TOPOLOGY):
        return read_npz_layers(path)


def _format(path: Path, formats: Mapping[str, Any]) -> Any:
    if path.suffix not in formats:
        raise ValueError(
            f"{path}: a topology is saved as {', '.join(formats)}; given the ending {path.suffix!r}"
        )
    return formats[path.suffix]


def _checked(layers: Layers) -> Layers:
    """A recipe, which may have been made without a check, as `make_layers` makes it."""
    senders, receivers, trainable, constant = zip(*each_layer(layers), strict=True)
    return make_layers(layers.widths, senders, receivers, trainable=trainable, constant=constant)
