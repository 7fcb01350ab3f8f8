"""`topokit build`: a topology into a file."""

from pathlib import Path

import networkx as nx

import topokit as tk
from topokit._escapes import shown
from topokit.cli._console import say
from topokit.cli._output_file import output_option
from topokit.cli._topology_group import WRITTEN, TopologyGroup


def build(topology: nx.DiGraph, output: Path) -> None:
    """Build a member of a family and save it."""
    tk.write(topology, output)
    layers = tk.to_layers(topology)
    say(
        f"{output}: {shown(topology.name)}, {layers.depth} layers, {layers.n_edges} edges, "
        f"{layers.n_trainable} of them trainable"
    )


command = TopologyGroup(
    build, [output_option("The file to write.", *WRITTEN)], files=False, example="-o net.npz"
)
