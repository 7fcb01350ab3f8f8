"""Controllability against the dense tensors of the paper, and how far the canonical K scales.

`steps`: the seconds of a step of the dense tensors (`_dense_tensors.py`), divided by those of a
step of topokit's descents and of its search for the canonical K, on the same network in the same
process, all in turn: medians and quartiles, compilation apart. `step growth`: a step of the search
on random networks of one degree and depth, and the exponent of `n_in E` in its seconds.
`defaults`: the first and later calls on the default topologies at 1,152 edges, in seconds of the
processor. `bound`: the proof alone. `growth` and `scale`: the canonical K of ever larger networks,
each in a process of its own with its peak memory, from the call to the result, what compiles
included. `seconds` are those of a clock, `cpu_s` those of the processor, which others that run at
the same time lengthen less. Of the kept numbers, `steps` and `step growth` are older than the rest,
and the rest was measured beside other work: compare its `cpu_s`.

Writes `controllability.json` beside this script; `--quick` runs small sizes and writes nothing.
"""

from collections.abc import Callable
from functools import partial
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.stats import linregress

import topokit as tk
from analyses.benchmarks._dense_tensors import dense_descent
from analyses.kit import Study, apart, peak_bytes, quartiles, timed
from topokit import controllability
from topokit.scores import control_bound

# A step alone is timed, which no public function takes; hence what is private here.
from topokit.scores.control._bound import least_totals
from topokit.scores.control._control_network import make_network
from topokit.scores.control._flow_network import neuron_by_neuron
from topokit.scores.control._flow_plan import plan_evenly
from topokit.scores.control.descent import _descent
from topokit.scores.control.descent._marginal import marginal
from topokit.scores.control.descent._padded_layers import make_wiring
from topokit.scores.control.descent._pairwise import pairwise
from topokit.scores.control.descent._propagation import ControlForm, draw_logits
from topokit.scores.control.primal_dual import begin_on_host, improve_on_device, make_problem

STEPS, PAIRWISE_STEPS, GROWTH_STEPS = 100, 5, 5
LEARNING_RATE = 0.03
t = tk.topologies
PEERS = {
    "hypercube 32, 6 layers": lambda: t.hypercube.layers(32, 6),
    "butterfly 32, 18 layers": lambda: t.butterfly.layers(32, 18),
    "random 32, 7 layers": lambda: t.erdos_renyi.layers([32] * 8, 5 / 32, seed=0),
    "hypercube 64, 4 layers": lambda: t.hypercube.layers(64, 4),
    "butterfly 64, 6 layers": lambda: t.butterfly.layers(64, 6),
    "random 64, 4 layers": lambda: t.erdos_renyi.layers([64] * 5, 6 / 64, seed=0),
}
LARGE = {
    "clos 1024, (32, 20, 32)": lambda: t.clos.layers(1024, 1024, 32, 20, 32),
    "butterfly 1024, 20 layers": lambda: t.butterfly.layers(1024, 20),
    "random 1024, 6 layers": lambda: t.erdos_renyi.layers([1024] * 7, 10 / 1024, seed=0),
    "torus 32 x 32, 12 layers": lambda: t.torus.layers((32, 32), 12),
    "clos 4096, (64, 40, 64)": lambda: t.clos.layers(4096, 4096, 64, 40, 64),
    "butterfly 4096, 12 layers": lambda: t.butterfly.layers(4096, 12),
    "hypercube 4096, 3 layers": lambda: t.hypercube.layers(4096, 3),
    "torus 64 x 64, 6 layers": lambda: t.torus.layers((64, 64), 6),
}
BOUNDS = {
    **dict([*list(PEERS.items())[:3], *list(LARGE.items())[:4]]),
    "random regular 4096, 16 layers": lambda: t.random_regular.layers([4096] * 17, 10, seed=0),
}
TORUS_DEPTH = 2
DEGREE, DEPTH = 4, 4
SIZES, DEFAULTS = (64, 128, 256, 512, 1024, 2048), tuple(tk.ranking.default_topologies(1152))
REPETITIONS, BOUND_REPETITIONS = 7, 3
FRESH = True  # every case in a process of its own


