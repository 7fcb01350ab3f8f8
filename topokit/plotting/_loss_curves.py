"""Losses as curves."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes

from topokit.plotting._figures import COLORS, LEGEND, names_beside, new_axes, plain_log_numbers

DASHES = ("solid", "dashed", "dashdot", "dotted")


def plot_losses(losses: Mapping[str, Real[np.ndarray, "..."]], ax: Axes | None = None) -> Axes:
    """Loss against step, on a logarithmic scale.

    Args:
        losses: By name, an array `(steps,)`, or `(targets, steps)`: then the line is the mean
            over targets and the band holds all of them.
        ax: Where to draw; if not given, on a new figure.

    Raises:
        ValueError: If there is nothing to draw, or an array has other dimensions.

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> from topokit import plotting
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> found = tk.reconstruct(
        ...     tk.topologies.butterfly(8), targets, solver=tk.reconstruction.ALS(max_steps=20)
        ... )
        >>> ax = plotting.plot_losses({"butterfly": found.losses})
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('step', 'relative loss')
        >>> plotting.save_figure(ax, "losses.png")

    See Also:
        `plot_learning`, for classifiers.
    """
    if not losses:
        raise ValueError("losses is empty: give at least one {name: array}")
    ax = new_axes(5.4, 3.6) if ax is None else ax
    shown = names_beside(losses, LEGEND)
    for number, (name, values) in enumerate(losses.items()):
        curves = np.atleast_2d(values)
        if curves.ndim != 2 or not curves.size:
            raise ValueError(
                f"losses[{name!r}] must have shape (steps,) or (targets, steps); "
                f"given {np.shape(values)}"
            )
        color, dash = COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]
        steps = np.arange(1, curves.shape[1] + 1)
        ax.plot(steps, curves.mean(axis=0), color=color, linestyle=dash, label=shown[name])
        if len(curves) > 1:
            ax.fill_between(
                steps, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2, linewidth=0
            )
    ax.set_yscale("log")
    plain_log_numbers(ax.yaxis)
    ax.set(xlabel="step", ylabel="relative loss")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)
    return ax
