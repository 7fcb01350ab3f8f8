"""How far to believe a ranking, in sentences: its prediction, its ties, and another budget."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from topokit.ranking import remarks
from topokit.report._page_text import number_text, short

ALIKE = 0.15  # of the median: so near are numbers of weights that one number tells
SURE = 2.0  # standard errors of a difference, from which on it is no tie
TOP = 3  # places of another order that are told


def ranking_notes(rows: Sequence[Any], beside: Sequence[Any]) -> list[str]:
    """What to know before the order is believed.

    Args:
        rows: Those of the ranking, best first.
        beside: Losses at another budget.
    """
    found = [f"{remark[0].upper()}{remark[1:]}." for remark in remarks(rows)]
    return [*found, *_ties(rows), *_other_order(rows, beside)]


def weights_text(rows: Sequence[Any]) -> str:
    """How many trainable weights they have: one number where they hardly differ, else two."""
    counts = np.array([row.trainable for row in rows])
    low, high, middle = int(counts.min()), int(counts.max()), int(np.median(counts))
    if low == high:
        return f"{low:,} weights"
    if max(high - middle, middle - low) <= ALIKE * middle:
        return f"about {middle:,} weights"
    return f"{low:,} to {high:,} weights"


def _ties(rows: Sequence[Any]) -> list[str]:
    """What ± covers, and the neighbors that it does not tell apart."""
    if any(row.loss_error is None for row in rows):
        return []
    said = (
        "± is one standard error over the random matrices alone: of a wiring that is drawn at "
        "random one draw (one seed) stands for all."
    )
    known = [row for row in rows if math.isfinite(row.loss)]
    tied = [
        f"{place} and {place + 1}"
        for place, (row, after) in enumerate(pairwise(known), start=1)
        if after.loss - row.loss <= SURE * math.hypot(row.loss_error, after.loss_error)
    ]
    if len(known) < 2:
        return [said]
    if not tied:
        return [f"{said} All neighbors differ by more than two standard errors."]
    return [
        f"{said} Neighbors within two standard errors of their difference, whose order is not "
        f"sure: places {', '.join(tied)}."
    ]


def _other_order(rows: Sequence[Any], beside: Sequence[Any]) -> list[str]:
    """Whether the best is another at another budget; nothing where that is not one budget."""
    names = {row.name for row in rows}
    others = sorted(
        (r for r in beside if r.name in names and math.isfinite(r.loss)), key=lambda r: r.loss
    )
    order = [other.name for other in others]
    if rows[0].name not in order or len(order) != len(set(order)) or len(order) < 2:
        return []
    budget = f"At the other budget ({weights_text(others)})"
    place = order.index(rows[0].name)
    if not place:
        return [f"{budget} {short(rows[0].name)} is the best too."]
    top = ", ".join(f"{short(r.name)} ({number_text(r.loss, 2)})" for r in others[:TOP])
    return [
        f"{budget} the order at the top is another: {top}; {short(rows[0].name)} has place "
        f"{place + 1} of {len(order)}."
    ]
