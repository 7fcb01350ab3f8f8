"""A topology as a layered drawing."""

import math

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from topokit._limits import TooLargeError
from topokit.layers import Layers, each_layer, to_layers
from topokit.plotting._figures import CONSTANT, TRAINABLE, new_axes

# What takes a quarter of a minute to draw, and shows as a gray block.
MOST_EDGES, MOST_LAYERS = 300_000, 2_000


def plot_topology(topology: nx.DiGraph | Layers, ax: Axes | None = None) -> Axes:
    """Draw the neurons of each layer as a column, inputs at the left, and the edges between them.

    Trainable edges are solid, constant edges dotted (as in NeuroFabric figure 9). The height of a
    column goes with the square root of its width: narrow layers look narrow, and stay readable.
    The more edges of its kind a layer has, the fainter is each: a few constant ones among many
    trainable ones, or the reverse, stand out. Single edges among many of one kind do not, as they
    do in `plot_masks`.

    Args:
        topology: A graph or a recipe.
        ax: Where to draw; if not given, on a new figure that grows with the depth.

    Raises:
        ValueError: If there are more than 300,000 edges or 2,000 layers.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> ax = plotting.plot_topology(tk.topologies.butterfly(8))
        >>> plotting.save_figure(ax, "butterfly.svg")

    See Also:
        `plot_masks`, the same as matrices.
    """
    layers = to_layers(topology)
    _check_size(layers)
    ax = new_axes(float(np.clip(2.0 + 0.9 * layers.depth, 4.4, 14)), 4.4) if ax is None else ax
    columns = [_column(width, max(layers.widths)) for width in layers.widths]
    segments, trainable, crowd = _segments(layers, columns)
    _draw_edges(ax, segments[trainable], crowd[trainable], TRAINABLE, "solid")
    _draw_edges(ax, segments[~trainable], crowd[~trainable], CONSTANT, "dotted")
    for layer, column in enumerate(columns):
        # A neuron takes half of its room, at 250 points for the highest column.
        room = 250 * np.ptp(column) / max(column.size - 1, 1) if column.size > 1 else 14
        size = float(np.clip((room / 2) ** 2, 0.2, 45))
        ax.scatter(np.full(column.size, layer), column, s=size, color="black", zorder=3)
    _label_layers(ax, layers)
    return ax


def _check_size(layers: Layers) -> None:
    if layers.n_edges > MOST_EDGES or layers.depth > MOST_LAYERS:
        raise TooLargeError(
            f"a drawing has at most {MOST_EDGES:,} edges as lines, in {MOST_LAYERS:,} layers; "
            f"given {layers.n_edges:,} in {layers.depth:,}: draw the masks, which show as blocks "
            "(plot_masks, or topokit plot --what masks)"
        )


def _column(width: int, widest: int) -> Float[np.ndarray, " width"]:
    """Heights of the neurons of a layer: evenly spread about 0, the first one on top."""
    return math.sqrt(width / widest) * (0.5 - (np.arange(width) + 0.5) / width)


def _segments(
    layers: Layers, columns: list[np.ndarray]
) -> tuple[Float[np.ndarray, "edges 2 2"], Bool[np.ndarray, " edges"], Float[np.ndarray, " edges"]]:
    """Both ends of every edge, whether it is trainable, and how many of its kind its layer has."""
    segments, trainable, crowd = [], [], []
    for number, (senders, receivers, free, _) in enumerate(each_layer(layers)):
        ends = np.empty((senders.size, 2, 2))
        ends[:, :, 0] = number, number + 1
        ends[:, 0, 1] = columns[number][senders]
        ends[:, 1, 1] = columns[number + 1][receivers]
        segments.append(ends)
        trainable.append(free)
        crowd.append(np.where(free, free.sum(), (~free).sum()))
    return np.concatenate(segments), np.concatenate(trainable), np.sqrt(np.concatenate(crowd))


def _draw_edges(
    ax: Axes,
    segments: Float[np.ndarray, "edges 2 2"],
    crowd: Float[np.ndarray, " edges"],
    color: str,
    style: str,
) -> None:
    """The more edges there are beside one, the fainter; dots need more ink than lines."""
    if not len(segments):
        return
    ink, kind = (1.4, "constant") if style == "dotted" else (1.0, "trainable")
    lines = LineCollection(
        list(segments),
        colors=color,
        linestyles=style,
        linewidths=ink * np.clip(10 / crowd, 0.3, 1.3),
        alpha=np.minimum(1, ink * np.clip(9 / crowd, 0.04, 0.9)),
        label=f"{len(segments):,} {kind} edges",
        rasterized=len(segments) > 5000,
    )
    ax.add_collection(lines)


def _label_layers(ax: Axes, layers: Layers) -> None:
    names = ["inputs", *map(str, range(1, layers.depth)), "outputs"]
    labels = [f"{name}\n({width})" for name, width in zip(names, layers.widths, strict=True)]
    ax.set_xticks(range(layers.depth + 1), labels, fontsize=9)
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlabel("layer (neurons)")
    ax.spines[:].set_visible(False)
    ax.margins(x=0.03, y=0.04)
    legend = ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    for line in legend.get_lines():
        line.set(alpha=1, linewidth=1.5)
