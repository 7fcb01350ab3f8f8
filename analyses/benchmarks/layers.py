"""A layer that learns: sparse ones against dense, masked and CSR layers, in time and in bytes.

A square layer with a bias, a ReLU behind it, and the squared error to a random target. `training`
is the forward pass, the gradient and a step of Adam; `forward` is the first alone. The topologies
are in `_layer_cases.py`: a Clos network and one random layer of 5 % of the dense layer's edges, and
a butterfly of depth log2(n). The peers are in `_layer_peers.py` and `_layer_torch.py`; masked dense
and CSR hold the entries of the random layer. Before any timing, peers of the same weights have to
agree in outputs, losses, and weights after two steps; a cascade is compared with masked dense
matrices. Every repetition times all in turn, each over as many steps as fill a slot of time; a
figure is the median over repetitions of a peer's seconds divided by those of topokit's, with its
quartiles. Compilation is timed apart.

`bytes`: parameters, gradients, what Adam keeps, and index arrays or masks, counted from the arrays.
`memory`: the same of whole processes (`_layer_memory.py`). `growth`: the exponent of n in the
seconds of a step. `forms`: which form of one layer is fastest (`_layer_forms.py`).

Everything runs on one core in one thread, in one process apart from `memory`. `floors` says what
was asked for, and whether it was met. Peers that are not installed are left out, and named.

Writes `layers.json` beside this script; `--quick` runs small sizes and writes nothing.
"""

from typing import Any, NamedTuple

import numpy as np

from analyses.benchmarks._layer_cases import (
    MAKERS,
    OWN,
    PEERS,
    SAME,
    TOPOLOGIES,
    TORCH,
    known,
    model,
)
from analyses.benchmarks._layer_forms import measure_forms
from analyses.benchmarks._layer_memory import measure_memory
from analyses.benchmarks._layer_peers import (
    Batch,
    Peer,
    by_masked,
    compare,
    draw_batch,
    forward_clock,
    training_clock,
)
from analyses.kit import Study, exponent, quartiles, race, timed
from topokit.networks import to_matrices

WIDTHS, BATCHES = (1024, 4096), (1, 32, 256)
REPETITIONS, SLOT, GROWTH_BATCH = 5, 0.05, 32
TIMED = PEERS
GROWING, GROWTH = ("butterfly", "narrow clos", "JAX dense"), (256, 512, 1024, 2048, 4096, 8192)
FORMS = 3, 99  # repetitions, and how many of each table at most
# A dense layer beyond this width is not trained, and cascades beyond the other one are not compared
# with their dense matrices: both for want of memory.
WIDEST_DENSE, WIDEST_COMPARED = 4096, 1024
LOSS_TOLERANCE, STEP_TOLERANCE = 1e-4, 1e-3
FLOOR_CASE, FLOOR_PEER, FLOOR_LAYERS = (4096, 32), "JAX masked dense", ("clos", "butterfly")
MEMORY = (FLOOR_CASE,)
KEPT = ("parameters", "optimizer")
TIMES_FASTER, TIMES_SMALLER = 5, 10


class Case(NamedTuple):
    """A width and a batch, or a topology that grows, of a part."""

    part: str
    which: Any = None


def cases() -> list[Case]:
    """Part by part."""
    pairs = [(n, b) for n in WIDTHS for b in BATCHES]
    parts = {"layers": pairs, "memory": MEMORY, "growth": GROWING}
    found = [Case(part, which) for part, ones in parts.items() for which in ones]
    return [*found, Case("forms")]


def measure(case: Case) -> Any:
    """One of a part."""
    match case:
        case Case("layers", (n, examples)):
            return compare_all(n, examples)
        case Case("memory", (n, examples)):
            return measure_memory(known((*OWN, *PEERS)), n, examples)
        case Case("growth", name):
            return measure_growth(name)
    return measure_forms(*FORMS)


def compare_all(n: int, examples: int) -> dict[str, Any]:
    """Seconds, ratios and bytes of one width and batch."""
    batch = draw_batch(n, examples)
    peers = {name: MAKERS[name](n, batch) for name in known((*OWN, *TIMED))}
    found: dict = {"compile_s": {name: compiling(peer) for name, peer in peers.items()}}
    check(n, batch, peers)
    for work, clock in {"forward": forward_clock, "training": training_clock}.items():
        clocks = {name: clock(peer) for name, peer in peers.items()}
        seconds = race(clocks, REPETITIONS, SLOT)
        others = [name for name in PEERS if name in seconds]
        found[work] = {
            "seconds": {name: quartiles(values) for name, values in seconds.items()},
            "ratios": {
                own: {name: quartiles(seconds[name] / seconds[own]) for name in others}
                for own in OWN
            },
        }
    return found | {"bytes": {name: count_bytes(peer) for name, peer in peers.items()}}


