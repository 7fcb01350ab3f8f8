"""How long is an epoch by the size of its batches, for a dense and for a Clos network?

ClosNets' figure 1 shows it for a ResNet18 on CIFAR-10: the time of an epoch falls inversely with
the batch size, because weights are loaded once a batch, and levels off where computing takes the
rest. Here it is a multilayer perceptron on one core: images of 784 numbers, two hidden layers of
2,048 neurons, 10 classes, dense or with Clos networks of 5 % of the connections in the place of
the two wide layers (the last layer stays dense).

A step is the forward pass, the gradient and a step of Adam; an epoch is 60,000 examples. Every
repetition times all networks and batch sizes in turn, each over as many steps as fill a slot of
time, and a figure is the median over repetitions with its quartiles. Compilation is timed apart.
The images are random, as time does not depend on them.

`slopes`: the exponent of the batch size in the time of an epoch, between neighboring sizes. `fit`:
seconds of an epoch as `fixed / batch + least`, by least squares of relative errors; its `knee`,
where both terms are equal, is the batch size at which the line leaves the slope of -1. The claim
holds for a network if the first slope is below -0.8 and the last above -0.2, and in part if one of
them is so.

`accuracy`: of scikit-learn's digits after the same number of epochs at the same rate: what large
batches cost. Means over seeds; bars in the picture are two standard errors to either side.

Writes `epoch_by_batch.json` and `epoch_by_batch.png` beside this script; `--quick` times small
sizes, learns nothing and writes nothing.
"""

import _one_thread  # isort: skip  # has to come before jax
import argparse
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _epoch_figure import plot
from _layer_timing import Clock, race
from _timing import quartiles
from jax import lax
from rich.console import Console
from rich.table import Table
from scipy.optimize import nnls

import topokit as tk
from topokit import networks

HIDDEN, SHAPE, CLASSES, SHARE = (2048, 2048), (1, 28, 28), 10, 0.05
RULES = {"dense": networks.dense(), "Clos": networks.clos_with(SHARE)}
BATCHES, EXAMPLES = (1, 4, 16, 64, 256, 1024), 60_000
RATE, REPETITIONS, SLOT = 1e-3, 9, 0.2
INVERSE, LEVEL = -0.8, -0.2
EPOCHS, SEEDS, LEARNED = 2, 3, (4, 16, 64, 256)
QUICK_HIDDEN, QUICK_BATCHES = (64,), (1, 16)


def make(kind: str, shape: tuple[int, ...], hidden: tuple[int, ...], seed: int) -> Any:
    """A network with first weights."""
    key = jax.random.key(seed)
    return networks.sparsify(networks.mlp(shape, hidden, CLASSES, key=key), RULES[kind], key=key)


def step_clock(model: Any, batch: int) -> Clock:
    """Compile training on random batches; the seconds of so many more steps."""
    optimizer, rng = optax.adam(RATE), np.random.default_rng(0)
    x = jnp.asarray(rng.random((2 * batch, *SHAPE), np.float32))
    y = jnp.asarray(rng.integers(0, CLASSES, 2 * batch))
    weights, wiring = eqx.partition(model, eqx.is_inexact_array)

    @eqx.filter_jit(donate="all-except-first")
    def run(given: tuple, state: tuple) -> tuple:
        steps, wiring, x, y = given

        def step(number: jax.Array, state: tuple) -> tuple:
            weights, moments = state
            own = (lax.dynamic_slice_in_dim(part, number % 2 * batch, batch) for part in (x, y))
            slopes = jax.grad(loss)(weights, wiring, *own)
            updates, moments = optimizer.update(slopes, moments)
            return eqx.apply_updates(weights, updates), moments

        return lax.fori_loop(0, steps, step, state)

    state = jax.tree.map(jnp.copy, (weights, optimizer.init(weights)))

    def clock(steps: int) -> float:
        nonlocal state
        begin = perf_counter()
        state = jax.block_until_ready(run((jnp.asarray(steps), wiring, x, y), state))
        return perf_counter() - begin

    return clock


