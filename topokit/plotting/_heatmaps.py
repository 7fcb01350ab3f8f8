"""Matrices as pictures: K heatmaps and masks."""

import textwrap
from collections.abc import Iterable, Mapping

import networkx as nx
import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from topokit.layers import Layers, each_layer, to_layers
from topokit.plotting._figures import (
    CONSTANT,
    TRAINABLE,
    frame_matrix,
    keep_outer_labels,
    literal,
    new_axes,
    panels,
)


def plot_control(
    K: Real[np.ndarray, "n_in n_out"],
    ax: Axes | None = None,
    *,
    vmin: float | None = None,
    vmax: float | None = None,
    title: str | None = None,
) -> Axes:
    """Heatmap of a K matrix, or of a leverage map (NeuroFabric figure 5).

    The scale starts at 0 and reaches at least 1, so that pictures of different topologies compare.

    Args:
        K: How many ratios each input controls at each output.
        ax: Where to draw; if not given, on a new figure with a color bar.
        vmin: Value of the darkest color; by default 0, or the least entry where that is negative.
        vmax: Value of the brightest color; by default 1, or the greatest entry where that is more.
        title: Words above the sum, mean and standard deviation of K.

    Returns:
        The axes; the picture is `ax.images[0]`.

    Raises:
        ValueError: If K is not a matrix of finite numbers.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> ax = plotting.plot_control(tk.controllability(tk.topologies.torus((4, 2), 2)).K)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('output', 'input')
        >>> plotting.save_figure(ax, "control.png")

    See Also:
        `plot_controls`, several on one scale.
    """
    low, high = _limits([K])
    norm = Normalize(low if vmin is None else vmin, high if vmax is None else vmax)
    if ax is not None:
        return _heatmap(K, ax, norm, title).axes
    image = _heatmap(K, new_axes(4.8, 4.2), norm, title)
    _color_bar(image, [image.axes])
    return image.axes


def plot_controls(
    controls: Mapping[str, Real[np.ndarray, "_n_in _n_out"]],
    axes: Iterable[Axes] | None = None,
) -> np.ndarray:
    """Heatmaps of several K matrices on one scale, with one color bar.

    The scale is that of `plot_control`, except that the greatest 1 % of all entries may lie beyond
    its end (the color bar is then pointed): one unfair topology would leave the others in the dark.

    Args:
        controls: The matrices by the name of their topology.
        axes: Where to draw, one each; if not given, on a new grid.

    Returns:
        The array of axes, one for each matrix.

    Raises:
        ValueError: If there is no matrix, too few axes, or a matrix that is not finite.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> graphs = [tk.topologies.butterfly(8), tk.topologies.torus((4, 2), 2)]
        >>> axes = plotting.plot_controls({graph.name: tk.leverage(graph) for graph in graphs})
        >>> len(axes)
        2
        >>> plotting.save_figure(axes, "control.png")

    See Also:
        `plot_control`, a single one.
    """
    if not controls:
        raise ValueError("controls is empty: give at least one {name: K}")
    low, highest = _limits(controls.values())
    high = max(1.0, float(np.percentile(np.concatenate([*map(np.ravel, controls.values())]), 99)))
    norm = Normalize(low, high)
    places = panels(len(controls), axes, size=(2.4, 2.75), most=6)
    images = [
        _heatmap(K, ax, norm, name) for ax, (name, K) in zip(places, controls.items(), strict=True)
    ]
    _color_bar(images[0], list(places), extend="max" if highest > high else "neither")
    keep_outer_labels(places)
    return places


def plot_masks(topology: nx.DiGraph | Layers, axes: Iterable[Axes] | None = None) -> np.ndarray:
    """The masks of a topology, one panel for each layer: senders down, receivers across.

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
    colors = ListedColormap(["#EDEDED", TRAINABLE, CONSTANT])
    for number, (ax, edges) in enumerate(zip(places, each_layer(layers), strict=True)):
        senders, receivers, trainable, _ = edges
        kind = np.zeros(layers.widths[number : number + 2], np.uint8)
        kind[senders, receivers] = np.where(trainable, 1, 2)
        ax.imshow(kind, cmap=colors, vmin=0, vmax=2, interpolation="nearest")
        ax.set_title(f"layer {number + 1}: {senders.size} edges", fontsize=9)
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


def _limits(matrices: Iterable[np.ndarray]) -> tuple[float, float]:
    """One scale for all matrices: it holds [0, 1] and every entry."""
    low, high = 0.0, 1.0
    for K in matrices:
        values = np.asarray(K)
        if values.ndim != 2 or not values.size or not np.isfinite(values).all():
            raise ValueError(f"K must be a matrix of finite numbers; given shape {values.shape}")
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def _heatmap(K: np.ndarray, ax: Axes, norm: Normalize, title: str | None) -> AxesImage:
    numbers = f"sum {K.sum():.1f}, mean {K.mean():.3f}\ndeviation {K.std():.3f}"
    words = [*textwrap.wrap(literal(title or ""), 30), numbers]
    ax.set_title("\n".join(words), fontsize=9)
    frame_matrix(ax, "input", "output")
    return ax.imshow(K, norm=norm, cmap="viridis", interpolation="nearest")


def _color_bar(image: AxesImage, axes: list[Axes], *, extend: str = "neither") -> None:
    bar = image.axes.figure.colorbar(image, ax=axes, aspect=25, extend=extend, extendfrac=0.02)
    bar.set_label("controllability K", fontsize=9)
    bar.ax.tick_params(labelsize=8)
