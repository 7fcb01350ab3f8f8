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

from fractions import Fraction
from functools import cache
from itertools import product
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from analyses._learning import load, train
from analyses._masked import count_paths, masked_network, random_masks
from analyses.kit import COLORS, Look, Study, accuracy_of, verdict

HIDDEN, DEPTHS = 256, (20, 10, 5, 2, 1)  # the longest run first, so that processes end together
SPARSITIES = tuple(1 - 0.5**k for k in range(9))
STARTS = "plain", "sparse"
BATCH, SEEDS, MOMENTUM = 100, 3, 0.9
RATES = {"Adam": (1e-4, 3e-4, 1e-3, 3e-3), "momentum": (1e-3, 3e-3, 1e-2, 3e-2)}
DEEP, SPARSE, VERY_SPARSE = 10, 3 / 4, 63 / 64
FAILURE, SUCCESS, HALF, CORRELATED = 0.2, 0.8, 0.5, 0.5
STYLES = {"Adam": Look("o", COLORS.blue), "momentum": Look("^", COLORS.red)}
STYLE_TITLES = {"plain": "accuracy (%), Xavier", "sparse": "accuracy (%), sparse Xavier"}
STYLE_DARK = 50  # percent; numbers on darker cells are white

Rows = list[dict[str, Any]]


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


def cases() -> list[Case]:
    """Every depth with every optimizer."""
    return [Case(*kind) for kind in product(DEPTHS, RATES)]


@cache
def optimizer(name: str, rate: float) -> optax.GradientTransformation:
    """One object for each, to compile once a process."""
    return optax.adam(rate) if name == "Adam" else optax.sgd(rate, MOMENTUM)


def learn(case: Case, rate: float, start: tuple[float, str, int]) -> End:
    """Train one network for an epoch, from a sparsity, a radius and a seed."""
    sparsity, radius, seed = start
    data, density = load("mnist"), 1 - sparsity
    rng = np.random.default_rng([seed, case.depth])
    masks = random_masks([prod(data.shape), *[HIDDEN] * case.depth], density, rng)
    share = density if radius == "sparse" else 1.0
    model = masked_network(masks, data.n_classes, share, rng)
    how = optimizer(case.optimizer, rate)
    run = train(model, data, how, epochs=1, batch=BATCH, seed=seed)
    loss = run.train_loss if np.isfinite(run.train_loss) else inf
    return End(loss, run.accuracy, *count_paths(masks))


def measure(case: Case) -> dict[str, Any]:
    """The rate by the dense network of the first seed; then every sparsity, start and seed."""
    rates = RATES[case.optimizer]
    losses = {rate: learn(case, rate, (0.0, "plain", 0)).loss for rate in rates}
    rate = min(losses, key=losses.__getitem__)
    rows = []
    for sparsity in SPARSITIES:
        for radius in STARTS if sparsity else STARTS[:1]:
            starts = [(sparsity, radius, seed) for seed in range(SEEDS)]
            ends = [learn(case, rate, start) for start in starts]
            rows.append(
                {**case._asdict(), "start": radius, "sparsity": sparsity, **over_seeds(ends)}
            )
    known = {rate: round(loss, 5) if loss < inf else None for rate, loss in losses.items()}
    return {"rate": {**case._asdict(), "rate": rate, "losses_of_rates": known}, "rows": rows}


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """The rates that were chosen, the verdicts, and all rows."""
    rows = [row for record in found.values() for row in record["rows"]]
    return {
        "data": load("mnist").name,
        "rates": [record["rate"] for record in found.values()],
        "neurofabric_2b": {name: judge(rows, name) for name in RATES},
        "rows": rows,
    }


def over_seeds(ends: list[End]) -> dict[str, Any]:
    """Over the seeds."""
    accuracies = [end.accuracy for end in ends]
    return {
        **accuracy_of(accuracies),
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
            "verdict": verdict(all(met), any(met)),
        },
    }


