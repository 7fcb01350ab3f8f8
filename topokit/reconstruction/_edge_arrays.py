"""Arrays over all edges, and their parts layer by layer."""

from typing import TypeVar

import numpy as np
from jaxtyping import Array

from topokit.layers import Layers

Values = TypeVar("Values", np.ndarray, Array)


def by_layer(layers: Layers, values: Values) -> list[Values]:
    """Cut `(edges, ...)` into one array for each layer."""
    ends = np.cumsum([senders.size for senders in layers.senders])
    return [values[end - s.size : end] for s, end in zip(layers.senders, ends, strict=True)]
