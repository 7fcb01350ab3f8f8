"""Lenet-5 made smaller while it learns: by groups of weights, one by one, or by low rank.

Lenet-5 learns a part of MNIST, for few epochs. From the same trained network go on, for as many
epochs each: the network as it is; with group lasso over filters and shapes of its two convolutions,
and `shrink` behind it (Li and others, 2018, section III); with as many weights of each convolution
as that has left, the largest ones (non-structured sparsity); with the l2 force, and then taken
apart by principal components that keep .95 (section IV); and taken apart without a force. Strengths
are chosen by the images held out: the strongest whose mean accuracy there is at most a point below
that of the network as it is. They were set without a look at accuracies, by how far a penalty moves
weights in so many steps. For group lasso that was too weak: no seed lost a filter or a shape, so
that nothing is said here of structured sparsity but that it needs stronger penalties, or more steps
(claims a and b are `not measured` then).

Times are processor seconds of a prediction of a batch, networks and layers in turn many times over:
what others take of the processor does not count. Each network and each layer counts in the faster
of two forms, with XLA's convolutions or with products of patches. `speedup` is how many times less
than the whole one takes. Memory is parameters that are not 0, without their places; work is
multiplications; sent is the numbers that go from each layer to the next; all as shares of the
whole. Means of three seeds with their standard errors.

Claims of the paper, and how they are judged here by the chosen strengths.

a. Structured sparsity is faster for real where as many weights out one by one are not (table I's
   question): the structured network is faster than the whole by more than two standard errors, and
   the non-structured one, in the faster of both forms, masked and sparse, is not. In part, if the
   structured one is the faster of the two by more than two standard errors of the difference.
b. Memory, work and what is sent shrink by 65.9, 33 and 22 % at least (figures 3 to 5; the paper's
   models are three CaffeNets). In part, if one of them does.
c. Force lowers ranks at equal accuracy (table II): the mean rank is lower in every convolution, and
   validation accuracy at most a point lower than without a force. In part, if the sum of ranks is
   lower.
d. Low rank with force is twice as fast without loss of accuracy: the whole network is faster by 2,
   less two standard errors, and test accuracy is lower by less than two standard errors of the
   difference. In part, if it is faster by more than two standard errors, at that accuracy.

Reads MNIST from the folder that `--mnist` names. Writes `structured_sparsity.png` and, with its
numbers, `structured_sparsity.json` beside this script. `--quick` learns a few of scikit-learn's
digits and keeps nothing.
"""

from functools import cache
from math import hypot
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from matplotlib.figure import Figure

from analyses._product_convolutions import as_products
from analyses._smaller_networks import (
    POINT,
    Network,
    Result,
    by_layer,
    chosen,
    fit,
    images,
    judged,
    means_of,
    rows_of,
    start,
)
from analyses.kit import COLORS, Study, verdict
from topokit import networks

FIRST_SEED, SEEDS, IMAGES, BATCH = 1, 3, 6000, 50
EPOCHS, TUNED, AFTER = 5, 3, 2
RATE, TUNING_RATE, LAST_RATE = 2e-3, 2e-3, 1e-3
LASSO, FORCE = (0.02, 0.05), (0.1, 0.3)
REPEATS, SLOT, TWICE = 7, 0.04, 2.0
CLAIMED = {"memory": 0.659, "work": 0.33, "sent": 0.22}
CONVOLUTIONS = ("layers.1", "layers.4")
WHOLE, GROUPS, SINGLE, FORCED, APART = "whole", "groups", "single weights", "force", "low rank"
STYLES = {
    WHOLE: (COLORS.black, "s"),
    GROUPS: (COLORS.blue, "o"),
    SINGLE: (COLORS.red, "^"),
    FORCED: (COLORS.green, "D"),
    APART: (COLORS.pink, "v"),
}


def cases() -> range:
    """Seeds."""
    return range(FIRST_SEED, FIRST_SEED + SEEDS)


def data() -> networks.Dataset:
    """Few images to learn from."""
    return images("mnist", IMAGES, side=28)


