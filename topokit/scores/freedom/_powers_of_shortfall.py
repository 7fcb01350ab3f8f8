"""The mean of a power of what leverage lacks, from few random probes.

With `z` random signs and `P` a projector, `z * (z - P z)` has the mean `y`, what the diagonal of
`P` lacks of 1. A product of two of them, from independent probes, has the mean `y^2`, one of k of
them `y^k`: averaged over all choices of k among m probes, and over all entries, these are unbiased
moments of `y` over the entries. A power that is no integer follows from them: a polynomial is
fitted to it under the Beta distribution that has the first two moments, where `y` is likely to be,
and its mean is a sum of moments. What that misses is only how far the true distribution is from a
Beta of as many equal moments.

The noise: `z * (P z)` has the variance `v = y (1 - y)` in an entry, and its covariances with all
others sum to `v` as well, the square of a row of a projector having the length of its diagonal
entry. So the variance of a mean is at most twice what it would be if entries were independent.
"""

from collections.abc import Sequence
from math import comb, factorial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Polynomial
from scipy.special import betaincinv

NODES = 256
MOST_MOMENTS = 4
LEAST_MEAN = 0.01  # under which is fitted; and as far from 1
SPREADS = (1e-3, 0.98)  # the least and the greatest variance under which is fitted, of what may be


class MeanPower(NamedTuple):
    """The mean of a power of the shortfalls.

    Attributes:
        value: The estimate.
        variance: At most this, by the noise of the probes alone.
    """

    value: float
    variance: float


def mean_power(shortfalls: Sequence[Float[np.ndarray, " entries"]], power: float) -> MeanPower:
    """The mean of `y^power` over the entries from one noisy copy of `y` for each probe."""
    n_probes, n_entries = len(shortfalls), shortfalls[0].size
    moments = _moments(shortfalls)
    nodes = _likely(moments)
    fitted = Polynomial.fit(nodes, nodes**power, len(moments) - 1)
    noise = 0.0
    for k in range(1, len(moments)):
        curved = (fitted.deriv(k)(nodes) / factorial(k)) ** 2 * (nodes * (1 - nodes)) ** k
        noise += 2 * float(curved.mean()) / (comb(n_probes, k) * n_entries)
    value = float(np.dot(fitted.convert().coef, moments))
    return MeanPower(value, noise)


def _moments(shortfalls: Sequence[Float[np.ndarray, " entries"]]) -> list[float]:
    """Unbiased means of `y^k`, k from 0: symmetric sums of products of as many probes."""
    n_probes = len(shortfalls)
    most = min(n_probes, MOST_MOMENTS)
    sums = [np.zeros(shortfalls[0].shape) for _ in range(most)]
    for number, shortfall in enumerate(shortfalls):
        for k in reversed(range(min(number + 1, most))):
            sums[k] += shortfall * sums[k - 1] if k else shortfall
    means = [float(total.mean()) / comb(n_probes, k) for k, total in enumerate(sums, start=1)]
    return [1.0, *means]


def _likely(moments: list[float]) -> Float[np.ndarray, " nodes"]:
    """Quantiles of the Beta distribution with these first moments, within what is possible."""
    mean = float(np.clip(moments[1], LEAST_MEAN, 1 - LEAST_MEAN))
    share = float(np.clip((moments[2] - mean**2) / (mean * (1 - mean)), *SPREADS))
    total = 1 / share - 1
    quantiles = (np.arange(NODES) + 0.5) / NODES
    return betaincinv(mean * total, (1 - mean) * total, quantiles)
