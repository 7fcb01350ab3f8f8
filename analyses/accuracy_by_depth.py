"""Test accuracy on MNIST by depth and sparsity, from two starts (NeuroFabric 2b).

Linear networks of 1 to 20 hidden layers of 256 neurons. Every edge from the image to the first
hidden layer and between hidden layers is there with the same probability, 1 down to 1/256; the
last layer, to the 10 classes, is dense. First weights are uniform within Xavier's radius, or within
that of NeuroFabric's equation (2), which divides by the root of that probability; masks and
underlying draws are the same. A number is the mean over seeds of the accuracy after one epoch, in
percent; without sparsity both starts are one and the same. On the right: pixels with a path to the
classes, and what that has to do with the accuracy.

The paper names neither the activation nor the optimizer. Its caption says "linear"; the optimizer
decides what becomes of small gradients, so there are two: Adam, which scales them up, and descent
with momentum, which does not. The rate is chosen for each depth and optimizer as the one of four
that leaves the dense network, from which both starts are the same, the lowest training loss.

Claims (NeuroFabric, section IV), judged on networks of at least 10 hidden layers that lack at least
3/4 of the edges, with each optimizer. An accuracy below 20 % is a failure, from 80 % on a success.

- `plain_fails`: from Xavier's start such networks completely fail to learn. It holds if all fail,
  and in part if at least half do.
- `sparse_trains`: from the start of (2) they train. Where paths are not lost, at sparsities below
  63/64, it holds if all succeed, and in part if at least half do.
- `paths_limit`: at sparsities of 63/64 and higher there is often no path between some inputs and
  outputs, which limits training. Of networks of all depths: it holds if at least half of them lack
  a path for some pixel, and Spearman's correlation of the share of pixels with a path and the
  accuracy from the start of (2) is above 0.5; in part if one of the two is so.

Reads MNIST from the folder that `--mnist` names. Writes `accuracy_by_depth.png` and, with its
numbers, `accuracy_by_depth.json` beside this script. `--quick` learns scikit-learn's digits at one
depth and sparsity and keeps nothing.
"""

from functools import cache, partial
from itertools import product
from math import inf, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax
from _accuracy_by_depth_figure import plot
from _learning import each, keep, load, mean, options, standard_error
from _masked import count_paths, masked_network, random_masks
from scipy.stats import spearmanr

from topokit import networks

HIDDEN, DEPTHS = 256, (20, 10, 5, 2, 1)  # the longest run first, so that processes end together
SPARSITIES = tuple(1 - 0.5**k for k in range(9))
STARTS = "plain", "sparse"
BATCH, SEEDS, MOMENTUM = 100, 3, 0.9
RATES = {"Adam": (1e-4, 3e-4, 1e-3, 3e-3), "momentum": (1e-3, 3e-3, 1e-2, 3e-2)}
DEEP, SPARSE, VERY_SPARSE = 10, 3 / 4, 63 / 64
FAILURE, SUCCESS, HALF, CORRELATED = 0.2, 0.8, 0.5, 0.5


class Setting(NamedTuple):
    """What is trained; the bundled digits where no folder is named."""

    mnist: Path | None
    depths: tuple[int, ...]
    sparsities: tuple[float, ...]
    rates: dict[str, tuple[float, ...]]
    seeds: int


class Case(NamedTuple):
    """Networks of one depth, trained by one optimizer."""

    depth: int
    optimizer: str


class End(NamedTuple):
    """A trained network: its loss in training, its test accuracy, and what `count_paths` found."""

    loss: float
    accuracy: float
    inputs: float
    hidden: float


QUICK = Setting(None, (2,), (0.75,), {"Adam": (3e-3,)}, 1)


@cache
def optimizer(name: str, rate: float) -> optax.GradientTransformation:
    """One object for each, to compile once a process."""
    return optax.adam(rate) if name == "Adam" else optax.sgd(rate, MOMENTUM)


def train(case: Case, rate: float, start: tuple[float, str, int], setting: Setting) -> End:
    """Train one network for an epoch, from a sparsity, a radius and a seed."""
    sparsity, radius, seed = start
    data, density = load("mnist", setting.mnist), 1 - sparsity
    rng = np.random.default_rng([seed, case.depth])
    masks = random_masks([prod(data.shape), *[HIDDEN] * case.depth], density, rng)
    share = density if radius == "sparse" else 1.0
    run = networks.train(
        masked_network(masks, data.n_classes, share, rng),
        data,
        optimizer=optimizer(case.optimizer, rate),
        epochs=1,
        batch_size=BATCH,
        seed=seed,
    )
    (row,) = run.epochs
    return End(
        row.train_loss if np.isfinite(row.train_loss) else inf,
        row.test_accuracy,
        *count_paths(masks),
    )


