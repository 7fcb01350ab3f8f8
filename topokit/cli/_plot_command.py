"""`topokit plot`: a picture of a topology."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click
import networkx as nx

import topokit as tk
from topokit._escapes import shown
from topokit._progress import progress
from topokit.cli._console import busy, say
from topokit.cli._output_file import output_option
from topokit.cli._topology_group import TopologyGroup
from topokit.layers import DescribedLayers


def _leverage(graph: nx.DiGraph | DescribedLayers) -> Any:
    H, loss = tk.scores.leverage_and_loss(tk.to_layers(graph))
    return tk.plotting.plot_leverage(H, predicted_loss=loss, title=graph.name)


def _control(graph: nx.DiGraph | DescribedLayers, *, canonical: bool) -> Any:
    with progress("Canonical K" if canonical else "Descent", 1) as bar:
        K = tk.controllability(graph, fairness=canonical, callback=bar.reach).K
    title = graph.name if canonical else f"{graph.name} by descent"
    return tk.plotting.plot_control(K, title=title)


PICTURES: dict[str, Callable[[Any], Any]] = {
    "edges": lambda graph: tk.plotting.plot_topology(graph),
    "masks": lambda graph: tk.plotting.plot_masks(graph),
    "control": partial(_control, canonical=True),
    "descent": partial(_control, canonical=False),
    "leverage": _leverage,
}
STEPWISE = ("control", "descent")  # they have a bar of their own


def plot(topology: nx.DiGraph | DescribedLayers, what: str, output: Path) -> None:
    """Draw the edges of a topology, its masks, or one of its heatmaps."""
    with nullcontext() if what in STEPWISE else busy("Drawing"):
        tk.plotting.save_figure(PICTURES[what](topology), output)
    say(f"{output}: {what} of {shown(topology.name or 'the topology')}")


WHAT = click.Option(
    ["--what"],
    type=click.Choice(tuple(PICTURES)),
    default="edges",
    show_default=True,
    help="All edges as lines, the masks layer by layer, or a heatmap: of the canonical K, of the "
    "paper's K, where descent ends, or of the leverage, the share of each entry that the weights "
    "control.",
)

command = TopologyGroup(
    plot,
    [WHAT, output_option("The picture to write.", ".png", ".pdf", ".svg")],
    example="--what leverage -o net.png",
)
