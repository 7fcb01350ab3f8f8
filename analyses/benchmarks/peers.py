"""A descent on sparse cascades: topokit against everything else that one would write.

`steps`: one step is the product, the squared error, its gradient and a step against it, on the same
problem from the same weights; `_descents.py` and `_torch_descents.py` are the peers. Before any
timing, losses and weights after two steps have to agree. Every repetition times all peers in turn,
each over as many steps as fill a slot of time; a figure is the median over repetitions of a peer's
seconds divided by topokit's, with its quartiles. Compilation is timed apart. `growth`: the exponent
of n in the seconds of a step on butterflies of depth log2(n), and in the operations counted.
`palm`: time to the best error of pyfaust's palm4msa (`_palm.py`). `machine` and `bounds`: what the
core can do at best, and how long a step would take at that (`_machine.py`).

Everything runs on one core in one thread, in one process. `floors` says which ratios were asked
for, and whether they were met. Peers that are not installed are left out, and named.

Writes `peers.json` beside this script; `--quick` runs small sizes and writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import _one_thread
import numpy as np
from _descents import Case, Descent, by_jax_dense, by_numpy, by_scipy, by_topokit, draw
from _machine import Machine, bounds, count_work, everywhere, measure_machine, targets_s
from _peer_tables import show
from _timing import quartiles, timed
from rich.progress import track

import topokit as tk

MISSING = [name for name in ("torch", "pyfaust") if find_spec(name) is None]
if "torch" in MISSING:
    TORCH = {}
else:
    from _torch_descents import MAKERS as TORCH
if "pyfaust" in MISSING:
    compare_palm = None
else:
    from _palm import compare as compare_palm

t = tk.topologies


class Problem(NamedTuple):
    """A topology and how many targets are rebuilt side by side."""

    build: Callable[[], tk.Layers]
    n_targets: int = 1


REPETITIONS = 7
SLOT = 0.1
LOSS_TOLERANCE, STEP_TOLERANCE = 1e-4, 1e-3
CASES = {
    "butterfly 32, 5 layers": Problem(lambda: t.butterfly.layers(32), 64),
    "butterfly 32, 20 layers": Problem(lambda: t.butterfly.layers(32, 20), 64),
    "hypercube 32, 6 layers": Problem(lambda: t.hypercube.layers(32, 6), 64),
    "butterfly 64, 6 layers": Problem(lambda: t.butterfly.layers(64), 16),
    "butterfly 256, 8 layers": Problem(lambda: t.butterfly.layers(256)),
    "clos 256, (16, 16, 16)": Problem(lambda: t.clos.layers(256, 256, 16, 16, 16)),
    "random 256, fan-in 4, 4 layers": Problem(
        lambda: t.random_regular.layers([256] * 5, 4, seed=0)
    ),
    "low rank 256, 32": Problem(lambda: t.low_rank.layers(256, 256, 32)),
    "butterfly 1024, 10 layers": Problem(lambda: t.butterfly.layers(1024)),
    "hypercube 1024, 4 layers": Problem(lambda: t.hypercube.layers(1024, 4)),
    "clos 1024, (32, 32, 32)": Problem(lambda: t.clos.layers(1024, 1024, 32, 32, 32)),
    "torus 32 x 32, 4 layers": Problem(lambda: t.torus.layers((32, 32), 4)),
}
GROWTH = (64, 128, 256, 512, 1024, 2048)
PALM = {
    "butterfly 32, 5 layers": Problem(lambda: t.butterfly.layers(32), 3),
    "torus 8 x 4, 5 layers": Problem(lambda: t.torus.layers((8, 4), 5)),
    "clos 32, (8, 4, 8)": Problem(lambda: t.clos.layers(32, 32, 8, 4, 8)),
}
# The fastest of these is "torch sparse".
SPARSE = ("torch CSR", "torch COO")
FLOORS = {
    "butterfly 32, 5 layers": {"torch bmm": 8},
    "butterfly 256, 8 layers": {"torch dense": 22, "torch sparse": 9, "scipy CSR": 2},
    "butterfly 1024, 10 layers": {"torch dense": 60, "torch sparse": 24, "scipy CSR": 2.5},
    "hypercube 1024, 4 layers": {"torch dense": 15, "scipy CSR": 6},
}
PALM_FLOOR = 50
QUICK = {"cases": tuple(CASES)[:1], "growth": (32, 64)}


def makers(n_targets: int, quick: bool) -> dict[str, Callable[[Case], Descent]]:
    """What to set up, topokit first. A batch of one target is no batch."""
    found = {"topokit": by_topokit, "JAX dense": by_jax_dense}
    found |= {"numpy dense": by_numpy, "scipy CSR": by_scipy}
    found |= {} if quick else TORCH
    return {name: make for name, make in found.items() if n_targets > 1 or name != "torch bmm"}


def measure(problem: Problem, machine: Machine, repetitions: int, quick: bool) -> dict:
    """Times in seconds and ratios of one case."""
    case = draw(problem.build(), problem.n_targets)
    chosen = makers(problem.n_targets, quick)
    descents = {name: make(case) for name, make in chosen.items()}
    compile_s = compiling(descents["topokit"])
    check(case, descents)
    steps = {name: steps_in_slot(descent) for name, descent in descents.items()}
    seconds = {name: np.zeros(repetitions) for name in descents}
    for repetition in range(repetitions):
        for name, descent in descents.items():
            spent = timed(lambda d=descent, n=name: d.run(steps[n]))
            seconds[name][repetition] = spent / steps[name]
    own = seconds.pop("topokit")
    step_s, limits = float(np.median(own)), bounds(case.layers, problem.n_targets, machine)
    return {
        "edges": case.layers.n_edges,
        "targets": problem.n_targets,
        "compile_s": compile_s,
        "step_s": step_s,
        "targets_s": targets_s(case.layers, problem.n_targets, machine),
        "bounds": {k: b | {"fraction": b["seconds"] / step_s} for k, b in limits.items()},
        "ratios": {name: quartiles(theirs / own) for name, theirs in with_best(seconds).items()},
    }


def compiling(descent: Descent) -> float:
    """Seconds that the first run takes more than the second."""
    first, second = (timed(lambda: descent.run(1)) for _ in range(2))
    return first - second


def check(case: Case, descents: dict[str, Descent]) -> None:
    """All peers have to come to the same loss, and to the same weights."""
    value, weights = descents["topokit"].run(2)
    moved = moves(case, descents["topokit"].edges(weights))
    for name, descent in descents.items():
        other, final = descent.run(2)
        gap = np.linalg.norm(moves(case, descent.edges(final)) - moved) / np.linalg.norm(moved)
        if not np.isclose(other, value, rtol=LOSS_TOLERANCE) or not gap < STEP_TOLERANCE:
            raise RuntimeError(f"{name} disagrees: loss {other} against {value}, step by {gap:.1e}")


def moves(case: Case, weights: list[np.ndarray]) -> np.ndarray:
    """How far every weight has come from its start."""
    pairs = zip(weights, case.weights, strict=True)
    return np.concatenate([(np.asarray(now) - start).ravel() for now, start in pairs])


def steps_in_slot(descent: Descent) -> int:
    """Steps that fill a slot of time; at least one."""
    return max(1, int(SLOT / timed(lambda: descent.run(1))))


def with_best(seconds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with the fastest sparse form of torch by its median."""
    sparse = [seconds[name] for name in SPARSE if name in seconds]
    return seconds | ({"torch sparse": min(sparse, key=np.median)} if sparse else {})