def measure(case: Case, setting: Setting) -> dict[str, Any]:
    """The rate by the dense network of the first seed; then every sparsity, start and seed."""
    rates = setting.rates[case.optimizer]
    losses = {rate: train(case, rate, (0.0, "plain", 0), setting).loss for rate in rates}
    rate = min(losses, key=losses.__getitem__)
    rows = []
    for sparsity in setting.sparsities:
        for radius in STARTS if sparsity else STARTS[:1]:
            starts = [(sparsity, radius, seed) for seed in range(setting.seeds)]
            ends = [train(case, rate, start, setting) for start in starts]
            rows.append({**case._asdict(), "start": radius, "sparsity": sparsity, **summary(ends)})
    known = {rate: round(loss, 5) if loss < inf else None for rate, loss in losses.items()}
    return {"losses": known, "rate": rate, "rows": rows}


def summary(ends: list[End]) -> dict[str, Any]:
    """Over the seeds."""
    accuracies = [end.accuracy for end in ends]
    return {
        "accuracy": mean(accuracies),
        "error": standard_error(accuracies),
        "accuracies": [round(a, 5) for a in accuracies],
        "inputs": [round(end.inputs, 5) for end in ends],
        "hidden": [round(end.hidden, 5) for end in ends],
    }


def judge(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The three verdicts with one optimizer, on means over seeds and, for paths, on networks."""
    own = [row for row in rows if row["optimizer"] == name]
    deep = [row for row in own if row["depth"] >= DEEP and row["sparsity"] >= SPARSE]
    plain = [row for row in deep if row["start"] == "plain"]
    sparse = [row for row in deep if row["start"] == "sparse" and row["sparsity"] < VERY_SPARSE]
    very = [row for row in own if row["start"] == "sparse" and row["sparsity"] >= VERY_SPARSE]
    if not (plain and sparse and very):
        return {}
    inputs = np.concatenate([row["inputs"] for row in very])
    accuracies = np.concatenate([row["accuracies"] for row in very])
    lacking, rank = float((inputs < 1).mean()), np.asarray(spearmanr(inputs, accuracies))[0]
    met = [lacking >= HALF, rank > CORRELATED]
    return {
        "plain_fails": share_verdict([row["accuracy"] < FAILURE for row in plain]),
        "sparse_trains": share_verdict([row["accuracy"] >= SUCCESS for row in sparse]),
        "paths_limit": {
            "networks": len(inputs),
            "lack_a_path": round(lacking, 5),
            "rank_correlation": round(float(rank), 5),
            "verdict": "holds" if all(met) else "holds in part" if any(met) else "does not hold",
        },
    }


def share_verdict(found: list[bool]) -> dict[str, Any]:
    """All, at least half, or fewer."""
    share = float(np.mean(found))
    part = "holds in part" if share >= HALF else "does not hold"
    return {
        "networks": len(found),
        "share": round(share, 5),
        "verdict": "holds" if all(found) else part,
    }


def main() -> None:
    """Train, judge, draw, save."""
    quick, folders, _ = options(__doc__, "mnist")
    full = () if quick else (folders["mnist"], DEPTHS, SPARSITIES, RATES, SEEDS)
    setting = Setting(*full) if full else QUICK
    cases = [Case(*kind) for kind in product(setting.depths, setting.rates)]
    found = each(partial(measure, setting=setting), cases)
    rates = [
        {**case._asdict(), "rate": one["rate"], "losses_of_rates": one["losses"]}
        for case, one in zip(cases, found, strict=True)
    ]
    rows = [row for one in found for row in one["rows"]]
    settings = {"data": load("mnist", setting.mnist).name, "hidden": HIDDEN, "batch": BATCH}
    settings |= {"epochs": 1, "seeds": setting.seeds, "momentum": MOMENTUM, "rates": rates}
    verdicts = {name: judge(rows, name) for name in setting.rates}
    keep(__file__, plot(rows), settings | {"neurofabric_2b": verdicts, "rows": rows}, quick=quick)


if __name__ == "__main__":
    main()