@cache
def optimizer(kind: str, strength: float | None) -> optax.GradientTransformation:
    """One for all seeds, to compile once."""
    if kind == GROUPS:
        model = as_products(start(networks.lenet5, data(), 0).model)
        families = [
            networks.filter_groups(CONVOLUTIONS, bias=True),
            networks.shape_groups(CONVOLUTIONS),
        ]
        assert strength is not None
        lasso = networks.group_lasso(model, strength, learning_rate=TUNING_RATE, groups=families)
        return optax.chain(optax.adam(TUNING_RATE), lasso)
    if kind == FORCED:
        assert strength is not None
        pull = networks.force(strength, layers=CONVOLUTIONS)
        rate = optax.scale_by_learning_rate(TUNING_RATE)
        return optax.chain(optax.scale_by_adam(), pull, rate)
    rate = {WHOLE: RATE, SINGLE: TUNING_RATE}.get(kind, LAST_RATE)
    return optax.chain(optax.adam(rate), networks.keep_zeros())


def measure(seed: int) -> list[dict[str, Any]]:
    """Train all networks of a seed, and time them."""
    results, ranks = _networks(seed)
    rows = rows_of(results, data(), repeats=REPEATS, slot=SLOT, layers=CONVOLUTIONS)
    for row, own in zip(rows, ranks, strict=True):
        row["seed"] = seed
        for layer in row["layers"]:
            layer["rank"] = own.get(layer["layer"])
    return rows


def _networks(seed: int) -> tuple[list[Result], list[dict[str, int]]]:
    """All networks of a seed, the whole one first, and ranks before they were taken apart."""
    first = _fit(start(networks.lenet5, data(), seed), WHOLE, None, EPOCHS, seed)
    longer = _fit(first, SINGLE, None, TUNED, seed + 100)
    found, last = [_result(WHOLE, None, _fit(longer, APART, None, AFTER, seed + 200))], seed + 200
    for strength in LASSO:
        tuned = _fit(first, GROUPS, strength, TUNED, seed + 100)
        tuned = _fit(tuned, APART, None, AFTER, last)
        found.append(_result(GROUPS, strength, Network(networks.shrink(tuned.model))))
        thin = _fit(Network(_as_thin(first.model, tuned.model)), SINGLE, None, TUNED, seed + 100)
        thin = _fit(thin, APART, None, AFTER, last)
        own = networks.kernel_topologies(thin.model)
        wiring = {name: own[name] for name in CONVOLUTIONS}
        sparse = networks.sparsify(thin.model, wiring, key=jax.random.key(0))
        found.append(_result(SINGLE, strength, thin)._replace(sparse=Network(sparse)))
    ranks: list[dict[str, int]] = [{} for _ in found]
    forced = [(s, _fit(first, FORCED, s, TUNED, seed + 100)) for s in FORCE]
    for strength, network in [(None, longer), *forced]:
        ranks.append(networks.filter_ranks(network.model))
        forms = {name: networks.pca(0.95) for name in CONVOLUTIONS}
        apart = Network(networks.decompose(network.model, forms))
        kind = APART if strength is None else FORCED
        found.append(_result(kind, strength, _fit(apart, APART, None, AFTER, last)))
    return found, ranks


def _fit(network: Network, kind: str, strength: float | None, epochs: int, seed: int) -> Network:
    how = optimizer(kind, strength)
    return fit(network, data(), how, epochs=epochs, batch=BATCH, seed=seed)


def _result(kind: str, strength: float | None, network: Network) -> Result:
    return judged(kind, strength, network, data())


def _as_thin(model: Any, other: Any) -> Any:
    """The model with as many weights in each convolution as another has, the largest ones."""

    def weights(m: Any) -> list[Any]:
        return [m.layers[int(name.split(".")[1])].weight for name in CONVOLUTIONS]

    kept = [1 - float((weight != 0).mean()) for weight in weights(other)]
    pairs = zip(weights(model), kept, strict=True)
    thin = [networks.apply_masks([w], networks.magnitude_masks([w], s))[0] for w, s in pairs]
    return eqx.tree_at(weights, model, thin)


