"""Names for files, made of whatever a topology is called."""

import re

LONGEST = 40

# What Windows takes for a device, whatever the ending.
DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def file_name(text: str) -> str:
    """A name that every system takes: small letters, digits, points and hyphens."""
    kept = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:LONGEST]
    kept = kept.strip("-._") or "topology"
    return f"topology-{kept}" if DEVICE.match(kept) else kept
