"""Topologies as arrays in an archive, without pickle; what the arrays do not say is JSON."""

import json
from io import SEEK_END
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from topokit._archives import read_archive, write_archive
from topokit._limits import BYTES_A_CHARACTER, check_read
from topokit._regular_files import opened
from topokit.files._kept_attributes import (
    KeptAttributes,
    attributes_of,
    attributes_to_keep,
    kept_attributes,
)
from topokit.files._plain_values import from_plain
from topokit.layers import Layers, from_layers, graph_bytes, make_layers

EDGES = {"senders": ("iu", 1), "receivers": ("iu", 1), "trainable": ("b", 1), "constant": ("f", 1)}
ARRAYS = {"widths": ("iu", 1), "sizes": ("iu", 1), **EDGES, "attributes": ("U", 0)}

# What there is in memory beside the arrays of edges.
BYTES_A_LAYER = 4_000
BYTES_A_NEURON = 16


def npz_content(topology: nx.DiGraph | Layers, layers: Layers) -> dict[str, np.ndarray]:
    """The arrays of an archive; raises what makes an attribute unfit for one."""
    bare = isinstance(topology, Layers)
    kept = {"graph": attributes_of(topology)} if bare else attributes_to_keep(topology, layers)
    return {
        "widths": np.array(layers.widths),
        "sizes": np.array([s.size for s in layers.senders]),
        "senders": np.concatenate(layers.senders),
        "receivers": np.concatenate(layers.receivers),
        "trainable": np.concatenate(layers.trainable),
        "constant": np.concatenate(layers.constant),
        "attributes": np.array(json.dumps(kept)),
    }


def save_npz(content: Any, path: Path) -> None:
    """Write the arrays."""
    with path.open("wb") as file:
        write_archive(file, content)


def read_npz(path: Path) -> nx.DiGraph:
    """The graph of an archive, with its attributes."""
    layers, kept = _contents(path)
    alone = max(0, sum(layers.widths) - 2 * layers.n_edges)  # neurons, at least, that have no edge
    check_read("the graph of its neurons", graph_bytes(alone, 0), path.stat().st_size)
    graph = from_layers(layers)
    kept.put(graph)
    return graph


def read_npz_layers(path: Path) -> Layers:
    """The recipe of an archive."""
    layers, _ = _contents(path)
    return layers


def _contents(path: Path) -> tuple[Layers, KeptAttributes]:
    with opened(path) as file:
        arrays = read_archive(file, ARRAYS)
        stored = file.seek(0, SEEK_END)
    text, widths = str(arrays["attributes"]), arrays["widths"]
    beside = BYTES_A_LAYER * widths.size + BYTES_A_CHARACTER * len(text)
    check_read("what it describes", beside, stored)
    check_read("what it describes", beside + BYTES_A_NEURON * sum(widths.tolist()), stored)
    layers = _unpack(arrays)
    return layers, kept_attributes(from_plain(text), layers)


def _unpack(arrays: dict[str, np.ndarray]) -> Layers:
    sizes = arrays["sizes"].tolist()
    if min(sizes, default=0) < 0 or any(arrays[name].size != sum(sizes) for name in EDGES):
        raise ValueError("the edge arrays do not have the length that sizes says")
    if arrays["constant"][arrays["trainable"]].any():
        raise ValueError("array 'constant' holds another weight than 0 for a trainable edge")
    ends = list(pairwise(accumulate(sizes, initial=0)))
    senders, receivers, trainable, constant = (
        [arrays[name][start:stop] for start, stop in ends] for name in EDGES
    )
    widths = arrays["widths"].tolist()
    return make_layers(widths, senders, receivers, trainable=trainable, constant=constant)
