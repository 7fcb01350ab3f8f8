"""The networks of the Sparse DNN Graph Challenge, a layer at a time.

A challenge network has `depth` layers of equally many neurons, each of which has 32 senders with
the weight 1/16 (Kepner and others, "Sparse Deep Neural Network Graph Challenge", 2019, section
III). They are RadiX-Nets of the radices (2, ..., 2): a Kronecker product of ones(16, 16) with
layers of `n = neurons / 16` nodes, of which layer `k` of a block of log2(n) joins the sender `i` to
the receivers `i` and `i - 2^k (mod n)`.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit._checks import check_count
from topokit._limits import check_memory

WEIGHT, CAP = 1 / 16, 32.0
CONNECTIONS, COPIES = 32, 16
BIASES = {1024: -0.3, 4096: -0.35, 16384: -0.4, 65536: -0.45}
DEPTHS = (120, 480, 1920)
KEPT, LIMIT = 2**8, 2**32  # bytes of a count and a span for each layer, and of all of them


class ChallengeNetwork(NamedTuple):
    """A network, described: its layers are made when they are asked for.

    Attributes:
        name: What it is called in reports.
        neurons: Neurons of each layer.
        depth: Number of layers.
        bias: Added to every neuron's sum, below 0.
        senders: From the number of a layer, from 0, to the senders of each of its neurons,
            ascending.
        period: The number of layers after which they repeat; at least 1, at most `depth`.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> network.depth, network.senders(3).shape
        (8, (256, 32))

    See Also:
        `plain_network` and `read_network`, which make one.
    """

    name: str
    neurons: int
    depth: int
    bias: float
    senders: Callable[[int], Int[np.ndarray, "neurons fan_in"]]
    period: int

    @property
    def connections(self) -> int:
        """Connections of all layers, 32 a neuron."""
        return CONNECTIONS * self.neurons * self.depth


def plain_network(neurons: int = 1024, depth: int = 120) -> ChallengeNetwork:
    """The RadiX-Net of the challenge as it is defined, without its permutations.

    Args:
        neurons: 16 times a power of two, at least 32; the challenge has 1024, 4096, 16384, 65536.
        depth: Layers; the challenge has 120, 480, 1920.

    Raises:
        ValueError: If there is no such network.
        TooLargeError: If it has too many layers to say how many images each leaves.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(1024, depth=120)
        >>> network.connections, network.period
        (3932160, 6)

    See Also:
        `read_network`, from the challenge's files; `topokit.topologies.radix_net`.
    """
    check_depth(check_count("depth", depth))
    nodes, rest = divmod(check_count("neurons", neurons, least=2 * COPIES), COPIES)
    if rest or nodes & (nodes - 1):
        raise ValueError(
            f"neurons must be 16 times a power of two, such as 1024 or 4096; given {neurons}"
        )
    strides = nodes.bit_length() - 1

    @cache
    def of_stride(k: int) -> Int[np.ndarray, "neurons fan_in"]:
        receivers = np.arange(neurons, dtype=np.int32) % nodes
        pair = np.sort(np.stack([receivers, (receivers + 2**k) % nodes], 1), axis=1)
        copies = nodes * np.arange(COPIES, dtype=np.int32)
        return (copies[:, None] + pair[:, None, :]).reshape(neurons, -1)

    return ChallengeNetwork(
        f"RadiX-Net of {neurons} neurons and {depth} layers",
        neurons,
        depth,
        bias_of(neurons),
        lambda layer: of_stride(layer % strides),
        min(strides, depth),
    )


def check_depth(depth: int) -> None:
    """Raise `TooLargeError` if what is kept of each layer takes too much."""
    check_memory("inference", KEPT * depth, LIMIT, "take fewer layers", of=f"depth {depth}")


def bias_of(neurons: int) -> float:
    """The challenge's bias for a width; for others that of the next smaller one."""
    smaller = [width for width in BIASES if width <= neurons]
    return BIASES[max(smaller, default=min(BIASES))]
