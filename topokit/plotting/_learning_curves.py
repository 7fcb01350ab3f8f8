"""How accuracy grows over the epochs of a training."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from topokit.plotting._figures import COLORS, LEGEND, names_beside, new_axes
from topokit.plotting._loss_curves import DASHES


def plot_learning(
    accuracies: Mapping[str, Sequence[Real[np.ndarray, " epochs"]]], ax: Axes | None = None
) -> Axes:
    """Error against epoch, such as that of the validation part: a line the mean over seeds.

    Args:
        accuracies: By name, for each seed the accuracy after each epoch, in [0, 1]. The band of a
            name with several seeds holds all of them.
        ax: Where to draw; if not given, on a new figure.

    Raises:
        ValueError: If there is nothing to draw, or seeds of a name have not equally many epochs.

    Examples:
        >>> import numpy as np
        >>> from topokit import plotting
        >>> ax = plotting.plot_learning({"clos": [np.array([0.8, 0.9]), np.array([0.7, 0.9])]})
        >>> ax.get_xlabel()
        'epoch'
        >>> plotting.save_figure(ax, "learning.png")

    See Also:
        `topokit.networks.train`, whose rows it shows.
    """
    if not accuracies:
        raise ValueError("accuracies is empty: give at least one {name: [array for each seed]}")
    ax = new_axes(5.4, 3.6) if ax is None else ax
    shown = names_beside(accuracies, LEGEND)
    for number, (name, seeds) in enumerate(accuracies.items()):
        lengths = sorted({len(seed) for seed in seeds})
        if len(lengths) != 1 or not lengths[0]:
            raise ValueError(
                f"accuracies[{name!r}] must have as many epochs for each seed; given {lengths}"
            )
        errors = 100.0 * (1.0 - np.stack(seeds))
        epochs = np.arange(1, lengths[0] + 1)
        color, dash = COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]
        mark = "o" if len(epochs) == 1 else None
        ax.plot(epochs, errors.mean(0), color=color, linestyle=dash, marker=mark, label=shown[name])
        if len(errors) > 1:
            ax.fill_between(
                epochs, errors.min(0), errors.max(0), color=color, alpha=0.2, linewidth=0
            )
    ax.set(xlabel="epoch", ylabel="error (%)", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)
    return ax
