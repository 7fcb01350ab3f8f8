"""Is a sparse network worth it? Test accuracy by training time, by bytes, and by prediction time.

Perceptrons of two hidden layers learn MNIST and a part of CIFAR-10 (in color; of its 11,000 images
3,000 are kept for testing): dense ones of five widths, and sparse ones of five budgets of edges in
layers that are narrower and wider than the dense. A sparse network is wired as `networks.choose`
finds best among Clos, low-rank and random layers of as many edges, by validation accuracy after all
of a short training; what that cost is kept beside, and in no front. All train alike: Adam in
batches of 100, whose rate falls along a cosine to the end of each schedule, as a run is as good as
it can be only there. For every network the first rate is that of a list which is best on validation
images, after one of the shorter schedules with one seed. Schedules that take longer than a limit
are left out.

Who spends no more than a cost takes the network and schedule that, of those within it, are best on
validation images: that is the front, drawn with two standard errors over seeds of its test
accuracy. Costs are seconds of training, bytes of parameters and of what Adam keeps, and seconds of
a single prediction. `bytes_with_indices` counts the index arrays of sparse layers, too.

Seconds are those of the processor, in one thread on one core, one process at a time; compiling is
counted apart. Wall time would count what others take of the machine meanwhile. A step is timed in
turn with that of one dense network, the same for all, and its seconds are the ratio of the two by
the median seconds of that one, so that what a busy machine does to both cancels.

Claims, fixed before the run: with equal training time (a), with equal bytes (b), and with a
prediction in equal time (c), the best sparse network is at least as accurate as the best dense one.
At every cost where a front changes and both have a network, the two differ by more than two
standard errors of the difference, or not. A claim holds on a data set if the sparse side is nowhere
behind, and in part if it is somewhere ahead.

`matches`: for each dense network, how many times cheaper the cheapest sparse one is that is as
accurate; `pays_from` is the dense width from which on there always is a cheaper one. `steps` says
where the time of a step goes, and how wide a dense network takes as long (`as_dense`); `neurons` is
that of a network with as many neurons, whose wide layers have rank 1: what edges do not cost.

Writes `time_to_accuracy.png` and, with its numbers, `time_to_accuracy.json` beside this script;
`--quick` learns scikit-learn's digits for some steps and keeps nothing.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses import kit
from analyses._fronts import Point, cheapest_match, compared, front
from analyses._network_clocks import batch_clocks, prediction_clock, step_clock
from analyses._trained_networks import (
    ADAM,
    BATCH,
    RULES,
    Plan,
    build,
    learn,
    prepare,
    without_edges,
)
from analyses.kit import COLORS, Clock, Look, Study, busy, quartiles, significant, verdict
from topokit import networks

DENSE = tuple(Plan(hidden) for hidden in (64, 128, 256, 512, 1024))
SPARSE = tuple(Plan(hidden, 64 * hidden) for hidden in (256, 512, 1024, 2048, 4096))
REFERENCE = Plan(256)
RATES, SEARCH_STEPS = (1e-3, 3e-3, 1e-2), 300
SCHEDULES, LIMIT, SEEDS = (100, 300, 1000, 3000), 20.0, 3
CHOICE_RATE = 3e-3
REPETITIONS, SLOT = 3, 0.1
COSTS = ("training_s", "bytes", "bytes_with_indices", "prediction_s")


class Task(NamedTuple):
    """A data set, and for how many epochs candidates are trained to be chosen among."""

    data: str
    choice_epochs: int


TASKS = Task("mnist", 1), Task("cifar10", 8)


class Case(NamedTuple):
    """A network and what it learns."""

    task: Task
    plan: Plan


def cases() -> list[Case]:
    """Every network on every data set, the cheap ones first."""
    pairs = zip(DENSE, SPARSE, strict=True)
    return [Case(task, plan) for pair in pairs for task in TASKS for plan in pair]


def measure(case: Case) -> dict[str, Any]:
    """Choose the wiring, take the times, find the rate, and train by all schedules."""
    data, plan, choice = prepare(case.task.data), case.plan, None
    if plan.edges is not None:
        plan, choice = choose(plan, case.task, data)
    layers = build(plan, data, 0)
    row = {
        "data": data.name,
        "kind": "dense" if plan.edges is None else "sparse",
        "hidden": plan.hidden,
        "wiring": plan.wiring,
        "choice": choice,
        "parameters": networks.n_parameters(layers),
        **count_bytes(layers),
        "compile_s": compile_seconds(layers, data),
        "times": measure_times(plan, layers, data, reference_clocks(REFERENCE, case.task.data)),
    }
    return row | train_all(plan, data, row["times"]["step"]["median_s"])


def choose(plan: Plan, task: Task, data: networks.Dataset) -> tuple[Plan, dict[str, Any]]:
    """The wiring that is best on validation images, and what it cost to know."""
    plans = {wiring: plan._replace(wiring=wiring) for wiring in RULES}
    seconds, found = busy(
        lambda: networks.choose(
            {wiring: one.rule(data.shape) for wiring, one in plans.items()},
            data,
            build=partial(networks.mlp, data.shape, [plan.hidden] * 2, data.n_classes),
            budget=1.0,
            epochs=task.choice_epochs,
            batch_size=BATCH,
            learning_rate=CHOICE_RATE,
            keep=1.0,
            seeds=1,
        )
    )
    told = {one.name: round(one.accuracies[-1], 5) for one in found.contenders}
    return plans[found.best], {"accuracies": told, "steps": found.steps, "seconds": seconds}


def count_bytes(layers: eqx.nn.Sequential) -> dict[str, int]:
    """Of parameters and Adam's state, and of these with whatever says where edges are."""
    weights, others = eqx.partition(eqx.filter(layers, eqx.is_array), eqx.is_inexact_array)
    kept = _n_bytes((weights, ADAM.init(weights)))
    return {"bytes": kept, "bytes_with_indices": kept + _n_bytes(others)}