def loss(weights: Any, wiring: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross entropy of a batch."""
    logits = jax.vmap(eqx.combine(weights, wiring))(x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def measure_time(
    hidden: tuple[int, ...], batches: tuple[int, ...], repetitions: int
) -> dict[str, Any]:
    """Seconds of an epoch for all networks and batch sizes, and what follows from them."""
    models = {kind: make(kind, SHAPE, hidden, 0) for kind in RULES}
    names = {kind: [f"{kind}, {batch}" for batch in batches] for kind in RULES}
    clocks: dict[str, Clock] = {}
    for kind, model in models.items():
        clocks |= {n: step_clock(model, b) for n, b in zip(names[kind], batches, strict=True)}
    compile_s = {name: clock(1) - clock(1) for name, clock in clocks.items()}
    steps = race(clocks, repetitions, SLOT)
    found, epochs = {}, {}
    for kind, model in models.items():
        pairs = zip(names[kind], batches, strict=True)
        epochs[kind] = [steps[name] * EXAMPLES / batch for name, batch in pairs]
        found[kind] = {
            "parameters": networks.n_parameters(model),
            "compile_s": [round(compile_s[name], 3) for name in names[kind]],
            "step_s": [quartiles(steps[name]) for name in names[kind]],
            "epoch_s": [quartiles(seconds) for seconds in epochs[kind]],
            **judge(batches, [float(np.median(seconds)) for seconds in epochs[kind]]),
        }
    ratios = [quartiles(d / c) for d, c in zip(epochs["dense"], epochs["Clos"], strict=True)]
    return {"networks": found, "dense_over_clos": ratios}


def judge(batches: tuple[int, ...], seconds: list[float]) -> dict[str, Any]:
    """Slopes, the fit and its knee, and the verdict on the claim."""
    slopes = np.diff(np.log(seconds)) / np.diff(np.log(batches))
    sizes, times = np.array(batches, float), np.array(seconds)
    terms = np.stack([1 / sizes, np.ones_like(sizes)], 1) / times[:, None]
    fixed, least = nnls(terms, np.ones_like(times))[0].tolist()
    met = [slopes[0] < INVERSE, slopes[-1] > LEVEL]
    return {
        "slopes": slopes.tolist(),
        "fit": {"fixed_s": fixed, "least_s": least, "knee": fixed / least if least else None},
        "verdict": "holds" if all(met) else "holds in part" if any(met) else "does not hold",
    }


def measure_accuracy(
    hidden: tuple[int, ...], batches: tuple[int, ...], epochs: int, seeds: int
) -> dict:
    """Test accuracy on the digits after as many epochs, for each batch size."""
    digits, found = networks.load_digits(), {}
    optimizer = optax.adam(RATE)  # one, to compile once
    for kind in RULES:
        starts = [make(kind, digits.shape, hidden, seed) for seed in range(seeds)]
        found[kind] = []
        for batch in batches:
            given: dict[str, Any] = {"epochs": epochs, "batch_size": batch, "optimizer": optimizer}
            runs = [networks.train(m, digits, seed=seed, **given) for seed, m in enumerate(starts)]
            ends = np.array([run.epochs[-1].test_accuracy for run in runs])
            error = ends.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else 0.0
            found[kind].append({"mean": float(ends.mean()), "error": float(error)})
    return {"batches": batches, "epochs": epochs, "seeds": seeds, **found}


def show(found: dict[str, Any]) -> None:
    """Print a table of times, one of what follows, and one of accuracies."""
    kinds = found["networks"]
    table = Table("batch", *(f"{kind}, s" for kind in kinds), "dense over Clos (quartiles)")
    table.title = "an epoch by batch size"
    for place, batch in enumerate(found["batches"]):
        low, middle, high = found["dense_over_clos"][place]
        times = [f"{row['epoch_s'][place][1]:.2f}" for row in kinds.values()]
        table.add_row(str(batch), *times, f"{middle:.2f} ({low:.2f} to {high:.2f})")
    ends = Table("network", "parameters", "first slope", "last slope", "knee", "verdict")
    for kind, row in kinds.items():
        first, last = (f"{row['slopes'][end]:.2f}" for end in (0, -1))
        knee = row["fit"]["knee"]
        size = "" if knee is None else f"{knee:.0f}"
        ends.add_row(kind, f"{row['parameters']:,}", first, last, size, row["verdict"])
    learned = Table("batch", *kinds, title="accuracy on the digits")
    for place, batch in enumerate(found["accuracy"]["batches"]):
        own = [found["accuracy"][kind][place] for kind in kinds]
        learned.add_row(str(batch), *(f"{o['mean']:.3f} ± {o['error']:.3f}" for o in own))
    for one in (table, ends, *([learned] if learned.rows else [])):
        Console().print(one)


def main() -> None:
    """Measure, print, draw and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    quick = parser.parse_args().quick
    hidden, batches = (QUICK_HIDDEN, QUICK_BATCHES) if quick else (HIDDEN, BATCHES)
    found = {"cores": _one_thread.n_cores(), "hidden": hidden, "share": SHARE, "batches": batches}
    found |= measure_time(hidden, batches, 2 if quick else REPETITIONS)
    learning = ((), 0, 0) if quick else (LEARNED, EPOCHS, SEEDS)
    found["accuracy"] = measure_accuracy(hidden, *learning)
    show(found)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        tk.plotting.save_figure(plot(found), path.with_suffix(".png"))


if __name__ == "__main__":
    main()
