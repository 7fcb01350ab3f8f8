"""The best and the worst of a ranking in a few sentences, for who reads nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any

from topokit.diagnosis import Diagnosis
from topokit.report._page import Card
from topokit.report._page_text import number_text, short
from topokit.report._ranking_notes import weights_text

MOST_REASONS = 4


def best_card(rows: Sequence[Any], diagnosis: Diagnosis, building: dict[str, Any]) -> Card:
    """The first of the rows: its loss, and the command that gives it as a file."""
    row = rows[0]
    return Card(
        _of_these("Best", rows),
        short(row.name),
        number_text(row.loss),
        _means(row),
        "What speaks for it:",
        [*_for(row, diagnosis)][:MOST_REASONS],
        building["said"],
        building["command_means"] if building["command"] else "In Python:",
        building["command"] or building["python"] or "",
    )


def worst_card(rows: Sequence[Any], diagnosis: Diagnosis) -> Card:
    """The last of the rows: its loss, why it is the worst, and what would help."""
    row, best = rows[-1], rows[0]
    reasons = [*_against(row, best, diagnosis)][:MOST_REASONS]
    if not reasons:
        reasons = [
            "No count tells it from the best: its weights are harder to train to their best."
        ]
    advice = [f"To mend it: {c.advice}" for c in diagnosis.criteria if c.verdict == "not met"][:1]
    advice += _better_relative(rows)
    ratio = f": {row.loss / best.loss:.1f} times as much as by the best" if best.loss > 0 else ""
    return Card(
        _of_these("Worst", rows),
        short(row.name),
        number_text(row.loss),
        _means(row) + ratio,
        "Why:",
        reasons,
        advice,
    )


def _of_these(word: str, rows: Sequence[Any]) -> str:
    return f"{word} of these {len(rows)} at {weights_text(rows)}" if len(rows) > 1 else "Measured"


def _means(row: Any) -> str:
    error = "" if row.loss_error is None else f" ± {number_text(row.loss_error)}"
    return (
        f"{error} of a random matrix is lost, with {row.trainable:,} trainable weights in "
        f"{row.depth:,} {'layer' if row.depth == 1 else 'layers'}"
    ).strip()


def _better_relative(rows: Sequence[Any]) -> list[str]:
    """The best row of the worst one's family, if it is another."""
    row = rows[-1]
    found = next(other for other in rows if other.family == row.family)
    if not row.family or not found.loss < row.loss:
        return []
    return [
        f"Of the same family, {short(found.name)} loses {number_text(found.loss)}, with "
        f"{found.trainable:,} trainable weights."
    ]


def _for(row: Any, diagnosis: Diagnosis) -> Iterator[str]:
    if row.degrees_of_freedom is not None:
        yield _freedom(row)
    yield from _of_verdict(diagnosis, "met")


def _against(row: Any, best: Any, diagnosis: Diagnosis) -> Iterator[str]:
    """The heaviest first: directions, then pairs, then signals, then what else is not met."""
    if None not in (row.degrees_of_freedom, best.degrees_of_freedom) and (
        row.degrees_of_freedom < best.degrees_of_freedom
    ):
        yield f"{_freedom(row)} The best moves {best.degrees_of_freedom:,}."
    if diagnosis.waste.total:
        yield f"Wasted weights: {diagnosis.findings()['Wasted weights'][0]}"
    if diagnosis.reach.unreached:
        yield f"{diagnosis.reach.unreached:,} pairs of an input and an output have no path."
    yield from _of_verdict(diagnosis, "not met")


def _of_verdict(diagnosis: Diagnosis, verdict: str) -> Iterator[str]:
    """The criteria that got it, each with its evidence."""
    for c in diagnosis.criteria:
        if c.verdict == verdict:
            yield f"{c.name[0].upper()}{c.name[1:]}: {c.evidence}."


def _freedom(row: Any) -> str:
    return (
        f"Its weights move the matrix in {row.degrees_of_freedom:,} of "
        f"{row.n_in * row.n_out:,} directions."
    )
