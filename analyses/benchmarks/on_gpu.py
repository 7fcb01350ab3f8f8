"""One run on a GPU: is it right there, and what does it do beside PyTorch and dense JAX?

`agreement`: values and gradients against the CPU's of the same process, in every form of a layer
and of a product. `inference`: how many images each way leaves that scipy does not, or the other way
round. `challenge`: the
sizes of the Graph Challenge, by `_resident_inference.py`, whose tile and chunk are those that were
fastest on the first size, beside published rates; `ways` has them, `infer` as it is and with larger
batches, and PyTorch. `steps`: a step of descent on cascades against the peers of `peers.py`.
`layers`: forward passes and steps of Adam of one layer in every form (`_device_layers.py`) against
dense layers and PyTorch's CSR; `usual` is the form that is taken where nothing is measured. A peer
is in single precision, as topokit is, and, where it says so, as the device multiplies by default.
`scores`: predicted losses and controllability at 4,096 inputs. `ternary`: what it costs to send a
gradient in two bits a value.

Each section has a budget of seconds; what it leaves goes to the next ones. A case that would take
longer than is left, judged by the longest of its kind so far, is left out, and says so; so does
one that fails. `--sections` measures some sections alone, and leaves the others as they were kept.
Seconds are medians of repeated runs, which end when the device is done, the peers in turn;
compilation is apart. Where `provenance` names no accelerator, these are a CPU's numbers. Warnings
of XLA about a delay kernel that timed out, while it tries products of matrices, do no harm:
`TF_CPP_MIN_LOG_LEVEL=2` silences them.

Writes `on_gpu.json` beside this script after every case; `--quick` takes small sizes.
"""

import gc
import os
import subprocess
from collections.abc import Callable
from functools import cache, partial
from itertools import accumulate
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np

import topokit as tk
from analyses.benchmarks._device_agreement import TOPOLOGIES, check_inference, compare_all
from analyses.benchmarks._device_challenge import (
    fastest,
    images_of,
    measure_official,
    measure_size,
    measure_ways,
)
from analyses.benchmarks._device_layers import (
    FORMS,
    Way,
    compile_all,
    in_each_form,
    lower_dense,
    said,
    torch_dense_ways,
    torch_device,
    torch_ways,
    usual_form,
)
from analyses.benchmarks._device_steps import FORMS as PRODUCTS
from analyses.benchmarks._device_steps import PROBLEMS, measure_steps
from analyses.benchmarks._layer_cases import clos, dense_matrix, has_torch
from analyses.benchmarks._layer_peers import distance, draw_batch
from analyses.benchmarks._resident_inference import Setting
from analyses.benchmarks._ternary_cost import measure_ternary
from analyses.kit import Study, chosen_sections, quartiles, race, timed
from topokit import Layers
from topokit.challenge import ChallengeNetwork, Images

# Seconds of each section, the most important first.
BUDGETS = {
    "agreement": 50,
    "inference": 15,
    "challenge": 130,
    "steps": 65,
    "layers": 75,
    "scores": 45,
    "ternary": 15,
}
AGREEING, THOROUGH, INFERENCE = tuple(TOPOLOGIES), ("clos", "random"), (1024, 120, 2000)
# Images, and how many of them differ: to make large ones takes long, so that they repeat.
GIVEN, DISTINCT = 60000, {1024: 60000, 4096: 12000, 16384: 3000, 65536: 1000}
SIZES = tuple((n, depth) for depth in (120, 480, 1920) for n in DISTINCT)
SETTINGS = tuple(
    Setting(numbers, slots)
    for numbers, slots in ((2**22, 32), (2**20, 32), (2**24, 32), (2**22, 8), (2**22, 4))
)
STEPS, STEP_WAYS, WAYS = tuple(PROBLEMS), tuple(PRODUCTS)[:3], tuple(FORMS)
ALL = ("random", "clos", "butterfly")
LAYERS = {
    (4096, 256): (*ALL, "radix 8", "radix 16", "radix 4", "denser"),
    (16384, 256): ALL,
    (4096, 2048): ALL,
}
# Loops as they suit the cache of a CPU take seconds a step on wider layers, and on several.
FOR_A_CPU, WIDEST_FOR_A_CPU = ("loops",), 4096
FAN_IN = {4096: 205, 16384: 819}  # of the random layer: 5 %; that of the denser one is three times
REPETITIONS, SLOT, SHORT = 3, 0.03, 10.0
SCORED, SCORED_FAN_IN = 4096, 61
TERNARY = (10**6, 10**7, 10**8)
t = tk.topologies


class Case(NamedTuple):
    """A case of a section."""

    section: str
    which: Any


def random(n: int) -> Layers:
    """One layer of the density: each neuron has senders at random, no one twice."""
    return scattered(n, FAN_IN[n], 1)


def denser(n: int) -> Layers:
    """Three times as many senders."""
    return scattered(n, 3 * FAN_IN[n], 1)