def summarize(found: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, and what they say of the claims."""
    rows = [row for own in found.values() for row in own]
    means, layers = means_of(rows, "kind", "strength"), by_layer(rows, "kind", "strength")
    ranks = {(r["kind"], r["strength"]): [] for r in layers}
    for row in layers:
        ranks[row["kind"], row["strength"]].append(row["rank"])
    for row in means:
        row["ranks"] = ranks[row["kind"], row["strength"]]
    lost = [row for row in layers if row["kind"] != WHOLE]
    return {"ssl": _judged(means), "means": means, "layers": lost, "rows": rows}


def _judged(means: list[dict[str, Any]]) -> dict[str, Any]:
    whole = means[0]
    groups, forced = (
        chosen([row for row in means if row["kind"] == kind], whole) for kind in (GROUPS, FORCED)
    )
    (apart,) = (row for row in means if row["kind"] == APART)
    (single,) = (
        row for row in means if (row["kind"], row["strength"]) == (SINGLE, groups["strength"])
    )
    best = max(("speedup", "speedup_sparse"), key=lambda name: single[name])
    gap, error = (
        groups["speedup"] - single[best],
        hypot(groups["speedup_error"], single[f"{best}_error"]),
    )
    real = groups["speedup"] > 1 + 2 * groups["speedup_error"]
    idle = single[best] <= 1 + 2 * single[f"{best}_error"]
    less = [1 - groups[name] >= share for name, share in CLAIMED.items()]
    lower = [f < a for f, a in zip(forced["ranks"], apart["ranks"], strict=True)]
    equal = forced["validation_accuracy"] >= apart["validation_accuracy"] - POINT
    doubt = 2 * forced["speedup_error"]
    twice, faster = forced["speedup"] >= TWICE - doubt, forced["speedup"] > 1 + doubt
    lost = whole["accuracy"] - forced["accuracy"]
    level = lost < 2 * hypot(whole["accuracy_error"], forced["accuracy_error"])
    removed = groups["work"] < 1
    return {
        "strength": groups["strength"],
        "force": forced["strength"],
        "over_single_weights": round(gap, 3),
        "lost": round(lost, 5),
        "a": verdict(real and idle, gap > 2 * error) if removed else "not measured",
        "b": verdict(all(less), any(less)) if removed else "not measured",
        "c": verdict(all(lower) and equal, sum(forced["ranks"]) < sum(apart["ranks"])),
        "d": verdict(twice and level, faster and level),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Test accuracy against speed; and sizes as shares of the whole."""
    left, right = figure.subplots(1, 2)
    for kind, (color, marker) in STYLES.items():
        own = [row for row in results["means"] if row["kind"] == kind]
        x, y = ([row["speedup"] for row in own], [100 * row["accuracy"] for row in own])
        bars = {
            "xerr": [2 * row["speedup_error"] for row in own],
            "yerr": [200 * row["accuracy_error"] for row in own],
        }
        left.errorbar(x, y, **bars, color=color, marker=marker, linestyle="", capsize=2, label=kind)
    left.set(xlabel="times faster than the whole network", ylabel="test accuracy (%)")
    rows = results["means"]
    names = [f"{r['kind']}" + (f" {r['strength']:g}" if r["strength"] else "") for r in rows]
    places = np.arange(len(rows))
    fills = ((COLORS.blue, ""), (COLORS.amber, "//"), (COLORS.gray, ".."))
    for number, (name, (color, hatch)) in enumerate(zip(CLAIMED, fills, strict=True)):
        shares, bars = ([100 * r[key] for r in rows] for key in (name, f"{name}_error"))
        spread = 2 * np.asarray(bars)
        right.barh(
            places + 0.27 * (number - 1),
            shares,
            0.25,
            xerr=spread,
            color=color,
            hatch=hatch,
            label=name,
        )
    right.set_yticks(places, names)
    right.invert_yaxis()
    right.set(xlabel="share of the whole network (%)", xlim=(0, 150))
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8, loc="lower right")


STUDY = Study(
    __name__,
    quick={
        "SEEDS": 1,
        "IMAGES": 100,
        "EPOCHS": 1,
        "TUNED": 1,
        "AFTER": 1,
        "LASSO": (0.02,),
        "FORCE": (0.1,),
        "REPEATS": 1,
        "SLOT": 0.001,
    },
    size=(9.0, 3.9),
    data=("mnist",),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
