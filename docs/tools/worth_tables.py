"""Fill the page about what sparse networks are worth with tables of what was measured.

A line `{{ name }}` of the page gives way to a table of what `analyses/time_to_accuracy.py` has
kept, so that no figure stands there but those that were measured.
"""

import json
import re
from pathlib import Path
from typing import Any

from gpu_tables import table

KEPT = Path(__file__).parents[2] / "analyses/time_to_accuracy.json"
PAGE = "is-it-worth-it.md"
MARK = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)
COSTS = {
    "training_s": "equal training time",
    "bytes": "equal bytes of parameters and optimizer",
    "bytes_with_indices": "the same with index arrays",
    "prediction_s": "a prediction in equal time",
}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    if page.file.src_uri != PAGE:
        return markdown
    return filled(markdown, json.loads(KEPT.read_text(encoding="utf-8")))


def filled(markdown: str, kept: dict[str, Any]) -> str:
    """The page with its tables."""
    return MARK.sub(lambda mark: TABLES[mark[1]](kept["data"]), markdown)


def claims(sets: dict[str, Any]) -> str:
    """Verdicts, and at how many of the costs the sparse side is ahead, level and behind."""
    rows = []
    for name, part in sets.items():
        for cost, words in COSTS.items():
            found = part["claims"][cost]
            counts = [str(len(found[side])) for side in ("ahead", "same", "behind")]
            rows.append((name, words, found["verdict"], *counts))
    return table(("data", "at", "verdict", "ahead", "level", "behind"), rows)


def matches(sets: dict[str, Any]) -> str:
    """How many times cheaper the cheapest sparse network as accurate as a dense one is."""
    rows = []
    for name, part in sets.items():
        for width, found in part["matches"].items():
            times = [_number(found[cost]["times_cheaper"]) for cost in COSTS]
            best = found["bytes"]
            accuracy = f"{100 * best['accuracy']:.1f}"
            rows.append((name, width, accuracy, *times))
    heads = ("training", "bytes", "with indices", "prediction")
    return table(("data", "dense width", "accuracy (%)", *heads), rows)


def steps(sets: dict[str, Any]) -> str:
    """Times of steps and predictions."""
    fields = ("step_ms", "forward_ms", "gradient_ms", "neurons_ms", "gflops", "as_dense")
    rows = [
        (
            name,
            network,
            found["wiring"] or "",
            f"{found['parameters']:,}",
            *(_number(found[field]) for field in (*fields, "prediction_us", "compile_s")),
        )
        for name, part in sets.items()
        for network, found in part["steps"].items()
    ]
    heads = ("step, ms", "forward", "gradient", "without edges", "GFLOP/s", "as dense of")
    more = ("prediction, µs", "compiling, s")
    return table(("data", "network", "wiring", "parameters", *heads, *more), rows)


def choices(sets: dict[str, Any]) -> str:
    """What was chosen, among which accuracies, and what that cost beside the training it is for."""
    rows = []
    for name, part in sets.items():
        for row in part["networks"]:
            if row["choice"]:
                told = row["choice"]["accuracies"]
                seen = ", ".join(f"{kind} {100 * told[kind]:.1f}" for kind in sorted(told))
                longest = row["step_s"] * row["schedules"][-1]["steps"]
                seconds = (_number(row["choice"]["seconds"]), _number(longest))
                rows.append((name, str(row["hidden"]), row["wiring"], seen, *seconds))
    heads = ("hidden", "chosen", "validation accuracies (%)", "seconds", "longest training, s")
    return table(("data", *heads), rows)


def _number(value: float | None) -> str:
    """Three digits; a dash where there is none."""
    return "-" if value is None else f"{float(f'{value:.3g}'):,g}"


TABLES = {"claims": claims, "matches": matches, "steps": steps, "choices": choices}
