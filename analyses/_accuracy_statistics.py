"""How well scores order wirings as their accuracies do, how sure that is, and what noise allows."""

from itertools import combinations
from typing import Any

import numpy as np

from analyses._accuracy_scores import YARDSTICK
from analyses.kit import estimate, rank_correlation, rounded, verdict

SPLITS, FIRST, SMALL = 20, "predicted loss", 1e-9
BETTER, FIT = "better rate", "training loss"


def judge_all(rows: list[dict[str, Any]], resamples: int) -> dict[str, Any]:
    """For each data set, at its better rate, at each rate, and for the loss in training."""
    return {
        data: {name: judge(rows, values, resamples) for name, values in outcomes(rows, data)}
        for data in rows[0]["runs"]
    }


def outcomes(rows: list[dict[str, Any]], data: str) -> list[tuple[str, np.ndarray]]:
    """What may be predicted, more being better, `(wirings, seeds)` each."""
    runs = [row["runs"][data] for row in rows]
    rates = list(runs[0])
    by_rate = {rate: np.array([run[rate]["accuracies"] for run in runs]) for rate in rates}
    key = chosen_by(rows)
    held_out = {rate: np.array([run[rate][key] for run in runs]) for rate in rates}
    fits = {rate: -np.array([run[rate]["train_losses"] for run in runs]) for rate in rates}
    return [
        (BETTER, best_of(by_rate, held_out)),
        *((f"rate {rate}", accuracies) for rate, accuracies in by_rate.items()),
        (FIT, best_of(fits, fits)),
    ]


def chosen_by(rows: list[dict[str, Any]]) -> str:
    """By which accuracies the better rate is chosen.

    Those on examples held out; where rows were kept without any, those that are reported.
    """
    runs = [run for row in rows for by_rate in row["runs"].values() for run in by_rate.values()]
    held_out = "validation_accuracies"
    return held_out if all(held_out in run for run in runs) else "accuracies"


def best_of(by_rate: dict[str, np.ndarray], chosen_by: dict[str, np.ndarray]) -> np.ndarray:
    """For each wiring all seeds at the rate of the greatest mean of what it is chosen by."""
    values, criteria = (np.stack(list(table.values())) for table in (by_rate, chosen_by))
    best = criteria.mean(axis=2).argmax(axis=0)
    return values[best, np.arange(values.shape[1])]


def judge(rows: list[dict[str, Any]], values: np.ndarray, resamples: int) -> dict[str, Any]:
    """The ceiling, and all agreements of each score."""
    means, subsets = values.mean(axis=1), subsets_of(rows)
    depth = np.array([row["depth"] for row in rows], float)
    families = np.array([row["family"] for row in rows])
    scores = {name: np.array([row["scores"][name] for row in rows]) for name in rows[0]["scores"]}
    return {
        "least": round(float(means.min()), 5),
        "median": round(float(np.median(means)), 5),
        "most": round(float(means.max()), 5),
        "seed_deviation": round(float(np.sqrt(values.var(axis=1, ddof=1).mean())), 5),
        "ceiling": estimate(ceiling, values, resamples=resamples),
        "wirings": {"all": len(rows)} | {name: int(kept.sum()) for name, kept in subsets.items()},
        "scores": {
            name: {
                **estimate(rank_correlation, x, means, resamples=resamples),
                "given_depth": estimate(partial_rank, x, means, depth, resamples=resamples),
                "without_a_family": without_a_family(x, means, families),
                **{
                    subset: estimate(rank_correlation, x[kept], means[kept], resamples=resamples)
                    for subset, kept in subsets.items()
                },
            }
            for name, x in scores.items()
        },
    }


def subsets_of(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Wirings among which a score is judged as well."""
    bandwidth = np.array([row["scores"]["bandwidth"] for row in rows])
    free = np.array([not row["name"].endswith("skip") for row in rows])
    wide = bandwidth == bandwidth.max()
    return {
        "two_layers": np.array([row["depth"] == 2 for row in rows]),
        "all_trainable": free,
        "full_bandwidth": wide,
        "full_bandwidth_all_trainable": wide & free,
    }


def ceiling(values: np.ndarray) -> np.ndarray:
    """The root of the reliability of the means over seeds, as in the caption.

    Wirings are along the last axis but one, seeds along the last.
    """
    seeds = range(values.shape[-1])
    halves = list(combinations(seeds, len(seeds) // 2))[:SPLITS]
    both = [
        rank_correlation(
            values[..., half].mean(axis=-1), np.delete(values, half, axis=-1).mean(axis=-1)
        )
        for half in map(list, halves)
    ]
    shared = np.maximum(np.mean(both, axis=0), 0.0)
    return np.sqrt(2 * shared / (1 + shared))


def partial_rank(x: np.ndarray, y: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Correlation of what is left of two ranks once the best line in a third is taken away."""
    xy, xh, yh = (rank_correlation(*pair) for pair in ((x, y), (x, held), (y, held)))
    left = (1 - xh**2) * (1 - yh**2)
    return np.where(left > SMALL, xy - xh * yh, np.nan) / np.sqrt(np.maximum(left, SMALL))


def without_a_family(
    x: np.ndarray, y: np.ndarray, families: np.ndarray
) -> list[float | None] | None:
    """Least and most of the correlation with one family left out."""
    others = [families != family for family in np.unique(families)]
    found = [rank_correlation(x[kept], y[kept]) for kept in others if kept.sum() > 1]
    if not np.isfinite(found).any():
        return None
    return [rounded(np.nanmin(found)), rounded(np.nanmax(found))]


def verdict_of(found: dict[str, Any]) -> dict[str, Any]:
    """Which scores agree, or disagree, with the accuracy on all data sets."""
    per_rate = {
        outcome: signs({data: judged[outcome]["scores"] for data, judged in found.items()})
        for outcome in next(iter(found.values()))
    }
    agree = per_rate[BETTER]["agree"]
    best = strongest(found)
    return {
        "verdict": verdict(FIRST in agree, agree),
        "best": best,
        "best_correlation": {d: j[BETTER]["scores"][best]["value"] for d, j in found.items()},
        "ceiling": {d: j[BETTER]["ceiling"]["value"] for d, j in found.items()},
        "intervals_beyond_0_on_all_data": per_rate,
    }


def signs(scores: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Data-free scores whose intervals lie above 0 on all data sets, and those below."""
    names = [name for name in next(iter(scores.values())) if name != YARDSTICK]
    edges = {n: [(judged[n]["interval"] or (0, 0)) for judged in scores.values()] for n in names}
    return {
        "agree": [n for n in names if all(low > 0 for low, _ in edges[n])],
        "disagree": [n for n in names if all(high < 0 for _, high in edges[n])],
    }


def strongest(found: dict[str, Any]) -> str:
    """The data-free score of the greatest correlation, averaged over data sets."""
    judged = [j[BETTER]["scores"] for j in found.values()]
    means = {n: np.mean([s[n]["value"] or 0 for s in judged]) for n in judged[0] if n != YARDSTICK}
    return max(means, key=lambda name: means[name])
