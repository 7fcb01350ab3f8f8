"""Does a data-free score predict accuracy? Test accuracy at equal trainable edges against scores.

Networks of 256 inputs (images of 16 x 16 in gray), a wiring, ReLU, the same wiring again, ReLU, and
a dense layer to 10 classes learn MNIST and a part of CIFAR-10. The wirings differ in all but size:
each has 4,096 trainable edges, within 2 %. Inputs and hidden neurons are put in a random order
drawn by each seed, because the scores know nothing of how neurons are numbered, nor which pixels
are neighbors. All train alike, at two learning rates, of which a wiring's better one on a tenth of
the training examples, held out for validation, counts.

Left: mean accuracy of each wiring, with two standard errors over seeds, against the score that
agrees best. Right: Spearman's rank correlation of each score with the accuracy, each score turned
so that more is meant to be better, with 95 % bootstrap intervals over wirings. The ceiling is the
root of the accuracies' reliability (the rank correlation of the means of two halves of the seeds,
stepped up by Spearman and Brown to all, the mean of many splits): a score that knew the accuracy of
all seeds would be expected to reach it and no more. The reconstruction loss is a yardstick: it is
measured on random matrices, by training, and so it is not one of the scores.

Claim: the predicted loss, which foretells how well a wiring rebuilds random matrices, also
foretells how accurate it will be. The verdict: it holds if the interval of the predicted loss lies
above 0 on both data sets, in part if that of any other data-free score does, and not otherwise.

The same is judged at either rate alone, and for the last training loss in the place of the
accuracy; given depth (`given_depth`, the partial rank correlation), because at equal edges deep
wirings have fewer degrees of freedom and train slower; without any one family, as wirings of a
family are not independent; and among wirings of two layers, those without constant skip
connections, those of full bandwidth, and those that are both. All but the first of these four were
picked after the accuracies were seen.

Caveats. One width and one number of edges; a few epochs; inputs in random order. The part of
CIFAR-10 is small; of its 11,000 images 3,000 are kept for testing. Many scores are tested, and no
correction is made for that, but that both data sets must agree. The numbers that are kept now are
older than the validation part: there nothing was held out, and a wiring's better rate is the one of
the higher test accuracy (`rate_chosen_by` says which), which favors all of them a little.

Writes `score_accuracy.png` and, with its numbers, `score_accuracy.json` beside this script.
`--quick` learns scikit-learn's digits with three small wirings, and keeps nothing.
"""

from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses import kit
from analyses._accuracy_scores import YARDSTICK, Effort, score_all
from analyses._accuracy_statistics import (
    BETTER,
    chosen_by,
    judge_all,
    outcomes,
    strongest,
    verdict_of,
)
from analyses._accuracy_topologies import family_of, few, wirings
from analyses._learning import load, train
from analyses.kit import COLORS, Look, Study, data_folder, points
from topokit import Layers, networks

SIDE, BATCH, RATES = 16, 100, (3e-3, 1e-2)
LEAST_TEST = 3000
STYLES = {
    "random regular": Look("^", COLORS.red),
    "random": Look("v", COLORS.red),
    "small world": Look("<", COLORS.amber),
    "Clos": Look("o", COLORS.blue),
    "RadiX-Net": Look("s", COLORS.sky),
    "butterfly": Look("D", COLORS.green),
    "hypercube": Look("P", COLORS.green),
    "torus": Look("X", COLORS.pink),
    "low rank": Look("*", COLORS.black),
    "blocks": Look("h", "0.55"),
}
STYLE_DATA = (COLORS.blue, COLORS.red)
STYLE_TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10, a part", "digits": "digits"}


class Task(NamedTuple):
    """A data set to learn, for how long and how often."""

    data: str
    epochs: int
    seeds: int


TASKS = Task("mnist", 2, 4), Task("cifar10", 10, 8)
EFFORT, RESAMPLES = Effort(pairs=2048, draws=1, targets=2, steps=500), 999
WIRINGS = wirings


def cases() -> list[str]:
    """All wirings by name."""
    return list(WIRINGS())


