"""What to change, in words that a designer can act on."""

import numpy as np

from topokit.diagnosis._bottleneck import Bottleneck
from topokit.diagnosis._fairness import EVEN, Fairness
from topokit.diagnosis._reach import Reach

SHOWN = 3


def make_fairer(fairness: Fairness, reach: Reach) -> str:
    """What to do about the greatest part of the variance."""
    parts = (fairness.from_reach, fairness.from_outputs, fairness.from_inputs)
    if reach.unreached and parts[0] == max(parts):
        return sentences(
            "add layers, edges or longer strides until every input reaches every output"
        )
    if parts[1] >= parts[2]:
        return sentences(
            f"{least('output', fairness.output_totals)}: give the neurons before them more "
            "trainable in-edges, or join them to neurons that more inputs reach"
        )
    return sentences(
        f"{least('input', fairness.input_totals)}: mix near inputs less and distant ones more, by "
        "longer strides, rewired edges or one layer more"
    )


def make_wider(bottleneck: Bottleneck) -> str:
    """Which layers to widen, or which neurons to lead paths around."""
    needed = bottleneck.needed
    narrow = [
        f"{layer_name(layer)} ({count:,})"
        for layer, count in enumerate(bottleneck.neurons)
        if count < needed
    ]
    if narrow:
        return sentences(f"bring {', '.join(narrow)} to {needed:,} neurons on a path")
    poor = [
        f"into layer {layer} ({count:,})"
        for layer, count in enumerate(bottleneck.passing, start=1)
        if count < needed
    ]
    if poor:
        return sentences(
            f"spread the edges {', '.join(poor)}: so many of their receivers at most have a sender "
            "of their own"
        )
    held = np.unique([layer for layer, _ in bottleneck.cut], return_counts=True)
    parts = [f"{count} of {layer_name(layer)}" for layer, count in zip(*held, strict=True)]
    return sentences(
        f"no layer is too narrow alone; lead edges around the neurons of `cut`: {_and(parts)}"
    )


def layer_name(layer: int) -> str:
    """What a layer of neurons is called."""
    return f"layer {layer}" if layer else "the inputs"


def least(kind: str, totals: np.ndarray) -> str:
    """Whose totals are the least: `inputs 3 and 5 have the least control (0.5; the mean is 1)`."""
    lowest = np.flatnonzero(totals <= totals.min() + EVEN * totals.mean())
    names = [f"{place}" for place in lowest[:SHOWN]]
    names += [f"{lowest.size - SHOWN:,} more"] * (lowest.size > SHOWN)
    several = lowest.size > 1
    return (
        f"{kind}{'s' * several} {_and(names)} {'have' if several else 'has'} the least control "
        f"({totals.min():.3g}; the mean is {totals.mean():.3g})"
    )


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentences(*parts: str) -> str:
    """Parts as one sentence each, with a capital (names of code stay as they are)."""
    capitals = [p if p.startswith("topokit.") else p[:1].upper() + p[1:] for p in parts]
    return " ".join(f"{part}." for part in capitals)
