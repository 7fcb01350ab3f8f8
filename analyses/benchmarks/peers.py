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

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import topokit as tk
from analyses.benchmarks._descents import (
    Descent,
    Drawn,
    by_jax_dense,
    by_numpy,
    by_scipy,
    by_topokit,
    draw_problem,
)
from analyses.benchmarks._machine import (
    Machine,
    bounds,
    count_work,
    everywhere,
    measure_machine,
    targets_s,
)
from analyses.kit import Study, exponent, quartiles, race, timed

missing = [name for name in ("torch", "pyfaust") if find_spec(name) is None]
if "torch" in missing:
    torch_makers = {}
else:
    from analyses.benchmarks._torch_descents import MAKERS as torch_makers
if "pyfaust" in missing:
    compare_palm = None
else:
    from analyses.benchmarks._palm import compare as compare_palm

t = tk.topologies


class Problem(NamedTuple):
    """A topology and how many targets are rebuilt side by side."""

    build: Callable[[], tk.Layers]
    n_targets: int = 1


REPETITIONS, SLOT = 7, 0.1
GROWTH = (64, 128, 256, 512, 1024, 2048)
EVERYONE = True  # or without torch
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


class Case(NamedTuple):
    """A problem, a size, or a target of a problem, of a part."""

    part: str
    which: Any = None


def cases() -> list[Case]:
    """Part by part; the machine first, as steps are set beside it."""
    targets = [(name, seed) for name in PALM for seed in range(PALM[name].n_targets)]
    parts = {"steps": CASES, "growth": GROWTH}
    parts |= {"palm": targets} if compare_palm else {}
    found = [Case(part, which) for part, ones in parts.items() for which in ones]
    return [Case("machine"), *found]


def measure(case: Case) -> Any:
    """One of a part."""
    match case:
        case Case("machine"):
            return measure_machine(REPETITIONS)._asdict()
        case Case("steps", name):
            return compare_all(CASES[name])
        case Case("growth", n):
            return step_of_topokit(draw_problem(t.butterfly.layers(n), 1), REPETITIONS)
    assert compare_palm is not None
    name, seed = case.which
    return compare_palm(PALM[name].build(), seed, REPETITIONS)


def makers(n_targets: int) -> dict[str, Callable[[Drawn], Descent]]:
    """What to set up, topokit first. A batch of one target is no batch."""
    found = {"topokit": by_topokit, "JAX dense": by_jax_dense}
    found |= {"numpy dense": by_numpy, "scipy CSR": by_scipy}
    found |= torch_makers if EVERYONE else {}
    return {name: make for name, make in found.items() if n_targets > 1 or name != "torch bmm"}


def compare_all(problem: Problem) -> dict[str, Any]:
    """Times in seconds and ratios of one case."""
    case = draw_problem(problem.build(), problem.n_targets)
    chosen = makers(problem.n_targets)
    descents = {name: make(case) for name, make in chosen.items()}
    compile_s = compiling(descents["topokit"])
    check(case, descents)
    clocks = {name: clock(descent) for name, descent in descents.items()}
    seconds = race(clocks, REPETITIONS, SLOT)
    own = seconds.pop("topokit")
    return {
        "edges": case.layers.n_edges,
        "targets": problem.n_targets,
        "compile_s": compile_s,
        "step_s": float(np.median(own)),
        "ratios": {name: quartiles(theirs / own) for name, theirs in with_best(seconds).items()},
    }


def clock(descent: Descent) -> Callable[[int], float]:
    """The seconds of so many steps."""
    return lambda steps: timed(lambda: descent.run(steps))[0]


def compiling(descent: Descent) -> float:
    """Seconds that the first run takes more than the second."""
    first, second = (timed(lambda: descent.run(1))[0] for _ in range(2))
    return first - second


def check(case: Drawn, descents: dict[str, Descent]) -> None:
    """All peers have to come to the same loss, and to the same weights."""
    value, weights = descents["topokit"].run(2)
    moved = moves(case, descents["topokit"].edges(weights))
    for name, descent in descents.items():
        other, final = descent.run(2)
        gap = np.linalg.norm(moves(case, descent.edges(final)) - moved) / np.linalg.norm(moved)
        if not np.isclose(other, value, rtol=LOSS_TOLERANCE) or not gap < STEP_TOLERANCE:
            raise RuntimeError(f"{name} disagrees: loss {other} against {value}, step by {gap:.1e}")


def moves(case: Drawn, weights: list[np.ndarray]) -> np.ndarray:
    """How far every weight has come from its start."""
    pairs = zip(weights, case.weights, strict=True)
    return np.concatenate([(np.asarray(now) - start).ravel() for now, start in pairs])


def with_best(seconds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with the fastest sparse form of torch by its median."""
    sparse = [seconds[name] for name in SPARSE if name in seconds]
    return seconds | ({"torch sparse": min(sparse, key=np.median)} if sparse else {})


def step_of_topokit(case: Drawn, repetitions: int) -> float:
    """Median seconds."""
    times = race({"topokit": clock(by_topokit(case))}, repetitions, SLOT)
    return float(np.median(times["topokit"]))


def beside(row: dict[str, Any], name: str, machine: Machine) -> dict[str, Any]:
    """A case with what the machine could do at best, and how much of that it does."""
    layers, n_targets = CASES[name].build(), CASES[name].n_targets
    limits = bounds(layers, n_targets, machine)
    return row | {
        "targets_s": targets_s(layers, n_targets, machine),
        "bounds": {k: b | {"fraction": b["seconds"] / row["step_s"]} for k, b in limits.items()},
    }


def growth_of(sizes: tuple[int, ...], seconds: list[float]) -> dict[str, Any]:
    """Seconds of a step and operations by size, and the exponents of n that fit them."""
    grown = [t.butterfly.layers(n) for n in sizes]
    operations = [count_work(layers, 1, everywhere(layers)).arithmetic for layers in grown]
    exponents = {"seconds": exponent(sizes, seconds), "operations": exponent(sizes, operations)}
    return {"n": sizes, "seconds": seconds, "operations": operations, "exponents": exponents}


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


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """By part, and what was asked for; peers that are not installed are named."""
    machine = found[Case("machine")]
    steps = {n: beside(found[Case("steps", n)], n, Machine(**machine)) for n in CASES}
    growth = growth_of(GROWTH, [found[Case("growth", n)] for n in GROWTH])
    palm = {
        f"{case.which[0]}, target {case.which[1]}": record
        for case, record in found.items()
        if case.part == "palm"
    }
    result: dict[str, Any] = {"machine": machine}
    result |= {"not installed": missing} if missing else {}
    result |= {"steps": steps, "growth": growth, "palm": palm}
    return result | {"floors": verdicts(steps, palm)}


STUDY = Study(
    __name__,
    quick={
        "CASES": dict([*CASES.items()][:1]),
        "GROWTH": (32, 64),
        "PALM": {},
        "REPETITIONS": 2,
        "SLOT": 0.02,
        "EVERYONE": False,
    },
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
