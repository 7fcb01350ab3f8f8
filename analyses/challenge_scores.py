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

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from math import isclose
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

import topokit as tk
from topokit import challenge

DATA = Path(__file__).parents[2] / "shared/data/graph-challenge-n1024"
TABLES = "n1024-class-tables.npz"
WIDTHS, QUICK_WIDTHS = (64, 128, 256, 512, 1024), (32,)
DEEP, SEED, SAME = 120, 0, 1e-4
BLOCK = "RadiX-Net, a block"
SHOWN = {
    "edges": "edges",
    "bandwidth": "bandwidth",
    "paths_min": "fewest paths",
    "paths_max": "most paths",
    "satisfiable": "satisfiable",
    "degrees_of_freedom": "degrees of freedom",
    "predicted_loss": "predicted loss",
    "control_mean": "mean K",
    "control_deviation": "deviation of K",
}

Made = tuple[str, Callable[[], tk.Layers]]


def of_width(neurons: int) -> Iterator[Made]:
    """A block of the challenge's layers, and its peers."""
    depth = challenge.plain_network(neurons).period
    block = challenge.plain_network(neurons, depth)
    share = block.connections / neurons**2
    yield BLOCK, lambda: challenge.network_layers(block)
    widths, senders = [neurons] * (depth + 1), block.connections // neurons // depth
    random = tk.topologies.random_regular.layers
    yield "random, regular", lambda: random(widths, senders, seed=SEED)
    yield "Clos", lambda: tk.to_layers(tk.networks.clos_with(share)(neurons, neurons))
    yield "low rank", lambda: tk.to_layers(tk.networks.low_rank_with(share)(neurons, neurons))


def deep(data: Path) -> Iterator[Made]:
    """All layers of the smallest network of the challenge."""
    plain = challenge.plain_network(1024, DEEP)
    yield "RadiX-Net", lambda: challenge.network_layers(plain)
    official = challenge.read_class_tables(data / TABLES)
    yield "official network", lambda: challenge.network_layers(official)


def row(name: str, make: Callable[[], tk.Layers]) -> dict[str, Any]:
    """The score of a network."""
    return {"network": name} | tk.score(make())._asdict()


def verdicts(rows: list[dict[str, Any]]) -> dict[str, dict[str, bool]]:
    """Whether all networks of a kind have each property."""
    found: dict[str, dict[str, bool]] = {}
    for name in dict.fromkeys(r["network"] for r in rows):
        own = [r for r in rows if r["network"] == name]
        found[name] = {
            "equally many paths": all(r["paths_min"] == r["paths_max"] for r in own),
            "K at its bound": all(
                isclose(r["control_loss"], r["control_bound"], rel_tol=SAME, abs_tol=SAME)
                for r in own
            ),
            "K the same for all": all(r["control_deviation"] < SAME for r in own),
            "an entry an edge": all(
                r["satisfiable"] == min(r["trainable"], r["n_in"] * r["n_out"]) for r in own
            ),
        }
    return found


def readable(value: Any) -> str:
    """A number in a table."""
    if value is None:
        return "too large"
    if isinstance(value, int) and value > 10**9:
        bits = value.bit_length() - 1
        return f"2^{bits}" if value == 2**bits else f"about 2^{bits}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def short(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose integers are no longer than double precision holds; others as powers."""
    return {k: readable(v) if isinstance(v, int) and v > 2**53 else v for k, v in row.items()}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the scores."""
    table = Table("width", "layers", "network", *SHOWN.values(), title="data-free scores")
    for r in rows:
        cells = [readable(r[name]) for name in SHOWN]
        table.add_row(str(r["n_in"]), str(r["depth"]), r["network"], *cells)
    Console(width=170).print(table)


def main() -> None:
    """Score, print, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the official network")
    parser.add_argument("--quick", action="store_true", help="smallest widths, nothing kept")
    given = parser.parse_args()
    if not given.quick and not (given.data / TABLES).exists():
        sys.exit(f"{given.data / TABLES} is not there: name its folder with --data")
    widths = QUICK_WIDTHS if given.quick else WIDTHS
    made = [one for width in widths for one in of_width(width)]
    made += [] if given.quick else deep(given.data)
    console = Console(stderr=True)
    progress = {"console": console, "transient": True, "disable": not console.is_terminal}
    rows = [row(*one) for one in track(made, **progress)]
    show(rows)
    if not given.quick:
        found = {"challenge": verdicts(rows), "rows": [short(r) for r in rows]}
        text = json.dumps(found, indent=2)
        Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
