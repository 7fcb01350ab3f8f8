"""Names for files, made of whatever a topology is called."""

import re

LONGEST = 40


def file_name(text: str) -> str:
    """A name that every system takes: small letters, digits, points and hyphens."""
    kept = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:LONGEST]
    return kept.strip("-._") or "topology"
