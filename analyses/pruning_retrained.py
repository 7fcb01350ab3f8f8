"""Pruning MNIST networks and retraining on what is left of them (Alford and others 2018, figure 7).

Lenet-300-100 and Lenet-5 are trained dense; trained while each layer is pruned every 200 steps by
Zhu and Gupta's schedule, over the middle third of the training; and the dense one is pruned once,
by magnitude, without training after it. The two pruned networks are then structures on which new
weights are trained. Every training has as many steps and the same falling rate of Adam. Lines are
means over seeds, bars two standard errors to either side. "Whole" prunes the network as one, so
that no layer is starved, at the highest sparsity: by layer, 99 % leave Lenet-5 two weights in its
first convolution and eight in front of its ten outputs.

Claims of the paper, and how they are judged here: by the means over seeds of differences between
networks of the same seed; an accuracy is kept if it falls by no more than .2 points.

a. Lenet-300-100: iterative pruning improves on or keeps the dense accuracy through 95 %. In part,
   if not at all of these sparsities.
b. Retraining on its structure does not reach it at any sparsity, but keeps the dense accuracy
   through 90 %. In part, if one of the two.
c. Retraining on the one-shot structure is noticeably worse than on the iterative one: by more than
   .2 points and more than two standard errors at every sparsity. In part, if at some.
d. Lenet-5: iterative pruning to 99 % loses less than one point. In part, if only as a whole.

Reads MNIST from the folder that `--mnist` names. Writes `pruning_retrained.png` and, with its
numbers, `pruning_retrained.json` beside this script. `--quick` learns scikit-learn's digits for an
epoch and keeps nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses._learning import load, test_accuracy, train
from analyses._pruned import (
    complete,
    hold,
    lenet5,
    lenet_300_100,
    prune_once,
    restart,
    schedule,
)
from analyses.kit import (
    COLORS,
    Look,
    Study,
    errors,
    mean,
    over_seeds,
    standard_error,
    verdict,
    written_out,
)
from topokit import networks

SPARSITIES, SEEDS = (0.5, 0.75, 0.9, 0.95, 0.99), 3
EXTREME, KEPT, POINT = 0.99, 0.002, 0.01
DENSE, ITERATIVE, ONCE, WHOLE = "dense", "iterative", "one-shot", "iterative, whole"
AGAIN = {kind: f"{kind}, retrained" for kind in (ITERATIVE, ONCE, WHOLE)}
STYLES = {
    ITERATIVE: Look("o", COLORS.blue),
    AGAIN[ITERATIVE]: Look("o", COLORS.sky, "--"),
    ONCE: Look("^", COLORS.red),
    AGAIN[ONCE]: Look("^", COLORS.amber, "--"),
    WHOLE: Look("*", COLORS.green, "none"),
    AGAIN[WHOLE]: Look("*", COLORS.pink, "none"),
}


class Network(NamedTuple):
    """A network and how it is trained; `held` trains sparse weights as dense ones with zeros."""

    name: str
    make: Callable[..., Any]
    epochs: int
    batch: int
    rate: float
    held: bool


LENETS = (
    Network("Lenet-5", lenet5, epochs=1, batch=20, rate=2e-3, held=True),
    Network("Lenet-300-100", lenet_300_100, epochs=6, batch=50, rate=2e-3, held=False),
)


class Case(NamedTuple):
    """A network, and the seed of its weights and batches."""

    network: Network
    seed: int


def cases() -> list[Case]:
    """Every network with every seed."""
    return [Case(lenet, seed) for lenet in LENETS for seed in range(SEEDS)]


def adam(network: Network, data: networks.Dataset) -> optax.GradientTransformation:
    """Adam whose rate falls along a cosine."""
    return optax.adam(optax.cosine_decay_schedule(network.rate, steps(network, data)))


def steps(network: Network, data: networks.Dataset) -> int:
    """Steps of every training of a network."""
    return network.epochs * (len(data.train_x) // network.batch)


def trained(
    model: Any, optimizer: optax.GradientTransformation, case: Case, data: networks.Dataset
) -> tuple[Any, float]:
    """The model after training, and its test accuracy."""
    epochs, batch = case.network.epochs, case.network.batch
    run = train(model, data, optimizer, epochs=epochs, batch=batch, seed=case.seed)
    return run.model, run.accuracy


def pruned(
    start: Any, dense: Any, case: Case, data: networks.Dataset
) -> Iterator[tuple[str, float, Any, float]]:
    """Kind, sparsity, model and accuracy of each pruned network, before it is retrained."""
    for sparsity in SPARSITIES:
        once = prune_once(dense, sparsity)
        yield ONCE, sparsity, once, test_accuracy(once, data)
        plan = schedule(sparsity, steps(case.network, data))
        scopes = {ITERATIVE: networks.by_layer}
        if sparsity == EXTREME:
            scopes[WHOLE] = networks.by_network
        for kind, scope in scopes.items():
            last = networks.prune(plan, scope=scope)
            optimizer = optax.chain(adam(case.network, data), last)
            yield kind, sparsity, *trained(start, optimizer, case, data)


def measure(case: Case) -> list[dict[str, Any]]:
    """Everything of one network with one seed."""
    data = load("mnist")
    blank = case.network.make(data.shape)
    plain, seed = adam(case.network, data), 1000 + case.seed
    held = optax.chain(plain, hold())  # one, to compile once
    start = restart(blank, complete(blank), seed=case.seed)
    dense, accuracy = trained(start, held, case, data)
    found = [_row(case, DENSE, 0.0, accuracy)]
    for kind, sparsity, model, accuracy in pruned(start, dense, case, data):
        wiring = networks.kernel_topologies(model)
        if case.network.held:
            again = trained(restart(blank, wiring, seed=seed), held, case, data)
        else:
            fresh = networks.sparsify(blank, wiring, key=jax.random.key(seed))
            again = trained(fresh, plain, case, data)
        found += [_row(case, kind, sparsity, accuracy), _row(case, AGAIN[kind], sparsity, again[1])]
    return found


def _row(case: Case, kind: str, sparsity: float, accuracy: float) -> dict[str, Any]:
    return {
        "network": case.network.name,
        "kind": kind,
        "sparsity": sparsity,
        "seed": case.seed,
        "accuracy": accuracy,
    }


def summarize(found: dict[Case, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, and what they say of the claims where both networks were trained."""
    every = [row for record in found.values() for row in record]
    rows = over_seeds(every, "network", "kind", "sparsity")
    decided = {"alford_7": verdicts(rows)} if len(LENETS) > 1 else {}
    return {"data": load("mnist").name} | decided | {"rows": rows}


