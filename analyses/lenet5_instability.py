"""Retraining Lenet-5 on pruned structures from several starts (Alford and others 2018, figure 8).

Lenet-5 is pruned iteratively on MNIST, each layer to the same sparsity. Then its structure is
trained anew from several draws of its first weights, everything else identical: the batches, and
Adam at one rate throughout. Curves are test accuracies of the single runs, a color for each start,
solid at an ordinary rate, dotted at a higher one. A column is a sparsity. The rows differ in the
size of the first weights: what the true fans of the sparse layers ask for, or what the widths of
the dense layers do, which is what masks on a dense network come to. Numbers without a panel are
those of the dense network, and of structures whose first convolution, which the paper suspects, is
whole again. To have curves, an epoch is a sixth of MNIST, the first 10,000 images.

Claims of the paper, and how they are judged here, once for each kind of first weights. A structure
is unstable if the final accuracies of its runs span more than two points. Where curves rise at
the end still, that is a span of speeds as much as of levels.

e. Retraining gets stuck at different levels at all four sparsities. In part, if at some.
f. A higher rate helps in part: the mean span is smaller at the higher rate, but some structure is
   still unstable. In part, if it is smaller and none was, or none is, unstable.
g. The first convolution is what makes it unstable: with it whole the mean span is less than half.
   In part, if it is smaller at all.

Reads MNIST from the folder that `--mnist` names. Writes `lenet5_instability.png` and, with its
numbers, `lenet5_instability.json` beside this script. `--quick` learns a few of scikit-learn's
digits from two starts and keeps nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import topokit as tk
from analyses._learning import load, train
from analyses._pruned import complete, hold, lenet5, restart, schedule
from analyses.kit import COLORS, Study, mean, standard_error, verdict
from topokit import networks

SPARSITIES, SEEDS = (0.0, 0.75, 0.9, 0.95, 0.99), 5
IMAGES, JUDGED, EPOCHS, BATCH = 10000, 2000, 4, 20
RATE, HIGHER = 1e-3, 4e-3
UNSTABLE = 0.02
FIRST = "layers.1"
STYLES = (COLORS.black, COLORS.blue, COLORS.red, COLORS.green, COLORS.pink)


class Way(NamedTuple):
    """How a structure is trained anew."""

    first_weights: str
    init: Callable[..., list]
    rate: float
    whole_first: bool


FANS, WIDTHS = ("true fans", networks.kaiming), ("dense widths", networks.dense_xavier)
WAYS = tuple(
    Way(*first, rate, whole)
    for first in (FANS, WIDTHS)
    for rate, whole in ((RATE, False), (HIGHER, False), (RATE, True))
)


class Case(NamedTuple):
    """A structure, by its sparsity, and the ways in which it is trained anew."""

    sparsity: float
    ways: tuple[Way, ...]


def cases() -> list[Case]:
    """The sparsest first; the dense network has its first convolution anyway."""
    return [
        Case(sparsity, tuple(way for way in ways if sparsity or not way.whole_first))
        for sparsity in reversed(SPARSITIES)
        for _, ways in groupby(WAYS, key=lambda way: way.first_weights)
    ]


def read() -> networks.Dataset:
    """The first images of a data set."""
    data = load("mnist")
    return replace(
        data,
        train_x=data.train_x[:IMAGES],
        train_y=data.train_y[:IMAGES],
        test_x=data.test_x[:JUDGED],
        test_y=data.test_y[:JUDGED],
    )


@cache
def held(rate: float) -> optax.GradientTransformation:
    """Adam that keeps zeros; one for each rate in a process, to compile once."""
    return optax.chain(optax.adam(rate), hold())


def structure(sparsity: float) -> dict[str, tk.Layers]:
    """What is left of Lenet-5 after iterative pruning."""
    data = read()
    blank = lenet5(data.shape)
    if not sparsity:
        return complete(blank)
    last = networks.prune(schedule(sparsity, EPOCHS * (IMAGES // BATCH)))
    start = restart(blank, complete(blank), seed=0)
    optimizer = optax.chain(optax.adam(RATE), last)
    run = train(start, data, optimizer, epochs=EPOCHS, batch=BATCH)
    return networks.kernel_topologies(run.model)


def measure(case: Case) -> list[dict[str, Any]]:
    """Prune, and train the structure anew in all ways."""
    wiring = structure(case.sparsity)
    return [_retrain(wiring, case.sparsity, way) for way in case.ways]


def _retrain(wiring: dict[str, tk.Layers], sparsity: float, way: Way) -> dict[str, Any]:
    """Train a structure from all starts, with the same batches."""
    data = read()
    blank = lenet5(data.shape)
    wiring = wiring | ({FIRST: complete(blank)[FIRST]} if way.whole_first else {})
    curves = []
    for seed in range(1, SEEDS + 1):
        start = restart(blank, wiring, seed=seed, init=way.init)
        run = train(start, data, held(way.rate), epochs=EPOCHS, batch=BATCH, each_epoch=True)
        curves.append([round(accuracy, 4) for accuracy in run.accuracies])
    ends = [curve[-1] for curve in curves]
    return {
        "first_weights": way.first_weights,
        "rate": way.rate,
        "whole_first": way.whole_first,
        "sparsity": sparsity,
        "edges": sum(topology.n_edges for topology in wiring.values()),
        "accuracy": mean(ends),
        "error": standard_error(ends),
        "span": round(max(ends) - min(ends), 4),
        "curves": curves,
    }


def summarize(records: dict[Case, list[dict[str, Any]]]) -> dict[str, Any]:
    """All rows, and what they say of the claims where all ways were gone."""
    rows = [row for record in records.values() for row in record]
    found: dict[str, Any] = {"data": load("mnist").name}
    if len(WAYS) > 1:
        found["alford_8"] = {first: judge(rows, first) for first, _ in (FANS, WIDTHS)}
    return found | {"rows": rows}


def judge(rows: list[dict], first: str) -> dict[str, Any]:
    """The three claims for one kind of first weights, with the spans that decide them."""

    def spans(rate: float, *, whole: bool) -> list[float]:
        kind = first, rate, whole
        own = [r for r in rows if (r["first_weights"], r["rate"], r["whole_first"]) == kind]
        return [row["span"] for row in own if row["sparsity"]]

    plain, higher = spans(RATE, whole=False), spans(HIGHER, whole=False)
    whole = spans(RATE, whole=True)
    unstable = [span > UNSTABLE for span in plain]
    left = [span > UNSTABLE for span in higher]
    less = mean(higher) < mean(plain)
    return {
        "spans": plain,
        "spans_higher_rate": higher,
        "spans_whole_first": whole,
        "e": verdict(all(unstable), any(unstable)),
        "f": verdict(less and any(unstable) and any(left), less),
        "g": verdict(mean(whole) < mean(plain) / 2, mean(whole) < mean(plain)),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A row of panels for the first weights, a column for a sparsity, a curve for each start."""
    rows = [row for row in results["rows"] if row["sparsity"] and not row["whole_first"]]
    names = list(dict.fromkeys(row["first_weights"] for row in rows))
    columns = sorted({row["sparsity"] for row in rows})
    panels = figure.subplots(len(names), len(columns), sharex=True, sharey=True, squeeze=False)
    for row in rows:
        draw_curves(panels[names.index(row["first_weights"]), columns.index(row["sparsity"])], row)
    for ax, sparsity in zip(panels[0], columns, strict=True):
        ax.set_title(f"{100 * sparsity:g} % pruned", fontsize=9)
    for ax, name in zip(panels[:, 0], names, strict=True):
        ax.set_ylabel(f"{name}\ntest accuracy (%)", fontsize=8)
    for ax in panels[-1]:
        ax.set_xlabel("steps", fontsize=8)


def draw_curves(ax: Axes, row: dict[str, Any]) -> None:
    """The runs of one structure at one rate."""
    line = "-" if row["rate"] == RATE else ":"
    for curve, color in zip(row["curves"], STYLES, strict=False):
        steps = [(place + 1) * IMAGES // BATCH for place in range(len(curve))]
        ax.plot(steps, [100 * accuracy for accuracy in curve], line, color=color, linewidth=1.2)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.3)


STUDY = Study(
    __name__,
    quick={
        "SPARSITIES": (0.9,),
        "WAYS": WAYS[:1],
        "SEEDS": 2,
        "IMAGES": 200,
        "JUDGED": 100,
        "EPOCHS": 1,
    },
    size=(6.6, 3.1),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
