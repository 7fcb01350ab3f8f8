"""First weights that know of sparsity: signals and gradients survive deep sparse networks.

Every edge has a radius, by its true fans; weights are drawn from `U(-radius, radius)`.
"""

import numpy as np
from jaxtyping import Float

from topokit.layers._bundles import in_degrees, out_degrees
from topokit.layers._recipe import Layers

# Share of the radii for the trainable edges beside constant ones, whose signals alone keep their
# size: with more, they grow with every layer.
BESIDE_CONSTANTS = 0.3


def xavier_radii(layers: Layers) -> list[Float[np.ndarray, " _edges"]]:
    """For each edge u -> v, `r = sqrt(6 / (fan_in(v) + fan_out(u)))`.

    NeuroFabric (2) with the true fans of the edge in place of `(n_in + n_out) * density`, to which
    they are equal in a layer where all neurons have the same degree.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.low_rank.layers(4, 4, 2)
        >>> [radii.round(3).tolist() for radii in tk.layers.xavier_radii(layers)][0]
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]

    See Also:
        `draw_within`, which draws; `topokit.networks.xavier`, for layers that learn.
    """
    fans = zip(in_degrees(layers), out_degrees(layers), strict=True)
    rows = zip(layers.senders, layers.receivers, fans, strict=True)
    return [np.sqrt(6.0 / (fan_in[r] + fan_out[s])) for s, r, (fan_in, fan_out) in rows]


def training_radii(layers: Layers) -> list[Float[np.ndarray, " _edges"]]:
    """`xavier_radii`, smaller in a topology with constant edges: those of weights to be trained."""
    small = BESIDE_CONSTANTS if layers.n_trainable < layers.n_edges else 1.0
    return [small * radii for radii in xavier_radii(layers)]


def draw_within(
    radii: Float[np.ndarray, "*shape"], batch: int, rng: np.random.Generator
) -> Float[np.ndarray, "..."]:
    """Draw `(*shape, batch)` weights from `U(-radii, radii)`.

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> radii = np.array([0.5, 2.0])
        >>> weights = tk.layers.draw_within(radii, 100, np.random.default_rng(0))
        >>> weights.shape, bool((abs(weights) <= radii[:, None]).all())
        ((2, 100), True)

    See Also:
        `xavier_radii`, the radii.
    """
    return radii[..., None] * rng.uniform(-1.0, 1.0, (*radii.shape, batch))


def draw_xavier(layers: Layers, rng: np.random.Generator) -> list[Float[np.ndarray, " _edges"]]:
    """Draw one weight for each edge within `xavier_radii`; constant edges keep their constants."""
    rows = zip(xavier_radii(layers), layers.trainable, layers.constant, strict=True)
    return [np.where(free, draw_within(r, 1, rng)[:, 0], constant) for r, free, constant in rows]
