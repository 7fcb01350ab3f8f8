"""Three networks made smaller while they learn, by groups of weights that vanish together.

Lenet-5 learns a part of MNIST; the ConvNet of three convolutions and ResNet-20 learn a part of
CIFAR-10, of means over 2 x 2 pixels; all for few epochs, so that accuracies are low and say what
the ways cost beside each other. From the same trained network go on, for as many epochs each, by
descent with momentum: the network as it is, and with group lasso of several strengths, by its
proximal step (Li and others, 2018, section III; Wen and others, 2016); then all of them for some
epochs more at a lower rate, without a penalty, what is 0 held there; and `shrink` takes out what
is. Groups are the filters and the shapes of all layers, dense ones included, where a filter is a
neuron; of ResNet-20, in its blocks, whole layers (the paper's depth) and the filters between two
convolutions. In Lenet-5 the penalty of shapes in convolutions is 4 times that of others. Of
Lenet-5 there are besides: a network with as many weights in each layer, the largest ones
(non-structured sparsity), which trains as long with what is 0 held there; and group lasso behind
Adam.

Rates and strengths were set by the images held out, on seed 1, which is not among the seeds, those
of the ConvNet on seed 2, too; the strength that claims are judged by is the strongest whose mean
accuracy on them is at most a point below that of the network as it is, or the weakest.

Times are processor seconds of a prediction of a batch, networks and layers in turn many times over:
what others take of the processor does not count. Each network and each layer counts in the faster
of two forms, with XLA's convolutions or with products of patches; networks of single weights
besides as sparse layers. `speedup` is how many times less than the whole one takes. Memory is
parameters that are not 0, without their places; work is multiplications by weights that are not 0;
sent is the numbers that go from layer to layer; all as shares of the whole network. Means of three
seeds with their standard errors.

Claims of the paper, and how they are judged here by the chosen strengths.

a. Structured sparsity is faster for real where as many weights out one by one are not (table I's
   question), in Lenet-5: the structured network is faster than the whole by more than two standard
   errors, and the non-structured one, in the faster of both forms, masked and sparse, is not. In
   part, if the structured one is the faster of the two by more than two standard errors of the
   difference.
b. Memory shrinks by 65.9 % and what is sent by 22 % in the mean of three networks, and work by 33 %
   in each (figures 3 to 5; the paper's models are three CaffeNets). In part, if one of these does.

Reads MNIST and CIFAR-10 from the folders that `--mnist` and `--cifar10` name. Writes
`structured_sparsity.png` and, with its numbers, `structured_sparsity.json` beside this script.
`--quick` learns a few of scikit-learn's digits with Lenet-5 alone and keeps nothing.
"""

from collections.abc import Callable
from functools import cache
from math import hypot
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses._product_convolutions import as_products
from analyses._smaller_networks import (
    Network,
    Result,
    by_layer,
    chosen,
    convolutions,
    fit,
    images,
    judged,
    means_of,
    parts_of,
    rows_of,
    start,
)
from analyses.kit import COLORS, Look, Study, points, verdict, written_out
from topokit import networks


class Plan(NamedTuple):
    """How a network is trained: its data, and epochs before, with and after the penalty."""

    make: Callable[..., Any]
    data: str
    side: int
    images: int
    epochs: tuple[int, int, int]
    rate: float
    strengths: tuple[float, ...]


FIRST_SEED, SEEDS, BATCH, MOMENTUM, FALL, SWEEPS = 2, 3, 50, 0.9, 5, 2
LENET, CONVNET, RESNET = "Lenet-5", "ConvNet", "ResNet-20"
PLANS = {
    LENET: Plan(
        networks.lenet5, "mnist", 28, 4000, (5, 4, 3), 0.03, (1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 8e-4)
    ),
    CONVNET: Plan(
        networks.convnet, "cifar10", 16, 2000, (12, 6, 3), 0.03, (1.5e-4, 2.5e-4, 4e-4, 6e-4)
    ),
    RESNET: Plan(
        networks.resnet20, "cifar10", 16, 1200, (10, 6, 3), 0.05, (3e-4, 7e-4, 1.5e-3, 3e-3)
    ),
}
FACTOR, ADAM_RATE, ADAM_STRENGTHS = 4.0, 2e-3, (0.05, 0.1)
REPEATS, SLOT = 7, 0.04
CLAIMED = {"memory": 0.659, "work": 0.33, "sent": 0.22}
WHOLE, GROUPS, SINGLE, ADAM = "whole", "groups", "single weights", "groups, Adam"
STYLES = {
    (GROUPS, "speedup"): Look("o", COLORS.blue, ""),
    (SINGLE, "speedup"): Look("^", COLORS.red, ""),
    (SINGLE, "speedup_sparse"): Look("v", COLORS.amber, ""),
}
STYLE_WORDS = {
    (GROUPS, "speedup"): "filters and shapes out",
    (SINGLE, "speedup"): "single weights out",
    (SINGLE, "speedup_sparse"): "the same as sparse layers",
}
STYLE_BARS = {
    "memory": (COLORS.blue, ""),
    "work": (COLORS.amber, "//"),
    "sent": (COLORS.gray, ".."),
}
BY = ("network", "kind", "strength")


