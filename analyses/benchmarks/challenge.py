"""The Sparse DNN Graph Challenge: how many inputs times connections a second, and against whom?

`official`: the network of 1,024 neurons and 120 layers with all its 60,000 images, by edges and by
classes, against scipy's sparse times sparse, which is what the challenge's public reference does;
what is left has to be the truth. Where the official files are not there it is the plain network and
synthetic images, and all have to agree. `peers`: the first layers and images of the same, also by
sparse times dense columns, by dense matrices, and without the dropping of dead images and without
buffers. `growth`: the plain network by width and depth. Its images are MNIST's first ones,
enlarged, or synthetic ones; `images` says how many were given, `distinct` how many of them differ.
`memory`: the peak of a process by the operating system, libraries included.

A rate counts all images given, whenever they died. Seconds are medians of repeated runs where one
is short. They begin with images in bits and end with categories; tables of layers and compilation
are timed apart. Everything runs on one core in one thread, in one process apart from `memory`; on a
GPU the growth goes over all twelve sizes, as far as they fit. `floors` says what was asked for.

Writes `challenge.json` beside this script; `--quick` takes a small network and writes nothing.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from time import perf_counter
from typing import Any, NamedTuple

import jax
import numpy as np

import topokit as tk
from analyses.benchmarks._challenge_inputs import UNSTABLE, Given, enlarged, made, official
from analyses.benchmarks._challenge_peers import by_columns, by_dense, by_scipy, lay_out
from analyses.kit import Study, apart, n_cores, peak_bytes
from topokit.challenge import ChallengeNetwork, Images, by_classes, by_edges, infer

DEPTHS = (120, 480, 1920)
# Distinct images of a width: so many that batches stay full. A GPU gets as many as the
# challenge has, so that they repeat.
DISTINCT = {1024: 60000, 4096: 24000, 16384: 6000, 65536: 1500}
GIVEN = 60000
# What a core does of the twelve sizes, and what remains for the GPU.
SIZES = ((1024, 120), (1024, 480), (1024, 1920), (4096, 120), (4096, 480))
SIZES += ((16384, 120), (16384, 480), (65536, 120))
MADE, PEERS = (1024, 120, GIVEN), (6000, 12)  # in the place of the official, and its part
MEMORY, MEMORY_DISTINCT = (16384, 480, 8192), 500
# A run of more seconds than this is not repeated.
REPETITIONS, SHORT = 3, 8.0
FLOOR = 5
MEMORY_MOST = 8.0
FORMS = {"edges": by_edges, "classes": by_classes}
VARIANTS = {
    "edges": partial(infer, form=by_edges),
    "classes": partial(infer, form=by_classes),
    "edges, dead images kept": partial(infer, form=by_edges, drop_dead=False),
    "edges, no buffers": partial(infer, form=by_edges, buffers=False),
    "classes, dead images kept": partial(infer, form=by_classes, drop_dead=False),
}


class Case(NamedTuple):
    """A part, and a size of what is grown."""

    part: str
    size: tuple[int, int] = (0, 0)


def cases() -> list[Case]:
    """All parts."""
    grown = [Case("growth", size) for size in SIZES]
    return [Case("official"), Case("peers"), *grown, Case("memory")]


def measure(case: Case) -> Any:
    """A part, or a size of one."""
    match case.part:
        case "official":
            return measure_official(given())
        case "peers":
            return measure_peers(given(), *PEERS)
        case "memory":
            return measure_memory()
    return measure_growth(case.size)


def given() -> Given:
    """The official problem, or one made in its place."""
    return official() or made(*MADE)


def own(network: ChallengeNetwork, images: Images, call: Callable) -> tuple[dict, np.ndarray]:
    """Seconds and rate of topokit, and what is left. The first run compiles, which it says."""
    begin = perf_counter()
    found = call(network, images)
    compile_s = perf_counter() - begin - found.seconds - found.table_seconds
    spent = [found.seconds]
    while len(spent) < REPETITIONS and max(spent) < SHORT:
        spent.append(call(network, images).seconds)
    row = timing(network, images, spent)
    return row | {"table_s": found.table_seconds, "compile_s": compile_s}, found.categories


def peer(network: ChallengeNetwork, images: Images, make: Callable) -> tuple[dict, np.ndarray]:
    """The same of a peer; one that compiles has done so before."""
    run = make(lay_out(network, images))
    if make is by_dense:
        run()
    left, spent = np.array([]), []
    while len(spent) < REPETITIONS and max(spent, default=0) < SHORT:
        begin = perf_counter()
        left = run()
        spent.append(perf_counter() - begin)
    return timing(network, images, spent), left


def timing(network: ChallengeNetwork, images: Images, spent: list[float]) -> dict:
    """Median seconds, of how many runs, and inputs times connections a second."""
    seconds = float(np.median(spent))
    rate = len(images.bits) * network.connections / seconds
    return {"seconds": seconds, "runs": len(spent), "rate": rate}


def measure_official(given: Given) -> dict:
    """Both forms against scipy, and all against the truth."""
    network, images = given.network, given.images
    found = {name: own(network, images, partial(infer, form=form)) for name, form in FORMS.items()}
    found["scipy CSR"] = peer(network, images, by_scipy)
    expected = found["edges"][1] if given.truth is None else given.truth
    agree(expected, {name: left for name, (_, left) in found.items()})
    verified = "the truth" if given.truth is not None else "each other"
    return described(network, images, found) | {
        "source": given.source,
        "categories": len(expected),
        "verified_against": verified,
    }


def measure_peers(given: Given, n: int, depth: int) -> dict:
    """All variants and peers on the first images and layers."""
    network = given.network._replace(depth=depth, period=min(depth, given.network.period))
    images = given.images._replace(bits=given.images.bits[:n])
    found = {name: own(network, images, call) for name, call in VARIANTS.items()}
    makers = {"scipy CSR": by_scipy, "scipy CSR times columns": by_columns, "JAX dense": by_dense}
    found |= {name: peer(network, images, make) for name, make in makers.items()}
    agree(found["edges"][1], {name: left for name, (_, left) in found.items()})
    return described(network, images, found)


def agree(expected: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """All have to leave the same images, the unstable ones apart."""
    for name, left in found.items():
        apart = np.setdiff1d(np.setxor1d(expected, left), UNSTABLE)
        if apart.size:
            raise RuntimeError(f"{name} leaves other images: {apart[:5]} and so on")


def described(
    network: ChallengeNetwork, images: Images, found: dict[str, tuple[dict, np.ndarray]]
) -> dict:
    """The case, its rows, and how many times longer each takes than topokit by edges."""
    rows = {name: row for name, (row, _) in found.items()}
    shortest = rows["edges"]["seconds"]
    return {
        "network": network.name,
        "depth": network.depth,
        "connections": network.connections,
        "images": len(images.bits),
        "rows": rows,
        "ratios": {name: row["seconds"] / shortest for name, row in rows.items()},
    }


def measure_growth(size: tuple[int, int]) -> dict[str, Any]:
    """Both forms on a plain network; what does not fit the memory is left out, with the reason."""
    (neurons, depth), on_gpu = size, jax.default_backend() == "gpu"
    distinct = DISTINCT[neurons]
    source, images = enlarged(neurons, distinct)
    n = GIVEN if on_gpu else distinct
    images = images._replace(bits=np.resize(images.bits, (n, images.bits.shape[1])))
    network = tk.challenge.plain_network(neurons, depth)
    row: dict[str, Any] = {"neurons": neurons, "depth": depth, "input": source, "images": n}
    row |= {"distinct": distinct, "connections": network.connections}
    for name, form in FORMS.items():
        try:
            row[name], left = own(network, images, partial(infer, form=form))
            row["categories"] = len(left)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            row[name] = {"left_out": str(error).split("\n")[0]}
    return row


def measure_memory() -> dict[str, Any]:
    """Peak of a process that infers by edges one whole group of repeated images."""
    neurons, depth, group = MEMORY
    peak = apart(peak_memory, (neurons, depth), group, MEMORY_DISTINCT)
    return {"neurons": neurons, "depth": depth, "images": group, "peak_gib": peak}


def peak_memory(size: tuple[int, int], group: int, distinct: int) -> float:
    """The most memory that this process has held, in GiB."""
    _, images = enlarged(size[0], min(group, distinct))
    bits = np.resize(images.bits, (group, images.bits.shape[1]))
    infer(tk.challenge.plain_network(*size), images._replace(bits=bits))
    return peak_bytes() / 2**30


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """All parts, on which device, and what was asked for."""
    backend, device = jax.default_backend(), jax.devices()[0].device_kind
    result: dict[str, Any] = {"cores": n_cores(), "backend": backend, "device": device}
    result |= {"official": found[Case("official")], "peers": found[Case("peers")]}
    result["growth"] = [record for case, record in found.items() if case.part == "growth"]
    result["memory"] = found[Case("memory")]
    return result | {"floors": verdicts(result)}


def verdicts(found: dict) -> list[dict]:
    """What was asked for, and whether it was met."""
    ratio, peak = found["official"]["ratios"]["scipy CSR"], found["memory"]["peak_gib"]
    return [
        {"of": "times scipy CSR", "asked": FLOOR, "measured": ratio, "met": ratio >= FLOOR},
        {"of": "GiB", "asked": MEMORY_MOST, "measured": peak, "met": peak < MEMORY_MOST},
    ]


STUDY = Study(
    __name__,
    quick={
        "MADE": (64, 8, 200),
        "PEERS": (100, 4),
        "SIZES": ((64, 8),),
        "DISTINCT": {64: 100},
        "MEMORY": (64, 8, 64),
    },
    full={"SIZES": tuple(product(DISTINCT, DEPTHS))},
    data=("data", "mnist"),
    needed=False,
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