def pieces(n: int, radix: int) -> Layers:
    """A butterfly of digits: each layer joins the neurons that differ in one of them alone."""
    own, senders = np.arange(n), []
    for stride in (radix**digit for digit in range(round(np.log(n) / np.log(radix)))):
        first = own - own // stride % radix * stride
        senders.append((first[:, None] + stride * np.arange(radix)).ravel())
    return tk.make_layers([n] * (len(senders) + 1), senders, [np.repeat(own, radix)] * len(senders))


WIRINGS: dict[str, Callable[[int], Layers]] = {
    "butterfly": lambda n: t.butterfly.layers(n),
    "clos": clos,
    "random": random,
    "denser": denser,
    "radix 4": partial(pieces, radix=4),
    "radix 8": partial(pieces, radix=8),
    "radix 16": partial(pieces, radix=16),
}
SCORES: dict[str, Callable[[], Any]] = {
    "predicted loss, random": lambda: tk.predicted_loss(scattered(SCORED, SCORED_FAN_IN, 4)),
    "predicted loss, clos": lambda: tk.predicted_loss(clos(SCORED)),
    "controllability, hypercube, 3 layers": lambda: tk.controllability(
        t.hypercube.layers(SCORED, 3)
    ),
    "controllability, torus, 6 layers": lambda: tk.controllability(
        t.torus.layers((int(SCORED**0.5), int(SCORED**0.5)), 6)
    ),
}


def cases() -> list[Case]:
    """Section by section; the clock begins here."""
    clock()
    sizes = [(n, depth, form) for form in ("classes", "edges") for n, depth in SIZES]
    parts = {
        "agreement": ("values",),
        "inference": (INFERENCE,),
        "challenge": ("ways", "official", *sizes),
        "steps": STEPS,
        "layers": [(*size, name) for size, names in LAYERS.items() for name in names],
        "scores": SCORES,
        "ternary": TERNARY,
    }
    return [Case(section, which) for section in chosen_sections(parts) for which in parts[section]]


class Clock:
    """Until when each section may begin a case, and how long its cases have taken."""

    def __init__(self) -> None:
        """Begin now."""
        self.begin = perf_counter()
        chosen = chosen_sections(BUDGETS)
        ends = accumulate(BUDGETS[section] for section in chosen)
        self.ends = dict(zip(chosen, ends, strict=True))
        self.longest: dict[Any, float] = {}

    def passed(self) -> float:
        """Seconds since the beginning."""
        return perf_counter() - self.begin

    def late(self, case: Case) -> bool:
        """Whether a case as long as the longest of its kind so far would not be done in time."""
        return self.passed() + self.longest.get(kind(case), 0) > self.ends[case.section]

    def took(self, case: Case, seconds: float) -> None:
        """Keep how long a case took."""
        self.longest[kind(case)] = max(self.longest.get(kind(case), 0), seconds)


def kind(case: Case) -> Any:
    """Sizes of a section are alike, and what has a name is."""
    return case.section, type(case.which)


@cache
def clock() -> Clock:
    """The one of this run."""
    return Clock()


@cache
def ways() -> dict[str, Any]:
    """All ways of inference on the first size."""
    return measure_ways(*problem(*SIZES[0]), SETTINGS)


def problem(neurons: int, depth: int) -> tuple[ChallengeNetwork, Images]:
    """A plain network and its images."""
    network = tk.challenge.plain_network(neurons, depth)
    return network, images_of(neurons, GIVEN, DISTINCT[neurons])[1]


def measure(case: Case) -> Any:
    """A case, if there is time for it."""
    if clock().late(case):
        found = {"left_out": f"{clock().passed():.0f} s had passed"}
    else:
        begin = clock().passed()
        free_memory()
        try:
            found = measured(case)
        except Exception as error:
            found = {"left_out": said(error)}
        clock().took(case, clock().passed() - begin)
    print(f"{clock().passed():5.0f} s, {case.section}, {case.which}: {found}", flush=True)
    return found


def free_memory() -> None:
    """Give back what the case before has left on the device."""
    gc.collect()
    if has_torch:
        torch_device.free_memory()


def measured(case: Case) -> Any:
    """A case."""
    match case:
        case Case("agreement", _):
            return compare_all(AGREEING, THOROUGH)
        case Case("inference", size):
            return check_inference(*size)
        case Case("challenge", "ways"):
            return ways()
        case Case("challenge", "official"):
            return measure_official(lambda form: fastest(form, SETTINGS, ways()))
        case Case("challenge", (n, depth, form)):
            return measure_size(*problem(n, depth), form, fastest(form, SETTINGS, ways()))
        case Case("steps", name):
            return measure_steps(name, STEP_WAYS)
        case Case("layers", (n, examples, name)):
            return measure_layers(n, examples, name)
        case Case("scores", name):
            return measure_score(SCORES[name])
    return measure_ternary(case.which)


