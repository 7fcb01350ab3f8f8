"""Masks: which senders feed which receivers, layer by layer."""

from collections.abc import Iterable

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Patch

from topokit.layers import Layers, each_layer, to_layers
from topokit.plotting._figures import CONSTANT, TRAINABLE, frame_matrix, keep_outer_labels, panels
from topokit.plotting._matrix_image import draw_matrix, rarest

COLORS_OF_KINDS = ListedColormap(["#EDEDED", TRAINABLE, CONSTANT])


def plot_masks(topology: nx.DiGraph | Layers, axes: Iterable[Axes] | None = None) -> np.ndarray:
    """The masks of a topology, one panel for each layer: senders down, receivers across.

    A mask with more senders or receivers than the panel has pixels is drawn by blocks, each in the
    color of what is rarest in the mask: trainable edges, constant ones, or pairs without an edge.
    So a single edge stays visible, and a single gap in a dense mask.

    Args:
        topology: A graph or a recipe.
        axes: Where to draw, one each; if not given, on a new grid.

    Returns:
        The array of axes, one for each layer.

    Raises:
        ValueError: If there are too few axes.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> axes = plotting.plot_masks(tk.topologies.butterfly(8))
        >>> len(axes)
        3
        >>> plotting.save_figure(axes, "masks.png")

    See Also:
        `plot_topology`, the same as a graph.
    """
    layers = to_layers(topology)
    places = panels(layers.depth, axes, size=(1.9, 2.1), most=6)
    for number, (ax, edges) in enumerate(zip(places, each_layer(layers), strict=True)):
        senders, receivers, trainable, _ = edges
        kinds = np.zeros(layers.widths[number : number + 2], np.uint8)
        kinds[senders, receivers] = np.where(trainable, 1, 2)
        draw_matrix(ax, kinds, rarest, cmap=COLORS_OF_KINDS, norm=Normalize(0, 2))
        ax.set_title(f"layer {number + 1}: {senders.size:,} edges", fontsize=9)
        frame_matrix(ax, "sender", "receiver")
    keep_outer_labels(places)
    if layers.n_trainable < layers.n_edges:
        places[0].figure.legend(
            handles=[
                Patch(color=TRAINABLE, label="trainable"),
                Patch(color=CONSTANT, label="constant"),
            ],
            loc="outside lower center",
            ncols=2,
            frameon=False,
        )
    return places
