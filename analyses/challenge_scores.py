"""Data-free scores of the Graph Challenge's networks, beside other wirings of as many edges.

One block of the challenge's layers, which is the least that joins every pair, for widths of 64 to
1,024 neurons; and, at the same width, a random network of as many layers and senders a neuron, a
Clos network and a low-rank one of no more edges. Then 120 layers of 1,024 neurons, plain and with
the official permutations. Path counts are exact integers, written as powers where they are long.
Numbers that need more memory than their functions allow themselves are left out.

Claims, each for all widths: a block joins every pair by equally many paths; its K reaches the bound
of the loss (20) and is the same for every pair, to a ten-thousandth; each of its edges has an entry
of its own to satisfy. `challenge` says what the others do there.

Reads the tables of the official network from the folder that `--data` names. Writes
`challenge_scores.json` beside this script; `--quick` takes the smallest widths and keeps nothing.
"""

from collections.abc import Callable
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import topokit as tk
from analyses import kit
from analyses.kit import Study
from topokit import challenge

TABLES = "n1024-class-tables.npz"
WIDTHS = (64, 128, 256, 512, 1024)
DEEP, DEEP_WIDTH, SEED, SAME = 120, 1024, 0, 1e-4
SHOWN = (
    "edges",
    "bandwidth",
    "paths_min",
    "paths_max",
    "satisfiable",
    "degrees_of_freedom",
    "predicted_loss",
    "control_mean",
    "control_deviation",
)


class Case(NamedTuple):
    """A network by its width and name."""

    width: int
    network: str


def block(width: int) -> challenge.ChallengeNetwork:
    """The least layers of the challenge that join every pair."""
    return challenge.plain_network(width, challenge.plain_network(width).period)


def random(width: int) -> tk.Layers:
    """As many layers and senders a neuron as a block has."""
    one = block(width)
    senders = one.connections // width // one.depth
    return tk.topologies.random_regular.layers([width] * (one.depth + 1), senders, seed=SEED)


def share(width: int) -> float:
    """Of a block's edges in a dense layer's."""
    return block(width).connections / width**2


PEERS: dict[str, Callable[[int], Any]] = {
    "RadiX-Net, a block": lambda n: challenge.network_layers(block(n)),
    "random, regular": random,
    "Clos": lambda n: tk.networks.clos_with(share(n))(n, n),
    "low rank": lambda n: tk.networks.low_rank_with(share(n))(n, n),
}
DEEP_NETWORKS: dict[str, Callable[[], challenge.ChallengeNetwork]] = {
    "RadiX-Net": lambda: challenge.plain_network(DEEP_WIDTH, DEEP),
    "official network": lambda: challenge.read_class_tables(
        (kit.data_folder("data") or Path()) / TABLES
    ),
}


def cases() -> list[Case]:
    """A block of each width and its peers, and the deep networks."""
    found = [Case(width, peer) for width in WIDTHS for peer in PEERS]
    return found + [Case(DEEP_WIDTH, name) for name in DEEP_NETWORKS]


def measure(case: Case) -> dict[str, Any]:
    """The score of a network."""
    if case.network in PEERS:
        layers = tk.to_layers(PEERS[case.network](case.width))
    else:
        layers = challenge.network_layers(DEEP_NETWORKS[case.network]())
    return {"network": case.network} | tk.score(layers)._asdict()


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """Whether all networks of a kind have each property, and the scores."""
    kinds: dict[str, list] = {}
    for case, row in found.items():
        kinds.setdefault(case.network, []).append(row)
    rows = [short(row) for row in found.values()]
    return {"challenge": {name: verdicts(own) for name, own in kinds.items()}, "rows": rows}


def verdicts(own: list[dict[str, Any]]) -> dict[str, bool]:
    """Of one kind."""
    return {
        "equally many paths": all(r["paths_min"] == r["paths_max"] for r in own),
        "K at its bound": all(
            isclose(r["control_loss"], r["control_bound"], rel_tol=SAME, abs_tol=SAME) for r in own
        ),
        "K the same for all": all(r["control_deviation"] < SAME for r in own),
        "an entry an edge": all(
            r["satisfiable"] == min(r["trainable"], r["n_in"] * r["n_out"]) for r in own
        ),
    }


def short(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose integers are no longer than double precision holds; others as powers."""
    long = {name: value for name, value in row.items() if isinstance(value, int) and value > 2**53}
    return row | {name: power(value) for name, value in long.items()}


def power(value: int) -> str:
    """A long integer in words."""
    bits = value.bit_length() - 1
    return f"2^{bits}" if value == 2**bits else f"about 2^{bits}"


def show(results: dict[str, Any]) -> None:
    """Print the scores; a dash is for what is too large."""
    rows = {f"{r['network']}, {r['n_in']} x {r['depth']}": r for r in results["rows"]}
    chosen = {name: {field: row[field] for field in SHOWN} for name, row in rows.items()}
    kit.show({"data-free scores": chosen, "challenge": results["challenge"]})


STUDY = Study(
    __name__,
    quick={"WIDTHS": (32,), "DEEP_NETWORKS": {}},
    data=("data",),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