def gap(rows: list[dict], network: str, kind: str, other: str, sparsity: float) -> dict[str, Any]:
    """How much more accurate one kind is than another, seed by seed; dense has sparsity 0."""
    wanted = [(kind, sparsity), (other, 0.0 if other == DENSE else sparsity)]
    first, second = (
        next(r for r in rows if (r["network"], r["kind"], r["sparsity"]) == (network, *want))
        for want in wanted
    )
    gaps = np.subtract(first["accuracies"], second["accuracies"])
    return {"sparsity": sparsity, "gap": mean(gaps), "error": standard_error(gaps)}


def verdicts(rows: list[dict]) -> dict[str, Any]:
    """The four claims, with the gaps that decide them."""
    large, small = "Lenet-300-100", "Lenet-5"

    def gaps(kind: str, other: str, least: float, most: float) -> list[dict[str, Any]]:
        chosen = [s for s in SPARSITIES if least <= s <= most]
        return [gap(rows, large, kind, other, s) for s in chosen]

    first = gaps(ITERATIVE, DENSE, 0, 0.95)
    below = gaps(AGAIN[ITERATIVE], ITERATIVE, 0, 1)
    kept = gaps(AGAIN[ITERATIVE], DENSE, 0, 0.9)
    worse = gaps(AGAIN[ONCE], AGAIN[ITERATIVE], 0, 1)
    last = EXTREME
    extreme = {kind: gap(rows, small, kind, DENSE, last) for kind in (ITERATIVE, WHOLE)}
    return {
        "a": {"gaps": first} | _word([g["gap"] >= -KEPT for g in first]),
        "b": {"to_iterative": below, "to_dense": kept}
        | _word([all(g["gap"] < 0 for g in below), all(g["gap"] >= -KEPT for g in kept)]),
        "c": {"gaps": worse}
        | _word([g["gap"] < -KEPT and g["gap"] < -2 * g["error"] for g in worse]),
        "d": {"gaps": extreme}
        | _word([extreme[ITERATIVE]["gap"] > -POINT, max(_gaps(extreme)) > -POINT]),
    }


def _gaps(found: dict[str, dict]) -> list[float]:
    return [row["gap"] for row in found.values()]


def _word(holds: list[bool]) -> dict[str, str]:
    return {"verdict": verdict(all(holds), any(holds))}


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Test error by sparsity, a panel for each network."""
    names = list(dict.fromkeys(row["network"] for row in results["rows"]))[::-1]
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for ax, name in zip(panels, names, strict=True):
        draw_network(ax, [row for row in results["rows"] if row["network"] == name])
        ax.set_xlabel(f"sparsity of {name} (%)")
    labels = panels[0].get_legend_handles_labels()
    figure.legend(*labels, frameon=False, fontsize=8, ncols=4, loc="outside upper center")


def draw_network(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Test errors of one network by sparsity, on a scale of what is left."""
    for kind, look in STYLES.items():
        own = [row | {"place": place(row["sparsity"])} for row in rows if row["kind"] == kind]
        errors(ax, own, "place", look, kind)
    dense = 100 * (1 - next(row["accuracy"] for row in rows if row["kind"] == DENSE))
    ax.axhline(dense, color="#000000", linewidth=1, linestyle=":", label=DENSE)
    ticks = sorted({row["sparsity"] for row in rows} - {0.0})
    ax.set_xticks([place(s) for s in ticks], [f"{100 * s:g}" for s in ticks])
    ax.set(yscale="log", ylabel="test error (%)")
    written_out(ax.yaxis)
    ax.grid(alpha=0.3)


def place(sparsity: float) -> float:
    """Of a sparsity on the axis."""
    return -float(np.log(1 - sparsity))


STUDY = Study(
    __name__,
    quick={
        "SPARSITIES": (0.9,),
        "SEEDS": 1,
        "LENETS": (Network("Lenet-300-100", lenet_300_100, 1, 50, 2e-3, held=True),),
    },
    size=(7.4, 3.9),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
