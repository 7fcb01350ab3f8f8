"""A challenge network as a recipe, so that it can be scored like any other topology."""

from functools import cache

import numpy as np
from jaxtyping import Int

from topokit._checks import check_count
from topokit.challenge._challenge_network import ChallengeNetwork
from topokit.layers import Layers


def network_layers(network: ChallengeNetwork, *, depth: int | None = None) -> Layers:
    """The wiring of a challenge network, all of its edges trainable.

    Layers that repeat share one array, so that the recipe of a plain network takes no more memory
    than one block of its layers: 8 bytes an edge. That of a permuted network takes as much for
    every layer.

    Args:
        network: Any network; its weights and its bias play no part.
        depth: How many of its layers, from the first on; None for all.

    Raises:
        ValueError: If it has fewer layers.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> layers = challenge.network_layers(network, depth=2)
        >>> layers.widths, layers.n_edges
        ((256, 256, 256), 16384)

    See Also:
        `topokit.score`, for which this is.
    """
    last = network.depth
    chosen = last if depth is None else check_count("depth", depth, most=last)

    @cache
    def senders(layer: int) -> Int[np.ndarray, " edges"]:
        return network.senders(layer).ravel().astype(np.int64)

    every = [senders(layer % network.period) for layer in range(chosen)]
    size = every[0].size
    receivers = np.repeat(np.arange(network.neurons), size // network.neurons)
    return Layers(
        (network.neurons,) * (chosen + 1),
        tuple(every),
        (receivers,) * chosen,
        (np.ones(size, bool),) * chosen,
        (np.zeros(size),) * chosen,
    )
