"""`topokit plot`: a picture of a topology."""

from pathlib import Path

import click
import networkx as nx

import topokit as tk
from topokit.cli._console import busy
from topokit.cli._output_file import output_option
from topokit.cli._topology_group import TopologyGroup

PICTURES = {
    "topology": lambda graph: tk.plotting.plot_topology(graph),
    "masks": lambda graph: tk.plotting.plot_masks(graph),
    "control": lambda graph: tk.plotting.plot_control(
        tk.controllability(graph).K, title=graph.name
    ),
}


def plot(topology: nx.DiGraph, what: str, output: Path) -> None:
    """Draw a topology, its masks or its K matrix."""
    with busy("Drawing"):
        tk.plotting.save_figure(PICTURES[what](topology), output)
    click.echo(f"{output}: {what} of {topology.name or 'the topology'}")


WHAT = click.Option(
    ["--what"],
    type=click.Choice(tuple(PICTURES)),
    default="topology",
    show_default=True,
    help="The drawing of all edges, the masks layer by layer, or the heatmap of K.",
)

command = TopologyGroup(
    plot,
    [WHAT, output_option("The picture to write.", ".png", ".pdf", ".svg")],
    example="--what control -o net.png",
)
