"""Means, intervals and verdicts."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap, rankdata

SEED, LEVEL = 0, [2.5, 97.5]


def mean(values: Iterable[float]) -> float:
    """Mean over seeds, to five places."""
    return round(float(np.mean(list(values))), 5)


def standard_error(values: Iterable[float]) -> float:
    """Standard error of the mean over seeds, to five places; 0 for a single seed."""
    listed = list(values)
    if len(listed) < 2:
        return 0.0
    return round(float(np.std(listed, ddof=1) / np.sqrt(len(listed))), 5)


def over_seeds(
    rows: Iterable[dict[str, Any]], *by: str, count: str | None = None
) -> list[dict[str, Any]]:
    """One row over all seeds of what has the same values in some fields, in the given order.

    It holds the mean of a count, rounded, and of the accuracy with its error and all values.
    """
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[field] for field in by), []).append(row)
    found = []
    for key, group in groups.items():
        counted = {count: round(float(np.mean([row[count] for row in group])))} if count else {}
        values = [row["accuracy"] for row in group]
        found.append({**dict(zip(by, key, strict=True)), **counted, **accuracy_of(values)})
    return found


def accuracy_of(values: list[float]) -> dict[str, Any]:
    """Mean over seeds, its standard error, and all values."""
    rounded = [round(value, 5) for value in values]
    return {"accuracy": mean(values), "error": standard_error(values), "accuracies": rounded}


def nested(found: Mapping[Any, Any], *first: str) -> dict[str, Any]:
    """Records by the parts of their cases, in dictionaries; those named come first, or empty."""
    result: dict[str, Any] = {name: {} for name in first}
    for (*outer, last), record in found.items():
        place = result
        for part in outer:
            place = place.setdefault(str(part), {})
        place[str(last)] = record
    return result


def significant(value: float, digits: int = 4) -> float:
    """So many significant digits."""
    return float(f"{value:.{digits}g}")


def rounded(value: float | np.ndarray) -> float | None:
    """Three places; None for what is not a number."""
    return None if np.isnan(value) else round(float(value), 3)


def verdict(whole: object, part: object) -> str:
    """What becomes of a claim that was met as a whole, in part, or not."""
    return "holds" if whole else "holds in part" if part else "does not hold"


def rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's, along the last axis; not a number where either side is constant."""
    x, y = (rankdata(values, axis=-1) for values in (x, y))
    x, y = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (x, y))
    with np.errstate(invalid="ignore"):
        return (x * y).sum(axis=-1) / np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))


def estimate(
    statistic: Callable[..., Any], *samples: np.ndarray, resamples: int, vectorized: bool = True
) -> dict[str, Any]:
    """A statistic of paired samples, and its 95 % percentile bootstrap interval.

    Draws without a value are left out; both are None where the statistic has none. It takes many
    draws at a time, unless `vectorized` says otherwise.
    """
    size = len(samples[0])
    value = rounded(statistic(*samples)) if size > 1 else None
    if value is None:
        return {"value": None, "interval": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        draws = bootstrap(
            (np.arange(size),),
            lambda draw, axis=-1: statistic(*(sample[draw] for sample in samples)),  # noqa: ARG005
            n_resamples=resamples,
            vectorized=vectorized,
            method="percentile",
            rng=np.random.default_rng(SEED),
        ).bootstrap_distribution
    return {"value": value, "interval": list(map(rounded, np.nanpercentile(draws, LEVEL)))}
