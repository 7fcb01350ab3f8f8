"""How many trainable weights are multiplied with each other on the way from input to output.

An entry of the end-to-end matrix is a polynomial in the trainable weights with one term for each
path; an order is a mean degree of its terms.
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np
from jaxtyping import Shaped

from topokit.layers import (
    Layers,
    as_scaled,
    backward,
    forward,
    mantissas,
    scaled,
    to_layers,
    weights_of_logs,
)
from topokit.scores.freedom._weight_scale import log_scale, path_sizes, typical_sizes


def interaction_order(topology: nx.DiGraph | Layers) -> float:
    """The mean number of trainable edges on a path from an input to an output, 0 to the depth.

    An entry of the end-to-end matrix is a polynomial in the trainable weights with one term for
    each path; this is the mean degree of all terms of all entries: the share of paths that are
    trainable in a layer, summed over layers. Cost O(E).

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> tk.scores.interaction_order(tk.topologies.butterfly(8))
        3.0
        >>> round(tk.scores.interaction_order(tk.with_skip(tk.topologies.butterfly(8))), 2)
        1.5

    See Also:
        `effective_order`, which weighs the paths.
    """
    return _mean_degree(to_layers(topology))


def effective_order(topology: nx.DiGraph | Layers) -> float:
    """The mean number of trainable edges on a path that has any, each path by its size.

    Without constants this is the depth, as is `interaction_order`. Beside constants of 1 trained
    weights are mostly smaller, the more so the more layers share the work, and a path of many is
    small. A path counts as much as its typical product, the root of its mean square, at the scale
    of weights where the entries of the end-to-end matrix are as large as those of a unit Gaussian
    target. 0 if no path has a trainable edge, at least 1 otherwise. Cost O(E) for each of about 20
    steps that find the scale.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.effective_order(tk.topologies.butterfly(8)), 6)
        3.0
        >>> deep = tk.with_skip(tk.topologies.butterfly(32, 20))
        >>> round(tk.scores.effective_order(deep), 1), tk.scores.interaction_order(deep)
        (6.1, 10.0)

    See Also:
        `topokit.predicted_loss`, which depends on it.
    """
    layers = to_layers(topology)
    sizes = [size / 2 for size in typical_sizes(layers, log_scale(layers))]
    moved, held = path_sizes(layers, sizes)
    if moved == -np.inf:
        return 0.0
    share = np.exp(moved - np.logaddexp(moved, held))  # of the paths that have any
    degree = _mean_degree(layers, [weights_of_logs(size) for size in sizes])
    return max(1.0, float(degree / share))


def _mean_degree(
    layers: Layers, weights: Sequence[Shaped[np.ndarray, " _edges"]] | None = None
) -> float:
    """The mean number of trainable edges on a path, each counted by the product of `weights`."""
    rules = {"weights": weights, "algebra": scaled()}
    before = forward(layers, as_scaled(np.ones(layers.n_in)), **rules)
    behind = backward(layers, as_scaled(np.ones(layers.n_out)), **rules)[1:]
    weights = [np.ones(free.size) for free in layers.trainable] if weights is None else weights
    ends = zip(layers.senders, layers.receivers, layers.trainable, weights, strict=True)
    order = 0.0
    for held, heard, (senders, receivers, free, weight) in zip(before, behind, ends, strict=False):
        numbers, powers = mantissas(weight)
        powers = powers + held.powers[senders] + heard.powers[receivers]
        sizes = held.numbers[senders] * heard.numbers[receivers] * numbers
        paths = np.ldexp(sizes, powers - powers.max())
        order += float(paths[free].sum() / paths.sum())
    return order