def cases() -> list[tuple[str, int]]:
    """Networks and seeds."""
    return [(name, seed) for seed in range(FIRST_SEED, FIRST_SEED + SEEDS) for name in PLANS]


def data(name: str) -> networks.Dataset:
    """Few images to learn from."""
    plan = PLANS[name]
    return images(plan.data, plan.images, side=plan.side)


@cache
def optimizer(name: str, kind: str, strength: float | None) -> optax.GradientTransformation:
    """One for all seeds, to compile once; without a strength zeros stay."""
    rate = PLANS[name].rate
    if strength is None:
        rate = rate / FALL if kind == WHOLE else rate
        return optax.chain(optax.sgd(rate, momentum=MOMENTUM), networks.keep_zeros())
    model = start(PLANS[name].make, data(name), 0).model
    adam = kind == ADAM
    lasso = networks.group_lasso(
        as_products(model),
        strength,
        learning_rate=ADAM_RATE if adam else rate / (1 - MOMENTUM),
        groups=families(name, model),
        sweeps=SWEEPS,
    )
    return optax.chain(optax.adam(ADAM_RATE) if adam else optax.sgd(rate, MOMENTUM), lasso)


def families(name: str, model: Any) -> list[networks.Grouping]:
    """Filters and shapes of all layers; of the blocks of ResNet-20 layers, and filters between."""
    names = [*networks.kernels(model)]
    if name == RESNET:
        bodies = [each for each in names if ".body" in each]
        between = [each for each in bodies if each.endswith("layers.0")]
        return [networks.layer_groups(bodies), networks.filter_groups(between, bias=True)]
    images = convolutions(Network(model), data(name).shape)
    dense = [each for each in names if each not in images]

    def stronger(sizes: np.ndarray) -> np.ndarray:
        return (FACTOR if name == LENET else 1.0) * np.sqrt(sizes)

    found = [networks.filter_groups(images, bias=True)]
    found += [networks.filter_groups(dense[:-1], bias=True)] if dense[:-1] else []
    return [*found, networks.shape_groups(images, scale=stronger), networks.shape_groups(dense)]


def measure(case: tuple[str, int]) -> list[dict[str, Any]]:
    """Train all networks of a kind and a seed, and time them."""
    name, seed = case
    results = _results(name, seed)
    parts = convolutions(results[0].network, data(name).shape) if name != RESNET else ()
    rows = rows_of(results, data(name), repeats=REPEATS, slot=SLOT, layers=parts)
    return [{"network": name, "seed": seed} | row for row in rows]


def _results(name: str, seed: int) -> list[Result]:
    """The whole network first."""
    before, tuned, after = PLANS[name].epochs
    first = start(PLANS[name].make, data(name), seed)
    first = _fit(first, optimizer(name, SINGLE, None), name, before, seed)

    def result(kind: str, strength: float | None, begin: Network) -> Result:
        penalized = strength if kind in (GROUPS, ADAM) else None
        how = optimizer(name, kind if penalized else SINGLE, penalized)
        done = _fit(begin, how, name, tuned, seed + 100)
        done = _fit(done, optimizer(name, WHOLE, None), name, after, seed + 200)
        return judged(kind, strength, done, data(name))

    found = [result(WHOLE, None, first)]
    for strength in PLANS[name].strengths:
        found.append(_shrunk(result(GROUPS, strength, first)))
        if name == LENET:
            thin = result(SINGLE, strength, _as_thin(first, found[-1].network, name))
            found.append(thin._replace(sparse=_as_sparse(thin.network)))
    for strength in ADAM_STRENGTHS if name == LENET else ():
        found.append(_shrunk(result(ADAM, strength, first)))
    return found


def _fit(network: Network, how: Any, name: str, epochs: int, seed: int) -> Network:
    return fit(network, data(name), how, epochs=epochs, batch=BATCH, seed=seed)


def _shrunk(result: Result) -> Result:
    """The same network in smaller arrays, with its accuracies."""
    small = networks.shrink(*result.network)
    return result._replace(
        network=Network(small) if result.network.state is None else Network(*small)
    )


def _as_thin(network: Network, other: Network, name: str) -> Network:
    """With as many weights in each layer as another has, the largest ones; biases stay."""
    shape = data(name).shape
    left = {each: (part.layer.weight != 0).sum() for each, part in parts_of(other, shape).items()}

    def thin(path: Any, weight: Any) -> Any:
        layer = jax.tree_util.keystr(path[:-1], simple=True, separator=".")
        if not networks.is_kernel(weight):
            return weight
        masks = networks.magnitude_masks([weight], 1 - float(left[layer]) / weight.size)
        return networks.apply_masks([weight], masks)[0]

    return Network(jax.tree_util.tree_map_with_path(thin, network.model))