def share_verdict(found: list[bool]) -> dict[str, Any]:
    """All, at least half, or fewer."""
    share = float(np.mean(found))
    return {
        "networks": len(found),
        "share": round(share, 5),
        "verdict": verdict(all(found), share >= HALF),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A heat map for each optimizer and start, one of paths, and accuracy against paths."""
    rows = results["rows"]
    names = list(dict.fromkeys(row["optimizer"] for row in rows))
    axes = figure.subplots(max(len(names), 2), 3)
    for name, line in zip(names, axes, strict=False):
        for start, ax in zip(STYLE_TITLES, line, strict=False):
            heat(ax, started(rows, name, start), "accuracy")
        line[0].set_ylabel(f"{name}: hidden layers", fontsize=9)
        line[1].set_yticks([])
    for title, ax in zip(STYLE_TITLES.values(), axes[0], strict=False):
        ax.set_title(title, fontsize=9)
    heat(axes[0, 2], started(rows, names[0], "plain"), "inputs")
    axes[0, 2].set_title("pixels with a path (%)", fontsize=9)
    scatter(axes[1, 2], rows)
    for ax in axes[len(names) :, :2].ravel():
        ax.set_visible(False)
    for ax in axes[: len(names) - 1, :2].ravel():
        ax.set_xticks([])
    for ax in (*axes[len(names) - 1, :2], axes[0, 2]):
        ax.set_xlabel("sparsity", fontsize=9)


def started(rows: Rows, name: str, start: str) -> Rows:
    """Of one optimizer and start; without sparsity both starts are the same."""
    starts = {row["sparsity"]: start if row["sparsity"] else "plain" for row in rows}
    return [r for r in rows if (r["optimizer"], r["start"]) == (name, starts[r["sparsity"]])]


def heat(ax: Axes, rows: Rows, key: str) -> None:
    """Means in percent, depth by sparsity."""
    depths = sorted({row["depth"] for row in rows})
    sparsities = sorted({row["sparsity"] for row in rows})
    cells = {(row["depth"], row["sparsity"]): 100 * np.mean(row[key]) for row in rows}
    values = np.array([[cells[depth, sparsity] for sparsity in sparsities] for depth in depths])
    ax.pcolormesh(values, cmap="cividis", vmin=0, vmax=100)
    ax.invert_yaxis()
    # Smoothed edges of so many numbers would double the size of the file.
    for (y, x), value in np.ndenumerate(values):
        color = "white" if value < STYLE_DARK else "black"
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": color,
            "fontsize": 8,
            "antialiased": False,
        }
        ax.text(x + 0.5, y + 0.5, f"{value:.0f}", **style)
    names = [fraction(sparsity) for sparsity in sparsities]
    ax.set_xticks(np.arange(len(sparsities)) + 0.5, names, fontsize=10)
    ax.set_yticks(np.arange(len(depths)) + 0.5, [str(depth) for depth in depths], fontsize=8)
    ax.tick_params(length=0)


def fraction(value: float) -> str:
    """As it is typeset."""
    upper, lower = Fraction(value).as_integer_ratio()
    return str(upper) if lower == 1 else rf"$\frac{{{upper}}}{{{lower}}}$"


def scatter(ax: Axes, rows: Rows) -> None:
    """Accuracy of very sparse networks against their pixels with a path, a point a network."""
    for name, (mark, color, _) in STYLES.items():
        very = [row for row in started(rows, name, "sparse") if row["sparsity"] >= VERY_SPARSE]
        inputs, accuracies = (
            [100 * value for row in very for value in row[key]] for key in ("inputs", "accuracies")
        )
        ax.plot(inputs, accuracies, mark, color=color, markersize=4, fillstyle="none", label=name)
    ax.set_ylim(0, 100)
    ax.set_xlabel("pixels with a path (%)", fontsize=9)
    ax.set_ylabel("accuracy (%)", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.set_title("sparse Xavier from 63/64 on", fontsize=9)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)


STUDY = Study(
    __name__,
    quick={"DEPTHS": (2,), "SPARSITIES": (0.75,), "RATES": {"Adam": (3e-3,)}, "SEEDS": 1},
    size=(8.0, 4.0),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