def measure_growth(sizes: tuple[int, ...], repetitions: int) -> dict:
    """Seconds of a step and operations by size, and the exponents of n that fit them."""
    grown = [t.butterfly.layers(n) for n in sizes]
    seconds = [step_of_topokit(draw(layers, 1), repetitions) for layers in grown]
    operations = [count_work(layers, 1, everywhere(layers)).arithmetic for layers in grown]
    exponents = {"seconds": exponent(sizes, seconds), "operations": exponent(sizes, operations)}
    found = {"n": list(sizes), "seconds": seconds, "operations": operations}
    return found | {"exponents": exponents}


def step_of_topokit(case: Case, repetitions: int) -> float:
    """Median seconds."""
    descent = by_topokit(case)
    descent.run(1)
    steps = steps_in_slot(descent)
    return float(np.median([timed(lambda: descent.run(steps)) / steps for _ in range(repetitions)]))


def exponent(sizes: tuple[int, ...], values: list[float]) -> float:
    """Slope of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def measure_palm(repetitions: int) -> dict:
    """Time to the best error of palm4msa, for each target of each topology."""
    if compare_palm is None:
        return {}
    return {
        f"{name}, target {seed}": compare_palm(problem.build(), seed, repetitions)
        for name, problem in track(PALM.items(), "palm4msa", disable=not sys.stdout.isatty())
        for seed in range(problem.n_targets)
    }


def verdicts(steps: dict, palm: dict) -> list[dict]:
    """Each ratio that was asked for, where it was measured, and whether it was met."""
    asked = [(case, peer, floor) for case, row in FLOORS.items() for peer, floor in row.items()]
    measured = [
        (case, peer, floor, steps[case]["ratios"][peer][1])
        for case, peer, floor in asked
        if case in steps and peer in steps[case]["ratios"]
    ]
    measured += [
        (case, "palm4msa", PALM_FLOOR, row["warm"][1] if row["reached"] else 0.0)
        for case, row in palm.items()
    ]
    keys = "case", "peer", "floor", "ratio"
    return [dict(zip(keys, row, strict=True)) | {"met": row[3] >= row[2]} for row in measured]


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    quick = parser.parse_args().quick
    repetitions = 3 if quick else REPETITIONS
    if MISSING:
        print(f"left out, not installed: {', '.join(MISSING)}")
    machine = measure_machine(repetitions)
    names = QUICK["cases"] if quick else CASES
    steps = {
        name: measure(CASES[name], machine, repetitions, quick)
        for name in track(names, "steps", disable=not sys.stdout.isatty())
    }
    growth = measure_growth(QUICK["growth"] if quick else GROWTH, repetitions)
    palm = {} if quick else measure_palm(repetitions)
    found = {"cores": _one_thread.n_cores(), "machine": machine._asdict(), "steps": steps}
    found |= {"growth": growth, "palm": palm, "floors": verdicts(steps, palm)}
    show(found)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