def _n_bytes(tree: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def compile_seconds(layers: eqx.nn.Sequential, data: networks.Dataset) -> float:
    """What the first step takes longer than the same one again."""
    first, again = (
        busy(lambda: learn(layers, data, rate=RATES[0], steps=1, seed=0))[0] for _ in range(2)
    )
    return significant(first - again, 3)


def measure_times(
    plan: Plan, layers: eqx.nn.Sequential, data: networks.Dataset, reference: dict[str, Clock]
) -> dict[str, dict[str, Any]]:
    """Quartiles of seconds, and of ratios to the reference, of steps, parts and predictions."""
    clocks = {"step": step_clock(layers, data)} | batch_clocks(layers, data) | reference
    clocks |= {"prediction": prediction_clock(layers, data)}
    if plan.edges is not None:
        clocks |= {"neurons": step_clock(without_edges(plan, data), data)}
    found = kit.race(clocks, REPETITIONS, SLOT)
    return {name: _told(name, seconds, found) for name, seconds in found.items()}


@cache
def reference_clocks(plan: Plan, name: str) -> dict[str, Clock]:
    """Those of the network that all others are timed with."""
    data = prepare(name)
    layers = build(plan, data, 0)
    return {
        "reference": step_clock(layers, data),
        "reference prediction": prediction_clock(layers, data),
    }


def _told(name: str, seconds: np.ndarray, found: dict[str, np.ndarray]) -> dict[str, Any]:
    base = found["reference prediction" if "prediction" in name else "reference"]
    return {"median_s": float(np.median(seconds)), "ratio": quartiles(seconds / base)}


def train_all(plan: Plan, data: networks.Dataset, step_s: float) -> dict[str, Any]:
    """The best rate, and accuracies of all seeds after every schedule that is not too long."""

    @cache
    def run(rate: float, steps: int, seed: int) -> tuple[float, float]:
        layers = build(plan, data, seed)
        end = learn(layers, data, rate=rate, steps=steps, seed=seed)
        tested = networks.evaluate(end.model, data.test_x, data.test_y)
        return end.validation_accuracy, tested.accuracy

    searched = {rate: run(rate, SEARCH_STEPS, 0)[0] for rate in RATES}
    best = max(searched, key=searched.__getitem__)
    ends = {
        steps: [run(best, steps, seed) for seed in range(SEEDS)]
        for steps in SCHEDULES
        if steps * step_s <= LIMIT
    }
    return {
        "rate": best,
        "search": {str(rate): round(accuracy, 5) for rate, accuracy in searched.items()},
        "schedules": [schedule(steps, some) for steps, some in ends.items()],
    }


def schedule(steps: int, ends: list[tuple[float, float]]) -> dict[str, Any]:
    """The accuracies after a schedule."""
    validation, test = zip(*ends, strict=True)
    return {"steps": steps, "validation": kit.mean(validation), **kit.accuracy_of([*test])}


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """Costs of all, fronts, claims and matches for each data set."""
    by_data: dict[str, list[dict[str, Any]]] = {}
    for row in found.values():
        by_data.setdefault(row["data"], []).append(row)
    return {"data": {name: summed(rows) for name, rows in by_data.items()}}


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One data set."""
    rows = with_costs(rows)
    dense, sparse = ([row for row in rows if row["kind"] == kind] for kind in ("dense", "sparse"))
    fronts = {
        cost: {"dense": front(points(dense, cost)), "sparse": front(points(sparse, cost))}
        for cost in COSTS
    }
    judged = {cost: judge(points(sparse, cost), points(dense, cost)) for cost in COSTS}
    matches = {str(row["hidden"]): match(row, sparse) for row in dense}
    return {
        "claims": judged,
        "pays_from": {cost: pays_from(matches, cost) for cost in COSTS},
        "matches": matches,
        "steps": {f"{row['kind']} {row['hidden']}": step_of(row, dense) for row in rows},
        "fronts": {
            cost: {side: [told(point) for point in some] for side, some in sides.items()}
            for cost, sides in fronts.items()
        },
        "networks": rows,
    }


def with_costs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds of a step and of a prediction: the ratio, by the median of the reference's."""
    times = [row["times"] for row in rows]
    step, prediction = (
        float(np.median([some[name]["median_s"] for some in times]))
        for name in ("reference", "reference prediction")
    )
    return [
        row
        | {
            "step_s": significant(step * row["times"]["step"]["ratio"][1]),
            "prediction_s": significant(prediction * row["times"]["prediction"]["ratio"][1]),
        }
        for row in rows
    ]


def points(rows: list[dict[str, Any]], cost: str) -> list[Point]:
    """All trainings, each at what its network costs, or its steps."""
    return [
        Point(
            f"{row['kind']} {row['hidden']}, {end['steps']:,} steps",
            row["step_s"] * end["steps"] if cost == "training_s" else row[cost],
            end["validation"],
            end["accuracy"],
            end["error"],
        )
        for row in rows
        for end in row["schedules"]
    ]


def told(point: Point) -> dict[str, Any]:
    """A point of a front as it is kept."""
    return point._asdict() | {"cost": significant(point.cost)}


def judge(ours: list[Point], theirs: list[Point]) -> dict[str, Any]:
    """Where the sparse front is ahead and where behind, and the verdict."""
    found = compared(ours, theirs)
    signs = [one.sign for one in found]
    costs = {word: [significant(f.cost) for f in found if f.sign == sign] for word, sign in SIGNS}
    return {
        "verdict": verdict(signs and min(signs) >= 0, 1 in signs),
        **costs,
        "gaps": [significant(one.gap) for one in found],
        "errors": [significant(one.error, 2) for one in found],
    }


SIGNS = (("ahead", 1), ("same", 0), ("behind", -1))


def match(row: dict[str, Any], sparse: list[dict[str, Any]]) -> dict[str, Any]:
    """The cheapest sparse network as accurate as a dense one, by each cost.

    The dense one is taken at the shortest schedule that is as accurate as its best.
    """
    result: dict[str, Any] = {}
    for cost in COSTS:
        mine = points([row], cost)
        own = cheapest_match(front(mine)[-1], mine)
        assert own is not None
        other = cheapest_match(own, points(sparse, cost))
        result[cost] = {"name": own.name, "accuracy": own.test, "sparse": other and other.name}
        result[cost] |= {"sparse_accuracy": other and other.test}
        result[cost] |= {"times_cheaper": other and significant(own.cost / other.cost, 3)}
    return result


def pays_from(matches: dict[str, dict[str, Any]], cost: str) -> int | None:
    """The least dense width from which on a cheaper sparse network is always as accurate."""
    least = None
    for width in sorted(map(int, matches), reverse=True):
        if (matches[str(width)][cost]["times_cheaper"] or 0) <= 1:
            break
        least = width
    return least


def step_of(row: dict[str, Any], dense: list[dict[str, Any]]) -> dict[str, Any]:
    """A step, its parts, the rate of its products, and how wide a dense network it is worth."""
    unit = row["step_s"] / row["times"]["step"]["ratio"][1]
    parts = {name: row["times"].get(name) for name in ("forward", "gradient", "neurons")}
    operations = 6 * BATCH * row["parameters"]
    return {
        "wiring": row["wiring"],
        "parameters": row["parameters"],
        "step_ms": significant(1e3 * row["step_s"], 3),
        **{
            f"{name}_ms": part and significant(1e3 * unit * part["ratio"][1], 3)
            for name, part in parts.items()
        },
        "gflops": significant(operations / row["step_s"] / 1e9, 3),
        "as_dense": dense_width(row["step_s"], dense),
        "prediction_us": significant(1e6 * row["prediction_s"], 3),
        "compile_s": row["compile_s"],
    }


def dense_width(step_s: float, dense: list[dict[str, Any]]) -> int | None:
    """The width of a dense network whose steps take as long, between those that were timed."""
    times, widths = zip(*sorted((row["step_s"], row["hidden"]) for row in dense), strict=True)
    if not times[0] <= step_s <= times[-1]:
        return None
    return round(float(np.exp(np.interp(np.log(step_s), np.log(times), np.log(widths)))))


def show(results: dict[str, Any]) -> None:
    """Claims, matches and networks, without what a table has no room for."""
    for name, part in results["data"].items():
        kit.show({name: part["claims"], "pays from": part["pays_from"], "steps": part["steps"]})
        kit.show({f"matches, {name}, {cost}": by_cost(part["matches"], cost) for cost in COSTS})


def by_cost(matches: dict[str, dict[str, Any]], cost: str) -> dict[str, Any]:
    """Those by one cost."""
    return {width: found[cost] for width, found in matches.items()}


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """A row for each data set, a column for each cost."""
    sets = results["data"]
    axes = figure.subplots(len(sets), len(STYLE_COSTS), squeeze=False, sharex="col", sharey="row")
    for row, (name, part) in zip(axes, sets.items(), strict=True):
        for ax, (cost, (label, unit)) in zip(row, STYLE_COSTS.items(), strict=True):
            panel(ax, part, cost, unit)
            if ax in axes[-1]:
                ax.set_xlabel(label, fontsize=STYLE_FONT)
        row[0].set_ylabel(f"test error, {STYLE_TITLES.get(name, name)} (%)", fontsize=STYLE_FONT)
        low, high = row[0].get_ylim()
        if high > 3 * low:
            row[0].set_yscale("log")
            kit.written_out(row[0].yaxis, subs=(1, 1.5, 2, 3, 5, 7))
    for ax in axes[-1]:
        low, high = ax.get_xlim()
        kit.written_out(ax.xaxis, subs=(1, 3) if high > 50 * low else (1, 2, 5))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    look: dict[str, Any] = {"ncols": 2, "frameon": False, "fontsize": STYLE_FONT}
    figure.legend(handles, labels, loc="outside upper center", **look)


def panel(ax: Axes, part: dict[str, Any], cost: str, unit: float) -> None:
    """All trainings small and pale, and on them the fronts; widths stand where they go by bytes."""
    ax.set_xscale("log")
    for kind, look in STYLES.items():
        own = [row for row in part["networks"] if row["kind"] == kind]
        every = [(point.cost / unit, 100 * (1 - point.test)) for point in points(own, cost)]
        ax.plot(*zip(*every, strict=True), look.marker, color=look.color, markersize=3, alpha=0.3)
        best = part["fronts"][cost][kind]
        x = [point["cost"] / unit for point in best]
        y = [100 * (1 - point["test"]) for point in best]
        error = [100 * point["error"] for point in best]
        words = f"{kind}, the best that costs no more"
        kit.points(ax, x, y, error, look, words, drawstyle="steps-post", linewidth=1.8)
        for place, height, point in zip(x, y, best, strict=True) if cost == "bytes" else ():
            width = point["name"].split()[1].rstrip(",")
            more: dict[str, Any] = {"textcoords": "offset points", "color": look.color}
            more |= STYLE_LABELS[kind]
            ax.annotate(width, (place, height), fontsize=STYLE_FONT - 2, **more)
    ax.margins(x=0.18)
    ax.tick_params(labelsize=STYLE_FONT - 1)
    ax.grid(alpha=0.3)


STYLES = {"dense": Look("s", COLORS.black), "sparse": Look("o", COLORS.blue)}
STYLE_FONT = 12
STYLE_LABELS = {"dense": {"xytext": (4, 5)}, "sparse": {"xytext": (-5, -12), "ha": "right"}}
STYLE_TITLES = {"mnist": "MNIST", "cifar10-part": "CIFAR-10, a part"}
STYLE_COSTS = {
    "training_s": ("training (seconds of one core)", 1.0),
    "bytes": ("parameters and optimizer (MB)", 1e6),
    "prediction_s": ("one prediction (microseconds)", 1e-6),
}

STUDY = Study(
    __name__,
    quick={
        "TASKS": (Task("mnist", 1),),
        "DENSE": (Plan(8),),
        "SPARSE": (Plan(32, 1024),),
        "REFERENCE": Plan(8),
        "RULES": {wiring: RULES[wiring] for wiring in ("low rank", "random")},
        "RATES": (1e-2,),
        "SEARCH_STEPS": 20,
        "SCHEDULES": (20, 60),
        "SEEDS": 2,
        "REPETITIONS": 1,
        "SLOT": 0.01,
    },
    size=(11.0, 7.0),
    data=("mnist", "cifar10"),
    one_thread=True,
    as_it_goes=True,
)

if __name__ == "__main__":
    STUDY.main()
