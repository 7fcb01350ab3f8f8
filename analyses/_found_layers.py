"""A layer whose wiring training finds, in three ways, and designed wirings in its place.

The layer is the first of a dense network, from the pixels. Of the steps of a training the dense
network takes a third; in the next one the structure comes; with it the rest is learned. In its
place stands any topology, with fresh weights, for as many steps. A layer of one matrix trains as a
dense one whose zeros stay zero, so that one compiled program serves all of them; rates are arrays
of the network, for the same reason.
"""

from dataclasses import replace
from functools import cache
from math import prod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from analyses._learning import load, test_accuracy
from analyses._pruned import complete, restart, schedule
from analyses._trained_networks import ADAM, Scheduled
from topokit import Layers, networks
from topokit.designs import nearest
from topokit.topologies import clos

BATCH, LOOK, JUDGED = 50, 3, 1000
FIRST_RATE, DESCENT, RATES = 2e-3, 0.1, (1e-3, 4e-3)
FORCE = 0.1
LAYER, INSIDE = "layers.1", "layers.layers.1"  # in a network, and in a `Scheduled` one
PLACE = 1

GROUPS, SINGLE, LOW = "neurons and pixels", "single weights", "low rank"
EVEN, LOOSE, TWO = "random, equal fan-in", "random, any fan-in", "random, two layers"
CLOS, BUTTERFLY = "Clos", "butterfly"
FOUND, CASCADES = (GROUPS, SINGLE, LOW), (TWO, CLOS, BUTTERFLY)
DESIGNED = (EVEN, LOOSE, *CASCADES)
HELD = optax.chain(ADAM, networks.keep_zeros())


class Setting(NamedTuple):
    """Data and a network for them.

    Attributes:
        name: What is learned.
        hidden: Neurons of each hidden layer; the first is behind the layer in question.
        share: Of that layer's edges, the budget.
        images: How many to learn from, at most.
        steps: Of a training.
        routers: Of the Clos network: input, middle and output ones.
        lasso: Strength that the penalty would grow to in its third of the training.
    """

    name: str
    hidden: tuple[int, ...]
    share: float
    images: int
    steps: int
    routers: tuple[int, int, int]
    lasso: float

    @property
    def data(self) -> networks.Dataset:
        """Few images to learn from, a tenth of all held out."""
        return _images(self.name, self.images)

    @property
    def widths(self) -> tuple[int, int]:
        """Inputs and outputs of the layer."""
        return prod(self.data.shape), self.hidden[0]

    @property
    def budget(self) -> int:
        """The edges that the layer may have."""
        return round(self.share * prod(self.widths))


class Trained(NamedTuple):
    """What came out, and the validation accuracy that it was chosen by."""

    model: Any
    validation: float
    test: float


@cache
def _images(name: str, most: int) -> networks.Dataset:
    data = load("mnist", held_out=True) if name == "MNIST" else networks.load_digits(validation=0.1)
    return replace(
        data,
        train_x=data.train_x[:most],
        train_y=data.train_y[:most],
        validation_x=data.validation_x[:JUDGED],
        validation_y=data.validation_y[:JUDGED],
    )


def fit(
    model: Any,
    setting: Setting,
    seed: int,
    *,
    steps: int,
    rate: float = FIRST_RATE,
    horizon: int | None = None,
    optimizer: optax.GradientTransformation = HELD,
    since: networks.ShortTraining | None = None,
) -> networks.ShortTraining:
    """Take steps; the rate falls to 0 at the horizon, which is where they end unless said."""
    at = jnp.asarray(rate), jnp.asarray(float(horizon or steps))
    return networks.train_steps(
        Scheduled(model, *at),
        setting.data,
        optimizer=optimizer,
        steps=steps,
        batch_size=BATCH,
        seed=seed,
        since=since,
    )


def best(model: Any, setting: Setting, seed: int, **how: Any) -> Trained:
    """Train at all rates, and keep what is best on images held out."""
    runs = [fit(model, setting, seed, rate=rate, **how) for rate in RATES]
    return _chosen(runs, setting)


def _chosen(runs: list[networks.ShortTraining], setting: Setting) -> Trained:
    run = max(runs, key=lambda run: run.validation_accuracy)
    test = test_accuracy(run.model, setting.data)
    return Trained(run.model.layers, round(run.validation_accuracy, 5), round(test, 5))


def blank(setting: Setting, seed: int = 0) -> eqx.nn.Sequential:
    """The dense network."""
    data, key = setting.data, jax.random.key(seed)
    return networks.mlp(data.shape, setting.hidden, data.n_classes, key=key)


def found(setting: Setting, seed: int) -> dict[str, Trained]:
    """The network with each structure that training finds in its layer."""
    third = setting.steps // 3
    start = fit(blank(setting, seed), setting, seed, steps=third, horizon=setting.steps)
    begun = start.model.layers
    return {
        GROUPS: _grouped(begun, setting, seed),
        SINGLE: _pruned(setting, seed),
        LOW: _forced(begun, setting, seed),
    }


