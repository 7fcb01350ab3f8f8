"""Accuracy of random sparse networks and RadiX-Nets (Alford and others 2018, figure 9).

Left, a half to a hundredth of the connections between as many neurons; right, 2 to 100 times the
neurons with as many connections. Lenet-300-100 learns MNIST, Lenet-5 learns MNIST and the CIFAR-10
that is at hand, such as a subset of 10,000 images. In a random layer every edge is present with the
same probability. Which layers are sparse and which grow is said in `_radix_networks.py`; Lenet-5
100 times as wide, out of reach in the paper, is only tried for a few steps, and its memory kept.
Training is the same for all networks of a panel's line: as many steps of Adam, at a falling rate;
`tasks` says how few epochs, so that sparse networks, which are slower to learn, may be cut short.
Points are means over seeds of wiring and weights, bars two standard errors to either side.

Claims of the paper, and how they are judged here. Accuracies differ if their means do by more than
two standard errors of the difference.

a. Lenet-300-100 loses accuracy with every step of sparsity even at constant connections. In part,
   if only the sparsest is below the dense network.
b. RadiX-Nets equal random layers, in Lenet-300-100 with a tenth of the connections and with ten
   times the neurons: no difference, or one below .2 points. In part, if in one of the two.
c. Lenet-5 on MNIST loses at most one point through a share of 1/20. In part, if through 1/10.
d. On CIFAR-10 it loses like Lenet-300-100: at each share the loss in points is nearer to that of
   Lenet-300-100 than to that of Lenet-5 on MNIST. In part, if at some.
e. At constant connections sparse networks are at least as good as dense: none is below. In part, if
   some are not.

Reads MNIST and CIFAR-10 from the folders that `--mnist` and `--cifar10` name. Writes
`radix_accuracy.png` and, with its numbers, `radix_accuracy.json` beside this script. `--quick`
learns scikit-learn's digits for an epoch and keeps nothing.
"""

from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analyses._learning import load, train
from analyses._pruned import hold
from analyses._radix_networks import (
    TWIN,
    Variant,
    connections,
    lenet5_with,
    lenet_300_100,
    wide_lenet5,
)
from analyses.kit import (
    COLORS,
    Look,
    Study,
    apart,
    errors,
    over_seeds,
    peak_bytes,
    verdict,
    written_out,
)
from topokit import networks

SEEDS = 3
SHARES, TIMES, HUNDREDFOLD = (0.5, 0.1, 0.05, 0.01), (2, 10), 100
RATE, TRIED = 2e-3, 200
SAME, POINT = 0.002, 0.01
RANDOM, RADIX = "random", "RadiX-Net"
DENSE = Variant(RANDOM, 1.0, 1)
STYLES = {
    ("Lenet-300-100", "mnist"): COLORS.black,
    ("Lenet-5", "mnist"): COLORS.blue,
    ("Lenet-5", "cifar10"): COLORS.red,
}
STYLES_KIND = {
    RANDOM: ("o", "-", {}),
    RADIX: ("*", "none", {"markersize": 9, "markerfacecolor": "none"}),
    TWIN: ("x", "none", {"markersize": 9}),
}
STYLE_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10"}


class Task(NamedTuple):
    """What learns what, and how long."""

    network: str
    data: str
    epochs: int
    batch: int

    @property
    def line(self) -> tuple[str, str]:
        """Its line in the figure."""
        return self.network, self.data


LARGE = Task("Lenet-300-100", "mnist", 3, 100)
SMALL, COLOR = Task("Lenet-5", "mnist", 1, 20), Task("Lenet-5", "cifar10", 5, 20)
TASKS = SMALL, COLOR, LARGE
CHOSEN = ()  # variants; without, all


class Case(NamedTuple):
    """One training."""

    task: Task
    variant: Variant
    seed: int


def cases() -> list[Case]:
    """All variants of all tasks, the largest first."""
    found = [
        Case(task, variant, seed)
        for task in TASKS
        for variant in variants(task)
        for seed in range(SEEDS)
    ]
    return sorted(found, key=lambda case: -case.variant.times)


