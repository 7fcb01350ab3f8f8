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

from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.optimize import nnls

from analyses._learning import train
from analyses.kit import (
    COLORS,
    Clock,
    Look,
    Study,
    points,
    quartiles,
    race,
    timed,
    verdict,
)
from topokit import networks

HIDDEN, BATCHES, REPETITIONS = (2048, 2048), (1, 4, 16, 64, 256, 1024), 9
LEARNED, EPOCHS, SEEDS = (4, 16, 64, 256), 2, 3
SHAPE, CLASSES, SHARE = (1, 28, 28), 10, 0.05
RULES = {"dense": networks.dense(), "Clos": networks.clos_with(SHARE)}
EXAMPLES, RATE, SLOT = 60_000, 1e-3, 0.2
INVERSE, LEVEL = -0.8, -0.2
STYLES = {"dense": Look("s", COLORS.black), "Clos": Look("o", COLORS.blue)}
STYLE_BELOW = 0.4  # of the least time, where the picture ends


def cases() -> list[str]:
    """Time, then accuracy."""
    return ["time", "accuracy"]


def measure(case: str) -> dict[str, Any]:
    """Seconds by batch size, or accuracy."""
    return measure_time() if case == "time" else measure_accuracy()


def make(kind: str, shape: tuple[int, ...], seed: int) -> Any:
    """A network with first weights."""
    key = jax.random.key(seed)
    return networks.sparsify(networks.mlp(shape, HIDDEN, CLASSES, key=key), RULES[kind], key=key)


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
        given = jnp.asarray(steps), wiring, x, y
        seconds, state = timed(lambda: run(given, state))
        return seconds

    return clock


def loss(weights: Any, wiring: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross entropy of a batch."""
    logits = jax.vmap(eqx.combine(weights, wiring))(x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def measure_time() -> dict[str, Any]:
    """Seconds of an epoch for all networks and batch sizes, and what follows from them."""
    models = {kind: make(kind, SHAPE, 0) for kind in RULES}
    names = {kind: [f"{kind}, {batch}" for batch in BATCHES] for kind in RULES}
    clocks: dict[str, Clock] = {}
    for kind, model in models.items():
        clocks |= {n: step_clock(model, b) for n, b in zip(names[kind], BATCHES, strict=True)}
    compile_s = {name: clock(1) - clock(1) for name, clock in clocks.items()}
    steps = race(clocks, REPETITIONS, SLOT)
    found, epochs = {}, {}
    for kind, model in models.items():
        pairs = zip(names[kind], BATCHES, strict=True)
        epochs[kind] = [steps[name] * EXAMPLES / batch for name, batch in pairs]
        found[kind] = {
            "parameters": networks.n_parameters(model),
            "compile_s": [round(compile_s[name], 3) for name in names[kind]],
            "step_s": [quartiles(steps[name]) for name in names[kind]],
            "epoch_s": [quartiles(seconds) for seconds in epochs[kind]],
            **judge(BATCHES, [float(np.median(seconds)) for seconds in epochs[kind]]),
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
        "verdict": verdict(all(met), any(met)),
    }


def measure_accuracy() -> dict[str, Any]:
    """Test accuracy on the digits after as many epochs, for each batch size."""
    digits, optimizer = networks.load_digits(validation=0), optax.adam(RATE)  # one, to compile once
    found: dict[str, list] = {kind: [] for kind in RULES}
    for kind, batch in product(RULES, LEARNED):
        starts = [make(kind, digits.shape, seed) for seed in range(SEEDS)]
        runs = (
            train(model, digits, optimizer, epochs=EPOCHS, batch=batch, seed=seed)
            for seed, model in enumerate(starts)
        )
        ends = np.array([run.accuracy for run in runs])
        error = ends.std(ddof=1) / np.sqrt(len(ends)) if len(ends) > 1 else 0.0
        found[kind].append({"mean": float(ends.mean()), "error": float(error)})
    more = {"batches": LEARNED, "epochs": EPOCHS, "seeds": SEEDS}
    return more | found


def summarize(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Both parts."""
    return {"batches": BATCHES} | found["time"] | {"accuracy": found["accuracy"]}


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Time of an epoch, and accuracy, against batch size."""
    times, learned = figure.subplots(1, 2)
    for kind, row in results["networks"].items():
        draw_times(times, kind, results["batches"], row)
    least = min(low for row in results["networks"].values() for low, *_ in row["epoch_s"])
    times.set(yscale="log", xlabel="examples in a batch", ylabel="seconds of an epoch")
    times.set_ylim(bottom=STYLE_BELOW * least)
    for kind, look in STYLES.items():
        own = results["accuracy"][kind]
        heights, bars = ([100 * row[name] for row in own] for name in ("mean", "error"))
        points(learned, results["accuracy"]["batches"], heights, bars, look, kind)
    after = f"accuracy on digits after {results['accuracy']['epochs']} epochs (%)"
    learned.set(xlabel="examples in a batch", ylabel=after)
    for ax in (times, learned):
        ax.set_xscale("log", base=4, subs=[])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.grid(alpha=0.3)
        ax.legend(frameon=False, fontsize=9)


def draw_times(ax: Axes, kind: str, batches: list[int], row: dict[str, Any]) -> None:
    """Medians with quartiles, the fit's term of slope -1, and its knee on the other term."""
    mark, color, _ = STYLES[kind]
    low, middle, high = np.transpose(row["epoch_s"])
    ax.errorbar(
        batches,
        middle,
        [middle - low, high - middle],
        color=color,
        marker=mark,
        markersize=5,
        capsize=2,
        label=kind,
    )
    sizes, fit = np.array(batches, float), row["fit"]
    ax.plot(sizes, fit["fixed_s"] / sizes, ":", color=color, label=f"{kind}: slope -1 of the fit")
    if fit["knee"] is not None:
        name = f"{kind}: knee at {fit['knee']:.0f}"
        ax.plot(fit["knee"], fit["least_s"], "*", color=color, markersize=11, label=name)


STUDY = Study(
    __name__,
    quick={
        "HIDDEN": (64,),
        "BATCHES": (1, 16),
        "REPETITIONS": 2,
        "SLOT": 0.02,
        "LEARNED": (),
    },
    size=(8.6, 3.6),
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
