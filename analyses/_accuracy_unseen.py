"""Scores picked on some wirings, and judged on others: random halves, and families left out."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Shaped

from analyses.kit import rank_correlation, rounded

FEWEST = 5  # wirings of families left out on which a correlation is taken

Scores = dict[str, Float[np.ndarray, " wirings"]]


def judged_elsewhere(
    scores: Scores,
    means: Float[np.ndarray, " wirings"],
    families: Shaped[np.ndarray, " wirings"],
    *,
    draws: int,
) -> dict[str, dict]:
    """What the score of the greatest correlation on one part has on the other."""
    rng = np.random.default_rng(0)
    kinds = {"halves": _halves(len(means), draws, rng), "families": _families(families, draws, rng)}
    return {kind: _summary(scores, means, parts) for kind, parts in kinds.items()}


def _summary(
    scores: Scores, means: Float[np.ndarray, " wirings"], parts: Iterator[Bool[np.ndarray, " n"]]
) -> dict:
    names, values = list(scores), np.stack(list(scores.values()))
    found, picks = [], []
    for seen in parts:
        before = np.nan_to_num(rank_correlation(values[:, seen], means[seen][None]), nan=-1)
        best = int(before.argmax())
        picks.append(names[best])
        found.append(float(rank_correlation(values[best, ~seen], means[~seen])))
    known = [value for value in found if np.isfinite(value)]
    return {
        "median": rounded(np.median(known)) if known else None,
        "tenth": rounded(np.quantile(known, 0.1)) if known else None,
        "picks": dict(Counter(picks).most_common()),
    }


def _halves(n: int, draws: int, rng: np.random.Generator) -> Iterator[Bool[np.ndarray, " n"]]:
    for _ in range(draws):
        yield rng.permutation(n) < n // 2


def _families(
    families: Shaped[np.ndarray, " n"], draws: int, rng: np.random.Generator
) -> Iterator[Bool[np.ndarray, " n"]]:
    """Half of the families, where enough wirings are in either part."""
    names = np.unique(families)
    for _ in range(draws):
        kept = np.isin(families, rng.permutation(names)[: len(names) // 2])
        if FEWEST <= kept.sum() <= len(kept) - FEWEST:
            yield kept
