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

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import hypot, prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from analyses._learning import load, test_accuracy, train, validation_accuracy
from analyses._product_convolutions import as_convolutions, as_products
from analyses.kit import COLORS, Study, busy, mean, race, standard_error, verdict
from topokit import networks

FIRST_SEED, SEEDS, IMAGES, BATCH = 1, 3, 6000, 50
EPOCHS, TUNED, AFTER = 5, 3, 2
RATE, TUNING_RATE, LAST_RATE = 2e-3, 2e-3, 1e-3
LASSO, FORCE = (0.02, 0.05), (0.1, 0.3)
REPEATS, SLOT, AT_ONCE, POINT, TWICE = 7, 0.04, 100, 0.01, 2.0
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


class Result(NamedTuple):
    """A network that came out, and how."""

    kind: str
    strength: float | None
    validation_accuracy: float
    accuracy: float
    model: Any
    sparse: Any = None
    ranks: list[int] | None = None


def cases() -> range:
    """Seeds."""
    return range(FIRST_SEED, FIRST_SEED + SEEDS)


@cache
def images() -> networks.Dataset:
    """Few images to learn from."""
    data = load("mnist", held_out=True)
    return replace(data, train_x=data.train_x[:IMAGES], train_y=data.train_y[:IMAGES])


@cache
def optimizer(kind: str, strength: float | None) -> optax.GradientTransformation:
    """One for all seeds, to compile once."""
    if kind == GROUPS:
        model = as_products(networks.lenet5(images().shape, key=jax.random.key(0)))
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
    return [row | {"seed": seed} for row in _timed(_networks(seed))]


def _networks(seed: int) -> list[Result]:
    """All networks of a seed, the whole one first."""
    data = images()
    build = networks.lenet5(data.shape, data.n_classes, key=jax.random.key(seed))
    start = _fit(build, WHOLE, None, EPOCHS, seed)
    longer = _fit(start, SINGLE, None, TUNED, seed + 100)
    found = [_result(WHOLE, None, _fit(longer, APART, None, AFTER, seed + 200))]
    for strength in LASSO:
        tuned = _fit(start, GROUPS, strength, TUNED, seed + 100)
        tuned = _fit(tuned, APART, None, AFTER, seed + 200)
        found.append(_result(GROUPS, strength, networks.shrink(tuned)))
        thin = _fit(_as_thin(start, tuned), SINGLE, None, TUNED, seed + 100)
        thin = _fit(thin, APART, None, AFTER, seed + 200)
        own = networks.kernel_topologies(thin)
        wiring = {name: own[name] for name in CONVOLUTIONS}
        sparse = networks.sparsify(thin, wiring, key=jax.random.key(0))
        found.append(_result(SINGLE, strength, thin)._replace(sparse=sparse))
    forced = [(s, _fit(start, FORCED, s, TUNED, seed + 100)) for s in FORCE]
    for strength, model in [(None, longer), *forced]:
        ranks = networks.filter_ranks(model)
        forms = {name: networks.pca(0.95) for name in CONVOLUTIONS}
        apart = _fit(networks.decompose(model, forms), APART, None, AFTER, seed + 200)
        kind = APART if strength is None else FORCED
        own = [ranks[name] for name in CONVOLUTIONS]
        found.append(_result(kind, strength, apart)._replace(ranks=own))
    return found


def _fit(model: Any, kind: str, strength: float | None, epochs: int, seed: int) -> Any:
    """Train in the form of products, and give the convolutions back."""
    how = optimizer(kind, strength)
    done = train(as_products(model), images(), how, epochs=epochs, batch=BATCH, seed=seed)
    return as_convolutions(done.model)


