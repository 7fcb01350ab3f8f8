"""How well a score orders topologies as their losses do, and how sure that is.

Every agreement is 1 where the topology that a score calls better always has the lower loss, and -1
where it always has the higher one. Intervals are 95 % percentile bootstraps over topologies.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata

RESAMPLES = 999
NEAR = 0.1
SEED = 0

Agreement = Callable[[np.ndarray, np.ndarray], float]


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, not a number where a side is constant."""
    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (x, y))
    size = math.sqrt((x @ x) * (y @ y))
    return float(x @ y) / size if size else math.nan


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b, which leaves out ties; not a number where a side is constant."""
    return math.nan if len(x) < 2 else float(np.asarray(kendalltau(x, y))[0])


def interval(statistic: Callable[[np.ndarray], float], size: int, resamples: int) -> list[float]:
    """Of a statistic of a draw of places; draws in which it is not defined are left out."""
    draws = np.random.default_rng(SEED).integers(size, size=(resamples, size))
    values = np.array([statistic(draw) for draw in draws])
    return [round(float(edge), 3) for edge in np.nanpercentile(values, [2.5, 97.5])]


def agreement(x: np.ndarray, y: np.ndarray, measure: Agreement, resamples: int) -> dict[str, Any]:
    """A rank correlation of `x`, the less the better, with the losses `y`."""
    value = measure(x, y)
    if math.isnan(value):
        return {"value": None, "interval": None}
    spread = interval(lambda draw: measure(x[draw], y[draw]), len(x), resamples)
    return {"value": round(value, 3), "interval": spread}


def pair_agreement(
    x: np.ndarray, y: np.ndarray, sizes: np.ndarray, edges: np.ndarray, resamples: int
) -> dict[str, Any]:
    """Right less wrong orders, as a share of the pairs of one size with nearly equal edges.

    A pair that the score cannot tell apart is neither.
    """
    near = abs(edges[:, None] - edges) < NEAR * np.maximum(edges[:, None], edges)
    pairs = np.triu(near & (sizes[:, None] == sizes), 1).astype(float)
    right = pairs * np.sign(x[:, None] - x) * np.sign(y[:, None] - y)

    def share(draw: np.ndarray) -> float:
        count = np.bincount(draw, minlength=len(x))
        total = float(count @ pairs @ count)
        return float(count @ right @ count) / total if total else math.nan

    if not pairs.any():
        return {"value": None, "interval": None, "pairs": 0}
    value = share(np.arange(len(x)))
    spread = interval(share, len(x), resamples)
    return {"value": round(value, 3), "interval": spread, "pairs": int(pairs.sum())}


def judge(
    x: np.ndarray, y: np.ndarray, sizes: np.ndarray, edges: np.ndarray, resamples: int
) -> dict[str, Any]:
    """All agreements of one score with the losses, on the topologies that have the score."""
    known = ~np.isnan(x)
    x, y, sizes, edges = x[known], y[known], sizes[known], edges[known]
    within = {int(n): spearman(x[sizes == n], y[sizes == n]) for n in np.unique(sizes)}
    return {
        "topologies": len(x),
        "spearman": agreement(x, y, spearman, resamples),
        "kendall": agreement(x, y, kendall, resamples),
        "equal_edges": pair_agreement(x, y, sizes, edges, resamples),
        "spearman_within_size": {
            str(n): None if math.isnan(value) else round(value, 3) for n, value in within.items()
        },
    }


def errors(predicted: np.ndarray, losses: np.ndarray, floor: float, resamples: int) -> dict:
    """Relative errors of a predicted loss, where the loss is above `floor`."""
    kept = losses > floor
    error = abs(predicted[kept] / losses[kept] - 1)
    return {
        "topologies": int(kept.sum()),
        "median": round(float(np.median(error)), 4),
        "interval": interval(lambda draw: float(np.median(error[draw])), len(error), resamples),
        "nine_of_ten_below": round(float(np.quantile(error, 0.9)), 4),
    }
