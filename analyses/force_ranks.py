"""Filters that attract each other while they learn have lower ranks, and the network is faster.

Lenet-5 learns from 3,000 images of MNIST, ConvNet and ResNet-20 from 2,000 and 1,500 of CIFAR-10 at
16 x 16 pixels: few, and for few epochs, so that accuracies say what a force costs and not how good
these networks can be. From the same trained network go on, for as many epochs each: the network as
it is, and with the l2 force of several strengths (Wen and others, 2017; Li and others, 2018,
section IV). Then each is taken apart by principal components that hold .95 of the second moments of
the filters, and tuned. Momentum .9, rates that fall by a cosine, and the published order: clipping,
decay of weights, force, momentum. As published, a ResNet's first convolution is not forced, and its
shortcuts have no weights. A convolution whose product would take more multiplications stays whole.

Strengths were set by ranks and validation accuracies of the first seed, with other numbers of
images, to go from little to too much. Of each network the strength is chosen by its validation
images: the strongest whose mean accuracy, once taken apart, is at most a point below that of the
network as it is, or the weakest.

Times are processor seconds of a prediction of a batch, all in turn many times over, each network
and each convolution in the faster of two forms, with XLA's convolutions or with products of
patches. Theory counts multiplications: N k / (r (k + N / g)) of a convolution. Means of three seeds
with their standard errors.

Claims of the paper, of each network and of all: of all they hold if they do of each, and in part if
they do of one, or do in part.

c. Force lowers ranks at equal accuracy (table II): at the strength chosen the mean rank of every
   convolution that is forced is lower than without, and the mean validation accuracy at most a
   point lower. In part, if the sum of the ranks is lower, at that accuracy.
d. Low rank with force is twice as fast without loss of accuracy: the whole network is faster by 2,
   less two standard errors, and test accuracy is lower by less than two standard errors of the
   difference, and by less than a point. In part, if it is faster by more than two standard errors,
   at that accuracy.

ResNet-20's ranks stand beside those that Wen and others print for all of CIFAR-10, where the error
goes from 8.82 to 9.57 %.

Reads MNIST and the part of CIFAR-10 from the folders that `--mnist` and `--cifar10` name. Writes
`force_ranks.png` and, with its numbers, `force_ranks.json` beside this script. `--quick` learns a
few of scikit-learn's digits and keeps nothing.
"""

from functools import cache
from math import hypot
from typing import Any, NamedTuple