def _as_thin(model: Any, other: Any) -> Any:
    """The model with as many weights in each convolution as another has, the largest ones."""

    def weights(m: Any) -> list[Any]:
        return [m.layers[int(name.split(".")[1])].weight for name in CONVOLUTIONS]

    kept = [1 - float((weight != 0).mean()) for weight in weights(other)]
    pairs = zip(weights(model), kept, strict=True)
    thin = [networks.apply_masks([w], networks.magnitude_masks([w], s))[0] for w, s in pairs]
    return eqx.tree_at(weights, model, thin)


def _result(kind: str, strength: float | None, model: Any) -> Result:
    form = as_products(model)
    told = validation_accuracy(form, images()), test_accuracy(form, images())
    held_out, test = (round(value, 5) for value in told)
    return Result(kind, strength, held_out, test, model)


def summarize(found: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, and what they say of the claims."""
    rows = [row for own in found.values() for row in own]
    means = [
        _over_seeds(rows, *key) for key in dict.fromkeys((r["kind"], r["strength"]) for r in rows)
    ]
    kept = [{key: value for key, value in row.items() if key != "layers"} for row in means]
    return {"ssl": _judged(means), "means": kept, "layers": _by_layer(means), "rows": rows}


def _by_layer(means: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each convolution has lost, with its rank and its speed."""
    nothing = dict.fromkeys(("filters", "shapes", "weights"))
    return [
        {"kind": row["kind"], "strength": row["strength"], "convolution": place + 1}
        | {"rank": row["ranks"][place] if row["ranks"] else None}
        | nothing
        | layer
        for row in means[1:]
        for place, layer in enumerate(row["layers"])
    ]


def _timed(results: list[Result]) -> list[dict[str, Any]]:
    """A row a network, in shares of the whole one, which comes first."""
    x = jnp.asarray(images().test_x[:AT_ONCE])
    models = {f"{n}": r.model for n, r in enumerate(results)}
    models |= {f"{n} sparse": r.sparse for n, r in enumerate(results) if r.sparse is not None}
    times = _fastest({name: (model, x) for name, model in models.items()}, SLOT)
    parts = [_layers(result.model) for result in results]
    layers = {
        f"{n} {place}": (layer, jnp.ones((AT_ONCE, *shape)))
        for n, own in enumerate(parts)
        for place, (layer, shape, _) in enumerate(own)
    }
    own_times = _fastest(layers, SLOT / 4)
    sizes, rows = (
        [_sizes(result.model, own) for result, own in zip(results, parts, strict=True)],
        [],
    )
    for n, result in enumerate(results):
        row = {
            key: getattr(result, key) for key in Result._fields if key not in ("model", "sparse")
        }
        row |= {key: round(sizes[n][key] / sizes[0][key], 4) for key in sizes[0]}
        row["speedup"] = _faster(times["0"], times[f"{n}"])
        if result.sparse is not None:
            row["speedup_sparse"] = _faster(times["0"], times[f"{n} sparse"])
        row["layers"] = [
            _layer(parts[0][p][0], layer)
            | {
                "work": round(_work(parts[n][p]) / _work(parts[0][p]), 4),
                "speedup": _faster(own_times[f"0 {p}"], own_times[f"{n} {p}"]),
            }
            for p, (layer, _, _) in enumerate(parts[n])
        ]
        rows.append(row)
    return rows


def _fastest(given: dict[str, tuple[Any, jax.Array]], slot: float) -> dict[str, np.ndarray]:
    """Times of each model in the faster of its forms."""
    forms = {"convolutions": as_convolutions, "products": as_products}
    clocks = {
        f"{name}, {form}": _clock(change(model), x)
        for name, (model, x) in given.items()
        for form, change in forms.items()
    }
    times = race(clocks, REPEATS, slot)
    return {
        name: min((times[f"{name}, {form}"] for form in forms), key=np.median) for name in given
    }


def _clock(model: Any, x: jax.Array) -> Callable[[int], float]:
    arrays, static = eqx.partition(model, eqx.is_array)
    call = jax.jit(lambda arrays, x: jax.vmap(eqx.combine(arrays, static))(x))

    def run(calls: int) -> None:
        for _ in range(calls):
            jax.block_until_ready(call(arrays, x))

    return lambda calls: busy(lambda: run(calls))[0]


def _faster(first: np.ndarray, second: np.ndarray) -> float:
    return round(float(np.median(first / second)), 3)


def _layers(model: Any) -> list[tuple[Any, tuple[int, ...], tuple[int, ...]]]:
    """Each convolution with the shapes of what goes in and comes out."""
    found, x = [], jax.ShapeDtypeStruct(images().shape, jnp.float32)
    for number, layer in enumerate(model.layers):
        y = jax.eval_shape(layer, x)
        if f"layers.{number}" in CONVOLUTIONS:
            found.append((layer, x.shape, y.shape))
        x = y
    return found


def _weights(layer: Any) -> list[Any]:
    return [each.weight for each in getattr(layer, "layers", (layer,))]


def _work(part: tuple[Any, tuple[int, ...], tuple[int, ...]]) -> int:
    layer, _, out = part
    return sum(weight.size for weight in _weights(layer)) * prod(out[1:])


def _sizes(model: Any, parts: list[Any]) -> dict[str, int]:
    """Parameters that are not 0, multiplications, and numbers that go on to another layer."""
    weights = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    last = model.layers[-1].weight
    return {
        "memory": sum(int((weight != 0).sum()) for weight in weights),
        "work": sum(_work(part) for part in parts) + last.size,
        "sent": sum(prod(shape) for _, shape, _ in parts[1:]) + last.shape[1],
    }


def _layer(whole: Any, layer: Any) -> dict[str, float]:
    """Sparsity of filters, of shapes, and of weights; none of a layer that is taken apart."""
    if isinstance(layer, networks.FactoredLayer):
        return {}
    n_filters, entries = len(whole.weight), prod(whole.weight.shape[1:])
    rows = np.asarray(layer.weight).reshape(len(layer.weight), -1)
    seen = int(rows.any(0).sum())
    return {
        "filters": round(1 - len(rows) / n_filters, 4),
        "shapes": round(1 - seen / entries, 4),
        "weights": round(1 - int((rows != 0).sum()) / (n_filters * entries), 4),
    }


def _over_seeds(rows: list[dict[str, Any]], kind: Any, strength: Any) -> dict[str, Any]:
    own = [row for row in rows if (row["kind"], row["strength"]) == (kind, strength)]
    told = _means(own, [n for n, v in own[0].items() if isinstance(v, float) and n != "strength"])
    layers = zip(*(row["layers"] for row in own), strict=True)
    more: dict[str, Any] = {
        "layers": [_means(list(each), list(each[0])) for each in layers],
        "ranks": None,
    }
    if own[0]["ranks"]:
        more["ranks"] = [mean(each) for each in zip(*(row["ranks"] for row in own), strict=True)]
    sparse = dict.fromkeys(("speedup_sparse", "speedup_sparse_error"))
    return {"kind": kind, "strength": strength, **sparse, **told, **more}


def _means(rows: list[dict[str, Any]], names: list[str]) -> dict[str, float]:
    means = {name: mean(row[name] for row in rows) for name in names}
    return means | {f"{name}_error": standard_error(row[name] for row in rows) for name in names}


def _judged(means: list[dict[str, Any]]) -> dict[str, Any]:
    whole = means[0]
    groups, forced = (_chosen(means, kind, whole) for kind in (GROUPS, FORCED))
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


def _chosen(means: list[dict[str, Any]], kind: str, whole: dict[str, Any]) -> dict[str, Any]:
    """The strongest that is at most a point below the whole on images held out, or the weakest."""
    own = [row for row in means if row["kind"] == kind]
    least = whole["validation_accuracy"] - POINT
    good = [row for row in own if row["validation_accuracy"] >= least]
    return max(good, key=lambda r: r["strength"]) if good else min(own, key=lambda r: r["strength"])


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
