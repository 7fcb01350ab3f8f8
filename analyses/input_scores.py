"""What images leave of a loss: predicted and trained, with pixels in their own order and in none.

Wirings from 64 inputs to 64 outputs, each of 768 trainable edges, rebuild random matrices; the loss
is that of the outputs over images of MNIST, shrunk to 8 x 8 pixels and less their mean (`inputs=`
of `predicted_loss` and `reconstruct`). Diamonds are predicted losses, dots trained ones: blue where
inputs are the pixels in their own order, row by row; red in random orders. Patches join a neuron to
the pixels around it, of so many rows and columns, edges wrapping around; Clos, butterflies and low
rank join all pairs.

Claim: over images the predicted loss foretells the trained one, with a rank correlation of at least
0.9; and a wiring that joins neighbors leaves more in the pixels' own order than in a random one, as
neighbors tell most about each other, and least about all others. The verdict: it holds if both are
so, the latter for each wiring of patches, predicted and trained; in part if one is.

Without inputs (`plain` in the numbers) the prediction orders wirings no worse, and here better, but
its values are those of inputs that are all alike, and it knows no order.

Writes `input_scores.png` and, with its numbers, `input_scores.json` beside this script; `--quick`
takes scikit-learn's digits, two wirings and few steps.
"""

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

import topokit as tk
from analyses import kit
from analyses._learning import load
from analyses.kit import COLORS, Study
from topokit.reconstruction import Adam

SIDE, EDGES = 8, 768
N = SIDE * SIDE
IMAGES, TARGETS, STEPS, ORDERS, SEED = 10_000, 4, 1500, 3, 0
LEAST_CORRELATION = 0.9
t = tk.topologies


def patches(*shapes: tuple[int, int]) -> tk.Layers:
    """Layers that join each neuron of a grid to those around it."""
    rows, columns = np.divmod(np.arange(N), SIDE)
    masks = [
        ((rows[:, None] - rows) % SIDE < height) & ((columns[:, None] - columns) % SIDE < width)
        for height, width in shapes
    ]
    return tk.to_layers(tk.from_masks(masks))


WIRINGS = {
    "random, 1 layer": lambda: t.random_regular.layers([N] * 2, 12, seed=SEED),
    "patches, 1 layer": lambda: patches((3, 4)),
    "random, 2 layers": lambda: t.random_regular.layers([N] * 3, 6, seed=SEED),
    "patches, 2 layers": lambda: patches((2, 3), (3, 2)),
    "random, 4 layers": lambda: t.random_regular.layers([N] * 5, 3, seed=SEED),
    "patches, 4 layers": lambda: patches((1, 3), (3, 1), (1, 3), (3, 1)),
    "Clos": lambda: t.clos.layers(N, N, 8, 4, 8),
    "butterfly": lambda: t.butterfly.layers(N),
    "low rank": lambda: t.low_rank.layers(N, N, 6),
}
PATCHES = "patches"
STYLES = {
    "own": ("pixels in their own order", -0.17, COLORS.blue),
    "random": ("in random order, mean of three", 0.17, COLORS.red),
}


def cases() -> list[str]:
    """All wirings by name."""
    return list(WIRINGS)


@cache
def images() -> Float[np.ndarray, "images pixels"]:
    """Images as vectors less their mean, which a bias would see to.

    Of 28 x 28 pixels the middle 24 x 24, means of squares of 3 x 3.
    """
    x = load("mnist").train_x[:IMAGES, 0]
    if x.shape[1] > SIDE:
        x = x[:, 2:26, 2:26].reshape(len(x), SIDE, 3, SIDE, 3).mean((2, 4))
    return x.reshape(len(x), -1).astype(float) - x.reshape(len(x), -1).mean(axis=0)


def measure(name: str) -> dict[str, Any]:
    """The losses of a wiring, in both kinds of orders."""
    layers, x = WIRINGS[name](), images()
    rng = np.random.default_rng(SEED)
    targets = rng.standard_normal((TARGETS, N, N))
    orders = [rng.permutation(N) for _ in range(ORDERS)]
    return {
        "name": name,
        "edges": layers.n_trainable,
        "plain": float(tk.predicted_loss(layers)),
        "own": losses(layers, targets, x),
        "random": mean([losses(layers, targets, x[:, order]) for order in orders]),
    }


def losses(
    layers: tk.Layers, targets: Float[np.ndarray, "targets n n"], x: Float[np.ndarray, "images n"]
) -> dict[str, float]:
    """What is predicted, and what training leaves."""
    found = tk.reconstruct(layers, targets, inputs=x, solver=Adam(max_steps=STEPS), key=SEED)
    return {
        "predicted": float(tk.predicted_loss(layers, inputs=x)),
        "trained": float(found.loss.mean()),
    }


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of several orders."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def summarize(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The rank correlation, what the own order costs, and the verdict."""
    rows = list(records.values())
    every = [row[order] for row in rows for order in ("own", "random")]
    predicted, trained = (
        np.array([each[kind] for each in every]) for kind in ("predicted", "trained")
    )
    plain = np.array([row["plain"] for row in rows for _ in ("own", "random")])
    joined = [row for row in rows if row["name"].startswith(PATCHES)]
    costs = {
        row["name"]: {kind: row["own"][kind] / row["random"][kind] for kind in row["own"]}
        for row in rows
    }
    foretells = kit.rank_correlation(predicted, trained)
    dearer = all(min(costs[row["name"]].values()) > 1 for row in joined)
    known = foretells >= LEAST_CORRELATION
    return {
        "verdict": kit.verdict(known and dearer, known or dearer),
        "rank_correlation": float(foretells),
        "rank_correlation_without_inputs": float(kit.rank_correlation(plain, trained)),
        "own_order_over_random": costs,
        "rows": rows,
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A line for each wiring and kind of orders, from the predicted loss to the trained one."""
    ax = figure.subplots()
    rows = sorted(results["rows"], key=lambda row: row["own"]["trained"])
    for kind, (label, shift, color) in STYLES.items():
        predicted, trained = (
            [row[kind][name] for row in rows] for name in ("predicted", "trained")
        )
        at = np.arange(len(rows)) + shift
        ax.hlines(at, predicted, trained, color=color, linewidth=1)
        look: dict[str, Any] = {"color": color, "linestyle": "none"}
        ax.plot(trained, at, "o", markersize=3.5, label=f"trained, {label}", **look)
        ax.plot(predicted, at, "D", markersize=8, label=f"predicted, {label}", mfc="none", **look)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.invert_yaxis()
    ax.set_xlabel("relative loss of the outputs")
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)


STUDY = Study(
    __name__,
    quick={
        "WIRINGS": dict([*WIRINGS.items()][:2]),
        "IMAGES": 300,
        "TARGETS": 1,
        "STEPS": 30,
        "ORDERS": 1,
    },
    size=(5.6, 3.8),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