def measure_layers(n: int, examples: int, name: str) -> dict[str, Any]:
    """Seconds of every way of a layer, and how many times topokit's fastest each takes."""
    layers, batch = WIRINGS[name](n), draw_batch(n, examples)
    short = n <= WIDEST_FOR_A_CPU and layers.depth == 1
    todo = in_each_form(layers, [w for w in WAYS if short or w not in FOR_A_CPU], batch)
    own = list(todo)
    found = compile_all(todo) | dense_ways(n, examples)
    found |= torch_ways(n, layers, batch) if has_torch else {}
    left_out = {way: each for way, each in found.items() if isinstance(each, str)}
    works = {way: each for way, each in found.items() if isinstance(each, Way)}
    result: dict[str, Any] = {"edges": layers.n_edges, "usual": usual_form(layers)}
    result["compile_s"] = {way: each.compile_s for way, each in works.items() if each.compile_s}
    result["apart"] = apart({way: each for way, each in works.items() if way in own})
    for work in ("forward", "training"):
        seconds = race({w: each.clocks[work] for w, each in works.items()}, REPETITIONS, SLOT)
        medians = {way: float(np.median(each)) for way, each in seconds.items()}
        best = min((way for way in works if way in own), key=medians.__getitem__)
        shares = {way: quartiles(each / seconds[best]) for way, each in seconds.items()}
        result[work] = {"fastest": best, "seconds": medians, "times fastest": shares}
    return result | {"left_out": left_out}


@cache
def dense_ways(n: int, examples: int) -> dict[str, Way | str]:
    """The dense layer in the place of all of a size, by JAX and by PyTorch."""
    matrix, batch = dense_matrix(n)[0], draw_batch(n, examples)
    precisions = {"JAX dense": "highest", "JAX dense, default precision": "default"}
    found = compile_all({w: lower_dense(matrix, batch, p) for w, p in precisions.items()})
    return found | (torch_dense_ways(matrix, batch) if has_torch else {})


def apart(works: dict[str, Way]) -> dict[str, list[float]]:
    """Outputs and losses of topokit's ways, relative to the first one's."""
    first, *_ = works.values()
    outputs, loss = first.forward(), first.train()
    return {
        way: [distance(each.forward(), outputs), abs(each.train() / loss - 1)]
        for way, each in works.items()
    }


def scattered(n: int, fan_in: int, depth: int) -> Layers:
    """Layers in which each neuron has senders at random, no one twice; `n` is a power of two.

    Those of neuron `v` are `a s + b (mod n)` for the same random numbers `s`, an odd `a` and a `b`
    of its own, which are as many different ones.
    """
    rng, senders = np.random.default_rng(0), []
    for _ in range(depth):
        numbers = rng.permutation(n)[:fan_in]
        odd, shift = 2 * rng.integers(n // 2, size=(n, 1)) + 1, rng.integers(n, size=(n, 1))
        senders.append(np.sort((odd * numbers + shift) % n, axis=1).ravel())
    receivers = [np.repeat(np.arange(n), fan_in)] * depth
    return tk.make_layers([n] * (depth + 1), senders, receivers)


def measure_score(call: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of the first call, which compiles, and if it was short of the next one."""
    first_s, result = timed(call)
    again = {"seconds": timed(call)[0]} if first_s < SHORT else {}
    return {"first_s": first_s, "result": repr(result)} | again


def environment() -> dict[str, Any]:
    """The card, its driver, and PyTorch, which `provenance` knows as it does the other packages."""
    device = jax.devices()[0]
    found: dict[str, Any] = {"backend": jax.default_backend(), "device": device.device_kind}
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, check=True, encoding="utf-8")
        found["nvidia-smi"] = done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return found | (torch_device.described() if has_torch else {})


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """By section, as far as it has come."""
    result: dict[str, Any] = {"environment": environment()}
    for case, record in found.items():
        which = case.which if isinstance(case.which, tuple) else (case.which,)
        result.setdefault(case.section, {})[", ".join(map(str, which))] = record
    return result


def show(results: dict[str, Any]) -> None:
    """What has been printed as it came is not printed again."""
    print(results["environment"])


# PyTorch and JAX share the memory; and PyTorch's tensors are made where it is.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
if has_torch:
    torch_device.use_gpu()

STUDY = Study(
    __name__,
    quick={
        "BUDGETS": dict.fromkeys(BUDGETS, 10**6),
        "AGREEING": ("clos",),
        "THOROUGH": (),
        "INFERENCE": (64, 4, 20),
        "GIVEN": 50,
        "DISTINCT": {64: 20},
        "SIZES": ((64, 4),),
        "SETTINGS": SETTINGS[:1],
        "STEPS": STEPS[-1:],
        "STEP_WAYS": ("gather, barriers",),
        "WAYS": ("unrolled",),
        "LAYERS": {(64, 4): ("random",)},
        "FAN_IN": {64: 4},
        "SCORED": 64,
        "SCORED_FAN_IN": 3,
        "SCORES": dict([*SCORES.items()][::2]),
        "TERNARY": (1000,),
        "REPETITIONS": 1,
    },
    data=("data", "mnist"),
    needed=False,
    alone=True,
    as_it_goes=True,
    sections=tuple(BUDGETS),
)

if __name__ == "__main__":
    STUDY.main()