def _grouped(begun: Any, setting: Setting, seed: int) -> Trained:
    """By group lasso over neurons and pixels, which grows until the budget is met."""
    third, optimizer, run, before = setting.steps // 3, _lasso(setting), None, None
    for steps in range(LOOK, third + 1, LOOK):
        before, run = run, _on(begun, setting, seed, steps, optimizer, run)
        if n_edges(run.model.layers) <= setting.budget:
            break
    ends = [end for end in (before, run) if end is not None and n_edges(end.model.layers)]
    near = min(ends, key=lambda end: abs(n_edges(end.model.layers) - setting.budget))
    rest = setting.steps - third - near.steps
    return best(near.model.layers, setting, seed + 100, steps=rest)


def _on(
    begun: Any,
    setting: Setting,
    seed: int,
    steps: int,
    optimizer: optax.GradientTransformation,
    since: networks.ShortTraining | None = None,
) -> networks.ShortTraining:
    """From the dense network on, by an optimizer that has its own rate."""
    return fit(begun, setting, seed + 200, steps=steps, optimizer=optimizer, since=since, horizon=1)


@cache
def _lasso(setting: Setting) -> optax.GradientTransformation:
    model = Scheduled(blank(setting), jnp.asarray(0.0), jnp.asarray(1.0))
    families = [networks.filter_groups([INSIDE], bias=True), networks.channel_groups([INSIDE])]
    grows = optax.linear_schedule(0.0, DESCENT, setting.steps // 3)
    lasso = networks.group_lasso(model, setting.lasso, learning_rate=grows, groups=families)
    return optax.chain(optax.sgd(DESCENT), lasso)


def _pruned(setting: Setting, seed: int) -> Trained:
    """By magnitude, in the middle third of a training from the start."""
    steps = setting.steps
    return best(
        blank(setting, seed), setting, seed, steps=steps, optimizer=_pruning(setting, steps)
    )


@cache
def _pruning(setting: Setting, steps: int) -> optax.GradientTransformation:
    """Adam, and behind it what prunes one layer alone."""
    model = Scheduled(blank(setting), jnp.asarray(0.0), jnp.asarray(1.0))
    none = jax.tree.map(lambda _: False, eqx.filter(model, eqx.is_inexact_array))
    one = eqx.tree_at(lambda m: m.layers.layers[PLACE].weight, none, replace=True)
    return optax.chain(ADAM, optax.masked(networks.prune(schedule(1 - setting.share, steps)), one))


def _forced(begun: Any, setting: Setting, seed: int) -> Trained:
    """Of low rank, behind a force."""
    third = setting.steps // 3
    rank = nearest("low_rank", *setting.widths, setting.budget).arguments["rank"]
    forced = _on(begun, setting, seed, third, _pulling())
    apart = networks.decompose(forced.model.layers, {LAYER: networks.svd(rank=rank)})
    return best(apart, setting, seed + 100, steps=setting.steps - 2 * third)


@cache
def _pulling() -> optax.GradientTransformation:
    pull = networks.force(FORCE, layers=[INSIDE])
    return optax.chain(optax.scale_by_adam(), pull, optax.scale_by_learning_rate(FIRST_RATE))


def wiring_of(model: Any) -> Layers:
    """The topology of the layer."""
    return networks.kernel_topologies(model)[LAYER]


def n_edges(model: Any) -> int:
    """Weights of the layer that are not 0."""
    return int((model.layers[PLACE].weight != 0).sum())


def designed(setting: Setting, seed: int) -> dict[str, Layers]:
    """Wirings of about as many edges that were chosen before training."""

    def near(family: str, depth: int | None = None) -> Layers:
        member = nearest(
            family,
            *setting.widths,
            setting.budget,
            among=lambda one: depth in (None, one.depth),
            seed=seed,
        )
        return member.layers()

    return {
        EVEN: near("random_regular", 1),
        LOOSE: near("erdos_renyi", 1),
        TWO: near("random_regular", 2),
        CLOS: clos.layers(*setting.widths, *setting.routers),
        BUTTERFLY: near("rectangular_butterfly"),
    }


def afresh(wiring: Layers | None, setting: Setting, seed: int) -> Trained:
    """The network with fresh weights on a wiring of its layer, or dense."""
    model, dense = blank(setting), complete(blank(setting))
    one = {LAYER: wiring} if wiring is not None and wiring.depth == 1 else {}
    start = restart(model, dense | one, seed=seed)
    if wiring is not None and not one:
        start = networks.sparsify(start, {LAYER: wiring}, key=jax.random.key(seed))
    return best(start, setting, seed, steps=setting.steps)
