"""Test accuracy by epoch of MobileNet v1 with Clos pointwise layers, on CIFAR-10 (NeuroFabric 6).

The pointwise convolutions of MobileNet v1 are dense, or Clos cascades such that 4, 6, 11.4 and 17
times fewer parameters are left. These are counted as that figure does for its dense network,
without depthwise kernels and the classifier; `times_fewer_in_all` counts every parameter. All
networks train alike: descent with Nesterov's momentum whose rate falls along a cosine, first
weights by Kaiming's rule, images as they are. Points are means over seeds, bars two standard errors
to either side.

Two cores cannot train the published size in time: the network here has half the channels, and
ImageNet's stride of 2 in its first convolution, for a few epochs; `settings` says which. With
`--full`, or where JAX finds a GPU, it is the full width at stride 1 for the paper's 150 epochs.

Claim (NeuroFabric, section VIII): four times fewer parameters are as accurate as the dense network
or more so, and accuracy falls slowly from there. The verdict has two parts, after the last epoch:
the Clos network of 4 is no more than two standard errors of their difference below the dense one;
and the one of 17 is less than five points below it. The claim holds if both do, and in part if one
does.

Reads CIFAR-10, or its subset, from the folder that `--cifar10` names. Writes `mobilenet_clos.png`
and `mobilenet_clos.json` beside this script. `--quick` learns scikit-learn's digits for an epoch
and keeps nothing.
"""

from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import optax
from matplotlib.figure import Figure

import topokit as tk
from analyses._learning import load, train
from analyses.kit import COLORS, Look, Study, mean, points, standard_error, verdict
from topokit import networks

FACTORS = (1.0, 4.0, 6.0, 11.4, 17.0)
SHARES = (1.0, *np.geomspace(0.4, 0.01, 100).tolist())
WIDTH, STEM_STRIDE, EPOCHS, BATCH = 0.5, 2, 8, 32  # what two cores can do in time
SEEDS, RATE, INERTIA = 3, 0.05, 0.9
FALL = 0.05
STYLES = (
    Look("s", COLORS.black),
    Look("o", COLORS.blue),
    Look("^", COLORS.red),
    Look("D", COLORS.green),
    Look("v", COLORS.pink),
)


class Case(NamedTuple):
    """A network to train: how many times smaller, the share of connections for it, its seed."""

    factor: float
    share: float
    seed: int


@cache
def dense(seed: int) -> tuple[Any, eqx.nn.State]:
    """The whole network with fresh weights, and its state."""
    data = load("cifar10")
    given = {"width": WIDTH, "stem_stride": STEM_STRIDE}
    make = eqx.nn.make_with_state(networks.mobilenet_v1)
    return make(data.shape, data.n_classes, **given, key=jax.random.key(seed))


def pointwise(model: Any) -> dict[str, tuple[int, int]]:
    """The kernels between the first convolution and the classifier."""
    return dict(list(networks.kernels(model).items())[1:-1])


def rule(share: float) -> networks.Rule:
    """Dense layers go the same way as Clos ones, through sparse layers that are complete."""
    whole = networks.dense()
    return whole if share == 1 else networks.clos_with(share, otherwise=whole)


def wired(model: Any, share: float, seed: int) -> Any:
    """Topologies in the places of the pointwise convolutions."""
    chosen = {name: rule(share)(*widths) for name, widths in pointwise(model).items()}
    return networks.sparsify(model, chosen, key=jax.random.key(seed))


def counts(model: Any, share: float) -> tuple[int, int]:
    """Parameters as the paper counts them, and all, where this share of connections is left."""
    kernels = sum(
        leaf.weight.size for leaf in model.layers if isinstance(leaf, networks.DepthwiseConv2d)
    )
    widths = pointwise(model).values()
    lost = sum(a * b - tk.to_layers(rule(share)(a, b)).n_edges for a, b in widths)
    total = networks.n_parameters(model) - lost
    return total - kernels - networks.n_parameters(model.layers[-1]), total


