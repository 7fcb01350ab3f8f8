"""The Graph Challenge's inference as one would write it with scipy and JAX.

Each takes weights and images, and gives the numbers of the images that are left. Everything is in
single precision, and weights and images are laid out before time is taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from topokit.challenge import ChallengeNetwork, Images

WEIGHT, CAP = np.float32(1 / 16), 32


class Case(NamedTuple):
    """Weights of each layer, senders x receivers, and images x pixels."""

    weights: list[Any]
    bias: float
    pixels: np.ndarray


def lay_out(network: ChallengeNetwork, images: Images) -> Case:
    """Matrices of all layers; those that repeat are made once."""
    block = [matrix(network.senders(layer)) for layer in range(network.period)]
    weights = [block[layer % network.period] for layer in range(network.depth)]
    return Case(weights, network.bias, images.pixels(slice(None)).astype(np.float32))


def matrix(senders: np.ndarray) -> Any:
    """The weights of a layer, senders x receivers, in scipy's CSR."""
    neurons, fan_in = senders.shape
    starts = np.arange(0, senders.size + 1, fan_in, dtype=np.int32)
    values = np.full(senders.size, WEIGHT)
    columns = sp.csc_array((values, senders.ravel().astype(np.int32), starts), (neurons, neurons))
    return columns.tocsr()


def by_scipy(case: Case) -> Callable[[], np.ndarray]:
    """Sparse times sparse, as the challenge's public reference does it; dead rows cost nothing.

    The bias is added to what is stored, and what is not above 0 is dropped.
    """
    start, bias = sp.csr_array(case.pixels), np.float32(case.bias)

    def run() -> np.ndarray:
        signals: Any = start
        for weight in case.weights:
            signals = signals @ weight
            signals.data += bias
            np.clip(signals.data, 0, CAP, out=signals.data)
            signals.eliminate_zeros()
        return np.flatnonzero(np.diff(signals.indptr)) + 1

    return run


def by_columns(case: Case) -> Callable[[], np.ndarray]:
    """Sparse weights times dense signals, a column an image; dead ones stay."""
    start = np.ascontiguousarray(case.pixels.T)
    transposed = [weight.T.tocsr() for weight in case.weights]

    def run() -> np.ndarray:
        signals = start
        for weight in transposed:
            signals = weight @ signals
            signals += np.float32(case.bias)
            np.clip(signals, 0, CAP, out=signals)
        return np.flatnonzero(signals.any(axis=0)) + 1

    return run


def by_dense(case: Case) -> Callable[[], np.ndarray]:
    """Dense times dense in JAX; dead images stay."""
    weights = [jnp.asarray(weight.toarray()) for weight in case.weights]
    start = jnp.asarray(case.pixels)
    bias = jnp.float32(case.bias)

    def run() -> np.ndarray:
        signals = start
        for weight in weights:
            signals = _dense(signals, weight, bias)
        return np.flatnonzero(np.asarray(signals.any(axis=1))) + 1

    return run


@jax.jit
def _dense(signals: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    return jnp.clip(signals @ weight + bias, 0, CAP)
