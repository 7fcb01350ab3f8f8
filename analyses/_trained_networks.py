"""Dense and sparse perceptrons of two equal hidden layers, trained at one rate that falls to 0.

Rate and number of steps are arrays of a network, so that all of them share one program. All layers
start by `networks.kaiming`, sparse or not.
"""

from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

import topokit as tk
from analyses._learning import load
from analyses.kit import data_folder
from topokit import networks

LEAST_TEST, BATCH = 3000, 100
UNIT = optax.scale_by_adam()
RULES = {
    "Clos": networks.clos_with,
    "low rank": networks.low_rank_with,
    "random": networks.random_with,
}


class Plan(NamedTuple):
    """A network: neurons of each hidden layer, edges of both sparse layers, and their wiring.

    Without edges it is dense. The wiring may be open.
    """

    hidden: int
    edges: int | None = None
    wiring: str | None = None

    def rule(self, shape: tuple[int, ...]) -> networks.Rule:
        """The rule of its wiring, for as many edges."""
        assert self.edges is not None
        assert self.wiring is not None
        connections = (int(np.prod(shape)) + self.hidden) * self.hidden
        return RULES[self.wiring](self.edges / connections)


class Scheduled(eqx.Module):
    """A classifier with its first rate, and the steps in which that falls to 0."""

    layers: eqx.nn.Sequential
    rate: Float[Array, ""]
    steps: Float[Array, ""]

    def __call__(self, x: Array) -> Array:
        """The logits of one example."""
        return self.layers(x)


def build(plan: Plan, data: networks.Dataset, seed: int) -> eqx.nn.Sequential:
    """A network with the first weights of a seed."""
    key = jax.random.key(seed)
    model = networks.mlp(data.shape, [plan.hidden] * 2, data.n_classes, key=key)
    if plan.edges is not None:
        return networks.sparsify(model, plan.rule(data.shape), key=key)
    keys = iter(jax.random.split(key, len(model.layers)))
    return eqx.nn.Sequential([_started(layer, next(keys)) for layer in model.layers])


def _started(layer: Any, key: Array) -> Any:
    """A dense layer with first weights as those of a sparse one that has all edges."""
    if not isinstance(layer, eqx.nn.Linear):
        return layer
    radius = (12 / sum(layer.weight.shape)) ** 0.5
    weight = jax.random.uniform(key, layer.weight.shape, minval=-radius, maxval=radius)
    new = weight, jnp.zeros(layer.out_features)
    return eqx.tree_at(lambda one: (one.weight, one.bias), layer, new)


def without_edges(plan: Plan, data: networks.Dataset) -> eqx.nn.Sequential:
    """As many neurons, and between them no more than products of rank 1."""
    key = jax.random.key(0)
    model = networks.mlp(data.shape, [plan.hidden] * 2, data.n_classes, key=key)
    *wide, last = networks.kernels(model).items()
    thin = {name: tk.topologies.low_rank.layers(*widths, 1) for name, widths in wide}
    dense = {last[0]: tk.topologies.dense.layers(*last[1])}
    return networks.sparsify(model, thin | dense, key=key)


@cache
def prepare(name: str) -> networks.Dataset:
    """Images of mean 0 and variance 1, a tenth of those to learn from held out.

    Where there are fewer test images than `LEAST_TEST`, the last training images are added.
    """
    data = load(name)
    x = np.concatenate([data.train_x, data.test_x])
    y = np.concatenate([data.train_y, data.test_y])
    few = data_folder(name) is not None and len(data.test_y) < LEAST_TEST
    cut = len(y) - (LEAST_TEST if few else len(data.test_y))
    x = (x - x[:cut].mean()) / x[:cut].std()
    return networks.make_dataset(
        x[:cut], y[:cut], x[cut:], y[cut:], classes=data.classes, name=data.name
    )


def _update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
    updates, after = UNIT.update(updates, state, params)
    share = jnp.minimum(state.count / params.steps, 1)
    rate = params.rate * (1 + jnp.cos(jnp.pi * share)) / 2
    return jax.tree.map(lambda change: -rate * change, updates), after


# Adam at the network's own rate, which falls along a cosine; one object, to compile once.
ADAM = optax.GradientTransformation(UNIT.init, _update)


def learn(
    layers: eqx.nn.Sequential, data: networks.Dataset, *, rate: float, steps: int, seed: int
) -> networks.ShortTraining:
    """Train to the end of the schedule."""
    model = Scheduled(layers, jnp.asarray(rate), jnp.asarray(float(steps)))
    return networks.train_steps(
        model, data, optimizer=ADAM, steps=steps, batch_size=BATCH, seed=seed
    )
