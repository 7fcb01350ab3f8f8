"""Seconds and quartiles, as every part of `peers.py` takes them."""

import time
from collections.abc import Callable, Sequence

import numpy as np


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def quartiles(values: np.ndarray | Sequence[float]) -> list[float]:
    """Lower quartile, median and upper quartile."""
    return [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]
