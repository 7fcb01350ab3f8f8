"""Fill the page about many devices with tables of what `analyses/ternary_gradients.py` has kept.

A line `{{ name }}` of the page gives way to a table, so that no figure stands there but those that
were measured.
"""

import json
import re
from pathlib import Path
from typing import Any

from gpu_tables import table

KEPT = Path(__file__).parents[2] / "analyses/ternary_gradients.json"
PAGE = "many-devices.md"
MARK = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by mkdocs with the text of every page."""
    if page.file.src_uri != PAGE:
        return markdown
    return filled(markdown, json.loads(KEPT.read_text(encoding="utf-8")))


def filled(markdown: str, kept: dict[str, Any]) -> str:
    """The page with its tables."""
    return MARK.sub(lambda mark: TABLES[mark[1]](kept), markdown)


def sent(kept: dict[str, Any]) -> str:
    """Kilobytes that a device sends in a step, in full and as ternary digits."""
    rows = []
    for name, found in kept["sent"].items():
        plain, ternary = (found[way]["bytes"] for way in ("plain", "ternary"))
        weights = f"{found['plain']['weights']:,}"
        rows.append(
            (name, weights, f"{plain / 1e3:.1f}", f"{ternary / 1e3:.1f}", f"{plain / ternary:.1f}")
        )
    return table(("network", "parameters", "in full, kB", "ternary, kB", "times fewer"), rows)


def accuracies(kept: dict[str, Any]) -> str:
    """Test accuracies at the end of each way of sending, with their standard errors."""
    rows = [
        (row["data"], row["way"], f"{100 * row['accuracy']:.1f} ± {100 * row['error']:.1f}")
        for row in kept["rows"]
    ]
    return table(("data", "gradients", "accuracy (%)"), rows)


TABLES = {"sent": sent, "accuracies": accuracies}
