"""Seconds to build each family at about a million edges as arrays, and to score a layer of 32.

Building is timed on fresh calls, the median of several; scores on the butterfly of 18 layers, the
first call apart, since it compiles.

Writes `building.json` beside this script; `--quick` builds a thousandth and writes nothing.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import topokit as tk

REPETITIONS = 3
SIZE, QUICK_SIZE = 1024, 32
SEED = 0


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


def scores() -> dict[str, Callable[[tk.Layers], object]]:
    """What is timed on one topology."""
    return {
        "structure": tk.structure,
        "satisfiable_constraints": tk.satisfiable_constraints,
        "degrees_of_freedom": tk.degrees_of_freedom,
        "leverage": tk.leverage,
        "controllability": tk.controllability,
        "score": tk.score,
    }


def timed(call: Callable) -> tuple[float, object]:
    """Seconds of a call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def measure_building(n: int) -> dict[str, dict]:
    """Edges and seconds of each family."""
    found = {}
    for name, build in builders(n).items():
        runs = [timed(build) for _ in range(REPETITIONS)]
        layers = runs[0][1]
        assert isinstance(layers, tk.Layers)
        found[name] = {"edges": layers.n_edges, "seconds": median(s for s, _ in runs)}
    return found


def measure_scores() -> dict[str, dict]:
    """First and later seconds of each score of a butterfly with 32 inputs and 18 layers."""
    layers = tk.topologies.butterfly.layers(32, 18)
    found = {}
    for name, function in scores().items():
        first, *later = [timed(lambda f=function: f(layers))[0] for _ in range(1 + REPETITIONS)]
        found[name] = {"first_seconds": first, "seconds": median(later)}
    return found


def show(title: str, results: dict[str, dict]) -> None:
    """Print results as a table."""
    table = Table(title, *next(iter(results.values())))
    for name, row in results.items():
        table.add_row(name, *(f"{v:,}" if isinstance(v, int) else f"{v:.3f}" for v in row.values()))
    Console().print(table)


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    quick = parser.parse_args().quick
    found = {"building": measure_building(QUICK_SIZE if quick else SIZE)}
    if not quick:
        found["scores"] = measure_scores()
    for title, results in found.items():
        show(title, results)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
