"""Does a data-free score predict accuracy? Test accuracy at equal trainable edges against scores.

Networks of 256 inputs (images of 16 x 16 in gray), a wiring, ReLU, the same wiring again, ReLU, and
a dense layer to 10 classes learn MNIST and a part of CIFAR-10. The wirings differ in all but size:
each has 4,096 trainable edges, within 2 %. Inputs and hidden neurons are put in a random order
drawn by each seed, because the scores know nothing of how neurons are numbered, nor which pixels
are neighbors. All train alike, at two learning rates, of which a wiring's better one counts.

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
CIFAR-10 is small; of its 11,000 images 3,000 are kept for judging. The rate is chosen by the
accuracy that is reported, with the same small bias for all. Many scores are tested, and no
correction is made for that, but that both data sets must agree.

Writes `score_accuracy.png` and, with its numbers, `score_accuracy.json` beside this script.
`--quick` learns scikit-learn's digits with three small wirings, and keeps nothing.
"""

from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _accuracy_figure import plot
from _accuracy_scores import Effort, score_all
from _accuracy_statistics import judge_all, verdict
from _accuracy_topologies import EDGES, family_of, few, wirings
from _learning import each, keep, load, options
from jaxtyping import Array, Float, Int, PRNGKeyArray

from topokit import Layers, networks

SIDE, BATCH, RATES = 16, 100, (3e-3, 1e-2)
LEAST_TEST = 3000


class Task(NamedTuple):
    """A data set to learn, for how long and how often; the bundled digits without a folder."""

    data: str
    folder: Path | None
    epochs: int
    seeds: int


class Setting(NamedTuple):
    """What is done with each wiring."""

    tasks: tuple[Task, ...]
    effort: Effort
    resamples: int
    quick: bool


QUICK = Setting((Task("mnist", None, 1, 2),), Effort(64, 1, 1, 10), 19, True)


def full(folders: dict[str, Path]) -> Setting:
    """The whole study."""
    tasks = Task("mnist", folders["mnist"], 2, 4), Task("cifar10", folders["cifar10"], 10, 8)
    return Setting(tasks, Effort(pairs=2048, draws=1, targets=2, steps=500), 999, False)


@cache
def prepare(name: str, folder: Path | None) -> networks.Dataset:
    """Gray images of at most 16 x 16 pixels as vectors of mean 0 and variance 1."""
    data = load(name, folder)
    x, y = (np.concatenate(parts) for parts in zip(data[:2], data[2:4], strict=True))
    few_test = folder is not None and len(data.test_x) < LEAST_TEST
    cut = len(x) - (LEAST_TEST if few_test else len(data.test_x))
    x = shrink(x).reshape(len(x), -1)
    x = (x - x[:cut].mean()) / x[:cut].std()
    return networks.make_dataset(
        x[:cut], y[:cut], x[cut:], y[cut:], classes=data.classes, name=data.name
    )


def shrink(images: Float[np.ndarray, "n channels side side"]) -> Float[np.ndarray, "n small small"]:
    """Means over channels, and where the side is above 16, over squares of 2 x 2 pixels."""
    gray = images.mean(axis=1)
    if gray.shape[1] <= SIDE:
        return gray
    edge = (2 * SIDE - gray.shape[1]) // 2
    whole = np.pad(gray, ((0, 0), (edge, edge), (edge, edge)))
    return whole.reshape(-1, SIDE, 2, SIDE, 2).mean((2, 4))


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


def learn(wiring: Layers, task: Task, rate: float) -> dict[str, list[float]]:
    """Test accuracies and last training losses over seeds."""
    data = prepare(task.data, task.folder)
    adam = make_adam(task.epochs * (len(data.train_x) // BATCH))
    ends = []
    for seed in range(task.seeds):
        network = build(wiring, data.n_classes, rate, seed)
        run = networks.train(
            network, data, optimizer=adam, epochs=task.epochs, batch_size=BATCH, seed=seed
        )
        ends.append(run.epochs[-1])
    return {
        "accuracies": [round(end.test_accuracy, 5) for end in ends],
        "train_losses": [round(end.train_loss, 5) for end in ends],
    }


def measure(name: str, setting: Setting) -> dict[str, Any]:
    """All scores of a wiring, and what it learns."""
    wiring = (few() if setting.quick else wirings())[name]
    tasks = {prepare(task.data, task.folder).name: task for task in setting.tasks}
    row = {
        "name": name,
        "family": family_of(name),
        "trainable_edges": wiring.n_trainable,
        "depth": wiring.depth,
        "scores": score_all(wiring, setting.effort),
        "runs": {
            data: {str(rate): learn(wiring, task, rate) for rate in RATES}
            for data, task in tasks.items()
        },
    }
    if not setting.quick:
        jax.clear_caches()  # of no use to other wirings, and a process has only so many memory maps
    return row


def describe(setting: Setting) -> dict[str, Any]:
    """The settings, for the record."""
    result = {}
    for task in setting.tasks:
        data = prepare(task.data, task.folder)
        sizes = {"train": len(data.train_x), "test": len(data.test_x)}
        result[data.name] = sizes | {"epochs": task.epochs, "seeds": task.seeds}
    how = {"batch": BATCH, "rates": RATES, "resamples": setting.resamples}
    return {"edges": EDGES, "data": result} | how | setting.effort._asdict()


def main() -> None:
    """Train, score, correlate, print, draw, save."""
    given = options(__doc__, "mnist", "cifar10")
    setting = QUICK if given.quick else full(given.folders)
    rows = each(partial(measure, setting=setting), few() if given.quick else wirings())
    found = judge_all(rows, setting.resamples)
    summary = {"settings": describe(setting), "verdict": verdict(found), "judged": found}
    keep(__file__, plot(rows, found), summary | {"rows": rows}, quick=given.quick)


if __name__ == "__main__":
    main()
