"""Initialization that knows of sparsity: signals and gradients survive deep sparse networks."""

import numpy as np
from jaxtyping import Float

from topokit.layers._recipe import Layers, in_degrees, out_degrees

# Share of the radii for the trainable edges beside constant ones, whose signals alone keep their
# size: with more, they grow with every layer.
BESIDE_CONSTANTS = 0.3


def xavier_radii(layers: Layers) -> list[Float[np.ndarray, " _edges"]]:
    """For each edge u -> v, `r = sqrt(6 / (fan_in(v) + fan_out(u)))`.

    NeuroFabric (2) with the true fans of the edge in place of `(n_in + n_out) * density`, to which
    they are equal in a layer where all neurons have the same degree.
    """
    rows = zip(
        layers.senders, layers.receivers, in_degrees(layers), out_degrees(layers), strict=True
    )
    return [np.sqrt(6.0 / (fan_in[r] + fan_out[s])) for s, r, fan_in, fan_out in rows]


def sparse_xavier(
    radii: Float[np.ndarray, "*shape"], batch: int, rng: np.random.Generator
) -> Float[np.ndarray, "..."]:
    """Draw `(*shape, batch)` weights from `U(-radii, radii)`."""
    return radii[..., None] * rng.uniform(-1.0, 1.0, (*radii.shape, batch))
