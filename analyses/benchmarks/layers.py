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

import _one_thread  # isort: skip  # has to come before jax
import argparse
import json
import sys
from pathlib import Path

import numpy as np
from _layer_cases import MAKERS, MISSING, OWN, PEERS, SAME, TOPOLOGIES, model
from _layer_forms import measure_forms
from _layer_memory import measure_memory
from _layer_peers import Batch, Peer, by_masked, draw_batch
from _layer_tables import show
from _layer_timing import Clock, race
from _timing import quartiles, timed
from rich.progress import track

from topokit.networks import to_matrices

REPETITIONS, FORM_REPETITIONS, SLOT = 5, 3, 0.05
WIDTHS, BATCHES = (1024, 4096), (1, 32, 256)
GROWTH, GROWTH_BATCH = (256, 512, 1024, 2048, 4096, 8192), 32
# A dense layer beyond this width is not trained, and cascades beyond the other one are not compared
# with their dense matrices: both for want of memory.
WIDEST_DENSE, WIDEST_COMPARED = 4096, 1024
LOSS_TOLERANCE, STEP_TOLERANCE = 1e-4, 1e-3
FLOOR_CASE, FLOOR_PEER, FLOOR_LAYERS = (4096, 32), "JAX masked dense", ("clos", "butterfly")
KEPT = ("parameters", "optimizer")
TIMES_FASTER, TIMES_SMALLER = 5, 10
GROWING = ("butterfly", "narrow clos", "JAX dense")
QUICK_WIDTH, QUICK_BATCH, QUICK_GROWTH, QUICK_GROWING = 16, 4, (4, 8), GROWING[:1]


def make_peers(n: int, examples: int, *, quick: bool) -> dict[str, Peer]:
    """Everyone, set up."""
    batch = draw_batch(n, examples)
    names = [*OWN, *(name for name in PEERS if not (quick and "torch" in name))]
    return {k: make(n, batch) for k, make in MAKERS.items() if k in names}


def measure(n: int, examples: int, repetitions: int, *, quick: bool) -> dict:
    """Seconds, ratios and bytes of one width and batch."""
    peers = make_peers(n, examples, quick=quick)
    found: dict = {"compile_s": {name: compiling(peer) for name, peer in peers.items()}}
    check(n, draw_batch(n, examples), peers)
    for work, clock in {"forward": forward_clock, "training": training_clock}.items():
        seconds = race({name: clock(peer) for name, peer in peers.items()}, repetitions, SLOT)
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
                compare(first, peers[first], name, peers[name])
    for name in OWN:
        if name != SAME and n <= WIDEST_COMPARED:
            compare(
                name, peers[name], "its matrices", by_masked(to_matrices(model(name, n)), batch)
            )


def compare(name: str, peer: Peer, other_name: str, other: Peer) -> None:
    """The same outputs, losses, and weights after two steps."""
    start = peer.matrices(peer.begin(True))
    results = [(p.forward(1), *two_steps(p, start)) for p in (peer, other)]
    (outputs, *losses, moved), (others, *other_losses, other_moved) = results
    apart = distance(others, outputs), distance(other_moved, moved)
    same = np.allclose(losses, other_losses, rtol=LOSS_TOLERANCE)
    if not same or max(apart) > STEP_TOLERANCE:
        raise RuntimeError(
            f"{name} and {other_name} disagree: losses {losses} and {other_losses}, outputs and "
            f"steps apart by {apart}"
        )


def two_steps(peer: Peer, start: list[np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Losses before each of two steps, and how far the entries of `start` have come."""
    first, state = peer.train(peer.begin(True), 1)
    second, state = peer.train(state, 1)
    pairs = zip(peer.matrices(state), start, strict=True)
    return first, second, np.concatenate([(now - was)[was != 0] for now, was in pairs])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative to the second."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def compiling(peer: Peer) -> float:
    """Seconds that the first training step takes beyond the second."""
    first, second = (timed(lambda: peer.train(peer.begin(True), 1)) for _ in range(2))
    return first - second


def forward_clock(peer: Peer) -> Clock:
    """Seconds of sending the batch through."""
    return lambda steps: timed(lambda: peer.forward(steps))


def training_clock(peer: Peer) -> Clock:
    """Seconds of steps after the first, which sets up what the optimizer keeps."""

    def clock(steps: int) -> float:
        state = peer.train(peer.begin(True), 1)[1]
        return timed(lambda: peer.train(state, steps))

    return clock


def count_bytes(peer: Peer) -> dict[str, int]:
    """After a step."""
    return peer.n_bytes(peer.train(peer.begin(True), 1)[1])


def measure_growth(
    names: tuple[str, ...], sizes: tuple[int, ...], repetitions: int
) -> dict[str, dict]:
    """Seconds of a training step by width, and the exponent of n that fits them."""
    found = {}
    for name in names:
        widths = [n for n in sizes if name in TOPOLOGIES or n <= WIDEST_DENSE]
        seconds = [step_s(name, n, repetitions) for n in widths]
        edges = [TOPOLOGIES[name](n).n_edges if name in TOPOLOGIES else n * n for n in widths]
        exponents = {"seconds": exponent(widths, seconds), "edges": exponent(widths, edges)}
        found[name] = {"n": widths, "edges": edges, "seconds": seconds, "exponents": exponents}
    return found


def step_s(name: str, n: int, repetitions: int) -> float:
    """Median seconds of a training step."""
    clock = training_clock(MAKERS[name](n, draw_batch(n, GROWTH_BATCH)))
    return float(np.median(race({name: clock}, repetitions, SLOT)[name]))


def exponent(sizes: list[int], values: list) -> float:
    """Slope of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


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


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    quick = parser.parse_args().quick
    repetitions = 2 if quick else REPETITIONS
    if MISSING:
        print(f"left out, not installed: {', '.join(MISSING)}")
    pairs = [(QUICK_WIDTH, QUICK_BATCH)] if quick else [(n, b) for n in WIDTHS for b in BATCHES]
    cases = {
        case_name(*pair): measure(*pair, repetitions, quick=quick)
        for pair in track(pairs, "layers", disable=not sys.stdout.isatty())
    }
    found = {"cores": _one_thread.n_cores(), "layers": cases}
    grown = (QUICK_GROWING, QUICK_GROWTH) if quick else (GROWING, GROWTH)
    where = case_name(*FLOOR_CASE)
    found["memory"] = {} if quick else {where: measure_memory([*OWN, *PEERS], *FLOOR_CASE)}
    found["growth"] = measure_growth(*grown, repetitions)
    found["forms"] = measure_forms(min(repetitions, FORM_REPETITIONS), quick=quick)
    found["floors"] = verdicts(cases)
    show(found, OWN)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
