"""Test accuracy on MNIST against parameters: dense, low rank, a priori pruned, Clos (ClosNets 3).

Lenet-300-100 in four kinds: dense with fewer neurons in its hidden layers; and with 300 and 100 of
them, but low-rank products, random sparse layers of equal fan-in ("a priori pruned"), or Clos
cascades in the place of its two wide layers. All train alike: Adam whose rate falls along a cosine,
12 epochs of batches of 100. Points are means over seeds, bars two standard errors to either side.

Claim (ClosNets, figure 3): Clos networks reach the accuracy of the dense network with 5.5 times
fewer parameters. The verdict compares the Clos network of that size with the dense one: it holds
if the means differ by less than two standard errors of their difference, and in part if by less
than half a percent.

Reads MNIST from the folder that `--mnist` names. Writes `accuracy_by_parameters.png` and, with its
numbers, `accuracy_by_parameters.json` beside this script. `--quick` learns scikit-learn's digits
for a few epochs and keeps nothing.
"""

import argparse
import json
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from rich.console import Console
from rich.progress import track

import topokit as tk
from topokit import networks

MNIST = Path(__file__).parents[2] / "shared/data/mnist"
HIDDEN = (300, 100)
SHARES = (0.5, 0.3, 0.175, 0.1, 0.05, 0.025)
EPOCHS, BATCH, SEEDS, RATE = 12, 100, 3, 3e-3
RULES = {
    "Clos": networks.clos_with,
    "a priori pruned": networks.random_with,
    "low rank": networks.low_rank_with,
}
FEWER, HALF_A_PERCENT = 5.5, 0.005
LOOKS = {
    "dense": ("s", "#000000"),
    "Clos": ("o", "#0072B2"),
    "a priori pruned": ("^", "#D55E00"),
    "low rank": ("D", "#009E73"),
}


class Setting(NamedTuple):
    """What is trained, and how long; the bundled digits where no folder is named."""

    mnist: Path | None
    shares: tuple[float, ...]
    epochs: int
    seeds: int


class Case(NamedTuple):
    """A network to train: its kind, and the share of the dense one's connections."""

    kind: str
    share: float


QUICK = Setting(None, (0.3,), 1, 1)


def cases(shares: tuple[float, ...]) -> list[Case]:
    """Every kind at every share, and the whole dense network."""
    return [Case("dense", 1.0), *(Case(k, s) for k in ("dense", *RULES) for s in shares)]


def make(case: Case, data: networks.Dataset, seed: int) -> Any:
    """A network with fresh weights; dense ones by the same rule of initialization."""
    key = jax.random.key(seed)
    narrow = case.kind == "dense"
    hidden = [max(1, round(case.share * n)) if narrow else n for n in HIDDEN]
    model = networks.mlp(data.shape, hidden, data.n_classes, key=key)
    rule = networks.dense() if narrow else RULES[case.kind](case.share)
    return networks.sparsify(model, rule, key=key)


def measure(case: Case, setting: Setting) -> dict[str, Any]:
    """Train one case with every seed."""
    data = load(setting.mnist)
    steps = setting.epochs * (len(data.train_x) // BATCH)
    adam = optax.adam(optax.cosine_decay_schedule(RATE, steps))  # one, to compile once
    sizes, ends = set(), []
    for seed in range(setting.seeds):
        model = make(case, data, seed)
        run = networks.train(
            model, data, optimizer=adam, epochs=setting.epochs, batch_size=BATCH, seed=seed
        )
        sizes.add(networks.n_parameters(model))
        ends.append(run.epochs[-1].test_accuracy)
    (parameters,) = sizes
    return {
        "kind": case.kind,
        "share": case.share,
        "parameters": parameters,
        "accuracy": round(float(np.mean(ends)), 5),
        "error": round(standard_error(ends), 5),
        "accuracies": [round(end, 5) for end in ends],
    }


def measure_all(setting: Setting) -> list[dict[str, Any]]:
    """Every case, in as many processes as there are cores."""
    console = Console(stderr=True)
    some = cases(setting.shares)
    with tk.ranking.process_pool(tk.ranking.default_jobs()) as pool:
        found = track(
            pool.map(partial(measure, setting=setting), some),
            total=len(some),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        return list(found)


@cache
def load(mnist: Path | None) -> networks.Dataset:
    """MNIST from a folder, or the bundled digits; once a process."""
    return networks.read_mnist(mnist) if mnist else networks.load_digits()


def standard_error(values: list[float]) -> float:
    """Of the mean; 0 for a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def verdict(rows: list[dict]) -> dict[str, Any] | None:
    """The dense network beside the largest Clos one that is so many times smaller."""
    dense, *others = rows
    most = dense["parameters"] / FEWER
    small = [row for row in others if row["kind"] == "Clos" and row["parameters"] <= most]
    if not small:
        return None
    clos = max(small, key=lambda row: row["parameters"])
    gap = dense["accuracy"] - clos["accuracy"]
    error = float(np.hypot(dense["error"], clos["error"]))
    part = "holds in part" if gap < HALF_A_PERCENT else "does not hold"
    return {
        "times_fewer": round(dense["parameters"] / clos["parameters"], 2),
        "dense": dense["accuracy"],
        "clos": clos["accuracy"],
        "gap": round(gap, 5),
        "gap_error": round(error, 5),
        "verdict": "holds" if gap < 2 * error else part,
    }


def plot(rows: list[dict], name: str) -> Axes:
    """Test error against parameters, both logarithmic."""
    _, ax = plt.subplots(figsize=(5.8, 3.9), layout="constrained")
    for kind, (mark, color) in LOOKS.items():
        own = sorted((r for r in rows if r["kind"] == kind), key=lambda r: r["parameters"])
        ax.errorbar(
            [r["parameters"] for r in own],
            [100 * (1 - r["accuracy"]) for r in own],
            [200 * r["error"] for r in own],
            color=color,
            marker=mark,
            markersize=5,
            capsize=2,
            label=kind,
        )
    ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel=f"test error on {name} (%)")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(alpha=0.3, which="both")
    ax.legend(frameon=False, fontsize=9)
    return ax


def main() -> None:
    """Train, print, draw, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mnist", type=Path, default=MNIST, help="folder of MNIST's four files")
    parser.add_argument("--quick", action="store_true", help="digits, few epochs")
    given = parser.parse_args()
    quick = given.quick
    if not quick and not given.mnist.is_dir():
        sys.exit(f"MNIST is not in {given.mnist}: name its folder with --mnist")
    setting = QUICK if quick else Setting(given.mnist, SHARES, EPOCHS, SEEDS)
    rows = measure_all(setting)
    name = load(setting.mnist).name
    settings = {"data": name, "epochs": setting.epochs, "batch": BATCH, "rate": RATE}
    verdicts = {"seeds": setting.seeds, "closnets_3": verdict(rows), "rows": rows}
    text = json.dumps(settings | verdicts, indent=2)
    print(text)
    with tempfile.TemporaryDirectory() as nowhere:
        folder = Path(nowhere) if quick else Path(__file__).parent
        picture = folder / "accuracy_by_parameters.png"
        tk.plotting.save_figure(plot(rows, name), picture)
        picture.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