def side(n: int) -> int:
    """The greatest power of 2 whose square is at most `n`, itself a power of 2."""
    return 2 ** ((n.bit_length() - 1) // 2)


GROWING = {
    "clos": lambda n: t.clos.layers(n, n, side(n), side(n), side(n)),
    "butterfly": lambda n: t.butterfly.layers(n),
    "torus": lambda n: t.torus.layers((n // side(n), side(n)), TORUS_DEPTH),
}


class Case(NamedTuple):
    """A network, a size, or all defaults, of a section."""

    section: str
    which: Any


def cases() -> list[Case]:
    """Section by section."""
    sections = {
        "steps": PEERS,
        "step growth": SIZES,
        "defaults": (DEFAULTS,),
        "bound": BOUNDS,
        "growth": [(family, n) for family in GROWING for n in SIZES],
        "scale": LARGE,
    }
    return [Case(section, which) for section, parts in sections.items() for which in parts]


def measure(case: Case) -> dict[str, Any]:
    """One case; where its process was ended, as for want of memory, that."""
    match case:
        case Case("steps", name):
            call = partial(measure_steps, PEERS[name](), REPETITIONS)
        case Case("step growth", n):
            call = partial(measure_growth, n, REPETITIONS)
        case Case("defaults", names):
            call = partial(measure_defaults, names)
        case Case("bound", name):
            call = partial(measure_bound, BOUNDS[name](), BOUND_REPETITIONS)
        case Case("growth", (family, n)):
            call = partial(measure_canonical, GROWING[family](n))
        case _:
            call = partial(measure_canonical, LARGE[case.which]())
    return (apart(call) if FRESH else call()) or {"ended": "by the operating system"}


def dense_steps(layers: tk.Layers) -> Callable[[], object]:
    """A step through the dense tensors of the paper."""
    step, state = dense_descent(layers)

    def run() -> object:
        nonlocal state
        state = step(state)
        return state

    return run


def descent_steps(layers: tk.Layers, form: ControlForm, steps: int) -> Callable[[], object]:
    """The same descent in one of topokit's forms."""
    wiring = make_wiring(layers)
    rng = np.random.default_rng(0)
    logits = draw_logits(rng, form, wiring, deviation=_descent.DEVIATION)
    start, wiring = jax.device_put((logits, wiring))
    settings = form, steps, layers.n_out, steps
    return lambda: _descent._descend(*settings, start, wiring, 0.0, LEARNING_RATE)


def canonical_steps(layers: tk.Layers, steps: int) -> Callable[[], object]:
    """Steps of the search for the canonical K, neuron by neuron."""
    control = make_network(layers)
    totals, network = least_totals(control), neuron_by_neuron(control)
    problem = make_problem(network, totals.taken)
    search = begin_on_host(problem, plan_evenly(network, totals.taken))
    problem, search = jax.device_put((problem, search))

    def run() -> object:
        nonlocal search
        search, moved = improve_on_device(steps, problem, search)
        return moved

    return run


def measure_steps(layers: tk.Layers, repetitions: int) -> dict[str, dict]:
    """Seconds of a step of each way, and how many times longer the dense tensors take."""
    counts = {"dense": 1, "marginal": STEPS, "pairwise": PAIRWISE_STEPS, "canonical": STEPS}
    runs = {
        "dense": dense_steps(layers),
        "marginal": descent_steps(layers, marginal, STEPS),
        "pairwise": descent_steps(layers, pairwise, PAIRWISE_STEPS),
        "canonical": canonical_steps(layers, STEPS),
    }
    first = {name: timed(run)[0] for name, run in runs.items()}
    rounds = [
        {name: timed(run)[0] / counts[name] for name, run in runs.items()}
        for _ in range(repetitions)
    ]
    times = {name: np.array([seconds[name] for seconds in rounds]) for name in runs}
    return {
        name: {
            "edges": layers.n_edges,
            "first_s": first[name],
            "step_s": quartiles(times[name]),
            "times_faster": quartiles(times["dense"] / times[name]),
        }
        for name in runs
    }


def measure_canonical(layers: tk.Layers) -> dict[str, float]:
    """One call for the canonical K: its cost, and how good it is."""
    before = process_time()
    seconds, control = timed(lambda: controllability(layers))
    return {
        "edges": layers.n_edges,
        "seconds": seconds,
        "cpu_s": process_time() - before,
        "steps": 50 * (control.losses.size - 1),
        "gap": control.gap,
        "deviation": float(control.K.std()),
        "peak_gib": peak_bytes() / 2**30,
    }


def measure_growth(n: int, repetitions: int) -> dict[str, float]:
    """Seconds of a step of the search on a random network of `n` inputs."""
    layers = t.random_regular.layers([n] * (DEPTH + 1), DEGREE, seed=0)
    run = canonical_steps(layers, GROWTH_STEPS)
    first = timed(run)[0]
    step = median(timed(run)[0] for _ in range(repetitions)) / GROWTH_STEPS
    return {
        "edges": layers.n_edges,
        "first_s": first,
        "step_s": step,
        "peak_gib": peak_bytes() / 2**30,
    }


def fit(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The exponent of `n_in E` in the seconds of a step: of all sizes, and beyond caches."""
    sizes = np.log([int(n) * row["edges"] for n, row in rows.items()])
    seconds = np.log([row["step_s"] for row in rows.values()])
    found = {}
    for first in (0, len(rows) // 2):
        slope, *_, error = map(float, np.asarray(linregress(sizes[first:], seconds[first:])))
        found[f"from {list(rows)[first]} on"] = {"exponent": slope, "standard_error": error}
    return found


def measure_defaults(names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """The first call and a later one on each default topology, one topology after the other."""
    found = {}
    for name in names:
        layers = tk.to_layers(tk.ranking.default_topologies(1152)[name])
        first = measure_canonical(layers)
        row = {"first_s": first["cpu_s"], "later_s": measure_canonical(layers)["cpu_s"]}
        found[name] = row | {field: first[field] for field in ("steps", "gap", "deviation")}
    return found


def measure_bound(layers: tk.Layers, repetitions: int) -> dict[str, float]:
    """Median seconds of `control_bound`."""
    before = process_time()
    seconds = median(timed(lambda: control_bound(layers))[0] for _ in range(repetitions))
    cpu = (process_time() - before) / repetitions
    return {"edges": layers.n_edges, "seconds": seconds, "cpu_s": cpu}


def summarize(records: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """By section; what is several rows is taken apart."""
    found: dict[str, Any] = {}
    for case, record in records.items():
        rows = found.setdefault(case.section, {})
        match case:
            case Case("steps", name):
                rows |= {f"{name}: {way}": row for way, row in record.items()}
            case Case("defaults", _):
                rows |= record
            case Case("growth", (family, n)):
                rows[f"{family} {n}"] = record
            case _:
                rows[str(case.which)] = record
    return found | {"growth exponent": fit(found["step growth"])}


STUDY = Study(
    __name__,
    quick={
        "PEERS": {"hypercube 8, 2 layers": lambda: t.hypercube.layers(8, 2)},
        "LARGE": {},
        "SIZES": (8, 16, 32),
        "GROWING": {"clos": GROWING["clos"]},
        "DEFAULTS": ("clos",),
        "BOUNDS": {"hypercube 32, 6 layers": BOUNDS["hypercube 32, 6 layers"]},
        "REPETITIONS": 2,
        "BOUND_REPETITIONS": 1,
        "FRESH": False,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