def _as_sparse(network: Network) -> Network:
    """The same weights as sparse layers, fresh, for their times."""
    wiring = networks.kernel_topologies(network.model)
    return Network(networks.sparsify(network.model, wiring, key=jax.random.key(0)))


def summarize(found: dict[tuple[str, int], list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, and what they say of the claims."""
    rows = [row for own in found.values() for row in own]
    means, layers = means_of(rows, *BY), by_layer(rows, *BY)
    layers = [row for row in layers if row["kind"] in (GROUPS, SINGLE)]
    kept = _kept(means)
    strongest = {row["network"]: row["strength"] for row in layers if row["kind"] == GROUPS}
    return {
        "ssl": _judged(kept),
        "chosen": [groups for _, groups, *_ in kept.values()],
        "convolutions": [row for row in layers if row["strength"] == strongest[row["network"]]],
        "means": means,
        "layers": layers,
        "rows": rows,
    }


def _kept(means: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Of each network the whole one, and what the chosen strength has made of it."""
    found = {}
    for name in dict.fromkeys(row["network"] for row in means):
        own = [row for row in means if row["network"] == name]
        best = chosen([row for row in own if row["kind"] == GROUPS], own[0])
        same = (row for row in own if row["strength"] == best["strength"])
        found[name] = [own[0], best, *(row for row in same if row["kind"] == SINGLE)]
    return found


def _judged(kept: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    _, groups, single = kept[LENET]
    best = max(("speedup", "speedup_sparse"), key=lambda name: single[name])
    gap = groups["speedup"] - single[best]
    error = hypot(groups["speedup_error"], single[f"{best}_error"])
    real = groups["speedup"] > 1 + 2 * groups["speedup_error"]
    idle = single[best] <= 1 + 2 * single[f"{best}_error"]
    less = {name: [1 - row[name] for _, row, *_ in kept.values()] for name in CLAIMED}
    means = {name: round(float(np.mean(values)), 4) for name, values in less.items()}
    met = [
        min(less[name]) >= share if name == "work" else means[name] >= share
        for name, share in CLAIMED.items()
    ]
    return {
        "over_single_weights": round(gap, 3),
        "less": means,
        "a": verdict(real and idle, gap > 2 * error),
        "b": verdict(all(met), any(met)),
    }


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Speed of each convolution by the weights that it has left; and sizes of whole networks."""
    left, right = figure.subplots(1, 2)
    for (kind, speed), look in STYLES.items():
        own = [row for row in results["layers"] if row["kind"] == kind and row[speed]]
        x, y, bars = ([row[n] for row in own] for n in ("work", speed, f"{speed}_error"))
        label = STYLE_WORDS[kind, speed]
        points(left, 100 * np.asarray(x), y, bars, look, label, markersize=6)
    shares = np.array([10, 100])
    left.plot(
        shares, 100 / shares, color=COLORS.gray, linestyle=":", label="as fast as work is less"
    )
    left.axhline(1, color=COLORS.gray, linewidth=0.8)
    left.set(xscale="log", yscale="log", xlabel="work left in a convolution (%)")
    left.set(ylabel="times faster than the whole one")
    for axis in (left.xaxis, left.yaxis):
        written_out(axis)
    _bars(right, results["chosen"])
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend(fontsize=9, loc="upper right")


def _bars(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """What is left of each network, and by ticks what the paper's claim leaves."""
    places = np.arange(len(rows))
    for number, (name, (color, hatch)) in enumerate(STYLE_BARS.items()):
        shares, spread = ([100 * row[key] for row in rows] for key in (name, f"{name}_error"))
        x, bars = places + 0.27 * (number - 1), 2 * np.asarray(spread)
        ax.bar(x, shares, 0.25, yerr=bars, color=color, hatch=hatch, capsize=2, label=name)
        claimed = 100 * (1 - CLAIMED[name])
        ax.hlines([claimed] * len(x), x - 0.13, x + 0.13, color=COLORS.black, linewidth=2)
    ax.hlines([], 0, 0, color=COLORS.black, linewidth=2, label="the paper's claim")
    ax.set_xticks(places, [row["network"] for row in rows])
    ax.set(ylabel="left of the whole network (%)", ylim=(0, 135), yticks=range(0, 101, 20))


STUDY = Study(
    __name__,
    quick={
        "SEEDS": 1,
        "PLANS": {LENET: Plan(networks.lenet5, "mnist", 28, 100, (1, 1, 0), 0.03, (4e-4,))},
        "ADAM_STRENGTHS": (),
        "REPEATS": 1,
        "SLOT": 0.001,
    },
    size=(9.0, 4.2),
    data=("mnist", "cifar10"),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
