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

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analyses._learning import load, train
from analyses.kit import COLORS, Look, Study, accuracy_of, errors, verdict
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
STYLES = {
    "dense": Look("s", COLORS.black),
    "Clos": Look("o", COLORS.blue),
    "a priori pruned": Look("^", COLORS.red),
    "low rank": Look("D", COLORS.green),
}


class Case(NamedTuple):
    """A network to train: its kind, and the share of the dense one's connections."""

    kind: str
    share: float


def cases() -> list[Case]:
    """Every kind at every share, and the whole dense network."""
    kinds = ("dense", *RULES)
    return [Case("dense", 1.0), *(Case(k, s) for k in kinds for s in SHARES)]


def make(case: Case, data: networks.Dataset, seed: int) -> Any:
    """A network with fresh weights; dense ones by the same rule of initialization."""
    key = jax.random.key(seed)
    narrow = case.kind == "dense"
    hidden = [max(1, round(case.share * n)) if narrow else n for n in HIDDEN]
    model = networks.mlp(data.shape, hidden, data.n_classes, key=key)
    rule = networks.dense() if narrow else RULES[case.kind](case.share)
    return networks.sparsify(model, rule, key=key)


@cache
def adam(steps: int) -> optax.GradientTransformation:
    """Adam whose rate falls along a cosine; one object, to compile once."""
    return optax.adam(optax.cosine_decay_schedule(RATE, steps))


def measure(case: Case) -> dict[str, Any]:
    """Train one case with every seed."""
    data = load("mnist")
    optimizer = adam(EPOCHS * (len(data.train_x) // BATCH))
    sizes, ends = set(), []
    for seed in range(SEEDS):
        model = make(case, data, seed)
        run = train(model, data, optimizer, epochs=EPOCHS, batch=BATCH, seed=seed)
        sizes.add(networks.n_parameters(model))
        ends.append(run.accuracy)
    (parameters,) = sizes
    return {
        "kind": case.kind,
        "share": case.share,
        "parameters": parameters,
        **accuracy_of(ends),
    }


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """The verdict beside the rows."""
    rows = list(found.values())
    return {"data": load("mnist").name, "closnets_3": judge(rows), "rows": rows}


def judge(rows: list[dict]) -> dict[str, Any] | None:
    """The dense network beside the largest Clos one that is so many times smaller."""
    dense, *others = rows
    most = dense["parameters"] / FEWER
    small = [row for row in others if row["kind"] == "Clos" and row["parameters"] <= most]
    if not small:
        return None
    clos = max(small, key=lambda row: row["parameters"])
    gap = dense["accuracy"] - clos["accuracy"]
    error = float(np.hypot(dense["error"], clos["error"]))
    return {
        "times_fewer": round(dense["parameters"] / clos["parameters"], 2),
        "dense": dense["accuracy"],
        "clos": clos["accuracy"],
        "gap": round(gap, 5),
        "gap_error": round(error, 5),
        "verdict": verdict(gap < 2 * error, gap < HALF_A_PERCENT),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Test error against parameters, both logarithmic."""
    ax = figure.subplots()
    for kind, look in STYLES.items():
        errors(ax, [r for r in results["rows"] if r["kind"] == kind], "parameters", look, kind)
    ax.set(xscale="log", yscale="log", xlabel="parameters")
    ax.set_ylabel(f"test error on {results['data']} (%)")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(alpha=0.3, which="both")
    ax.legend(frameon=False, fontsize=9)


STUDY = Study(
    __name__,
    quick={"SHARES": (0.3,), "EPOCHS": 1, "SEEDS": 1, "RULES": {"Clos": networks.clos_with}},
    size=(5.8, 3.9),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
