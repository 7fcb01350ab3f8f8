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

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
from _learning import each, keep, load, mean, options, standard_error
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from topokit import networks

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
    data = load("mnist", setting.mnist)
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
        "accuracy": mean(ends),
        "error": standard_error(ends),
        "accuracies": [round(end, 5) for end in ends],
    }


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
    quick, folders, _ = options(__doc__, "mnist")
    setting = QUICK if quick else Setting(folders["mnist"], SHARES, EPOCHS, SEEDS)
    rows = each(partial(measure, setting=setting), cases(setting.shares))
    name = load("mnist", setting.mnist).name
    settings = {"data": name, "epochs": setting.epochs, "batch": BATCH, "rate": RATE}
    verdicts = {"seeds": setting.seeds, "closnets_3": verdict(rows), "rows": rows}
    keep(__file__, plot(rows, name), settings | verdicts, quick=quick)


if __name__ == "__main__":
    main()