def check(n: int, batch: Batch, peers: dict[str, Peer]) -> None:
    """Peers of the same weights have to agree."""
    groups = [["JAX dense", "torch dense", "torch dense, fused Adam"]]
    groups += [[SAME, "JAX masked dense", "torch CSR"]]
    for first, *others in groups:
        for name in others:
            if name in peers:
                compare(
                    first, peers[first], name, peers[name], loss=LOSS_TOLERANCE, step=STEP_TOLERANCE
                )
    for name in OWN:
        if name != SAME and n <= WIDEST_COMPARED:
            matrices = by_masked(to_matrices(model(name, n)), batch)
            compare(
                name,
                peers[name],
                "its matrices",
                matrices,
                loss=LOSS_TOLERANCE,
                step=STEP_TOLERANCE,
            )


def compiling(peer: Peer) -> float:
    """Seconds that the first training step takes beyond the second."""
    first, second = (timed(lambda: peer.train(peer.begin(True), 1))[0] for _ in range(2))
    return first - second


def count_bytes(peer: Peer) -> dict[str, int]:
    """After a step."""
    return peer.n_bytes(peer.train(peer.begin(True), 1)[1])


def measure_growth(name: str) -> dict[str, Any]:
    """Seconds of a training step by width, and the exponent of n that fits them."""
    own = name in TOPOLOGIES
    widths = [n for n in GROWTH if own or n <= WIDEST_DENSE]
    seconds = [step_s(name, n, REPETITIONS) for n in widths]
    edges = [TOPOLOGIES[name](n).n_edges if own else n * n for n in widths]
    exponents = {"seconds": exponent(widths, seconds), "edges": exponent(widths, edges)}
    return {"n": widths, "edges": edges, "seconds": seconds, "exponents": exponents}


def step_s(name: str, n: int, repetitions: int) -> float:
    """Median seconds of a training step."""
    clock = training_clock(MAKERS[name](n, draw_batch(n, GROWTH_BATCH)))
    return float(np.median(race({name: clock}, repetitions, SLOT)[name]))


def verdicts(cases: dict) -> list[dict]:
    """Each ratio that was asked for, and whether it was met."""
    case = cases.get(case_name(*FLOOR_CASE))
    if case is None:
        return []
    rows = []
    for own in FLOOR_LAYERS:
        rows.append(("training", own, TIMES_FASTER, case["training"]["ratios"][own][FLOOR_PEER][1]))
        mine, theirs = case["bytes"][own], case["bytes"][FLOOR_PEER]
        for kept in KEPT, (*KEPT, "indices"):
            ratio = sum(theirs[k] for k in kept) / sum(mine[k] for k in kept)
            rows.append((f"bytes: {', '.join(kept)}", own, TIMES_SMALLER, ratio))
    keys = "what", "layer", "floor", "ratio"
    return [
        dict(zip(keys, row, strict=True)) | {"peer": FLOOR_PEER, "met": row[3] >= row[2]}
        for row in rows
    ]


def case_name(n: int, examples: int) -> str:
    """As in the tables."""
    return f"width {n}, batch {examples}"


def summarize(records: dict[Case, Any]) -> dict[str, Any]:
    """By part, and what was asked for; peers that are not installed are named."""
    found: dict[str, Any] = {"layers": {}, "memory": {}, "growth": {}}
    for case, record in records.items():
        match case:
            case Case("forms"):
                found["forms"] = record
            case Case("growth", name):
                found["growth"][name] = record
            case Case(part, pair):
                found[part][case_name(*pair)] = record
    missing = [name for name in TORCH if name not in known((name,))]
    more = {"not installed": missing} if missing else {}
    return more | found | {"floors": verdicts(found["layers"])}


STUDY = Study(
    __name__,
    quick={
        "WIDTHS": (16,),
        "BATCHES": (4,),
        "TIMED": ("JAX dense", "JAX masked dense"),
        "MEMORY": (),
        "GROWING": ("butterfly",),
        "GROWTH": (4, 8),
        "REPETITIONS": 2,
        "SLOT": 0.01,
        "FORMS": (2, 1),
    },
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
