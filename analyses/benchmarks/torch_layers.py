"""A layer of PyTorch that learns: topokit's against dense, masked dense and CSR ones of PyTorch.

A square layer with a bias, a ReLU behind it, and the squared error to a random target. `training`
is the forward pass, the gradient and a fused step of Adam; `forward` is the first alone. The
topologies are those of `layers.py` (`_layer_cases.py`): a Clos network and one random layer of 5 %
of the dense layer's edges, and a butterfly of depth log2(n). Masked dense, as PyTorch's pruning
does it, and CSR hold the entries of the random layer; before any timing these three have to agree
in outputs, losses, and weights after two steps. A ratio is a peer's seconds divided by those of
topokit's: the median over repetitions, in which all take turns, with its quartiles.

Everything runs on one core in one thread, as called, without `torch.compile`. Seconds are those of
the processor: nobody waits, and what others take of the core does not count. Without PyTorch there
is nothing to measure.

Writes `torch_layers.json` beside this script; `--quick` runs small sizes and writes nothing.
"""

from itertools import product
from typing import Any

from analyses.benchmarks._layer_cases import (
    OWN,
    SAME,
    TOPOLOGIES,
    dense_matrix,
    has_torch,
    torch_makers,
)
from analyses.benchmarks._layer_peers import (
    Batch,
    Peer,
    compare,
    draw_batch,
    forward_clock,
    training_clock,
)
from analyses.kit import Study, busy, quartiles, race

WIDTHS, BATCHES = (1024, 4096), (1, 32, 256)
REPETITIONS, SLOT = 5, 0.05
LOSS_TOLERANCE, STEP_TOLERANCE = 1e-4, 1e-3
PEERS = "dense", "masked", "CSR"

Case = tuple[int, int]  # width and examples


def cases() -> list[Case]:
    """Each width with each batch."""
    return list(product(WIDTHS, BATCHES)) if has_torch else []


def measure(case: Case) -> dict[str, Any]:
    """Seconds and ratios of one width and batch."""
    n, examples = case
    peers = make_peers(n, draw_batch(n, examples))
    for name in PEERS[1:]:
        tolerances = {"loss": LOSS_TOLERANCE, "step": STEP_TOLERANCE}
        compare(SAME, peers[SAME], name, peers[name], **tolerances)
    found = {}
    for work, clock in {"forward": forward_clock, "training": training_clock}.items():
        seconds = race({name: clock(peer, busy) for name, peer in peers.items()}, REPETITIONS, SLOT)
        found[work] = {
            "seconds": {name: quartiles(values) for name, values in seconds.items()},
            "ratios": {
                own: {name: quartiles(seconds[name] / seconds[own]) for name in PEERS}
                for own in OWN
            },
        }
    return found


def make_peers(n: int, batch: Batch) -> dict[str, Peer]:
    """Layers of topokit and of PyTorch."""
    own = {name: torch_makers["module"](TOPOLOGIES[name](n), batch) for name in OWN}
    same = own[SAME].matrices(own[SAME].begin(True))
    dense = {"dense": torch_makers["fused"](dense_matrix(n), batch)}
    return own | dense | {name: torch_makers[name](same, batch) for name in PEERS[1:]}


def summarize(records: dict[Case, Any]) -> dict[str, Any]:
    """By width and batch."""
    return {f"width {n}, batch {examples}": found for (n, examples), found in records.items()}


STUDY = Study(
    __name__,
    quick={"WIDTHS": (16,), "BATCHES": (4,), "REPETITIONS": 2, "SLOT": 0.01},
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
