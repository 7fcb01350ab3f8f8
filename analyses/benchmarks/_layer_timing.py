"""Everyone in turn, many times over, each over as many steps as fill a slot of time."""

from collections.abc import Callable

import numpy as np

Clock = Callable[[int], float]  # the seconds of so many steps


def race(clocks: dict[str, Clock], repetitions: int, slot: float) -> dict[str, np.ndarray]:
    """Seconds of one step, for each of the repetitions; the first two steps of each count not."""
    counts = {}
    for name, clock in clocks.items():
        clock(1)
        counts[name] = max(1, int(slot / clock(1)))
    rounds = [
        [clock(counts[name]) / counts[name] for name, clock in clocks.items()]
        for _ in range(repetitions)
    ]
    return dict(zip(clocks, np.transpose(rounds), strict=True))
