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

import resource
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax
from _learning import each, keep, load, mean, options, standard_error
from _pruned import hold
from _radix_figure import plot
from _radix_networks import TWIN, Variant, connections, lenet5_with, lenet_300_100, wide_lenet5

from topokit import networks

SHARES, TIMES, HUNDREDFOLD = (0.5, 0.1, 0.05, 0.01), (2, 10), 100
SEEDS, RATE, TRIED = 3, 2e-3, 200
SAME, POINT = 0.002, 0.01
RANDOM, RADIX = "random", "RadiX-Net"
DENSE = Variant(RANDOM, 1.0, 1)


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


class Case(NamedTuple):
    """One training."""

    task: Task
    variant: Variant
    seed: int


def variants(task: Task) -> list[Variant]:
    """Those of a task; the largest first, so that no core waits long for the other in the end."""
    large = task == LARGE
    more = [Variant(RANDOM, 1.0, times) for times in (*TIMES, *([HUNDREDFOLD] if large else []))]
    radix = [Variant(kind, 1.0, 10) for kind in (RADIX, TWIN)] + [Variant(RADIX, 0.1, 1)]
    fewer = [DENSE, *(Variant(RANDOM, share, 1) for share in SHARES)]
    return [*reversed(more), *(radix if large else []), *fewer]


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


def measure(case: Case, folders: dict[str, Path]) -> dict[str, Any]:
    """Train one network."""
    task = case.task
    data = load(task.data, folders.get(task.data))
    model = make(task, case.variant, data.shape, case.seed)
    optimizer = held(task.epochs * (len(data.train_x) // task.batch))
    run = networks.train(
        model,
        data,
        optimizer=optimizer,
        epochs=task.epochs,
        batch_size=task.batch,
        seed=case.seed,
    )
    return {
        "network": task.network,
        "data": task.data,
        **case.variant._asdict(),
        "connections": connections(model),
        "accuracy": run.epochs[-1].test_accuracy,
    }


def attempt(task: Task, folders: dict[str, Path]) -> dict[str, Any]:
    """A few steps of Lenet-5 with 100 times the neurons, in a fresh process: does it fit?"""
    data = load(task.data, folders.get(task.data))
    few = data._replace(train_x=data.train_x[:TRIED], train_y=data.train_y[:TRIED])
    few = few._replace(test_x=data.test_x[: task.batch], test_y=data.test_y[: task.batch])
    model = wide_lenet5(HUNDREDFOLD, data.shape, 0)
    run = networks.train(model, few, optimizer=held(1), epochs=2, batch_size=task.batch)
    first, second = run.epochs
    return {
        "times": HUNDREDFOLD,
        "data": task.data,
        "batch": task.batch,
        "connections": connections(model),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "seconds_an_example": round((second.seconds - first.seconds) / TRIED, 3),
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row over all seeds of a network."""
    fields = "network", "data", *Variant._fields
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[field] for field in fields), []).append(row)
    return [
        {
            **dict(zip(fields, key, strict=True)),
            "connections": round(float(np.mean([row["connections"] for row in group]))),
            "accuracy": mean(row["accuracy"] for row in group),
            "error": standard_error(row["accuracy"] for row in group),
            "accuracies": [round(row["accuracy"], 5) for row in group],
        }
        for key, group in groups.items()
    ]


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
    return {"verdict": "holds" if whole else "holds in part" if part else "does not hold"}


def _some(holds: list[bool]) -> dict[str, str]:
    return _word(all(holds), any(holds))


def main() -> None:
    """Train, print, draw, save."""
    given = options(__doc__, "mnist", "cifar10")
    quick, folders = given.quick, given.folders
    tasks = (LARGE._replace(epochs=1),) if quick else (SMALL, COLOR, LARGE)
    chosen = [
        Case(task, variant, seed)
        for task in tasks
        for variant in ([Variant(RANDOM, 1.0, 2)] if quick else variants(task))
        for seed in range(1 if quick else SEEDS)
    ]
    chosen.sort(key=lambda case: -case.variant.times)
    rows = summary(each(partial(measure, folders=folders), chosen))
    numbers: dict[str, Any] = {
        "data": {name: load(name, folders.get(name)).name for name in {t.data for t in tasks}},
        "tasks": [task._asdict() for task in tasks],
        "rate": RATE,
        "seeds": 1 if quick else SEEDS,
    }
    if not quick:
        (tried,) = each(partial(attempt, folders=folders), [SMALL])
        numbers |= {"lenet5_hundredfold": tried, "alford_9": verdicts(rows)}
    keep(__file__, plot(rows), numbers | {"rows": rows}, quick=quick)


if __name__ == "__main__":
    main()
