"""The Graph Challenge a second time, slowly: what networks and inference are compared with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from topokit.challenge import ChallengeNetwork

SHARED = Path(__file__).parents[2] / "shared/data"
DATA, MNIST = SHARED / "graph-challenge-n1024", SHARED / "mnist"

needs_official_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the official Graph Challenge network is not at {DATA}"
)


def mask(network: ChallengeNetwork, layer: int) -> np.ndarray:
    """Which sender feeds which receiver."""
    senders = network.senders(layer)
    found = np.zeros((network.neurons, network.neurons), bool)
    found[senders, np.arange(network.neurons)[:, None]] = True
    return found


def permuted(neurons: int, blocks: int, seed: int) -> ChallengeNetwork:
    """Blocks of the definition, of which each has its rows and its columns in an order of its own.

    The bias is a fraction of 2, so that single precision makes no error in the first few layers.
    """
    rng = np.random.default_rng(seed)
    nodes = neurons // 16
    orders = [[rng.permutation(neurons) for _ in range(2)] for _ in range(blocks)]
    strides = nodes.bit_length() - 1

    def senders(layer: int) -> np.ndarray:
        block, k = divmod(layer, strides)
        rows, columns = orders[block]
        return lists(defined(neurons, k)[np.ix_(rows, columns)])

    depth = blocks * strides
    return ChallengeNetwork("permuted", neurons, depth, -0.3125, senders, depth)


def defined(neurons: int, k: int) -> np.ndarray:
    """Layer `k` of a block: `kron(ones(16, 16), I + P^(2^k))`, row i of P^s one at i - s."""
    nodes = neurons // 16
    identity = np.eye(nodes, dtype=int)
    return np.kron(np.ones((16, 16), int), identity + np.roll(identity, -(2**k), axis=1)) > 0


def lists(found: np.ndarray) -> np.ndarray:
    """The senders of each receiver of a mask whose columns have equally many."""
    return np.nonzero(found.T)[1].reshape(len(found), -1)


def by_scipy(network: ChallengeNetwork, pixels: np.ndarray) -> tuple[list[int], list[int]]:
    """The challenge's own words in double precision: numbers of the images left, and counts."""
    signals: Any = csr_array(pixels.astype(float))
    alive = []
    for layer in range(network.depth):
        signals = signals @ csr_array(mask(network, layer) / 16)
        signals.data += network.bias
        signals.data = np.clip(signals.data, 0, 32)
        signals.eliminate_zeros()
        alive.append(int(np.count_nonzero(signals.sum(axis=1))))
    return (np.flatnonzero(signals.sum(axis=1)) + 1).tolist(), alive
