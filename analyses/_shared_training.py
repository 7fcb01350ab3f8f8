"""What is trained, and what is sent, in a process that has several devices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec
from jaxtyping import Array

from analyses._learning import load
from analyses._product_convolutions import as_products
from analyses._pruned import complete, lenet5, lenet_300_100, restart
from analyses._smaller_networks import images
from topokit import devices, networks

CONVNET = "convnet"
Way = dict[str, Any] | None
"""The arguments of `terngrad`, or None for gradients in full."""


class Plan(NamedTuple):
    """How long networks learn, and from how many images."""

    images: int
    judged: int
    epochs: int
    batch: int
    rate: float
    seeds: int


def reduction(way: Way) -> devices.Reduction:
    """What makes gradients of workers one."""
    return devices.averaged() if way is None else devices.terngrad(**way)


def found(
    learned: list[tuple[str, Way]], plan: Plan, shares: dict[str, float] | None
) -> dict[str, Any]:
    """What each way comes to on its data, and, where shares are given, what is sent."""
    return {
        "learned": [curves(name, way, plan) for name, way in learned],
        "sent": None if shares is None else sent(shares),
    }


def curves(name: str, way: Way, plan: Plan) -> dict[str, Any]:
    """Test accuracies by epoch of each seed, and shares of zeros of the largest layer's draws."""
    data, fresh = subject(name, plan)
    data = replace(data, test_x=data.test_x[: plan.judged], test_y=data.test_y[: plan.judged])
    optimizer, reduced = optax.adam(plan.rate), reduction(way)
    part = plan.batch // len(jax.devices())
    accuracies, zeros = [], []
    for seed in range(plan.seeds):
        own: list[float] = []

        def look(_: Any, model: Any, state: Any, own: list[float] = own) -> None:
            judged = networks.evaluate(model, data.test_x, data.test_y, state=state)
            own.append(round(judged.accuracy, 4))
            if way == {}:
                zeros.append(zero_share(model, data.train_x[:part], data.train_y[:part]))

        networks.train(
            fresh(seed),
            data,
            optimizer=optimizer,
            epochs=plan.epochs,
            batch_size=plan.batch,
            seed=seed,
            callback=look,
            devices=jax.devices(),
            reduction=reduced,
        )
        accuracies.append(own)
    return {"curves": accuracies, "zeros": zeros}


def subject(name: str, plan: Plan) -> tuple[networks.Dataset, Callable[[int], Any]]:
    """The images that a network learns, and the fresh network of a seed.

    Those of ConvNet are of half as many pixels each way, and its convolutions products.
    """
    if name == CONVNET:
        data = images("cifar10", plan.images, side=16)
        return data, lambda seed: as_products(
            networks.convnet(data.shape, data.n_classes, key=jax.random.key(seed))
        )
    data = load(name)
    data = replace(data, train_x=data.train_x[: plan.images], train_y=data.train_y[: plan.images])
    blank = lenet5(data.shape)
    return data, lambda seed: restart(blank, complete(blank), seed=seed)


def zero_share(model: Any, x: Any, y: Any) -> float:
    """Of the largest array of weights, of one worker's part of a batch."""
    return round(float(_zero_share(model, jnp.asarray(x), jnp.asarray(y))), 4)


@eqx.filter_jit
def _zero_share(model: Any, x: Array, y: Array) -> Array:
    @eqx.filter_grad
    def slopes(model: Any) -> Any:
        logits = jax.vmap(model)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    largest = max(jax.tree.leaves(eqx.filter(slopes(model), eqx.is_array)), key=jnp.size)
    return (devices.ternarize(largest, jax.random.key(0)) == 0).mean()


def sent(shares: dict[str, float]) -> dict[str, Any]:
    """What a worker sends a step: Lenet-5's, and Lenet-300-100's with Clos networks of a share."""
    shape, key = (1, 28, 28), jax.random.key(0)
    dense = lenet_300_100(shape)
    models = {"Lenet-5": lenet5(shape), "Lenet-300-100": dense}
    for name, share in shares.items():
        models[name] = networks.sparsify(dense, networks.clos_with(share), key=key)
    return {
        name: {
            way: _sent(model, reduction(given)) for way, given in (("plain", None), ("ternary", {}))
        }
        for name, model in models.items()
    }


def _sent(model: Any, rule: optax.GradientTransformation) -> dict[str, Any]:
    """The bytes of one reduction of gradients, all in all and by what is exchanged."""
    weights = eqx.filter(model, eqx.is_inexact_array)

    def reduce(gradients: Any) -> Any:
        return rule.update(gradients, rule.init(gradients))[0]

    same, mesh = PartitionSpec(), devices.make_mesh()
    shared = jax.shard_map(reduce, mesh=mesh, in_specs=same, out_specs=same, check_vma=False)
    collectives = devices.traffic(jax.jit(shared).lower(weights).compile())
    by_kind: dict[str, float] = {}
    for collective in collectives:
        by_kind[collective.kind] = by_kind.get(collective.kind, 0) + collective.sent
    return {
        "weights": sum(map(jnp.size, jax.tree.leaves(weights))),
        "bytes": sum(by_kind.values()),
        "by_kind": by_kind,
    }