def variants(task: Task) -> list[Variant]:
    """Those of a task; the largest first, so that no core waits long for the other in the end."""
    large = task.line == LARGE.line
    more = [Variant(RANDOM, 1.0, times) for times in (*TIMES, *([HUNDREDFOLD] if large else []))]
    radix = [Variant(kind, 1.0, 10) for kind in (RADIX, TWIN)] + [Variant(RADIX, 0.1, 1)]
    fewer = [DENSE, *(Variant(RANDOM, share, 1) for share in SHARES)]
    return [*CHOSEN] or [*reversed(more), *(radix if large else []), *fewer]


def make(task: Task, variant: Variant, shape: tuple[int, ...], seed: int) -> Any:
    """A network with fresh weights."""
    if task.network == LARGE.network:
        return lenet_300_100(variant, shape, seed)
    if variant.times == 1:
        return lenet5_with(variant.share, shape, seed)
    return wide_lenet5(variant.times, shape, seed)


@cache
def held(steps: int) -> optax.GradientTransformation:
    """Adam that keeps zeros; one in a process, so that networks of a kind compile once."""
    return optax.chain(optax.adam(optax.cosine_decay_schedule(RATE, steps)), hold())


def measure(case: Case) -> dict[str, Any]:
    """Train one network."""
    task, data = case.task, load(case.task.data)
    model = make(task, case.variant, data.shape, case.seed)
    optimizer = held(task.epochs * (len(data.train_x) // task.batch))
    run = train(model, data, optimizer, epochs=task.epochs, batch=task.batch, seed=case.seed)
    return {
        "network": task.network,
        "data": task.data,
        **case.variant._asdict(),
        "connections": connections(model),
        "accuracy": run.accuracy,
    }


def attempt(task: Task, data: networks.Dataset) -> dict[str, Any]:
    """A few steps of Lenet-5 with 100 times the neurons, in a fresh process: does it fit?"""
    few = replace(data, train_x=data.train_x[:TRIED], train_y=data.train_y[:TRIED])
    few = replace(few, test_x=data.test_x[: task.batch], test_y=data.test_y[: task.batch])
    model = wide_lenet5(HUNDREDFOLD, data.shape, 0)
    run = train(model, few, held(1), epochs=2, batch=task.batch)
    first, second = run.seconds
    return {
        "times": HUNDREDFOLD,
        "data": task.data,
        "batch": task.batch,
        "connections": connections(model),
        "peak_gigabytes": round(peak_bytes() / 2**30, 2),
        "seconds_an_example": round((second - first) / TRIED, 3),
    }


def summarize(records: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds; what they say of the claims, and an attempt, where all were trained."""
    rows = over_seeds(records.values(), "network", "data", *Variant._fields, count="connections")
    found: dict[str, Any] = {"data": {task.data: load(task.data).name for task in TASKS}}
    if SMALL in TASKS:
        found["lenet5_hundredfold"] = apart(attempt, SMALL, load(SMALL.data))
        found["alford_9"] = verdicts(rows)
    return found | {"rows": rows}


class Gap(NamedTuple):
    """How much more accurate one network is than another, and the standard error of that."""

    gap: float
    error: float

    @property
    def below(self) -> bool:
        """Whether the first is less accurate."""
        return self.gap < -2 * self.error


def gap(rows: list[dict], task: Task, first: Variant, second: Variant) -> Gap:
    """Two networks of one task compared."""

    def find(variant: Variant) -> dict:
        key = (*task.line, *variant)
        fields = "network", "data", *Variant._fields
        return next(row for row in rows if tuple(row[f] for f in fields) == key)

    a, b = find(first), find(second)
    error = float(np.hypot(a["error"], b["error"]))
    return Gap(round(a["accuracy"] - b["accuracy"], 5), round(error, 5))


def verdicts(rows: list[dict]) -> dict[str, Any]:
    """The five claims, with the gaps that decide them."""
    sizes = [Variant(RANDOM, 1.0, times) for times in (1, *TIMES, HUNDREDFOLD)]
    falls = [gap(rows, LARGE, b, a) for a, b in zip(sizes, sizes[1:], strict=False)]
    whole = gap(rows, LARGE, sizes[-1], DENSE)
    tenth, tenfold = Variant(RANDOM, 0.1, 1), Variant(TWIN, 1.0, 10)
    pairs = [tenth._replace(kind=RADIX), tenth], [tenfold._replace(kind=RADIX), tenfold]
    equal = [gap(rows, LARGE, *pair) for pair in pairs]
    lost = {task.line: _losses(rows, task) for task in (LARGE, SMALL, COLOR)}
    near = [
        abs(color - large) < abs(color - small)
        for large, small, color in zip(
            *([g.gap for g in gaps] for gaps in lost.values()), strict=True
        )
    ]
    kept = [g.gap >= -POINT for g in lost[SMALL.line]]
    more = {
        task.line: [gap(rows, task, Variant(RANDOM, 1.0, times), DENSE) for times in grown]
        for task, grown in ((LARGE, (*TIMES, HUNDREDFOLD)), (SMALL, TIMES), (COLOR, TIMES))
    }
    fine = [not g.below for gaps in more.values() for g in gaps]
    return {
        "a": _told(falls) | _word(all(g.below for g in falls), whole.below),
        "b": _told(equal) | _some([abs(g.gap) < max(2 * g.error, SAME) for g in equal]),
        "c": _told(lost[SMALL.line]) | _word(all(kept[:3]), all(kept[:2])),
        "d": {" on ".join(line): _told(gaps) for line, gaps in lost.items()} | _some(near),
        "e": {" on ".join(line): _told(gaps) for line, gaps in more.items()} | _some(fine),
    }


def _losses(rows: list[dict], task: Task) -> list[Gap]:
    return [gap(rows, task, Variant(RANDOM, share, 1), DENSE) for share in SHARES]


def _told(gaps: list[Gap]) -> dict[str, list]:
    return {"gaps": [g.gap for g in gaps], "errors": [g.error for g in gaps]}


def _word(whole: bool, part: bool) -> dict[str, str]:
    return {"verdict": verdict(whole, part)}


def _some(holds: list[bool]) -> dict[str, str]:
    return _word(all(holds), any(holds))


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Fewer connections on the left, more neurons on the right; all logarithmic."""
    left, right = figure.subplots(1, 2, sharey=True)
    draw_panel(left, [row for row in results["rows"] if row["times"] == 1], "share", 100)
    draw_panel(right, [row for row in results["rows"] if row["share"] == 1], "times", 1)
    left.invert_xaxis()
    left.set(xlabel="connections (% of dense)", ylabel="test error (%)", yscale="log")
    right.set(xlabel="neurons (times as many), equal connections")
    written_out(left.yaxis)
    right.legend(frameon=False, fontsize=8)


def draw_panel(ax: Axes, rows: list[dict[str, Any]], field: str, unit: int) -> None:
    """A line for each network and data set; RadiX-Nets and their twins as single points."""
    for line, color in STYLES.items():
        for kind, (marker, style, more) in STYLES_KIND.items():
            own = [
                row for row in rows if (row["network"], row["data"], row["kind"]) == (*line, kind)
            ]
            if not own:
                continue
            label = f"{line[0]}, {STYLE_NAMES[line[1]]}" + (f", {kind}" if kind != RANDOM else "")
            errors(ax, own, field, Look(marker, color, style), label, **more)
    ticks = sorted({row[field] for row in rows})
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{unit * t:g}" for t in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(alpha=0.3)


STUDY = Study(
    __name__,
    quick={
        "TASKS": (LARGE._replace(epochs=1),),
        "SEEDS": 1,
        "CHOSEN": (Variant(RANDOM, 1.0, 2),),
    },
    size=(8.6, 4.0),
    data=("mnist", "cifar10"),
)

if __name__ == "__main__":
    STUDY.main()
