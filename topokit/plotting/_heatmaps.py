"""Heatmaps of maps over input-output pairs: controllability K and leverage H."""

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.image import AxesImage

from topokit._matrix_blocks import farthest
from topokit._text_table import shorten
from topokit.plotting._color_scales import (
    ColorScale,
    limits_of,
    scale_of_values,
    scale_that_shows,
)
from topokit.plotting._figures import (
    drawable,
    frame_matrix,
    keep_outer_labels,
    literal,
    new_axes,
    panels,
)
from topokit.plotting._matrix_image import draw_matrix

LINES = 2  # of a name above a map
WIDTH, SIDE, ROOM = 4.8, 3.4, 1.2  # inches: a figure, its square, and what is above and below
CONTROL, LEVERAGE = "controllability K, ratios", "leverage H, shares"


def plot_control(
    K: Real[np.ndarray, "n_in n_out"],
    ax: Axes | None = None,
    *,
    vmin: float | None = None,
    vmax: float | None = None,
    title: str | None = None,
) -> Axes:
    """Heatmap of a K matrix (NeuroFabric figure 5).

    The scale starts at 0 and reaches at least 1, so that pictures of different topologies compare.
    Where all entries lie within a quarter of that scale, what is drawn is how far each is from the
    mean, in red and blue about white, on a symmetric scale that reaches the greatest deviation,
    but at least a thousandth of the other one: how small it is stands at the color bar.

    A matrix with more rows or columns than the picture has pixels is drawn by blocks, each as its
    entry farthest from the mean: a single row, column or entry that stands out stays visible.

    Args:
        K: How many ratios each input controls at each output.
        ax: Where to draw; if not given, on a new figure with a color bar.
        vmin: Value of the darkest color; by default 0, or the least entry where that is negative.
            Where it or `vmax` is given, values are drawn, never deviations.
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
        `plot_leverage`, where the freedom is; `plot_maps`, both side by side; `plot_controls`,
        several on one scale.
    """
    limits = limits_of([K], "K")
    if vmin is None and vmax is None:
        scale = scale_that_shows(np.asarray(K), limits=limits)
    else:
        scale = scale_of_values(vmin, vmax, limits=limits)
    numbers = f"sum {K.sum():,.1f}, mean {K.mean():.3f}\ndeviation {K.std():.2g}"
    return _alone(K, ax, scale, _titled(title, numbers, 44), CONTROL)


def plot_leverage(
    H: Real[np.ndarray, "n_in n_out"],
    ax: Axes | None = None,
    *,
    predicted_loss: float | None = None,
    title: str | None = None,
) -> Axes:
    """Heatmap of a leverage map: which entries of the end-to-end matrix the weights control.

    Values and deviations as by `plot_control`: values on a scale from 0, an entry that nothing can
    move, to 1, one that is free of all others; or, where all lie within a quarter of it, how far
    each is from the mean. Large matrices as there, too.

    Args:
        H: The map, by `topokit.leverage`.
        ax: Where to draw; if not given, on a new figure with a color bar.
        predicted_loss: What `topokit.predicted_loss` says of the topology, for the title.
        title: Words above the degrees of freedom, which are the sum of H, and the predicted loss.

    Returns:
        The axes; the picture is `ax.images[0]`.

    Raises:
        ValueError: If H is not a matrix of finite numbers.

    Examples:
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> graph = tk.topologies.torus((4, 2), 2)
        >>> loss = tk.predicted_loss(graph)
        >>> ax = plotting.plot_leverage(tk.leverage(graph), predicted_loss=loss)
        >>> print(ax.get_title())
        degrees of freedom 56 of 64
        predicted loss 0.125
        >>> plotting.save_figure(ax, "leverage.png")

    See Also:
        `topokit.leverage`, which finds it; `plot_control`; `plot_maps`, both side by side.
    """
    H = np.asarray(H)
    scale = scale_that_shows(H, limits=limits_of([H], "H"))
    numbers = f"degrees of freedom {H.sum():,.0f} of {H.size:,}"
    if predicted_loss is not None:
        numbers += f"\npredicted loss {predicted_loss:.3f}"
    return _alone(H, ax, scale, _titled(title, numbers, 44), LEVERAGE)


def plot_controls(
    controls: Mapping[str, Real[np.ndarray, "_n_in _n_out"]],
    axes: Iterable[Axes] | None = None,
) -> np.ndarray:
    """Heatmaps of several K matrices on one scale, with one color bar.

    The scale is that of values by `plot_control`, except that the greatest 1 % of all entries may
    lie beyond its end (the color bar is then pointed): one unfair topology would leave the others
    in the dark.

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
        `plot_control`, a single one; `plot_maps`, each on a scale of its own.
    """
    if not controls:
        raise ValueError("controls is empty: give at least one {name: K}")
    low, highest = limits_of(controls.values(), "K")
    high = max(1.0, float(np.percentile(np.concatenate([*map(np.ravel, controls.values())]), 99)))
    scale = scale_of_values(low, high, limits=(low, highest))
    places = panels(len(controls), axes, size=(2.4, 2.75), most=6)
    images = []
    for ax, (name, K) in zip(places, controls.items(), strict=True):
        numbers = f"sum {K.sum():,.1f}, mean {K.mean():.3f}\ndeviation {K.std():.2g}"
        images.append(heat_map(K, ax, scale, _titled(name, numbers, 30)))
    bar = images[0].axes.figure.colorbar(
        images[0],
        ax=list(places),
        aspect=25,
        extend="max" if highest > high else "neither",
        extendfrac=0.02,
    )
    bar.set_label(CONTROL, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    keep_outer_labels(places)
    return places


def heat_map(
    values: np.ndarray, ax: Axes, scale: ColorScale, title: str, *, ticks: int = 5
) -> AxesImage:
    """Draw a map on axes, and name what it shows."""
    ax.set_title(title, fontsize=9)
    image = draw_matrix(ax, np.asarray(values), farthest, norm=scale.norm, cmap=scale.cmap)
    frame_matrix(ax, "input", "output", ticks=ticks)
    return image


def label_bar(bar: Colorbar, scale: ColorScale, *, ticks: int) -> None:
    """Say so many values from end to end; deviations with their signs."""
    low, high = float(scale.norm.vmin or 0), float(scale.norm.vmax or 0)
    values = np.linspace(low, high, ticks)
    words = [f"{value:.2g}" for value in values]
    if scale.mean is not None:
        words = [
            f"{step:+.2g}" if step else "0" for step in np.linspace(-1, 1, ticks) * (high - low) / 2
        ]
    bar.set_ticks(values.tolist(), labels=words)
    bar.ax.tick_params(labelsize=8)


def _alone(values: np.ndarray, ax: Axes | None, scale: ColorScale, title: str, label: str) -> Axes:
    """A map on the axes given, or with a color bar on new ones."""
    if ax is not None:
        return heat_map(values, ax, scale, title).axes
    ratio = float(np.clip(values.shape[0] / values.shape[1], 0.25, 1.5))
    image = heat_map(values, new_axes(WIDTH, SIDE * ratio + ROOM), scale, title)
    bar = image.axes.figure.colorbar(image, ax=image.axes, aspect=25)
    less = "" if scale.mean is None else f" less their mean, {scale.mean:.4g}"
    bar.set_label(f"{label}{less}", fontsize=9)
    label_bar(bar, scale, ticks=5)
    return image.axes


def _titled(title: str | None, numbers: str, width: int) -> str:
    name = literal(shorten(drawable(title or ""), LINES * width))
    return "\n".join([*textwrap.wrap(name, width), numbers])
