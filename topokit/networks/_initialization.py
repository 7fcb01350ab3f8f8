"""First weights of sparse layers, uniform in `[-radius, radius]`: one radius an edge.

A layer keeps the variance of its signals if the squared weights into a neuron sum to 1 on average,
or to 2 where a ReLU follows, which halves the mean square; and that of its gradients if those out
of a neuron do. With the true fans this holds at any sparsity; with the widths in their place
(`dense_xavier`) a sparse layer loses the share of the edges that it lacks, and so does each after
it.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from topokit.layers import NUMBERS, Layers, at_outputs, training_radii

Radii = list[Float[np.ndarray, " _edges"]]


def xavier(layers: Layers) -> Radii:
    """`sqrt(6 / (fan_in + fan_out))` of each edge: signals and gradients, without an activation.

    NeuroFabric (2) with the true fans. All layers are then scaled alike, so that the entries of the
    end-to-end matrix have the mean variance of a dense layer's, `2 / (n_in + n_out)`: where all
    neurons of a layer have the same degrees and all layers the same width, they have it already;
    through the waist of a low-rank product, or past dead neurons, signals would shrink.

    In a topology with constant edges, whose signals alone keep their size, the trainable ones start
    smaller instead.

    Examples:
        >>> import topokit as tk
        >>> from topokit import networks
        >>> layers = tk.topologies.low_rank.layers(4, 8, 2)
        >>> [float(radii[0].round(3)) for radii in networks.xavier(layers)]
        [1.057, 0.819]

    See Also:
        `kaiming`, for ReLU; `dense_xavier`, which knows nothing of the wiring.
    """
    radii = training_radii(layers)
    if layers.n_trainable < layers.n_edges:
        return radii
    target = 2.0 * layers.n_in * layers.n_out / (layers.n_in + layers.n_out)
    scale = (target / _total_variance(layers, radii)) ** (0.5 / layers.depth)
    return [scale * r for r in radii]


def _total_variance(layers: Layers, radii: Radii) -> float:
    """Sum of the variances of all entries of the end-to-end matrix."""
    variances = [radius**2 / 3 for radius in radii]
    last = at_outputs(layers, np.ones(layers.n_in), variances, algebra=NUMBERS)
    return float(last.sum())


def kaiming(layers: Layers) -> Radii:
    """Like `xavier`, with twice the variance in the last layer, for a ReLU behind it.

    He and others, "Delving deep into rectifiers" (2015), section 2.2, for a cascade that is linear
    inside; both directions weigh the same, as in Xavier's rule.

    Examples:
        >>> import topokit as tk
        >>> from topokit import networks
        >>> layers = tk.topologies.low_rank.layers(4, 8, 2)
        >>> [float(radii[0].round(3)) for radii in networks.kaiming(layers)]
        [1.057, 1.158]

    See Also:
        `xavier`, without an activation.
    """
    *inside, last = xavier(layers)
    return [*inside, np.sqrt(2.0) * last]


def dense_xavier(layers: Layers) -> Radii:
    """`sqrt(6 / (n_in + n_out))` of each layer, as if it were dense: for comparison.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (2010), equation (16).

    Examples:
        >>> import topokit as tk
        >>> from topokit import networks
        >>> layers = tk.topologies.low_rank.layers(4, 8, 2)
        >>> [float(radii[0].round(3)) for radii in networks.dense_xavier(layers)]
        [1.0, 0.775]

    See Also:
        `xavier`, by the true fans.
    """
    rows = zip(layers.senders, pairwise(layers.widths), strict=True)
    return [np.full(senders.size, np.sqrt(6.0 / sum(shape))) for senders, shape in rows]