def cases() -> list[Case]:
    """Every factor with every seed, at the largest share that leaves so few parameters."""
    model, _ = dense(0)
    whole, _ = counts(model, 1.0)
    chosen = {
        factor: next(s for s in SHARES if factor * counts(model, s)[0] <= whole)
        for factor in FACTORS
    }
    return [Case(f, share, seed) for f, share in chosen.items() for seed in range(SEEDS)]


@cache
def descent(steps: int) -> optax.GradientTransformation:
    """One optimizer a process, so that a network is compiled once."""
    return optax.sgd(optax.cosine_decay_schedule(RATE, steps), INERTIA, nesterov=True)


def measure(case: Case) -> list[float]:
    """Test accuracy after each epoch."""
    data = load("cifar10")
    model, state = dense(case.seed)
    run = train(
        wired(model, case.share, case.seed),
        data,
        descent(EPOCHS * (len(data.train_x) // BATCH)),
        state=state,
        epochs=EPOCHS,
        batch=BATCH,
        seed=case.seed,
        each_epoch=True,
    )
    return [round(accuracy, 5) for accuracy in run.accuracies]


def summarize(curves: dict[Case, list[float]]) -> dict[str, Any]:
    """The size that was trained, the verdict, and a row for each factor."""
    rows = by_factor(curves)
    size = {"width": WIDTH, "stem_stride": STEM_STRIDE, "epochs": EPOCHS, "batch": BATCH}
    decided = judge(rows) if len(rows) > 1 else None
    return {"data": load("cifar10").name, **size, "neurofabric_6": decided, "rows": rows}


def by_factor(curves: dict[Case, list[float]]) -> list[dict[str, Any]]:
    """Sizes, and every seed's curve with means and standard errors, for each factor."""
    model, _ = dense(0)
    whole, all_whole = counts(model, 1.0)
    rows = []
    for factor in FACTORS:
        own = [curve for case, curve in curves.items() if case.factor == factor]
        share = next(case.share for case in curves if case.factor == factor)
        counted, total = counts(model, share)
        row = {"factor": factor, "share": round(share, 5), "parameters": counted, "in_all": total}
        row |= {"times_fewer": round(whole / counted, 2)}
        row |= {"times_fewer_in_all": round(all_whole / total, 2), "accuracies": own}
        row |= {"mean": [mean(epoch) for epoch in zip(*own, strict=True)]}
        row |= {"error": [standard_error(epoch) for epoch in zip(*own, strict=True)]}
        rows.append(row)
    return rows


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The dense network beside the largest and the smallest Clos one, after the last epoch."""
    whole, first, *_, last = rows
    gap, fall = (whole["mean"][-1] - row["mean"][-1] for row in (first, last))
    error = float(np.hypot(whole["error"][-1], first["error"][-1]))
    met = gap <= 2 * error, fall < FALL
    return {
        "loss_of_first": round(gap, 5),
        "error_of_first": round(error, 5),
        "loss_of_last": round(fall, 5),
        "as_accurate": met[0],
        "falls_slowly": met[1],
        "verdict": verdict(all(met), any(met)),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Test accuracy by epoch, a line for each network."""
    ax = figure.subplots()
    for number, (row, look) in enumerate(zip(results["rows"], STYLES, strict=False)):
        epochs = np.arange(1, len(row["mean"]) + 1) + 0.06 * (number - 2)
        kind = "dense" if row["factor"] == 1 else "Clos"
        label = f"{kind}, {row['parameters'] / 1e3:,.0f}k parameters"
        heights, bars = (100 * np.array(row[name]) for name in ("mean", "error"))
        size = {} if len(epochs) < 20 else {"markersize": 0, "capsize": 0}
        points(ax, epochs, heights, bars, look, label, **size)
    ax.set(xlabel="epoch", ylabel=f"test accuracy on {results['data']} (%)")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)


STUDY = Study(
    __name__,
    quick={
        "WIDTH": 1e-3,
        "STEM_STRIDE": 4,
        "EPOCHS": 1,
        "BATCH": 256,
        "FACTORS": (1.0,),
        "SEEDS": 1,
    },
    full={"WIDTH": 1.0, "STEM_STRIDE": 1, "EPOCHS": 150, "BATCH": 128},
    size=(5.8, 3.9),
    data=("cifar10",),
)

if __name__ == "__main__":
    STUDY.main()
