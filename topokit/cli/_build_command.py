"""`topokit build`: a topology into a file."""

from pathlib import Path

import topokit as tk
from topokit._escapes import shown
from topokit.cli._console import busy, say
from topokit.cli._output_file import output_option
from topokit.cli._topology_group import WRITTEN, TopologyGroup
from topokit.layers import DescribedLayers


def build(layers: DescribedLayers, output: Path) -> None:
    """Build a member of a family and save it."""
    with busy("Writing"):
        tk.write(layers, output)
    say(
        f"{output}: {shown(layers.name)}, {layers.depth} layers, {layers.n_edges} edges, "
        f"{layers.n_trainable} of them trainable"
    )


command = TopologyGroup(
    build, [output_option("The file to write.", *WRITTEN)], files=False, example="-o net.npz"
)
