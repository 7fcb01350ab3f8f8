"""Seconds to build each family at about a million edges as arrays, and to score a layer of 32.

Building is timed on fresh calls, the median of several; scores on the butterfly of 18 layers, the
first call apart, since it compiles.

Writes `building.json` beside this script; `--quick` builds a thousandth and writes nothing.
"""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import topokit as tk
from analyses.kit import Study, nested, timed

N, REPETITIONS, SEED = 1024, 3, 0


class Case(NamedTuple):
    """A family to build, or a score to take."""

    part: str
    name: str


def builders(n: int) -> dict[str, Callable[[], tk.Layers]]:
    """Each family at about `n * 1024` edges where `n` is 1024."""
    t = tk.topologies
    bits = n.bit_length() - 1
    side = 2 ** (bits // 2)
    return {
        "dense": lambda: t.dense.layers(n, n),
        "low rank": lambda: t.low_rank.layers(n, n, n // 2),
        "clos": lambda: t.clos.layers(n, n, side, side * 8, side),
        "butterfly": lambda: t.butterfly.layers(n, n // 2),
        "parallel butterfly": lambda: t.parallel_butterfly.layers(n, bits, n // 2 // bits),
        "hypercube": lambda: t.hypercube.layers(n, n // (bits + 1)),
        "torus": lambda: t.torus.layers((side, n // side), n // 5),
        "radix-net": lambda: t.radix_net.layers([[2] * bits] * (n // 2 // bits)),
        "random": lambda: t.erdos_renyi.layers([n] * 5, 0.25, seed=SEED),
        "random regular": lambda: t.random_regular.layers([n] * 5, n // 4, seed=SEED),
        "small world": lambda: t.small_world.layers(n, n // 9, 8, 0.2, seed=SEED),
    }


SCORES: dict[str, Callable[[tk.Layers], object]] = {
    "structure": tk.structure,
    "satisfiable_constraints": tk.satisfiable_constraints,
    "degrees_of_freedom": tk.degrees_of_freedom,
    "leverage": tk.leverage,
    "controllability": tk.controllability,
    "score": tk.score,
}


def cases() -> list[Case]:
    """All families, then all scores."""
    found = [Case("building", name) for name in builders(N)]
    return found + [Case("scores", name) for name in SCORES]


def measure(case: Case) -> dict[str, float]:
    """Median seconds; of scores the first ones apart, of a butterfly of 32 inputs, 18 layers."""
    if case.part == "building":
        runs = [timed(builders(N)[case.name]) for _ in range(REPETITIONS)]
        return {"edges": runs[0][1].n_edges, "seconds": median(s for s, _ in runs)}
    layers = tk.topologies.butterfly.layers(32, 18)
    runs = [timed(lambda: SCORES[case.name](layers))[0] for _ in range(1 + REPETITIONS)]
    return {"first_seconds": runs[0], "seconds": median(runs[1:])}


def summarize(found: dict[Case, dict[str, float]]) -> dict[str, Any]:
    """By part."""
    return nested(found)


STUDY = Study(__name__, quick={"N": 32, "SCORES": {}}, alone=True)

if __name__ == "__main__":
    STUDY.main()
