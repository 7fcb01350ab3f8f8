"""Masks: which senders feed which receivers, layer by layer."""

from collections.abc import Iterable
from itertools import pairwise

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Patch

from topokit._limits import TooLargeError, check_memory
from topokit.layers import Layers, each_layer, to_layers
from topokit.plotting._figures import CONSTANT, TRAINABLE, frame_matrix, keep_outer_labels, panels
from topokit.plotting._matrix_image import draw_matrix, rarest

LIMIT = 2**32
ENTRY = 4  # bytes for an entry of a mask, and for its reduction to pixels
MOST_LAYERS = 200  # panels, which take half a minute
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
        ValueError: If there are too few axes, more than 200 layers, or masks would take more than
            4 GiB of memory.

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
    _check_size(layers)
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


def _check_size(layers: Layers) -> None:
    if layers.depth > MOST_LAYERS:
        raise TooLargeError(
            f"a picture of masks has at most {MOST_LAYERS} layers; given {layers.depth:,}: "
            "topokit.to_masks has the masks of all, of which plot_control draws any"
        )
    check_memory(
        "a picture of the masks",
        ENTRY * sum(n * m for n, m in pairwise(layers.widths)),
        LIMIT,
        "topokit.structure counts their edges",
    )
