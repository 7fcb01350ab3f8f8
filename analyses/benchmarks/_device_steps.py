"""A step of descent on a device: topokit's forms of a product against dense and sparse peers.

The problems and peers are those of `peers.py`. topokit's ways are the form that is taken by itself;
the same in tiles of columns, which keep rows in the cache of a core, where it is taken whole, and
the other way round; and one form for all layers.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from unittest import mock

import jax
import numpy as np

import topokit as tk
from analyses.benchmarks._descents import Descent, Drawn, by_jax_dense, by_topokit, draw_problem
from analyses.benchmarks._device_layers import barred_form, side_by_side, torch_device
from analyses.benchmarks._layer_cases import has_torch
from analyses.kit import quartiles, race, timed
from topokit.products import block_form, dense_form, gather_form

# Whether a product is cut into tiles has no public switch; hence what is private here.
from topokit.products import _error  # isort: skip

if has_torch:
    from analyses.benchmarks._torch_descents import MAKERS as torch_makers
else:
    torch_makers = {}

t = tk.topologies
PROBLEMS = {
    "clos 1024, (32, 32, 32)": (lambda: t.clos.layers(1024, 1024, 32, 32, 32), 1),
    "butterfly 1024, 10 layers": (lambda: t.butterfly.layers(1024), 1),
    "hypercube 1024, 4 layers": (lambda: t.hypercube.layers(1024, 4), 1),
    "butterfly 256, 8 layers": (lambda: t.butterfly.layers(256), 1),
    "butterfly 32, 5 layers, 4096 targets": (lambda: t.butterfly.layers(32), 4096),
    "random 256, fan-in 4, 4 layers": (
        lambda: t.random_regular.layers([256] * 5, 4, seed=0),
        1,
    ),
}
FORMS = {"gather": gather_form, "gather, barriers": barred_form}
FORMS |= {"block": block_form, "dense": dense_form}
DEFAULT = "default precision"
REPETITIONS, SLOT = 5, 0.05
# PyTorch's dense and sparse ways take one target at a time.
MANY = 64


def measure_steps(name: str, forms: Iterable[str]) -> dict[str, Any]:
    """Seconds of a step of all ways, times topokit's, and how far each comes from its steps."""
    build, n_targets = PROBLEMS[name]
    case = draw_problem(build(), n_targets)
    ways, left_out = begun(case, forms)
    reference = next(iter(ways))
    moved = moves(case, ways[reference])
    clocks = {way: partial(_seconds, descent) for way, descent in ways.items()}
    seconds = race(clocks, REPETITIONS, SLOT)
    own = seconds[reference]
    return {
        "edges": case.layers.n_edges,
        "targets": n_targets,
        "seconds": {way: quartiles(each) for way, each in seconds.items()},
        "times topokit": {way: float(np.median(each / own)) for way, each in seconds.items()},
        "apart": {way: distance(moves(case, each), moved) for way, each in ways.items()},
        "left_out": left_out,
    }


def begun(case: Drawn, forms: Iterable[str]) -> tuple[dict[str, Descent], dict[str, str]]:
    """All ways that work, compiled side by side, and why the others do not."""
    usual = {"topokit": partial(by_topokit, case)}
    usual |= {f"topokit, {form}": partial(by_topokit, case, FORMS[form]) for form in forms}
    usual |= {"JAX dense": partial(precisely, by_jax_dense, case, "highest")}
    usual |= {f"JAX dense, {DEFAULT}": partial(precisely, by_jax_dense, case, "default")}
    found, cpu = ready(usual), _error.on_cpu()
    with mock.patch.object(_error, "on_cpu", return_value=not cpu):
        other = "topokit, no tiles" if cpu else "topokit, in tiles"
        found |= ready({other: partial(by_topokit, case)})
    for way, descent in torch_ways(case).items():
        found |= ready({way: descent})
    works = {way: each for way, each in found.items() if isinstance(each, Descent)}
    return works, {way: each for way, each in found.items() if isinstance(each, str)}


def ready(makers: dict[str, Callable[[], Descent]]) -> dict[str, Descent | str]:
    """Each after a step; what fails says why."""

    def begin(make: Callable[[], Descent]) -> Descent:
        descent = make()
        descent.run(1)
        return descent

    return side_by_side({way: partial(begin, make) for way, make in makers.items()})


def precisely(make: Callable[[Drawn], Descent], case: Drawn, precision: str) -> Descent:
    """A descent of JAX whose products are as precise as is said."""
    descent = make(case)

    def run(steps: int) -> tuple[Any, Any]:
        with jax.default_matmul_precision(precision):
            return descent.run(steps)

    return descent._replace(run=run)


def torch_ways(case: Drawn) -> dict[str, Callable[[], Descent]]:
    """PyTorch's, those for which there are not too many targets."""
    batched, single = ("torch bmm",), ("torch dense", "torch CSR")
    names = single if len(case.targets) == 1 else batched
    names += single if 1 < len(case.targets) <= MANY else ()
    makers = {name: partial(make, case) for name, make in torch_makers.items() if name in names}
    rough = [name for name in makers if name != "torch CSR"]
    makers |= {f"{name}, {DEFAULT}": partial(roughly, makers[name]) for name in rough}
    return makers


def roughly(make: Callable[[], Descent]) -> Descent:
    """A descent of PyTorch whose products may be as rough as JAX's are by default."""
    descent = make()

    def run(steps: int) -> tuple[Any, Any]:
        with torch_device.precision(rough=True):
            return descent.run(steps)

    return descent._replace(run=run)


def moves(case: Drawn, descent: Descent) -> np.ndarray:
    """How far all weights come in two steps."""
    pairs = zip(descent.edges(descent.run(2)[1]), case.weights, strict=True)
    return np.concatenate([(np.asarray(now) - start).ravel() for now, start in pairs])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Relative to the second."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def _seconds(descent: Descent, steps: int) -> float:
    return timed(lambda: descent.run(steps))[0]