import numpy as np
import optax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses._smaller_networks import (
    POINT,
    Network,
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
from analyses.kit import COLORS, Study, verdict, written_out
from analyses.kit import show as tables
from topokit import networks


class Plan(NamedTuple):
    """How a network learns: images of a data set and their side; epochs and rates.

    Epochs and rates are those of the first training, of that with a force, and of the last one.
    """

    data: str
    side: int
    examples: int
    epochs: tuple[int, int, int]
    rates: tuple[float, float, float]
    strengths: tuple[float, ...]
    unforced: int = 0


class Case(NamedTuple):
    """A network and its seed."""

    name: str
    seed: int


BUILD = {"Lenet-5": networks.lenet5, "ConvNet": networks.convnet, "ResNet-20": networks.resnet20}
PLANS = {
    "Lenet-5": Plan("mnist", 28, 3000, (4, 3, 2), (0.05, 0.03, 0.01), (3e-3, 6e-3, 1e-2)),
    "ConvNet": Plan("cifar10", 16, 2000, (5, 3, 2), (0.05, 0.05, 0.02), (1e-3, 2e-3, 3e-3)),
    "ResNet-20": Plan("cifar10", 16, 1500, (5, 3, 1), (0.1, 0.1, 0.02), (1e-3, 1.5e-3, 2.5e-3), 1),
}
SEEDS, BATCH, INERTIA, CLIP, DECAY, FALL, SHARE = 3, 50, 0.9, 5.0, 1e-4, 0.05, 0.95
REPEATS, SLOT, TWICE = 5, 0.04, 2.0
WHOLE, APART = "whole", "taken apart"
# Wen and others, "Coordinating filters for faster deep neural networks", 2017, ResNet-20.
PUBLISHED = {
    "ResNet-20": {
        "free": (8, 13, 13, 14, 14, 14, 13, 23, 26, 27, 28, 28, 28, 47, 54, 56, 55, 56, 31),
        "forced": (8, 9, 10, 10, 10, 9, 10, 8, 9, 9, 10, 9, 8, 2, 1, 1, 1, 1, 1),
    }
}
STYLES = {
    "free": (COLORS.blue, "o", "without a force"),
    "forced": (COLORS.red, "D", "with the chosen force"),
    "strongest": (COLORS.green, "^", "with the strongest"),
}
STYLE_PUBLISHED = {"free": "published, without a force", "forced": "published, with a force"}
STYLE_NETWORKS = {"Lenet-5": "^", "ConvNet": "s", "ResNet-20": "o"}


def cases() -> list[Case]:
    """Every network with every seed."""
    return [Case(name, seed) for seed in range(1, SEEDS + 1) for name in PLANS]


def data(name: str) -> networks.Dataset:
    """Few images to learn from."""
    plan = PLANS[name]
    return images(plan.data, plan.examples, side=plan.side)


@cache
def descent(
    rate: float, steps: int, strength: float, layers: tuple[str, ...]
) -> optax.GradientTransformation:
    """One for all seeds, to compile once; the parts in the published order."""
    pull = [networks.force(strength, layers=layers)] if strength else []
    slower = optax.cosine_decay_schedule(rate, steps, FALL)
    before = optax.clip_by_global_norm(CLIP), optax.add_decayed_weights(DECAY)
    return optax.chain(*before, *pull, optax.sgd(slower, momentum=INERTIA))


def measure(case: Case) -> list[dict[str, Any]]:
    """Train a network with each force, take it apart, and time what comes out."""
    plan, own = PLANS[case.name], data(case.name)
    network = start(BUILD[case.name], own, case.seed)
    names = tuple(convolutions(network, own.shape))

    def train(network: Network, part: int, strength: float = 0.0) -> Network:
        epochs, rate = plan.epochs[part], plan.rates[part]
        steps = epochs * (len(own.train_x) // BATCH)
        how = descent(rate, steps, strength, names[plan.unforced :])
        seed = case.seed + 100 * part
        return fit(network, own, how, epochs=epochs, batch=BATCH, seed=seed)

    first = train(network, 0)
    tuned = {strength: train(first, 1, strength) for strength in (0.0, *plan.strengths)}
    results = [judged(WHOLE, None, train(tuned[0.0], 2), own)]
    results += [
        judged(APART, strength, train(apart(network, own.shape), 2), own)
        for strength, network in tuned.items()
    ]
    rows = rows_of(results, own, repeats=REPEATS, slot=SLOT, layers=names)
    ranks = [networks.filter_ranks(each.model, SHARE) for each in tuned.values()]
    filters = {name: _filters(parts_of(first, own.shape)[name].layer)[0] for name in names}
    return [
        _told(row, found, filters) | case._asdict()
        for row, found in zip(rows, (None, *ranks), strict=True)
    ]


def apart(network: Network, shape: tuple[int, ...]) -> Network:
    """The network with a product of two for each convolution that has fewer multiplications so."""
    parts, ranks = parts_of(network, shape), networks.filter_ranks(network.model, SHARE)
    forms = {
        name: networks.pca(SHARE)
        for name in convolutions(network, shape)
        if networks.theoretical_speedup(*_filters(parts[name].layer), ranks[name]) > 1
    }
    if not forms:
        return network
    return network._replace(model=networks.decompose(network.model, forms))


def _filters(layer: Any) -> tuple[int, int]:
    """How many there are, and the entries of each."""
    return len(layer.weight), layer.weight[0].size


def _told(
    row: dict[str, Any], ranks: dict[str, int] | None, filters: dict[str, int]
) -> dict[str, Any]:
    """A row with what theory says, and the ranks before its layers were taken apart."""

    def layer(found: dict[str, Any]) -> dict[str, Any]:
        name = found["layer"]
        told = {"layer": name, "of": filters[name], "rank": ranks[name] if ranks else None}
        return told | {"theory": round(1 / found["work"], 3), "speedup": found["speedup"]}

    layers, all_ranks = [layer(found) for found in row["layers"]], None
    if ranks:
        all_ranks = sum(ranks[name] for name in filters)
    return row | {"theory": round(1 / row["work"], 3), "ranks": all_ranks, "layers": layers}


def summarize(found: dict[Case, list[dict[str, Any]]]) -> dict[str, Any]:
    """Means over seeds, what they say of the claims, and ranks and speeds of each convolution."""
    rows = [row for own in found.values() for row in own]
    by = "name", "kind", "strength"
    means, layers = means_of(rows, *by), by_layer(rows, *by)
    judged = {name: _judged(name, means, layers) for name in PLANS}
    claims = {claim: _of_all([each[claim] for each in judged.values()]) for claim in ("c", "d")}
    table = [row for name in PLANS for row in _table(name, layers, judged[name]["strength"])]
    return {
        "force": claims,
        "networks": judged,
        "means": means,
        "convolutions": table,
        "layers": layers,
        "rows": rows,
    }


def show(results: dict[str, Any]) -> None:
    """Print verdicts and means."""
    tables({name: results[name] for name in ("force", "networks", "means")})


def _judged(name: str, means: list[dict[str, Any]], layers: list[dict[str, Any]]) -> dict[str, Any]:
    """The strength that is chosen for a network, and the claims there."""
    whole, free, *forced = (row for row in means if row["name"] == name)
    best = chosen(forced, whole)
    ranks = {
        strength: [row["rank"] for row in _of(layers, name, strength)][PLANS[name].unforced :]
        for strength in (0.0, best["strength"])
    }
    lower = [after < before for before, after in zip(*ranks.values(), strict=True)]
    less = sum(ranks[best["strength"]]) < sum(ranks[0.0])
    equal = best["validation_accuracy"] >= free["validation_accuracy"] - POINT
    lost, doubt = whole["accuracy"] - best["accuracy"], 2 * best["speedup_error"]
    same = lost < min(POINT, 2 * hypot(whole["accuracy_error"], best["accuracy_error"]))
    twice, faster = best["speedup"] >= TWICE - doubt, best["speedup"] > 1 + doubt
    return {
        "strength": best["strength"],
        "lost": round(lost, 5),
        "c": verdict(equal and all(lower), equal and less),
        "d": verdict(same and twice, same and faster),
    }


def _of_all(verdicts: list[str]) -> str:
    """Of a claim in all networks."""
    none = verdict(whole=False, part=False)
    whole = verdict(whole=True, part=True)
    return verdict(all(v == whole for v in verdicts), any(v != none for v in verdicts))


def _of(layers: list[dict[str, Any]], name: str, strength: float) -> list[dict[str, Any]]:
    return [row for row in layers if (row["name"], row["strength"]) == (name, strength)]


def _table(name: str, layers: list[dict[str, Any]], strength: float) -> list[dict[str, Any]]:
    """Table II of a network: convolutions without a force, with the chosen and the strongest."""
    strengths = {"free": 0.0, "forced": strength, "strongest": max(PLANS[name].strengths)}
    ways = [_of(layers, name, each) for each in strengths.values()]
    return [
        {"name": name, "convolution": n + 1, "of": round(rows[0]["of"])}
        | {"published": {way: ranks[n] for way, ranks in PUBLISHED.get(name, {}).items()} or None}
        | {way: _shown(row) for way, row in zip(strengths, rows, strict=True)}
        for n, rows in enumerate(zip(*ways, strict=True))
    ]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    names = [f"{n}{end}" for n in ("rank", "theory", "speedup") for end in ("", "_error")]
    return {name: row[name] for name in names}


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Ranks by layer as shares of the filters, and what is measured against theory."""
    axes = figure.subplot_mosaic([["small", "speeds"], ["published", "published"]])
    table = results["convolutions"]
    _draw_small(axes["small"], [row for row in table if not row["published"]])
    _draw_speeds(axes["speeds"], table, results["means"])
    _draw_published(axes["published"], [row for row in table if row["published"]])
    lines, labels = axes["published"].get_legend_handles_labels()
    figure.legend(lines, labels, fontsize=8, loc="outside lower center", ncols=5)


def _draw_small(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Ranks of networks of few convolutions."""
    shifts = (-0.2, 0.0, 0.2)
    for shift, (way, (color, marker, label)) in zip(shifts, STYLES.items(), strict=True):
        _ranks(ax, rows, way, shift=shift, color=color, marker=marker, label=label, linestyle="")
    names = [f"{row['name']}\n{row['convolution']} ({row['of']})" for row in rows]
    ax.set_xticks(range(len(rows)), names)
    ax.set(ylabel="rank (% of the filters)", ylim=(-4, 105), xlabel="convolution (filters)")
    ax.grid(alpha=0.3)


def _draw_published(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Ranks of ResNet-20 beside those of the paper."""
    places = np.arange(len(rows))
    for way, (color, marker, label) in STYLES.items():
        _ranks(ax, rows, way, color=color, marker=marker, label=label)
    for way, label in STYLE_PUBLISHED.items():
        shares = [100 * row["published"][way] / row["of"] for row in rows]
        color, marker, _ = STYLES[way]
        ax.plot(places, shares, ":", color=color, marker=marker, fillstyle="none", label=label)
    ax.set_xticks(places, [f"{row['convolution']}\n({row['of']})" for row in rows])
    ax.set(ylabel="rank (% of the filters)", ylim=(-4, 105))
    ax.set(xlabel=f"convolution of {', '.join(PUBLISHED)} (filters)")
    ax.grid(alpha=0.3)


def _ranks(
    ax: Axes, rows: list[dict[str, Any]], way: str, *, shift: float = 0.0, **style: Any
) -> None:
    shares, bars = (
        [100 * row[way][name] / row["of"] for row in rows] for name in ("rank", "rank_error")
    )
    places = np.arange(len(rows)) + shift
    ax.errorbar(places, shares, 2 * np.asarray(bars), capsize=2, **style)


def _draw_speeds(ax: Axes, rows: list[dict[str, Any]], means: list[dict[str, Any]]) -> None:
    """Each convolution that was taken apart, and whole networks, against theory."""
    for name, marker in STYLE_NETWORKS.items():
        for way, (color, _, _) in STYLES.items():
            own = [row[way] for row in rows if row["name"] == name and row[way]["theory"] > 1]
            _speeds(ax, own, color=color, marker=marker, markersize=5)
        ax.plot([], [], color=COLORS.dark, marker=marker, linestyle="", label=f"{name}'s")
    taken = [row for row in means if row["kind"] == APART]
    _speeds(ax, taken, color=COLORS.black, marker="*", markersize=9, label="a whole network")
    top = max(row["theory"] for row in (*taken, *(row[way] for row in rows for way in STYLES)))
    ax.plot([1, top], [1, top], color=COLORS.gray, linestyle="--", label="as in theory")
    ax.axhline(1, color=COLORS.gray, linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="times fewer multiplications")
    ax.set(ylabel="times faster, measured")
    for axis in (ax.xaxis, ax.yaxis):
        written_out(axis)
    ax.legend(fontsize=8)
    ax.grid(alpha=0.3)


def _speeds(ax: Axes, rows: list[dict[str, Any]], **style: Any) -> None:
    x, y = ([row[name] for row in rows] for name in ("theory", "speedup"))
    spread = 2 * np.asarray([row["speedup_error"] for row in rows])
    ax.errorbar(x, y, spread, linestyle="", capsize=2, **style)


STUDY = Study(
    __name__,
    quick={
        "SEEDS": 1,
        "PLANS": {"Lenet-5": Plan("mnist", 28, 100, (1, 1, 1), (0.05, 0.05, 0.05), (0.003,))},
        "REPEATS": 1,
        "SLOT": 0.001,
    },
    size=(9.0, 7.0),
    data=("mnist", "cifar10"),
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