@cache
def prepare(name: str, width: int = SIDE**2) -> networks.Dataset:
    """Gray images of at most 16 rows and so many pixels as vectors of mean 0 and variance 1."""
    data = load(name)
    x = np.concatenate([data.train_x, data.test_x])
    y = np.concatenate([data.train_y, data.test_y])
    few_test = data_folder(name) is not None and len(data.test_x) < LEAST_TEST
    cut = len(x) - (LEAST_TEST if few_test else len(data.test_x))
    x = shrink(x, width).reshape(len(x), -1)
    x = (x - x[:cut].mean()) / x[:cut].std()
    return networks.make_dataset(
        x[:cut], y[:cut], x[cut:], y[cut:], classes=data.classes, name=data.name
    )


def shrink(
    images: Float[np.ndarray, "n channels side side"], width: int = SIDE**2
) -> Float[np.ndarray, "n rows columns"]:
    """Means over channels, and where the side is above 16, over rectangles of pixels."""
    gray = images.mean(axis=1)
    if gray.shape[1] <= SIDE:
        return gray
    edge = (2 * SIDE - gray.shape[1]) // 2
    whole = np.pad(gray, ((0, 0), (edge, edge), (edge, edge)))
    columns = width // SIDE
    return whole.reshape(-1, SIDE, 2, columns, 2 * SIDE // columns).mean((2, 4))


class Shuffle(eqx.Module):
    """Puts signals in another order."""

    order: Int[Array, " n"]

    def __call__(self, x: Float[Array, " n"], *, key: PRNGKeyArray | None = None) -> Array:
        """One signal at a time; `key` is there for the sake of `equinox.nn.Sequential`."""
        del key
        return x[self.order]


class Network(eqx.Module):
    """A classifier and its learning rate: a number in it, so that all rates share one program."""

    layers: eqx.nn.Sequential
    rate: Float[Array, ""]

    def __call__(self, x: Float[Array, " n"]) -> Float[Array, " classes"]:
        """The logits of one example."""
        return self.layers(x)


def build(wiring: Layers, n_classes: int, rate: float, seed: int) -> Network:
    """Fresh weights and fresh orders of neurons."""
    keys = jax.random.split(jax.random.key(seed), 5)
    layers: list = []
    for shuffle, key in (keys[:2], keys[2:4]):
        layers.append(Shuffle(jax.random.permutation(shuffle, wiring.n_in)))
        layers += [networks.SparseLinear(wiring, key=key), eqx.nn.Lambda(jax.nn.relu)]
    last = eqx.nn.Linear(wiring.n_out, n_classes, key=keys[4])
    return Network(eqx.nn.Sequential([*layers, last]), jnp.asarray(rate))


@cache
def make_adam(steps: int) -> optax.GradientTransformation:
    """Adam at the network's own rate, which falls along a cosine; one object, to compile once."""
    unit = optax.adam(optax.cosine_decay_schedule(1.0, steps))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        updates, state = unit.update(updates, state, params)
        return jax.tree.map(lambda change: params.rate * change, updates), state

    return optax.GradientTransformation(unit.init, update)


def learn(
    wiring: Layers, task: Task, data: networks.Dataset, rate: float
) -> dict[str, list[float]]:
    """Validation and test accuracies, and last training losses, over seeds."""
    adam = make_adam(task.epochs * (len(data.train_x) // BATCH))
    ends = []
    for seed in range(task.seeds):
        network = build(wiring, data.n_classes, rate, seed)
        ends.append(train(network, data, adam, epochs=task.epochs, batch=BATCH, seed=seed))
    return {
        "validation_accuracies": [round(end.validation_accuracy, 5) for end in ends],
        "accuracies": [round(end.accuracy, 5) for end in ends],
        "train_losses": [round(end.train_loss, 5) for end in ends],
    }


def measure(name: str) -> dict[str, Any]:
    """All scores of a wiring, and what it learns."""
    wiring = WIRINGS()[name]
    row = {
        "name": name,
        "family": family_of(name),
        "trainable_edges": wiring.n_trainable,
        "depth": wiring.depth,
        "scores": score_all(wiring, EFFORT),
        "runs": {
            data.name: {str(rate): learn(wiring, task, data, rate) for rate in RATES}
            for task, data in ((task, prepare(task.data)) for task in TASKS)
        },
    }
    if WIRINGS is wirings:
        jax.clear_caches()  # of no use to other wirings, and a process has only so many memory maps
    return row


def summarize(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How well each score orders the wirings, and how many examples there were."""
    rows = list(records.values())
    found = judge_all(rows, RESAMPLES)
    sizes = {
        data.name: {
            "train": len(data.train_y),
            "validation": len(data.validation_y),
            "test": len(data.test_y),
        }
        for data in (prepare(task.data) for task in TASKS)
    }
    return {
        "data": sizes,
        "rate_chosen_by": chosen_by(rows),
        "verdict": verdict_of(found),
        "judged": found,
        "rows": rows,
    }


def show(results: dict[str, Any]) -> None:
    """The verdict, and the scores at the better rate."""
    kit.show({"verdict": results["verdict"]})
    for data, judged in results["judged"].items():
        kit.show({data: judged[BETTER]["scores"]})


def draw(figure: Figure, results: dict[str, Any]) -> None:
    """Accuracies on the left, one panel a data set, and correlations on the right."""
    rows, found = results["rows"], results["judged"]
    grid = figure.add_gridspec(len(found), 2, width_ratios=[1, 1.05])
    best = strongest(found)
    clouds = [figure.add_subplot(grid[place, 0]) for place in range(len(found))]
    for ax, data in zip(clouds, found, strict=True):
        draw_accuracies(ax, rows, data, best)
    clouds[-1].set_xlabel(f"{best}, better to the right", fontsize=7)
    right = figure.add_subplot(grid[:, 1])
    draw_correlations(right, found)
    families, scores = clouds[0].get_legend_handles_labels(), right.get_legend_handles_labels()
    look: dict[str, Any] = {"frameon": False, "fontsize": 6.5, "handletextpad": 0.3}
    figure.legend(*families, loc="outside upper left", ncols=4, columnspacing=1, **look)
    figure.legend(*scores, loc="outside upper right", ncols=2, **look)


def draw_accuracies(ax: Axes, rows: list[dict[str, Any]], data: str, score: str) -> None:
    """Every wiring at its better rate."""
    values = 100 * dict(outcomes(rows, data))[BETTER]
    errors = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    for family, look in STYLES.items():
        own = [place for place, row in enumerate(rows) if row["family"] == family]
        if own:
            at, size = [rows[p]["scores"][score] for p in own], 6 if look.marker == "*" else 4
            kind, more = look._replace(line="none"), {"elinewidth": 0.8, "capsize": 0}
            points(
                ax, at, values[own].mean(axis=1), errors[own], kind, family, markersize=size, **more
            )
    ax.set_ylabel(f"test accuracy, {title(data)} (%)", fontsize=7)
    ax.tick_params(labelsize=6.5)


def draw_correlations(ax: Axes, found: dict[str, Any]) -> None:
    """Dots and intervals, best on top and the yardstick at the bottom; ceilings as lines."""
    judged = {data: outcomes_of[BETTER] for data, outcomes_of in found.items()}
    values = {
        name: np.mean([j["scores"][name]["value"] or 0 for j in judged.values()])
        for name in next(iter(judged.values()))["scores"]
    }
    names = sorted(values, key=lambda name: (name == YARDSTICK, -values[name]))
    shifts = np.linspace(-0.17, 0.17, len(judged)) if len(judged) > 1 else [0.0]
    for (data, result), color, shift in zip(judged.items(), STYLE_DATA, shifts, strict=False):
        known = [(p, result["scores"][n]) for p, n in enumerate(names)]
        known = [(p, score) for p, score in known if score["value"] is not None]
        for place, score in known:
            ax.plot(score["interval"], [place + shift] * 2, color=color, linewidth=1.3)
        dots = [score["value"] for _, score in known], [p + shift for p, _ in known]
        ax.plot(*dots, "o", color=color, markersize=3.5, label=title(data))
        top = result["ceiling"]["value"]
        ax.axvline(top, color=color, linestyle="--", linewidth=1, label=f"ceiling, {title(data)}")
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.axhline(len(names) - 1.5, color="0.6", linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(names)), names, fontsize=6.5)
    ax.set(xlim=(-1.03, 1.03), ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel("rank correlation with the test accuracy", fontsize=7)
    ax.tick_params(axis="x", labelsize=6.5)


def title(data: str) -> str:
    """What a data set is called in the picture."""
    return next((text for name, text in STYLE_TITLES.items() if data.startswith(name)), data)


STUDY = Study(
    __name__,
    quick={
        "TASKS": (Task("mnist", 1, 2),),
        "EFFORT": Effort(64, 1, 1, 10),
        "RESAMPLES": 19,
        "WIRINGS": few,
    },
    size=(5.8, 4.2),
    data=("mnist", "cifar10"),
)

if __name__ == "__main__":
    STUDY.main()
