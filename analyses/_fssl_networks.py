"""The networks of the analysis of fine-tuning with structured sparsity, their sizes and times."""

from collections.abc import Sequence
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

import topokit as tk
from topokit import challenge, networks

# Images at a time, and how near a number of connections is met.
JUDGED, CLOSE = 500, 0.01


def padded(image: Array, side: int) -> Array:
    """One channel in the middle of a larger square, as a vector."""
    before = (side - image.shape[-1]) // 2
    after = side - image.shape[-1] - before
    return jnp.pad(image[0], (before, after)).reshape(-1)


def relu(x: Array) -> Array:
    """Importable by its name, so that a process can send a model to another one."""
    return jax.nn.relu(x)


def radix_classifier(
    data: networks.Dataset, depth: int, *, key: Any, init: Any = networks.kaiming
) -> eqx.nn.Sequential:
    """The challenge's layers with a ReLU after each, then all neurons to all classes."""
    side = 2 ** int(np.ceil(np.log2(data.shape[-1])))
    network = challenge.plain_network(side**2, depth)
    keys = jax.random.split(key, depth + 1)
    layers: list = [eqx.nn.Lambda(partial(padded, side=side))]
    for number in range(depth):
        senders = network.senders(number)
        receivers = np.repeat(np.arange(side**2), senders.shape[1])
        recipe = tk.make_layers([side**2] * 2, [senders.ravel()], [receivers])
        layers += [networks.SparseLinear(recipe, key=keys[number], init=init), eqx.nn.Lambda(relu)]
    last = tk.topologies.dense.layers(side**2, data.n_classes)
    return eqx.nn.Sequential([*layers, networks.SparseLinear(last, key=keys[-1], init=init)])


def linears(model: eqx.nn.Sequential) -> list[networks.SparseLinear]:
    """The sparse layers, inputs first."""
    return [layer for layer in model.layers if isinstance(layer, networks.SparseLinear)]


def thinned(model: eqx.nn.Sequential, connections: int) -> eqx.nn.Sequential:
    """The model with zeros in place of its small weights, until so many connections are of use.

    Every layer keeps the same share: pruned all together, the last ones would lose all neurons.
    Connections of neurons without inputs or outputs are of no use and are not counted.
    """
    low, high = connections, size(model)["connections"]
    while high - low > CLOSE * connections:
        middle = (low + high) // 2
        useful = size(networks.shrink(largest(model, middle)))["connections"]
        low, high = (middle, high) if useful < connections else (low, middle)
    return largest(model, high)


def largest(model: eqx.nn.Sequential, connections: int) -> eqx.nn.Sequential:
    """The model with the largest weights of each layer, so many in all, and zeros elsewhere."""

    def where(m: eqx.nn.Sequential) -> list[Array]:
        return [layer.weight for linear in linears(m) for layer in linear.layers]

    rows = [weight[None] for weight in where(model)]
    masks = networks.magnitude_masks(rows, 1 - connections / size(model)["connections"])
    thin = networks.apply_masks(rows, masks)
    return eqx.tree_at(where, model, [row[0] for row in thin])


def size(model: eqx.nn.Sequential) -> dict[str, Any]:
    """Hidden neurons a layer, connections, and the bytes of weights and of all arrays."""
    arrays = jax.tree.leaves(eqx.filter(model, eqx.is_array))
    weights = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    return {
        "neurons": [linear.n_out for linear in linears(model)[:-1]],
        "connections": sum(la.wiring.n_edges for li in linears(model) for la in li.layers),
        "bytes": sum(array.nbytes for array in weights),
        "bytes_with_wiring": sum(array.nbytes for array in arrays),
    }


def filled(model: eqx.nn.Sequential) -> eqx.nn.Sequential:
    """The same function with dense layers."""
    dense = (
        networks.to_dense(layer) if isinstance(layer, networks.SparseLinear) else layer
        for layer in model.layers
    )
    return eqx.nn.Sequential(list(dense))


def seconds(models: Sequence[eqx.nn.Sequential], x: np.ndarray, repeats: int) -> list[list[float]]:
    """Times of each model on all examples, one after the other so many times, compiled before."""
    inputs, parts = jnp.asarray(x), [eqx.partition(m, eqx.is_array) for m in models]
    calls = [_compiled(arrays, static, inputs) for arrays, static in parts]
    times: list[list[float]] = [[] for _ in models]
    for _ in range(repeats):
        for own, (arrays, _), call in zip(times, parts, calls, strict=True):
            begin = perf_counter()
            jax.block_until_ready(call(arrays, inputs))
            own.append(perf_counter() - begin)
    return times


def times_faster(first: Sequence[float], second: Sequence[float]) -> float:
    """The median over repeats of how many times longer the first takes than the second."""
    return round(median(a / b for a, b in zip(first, second, strict=True)), 3)


def _compiled(arrays: Any, static: Any, x: Array) -> Any:
    def outputs(arrays: Any, x: Array) -> Array:
        model = eqx.combine(arrays, static)
        return lax.map(model, x, batch_size=min(JUDGED, len(x)))

    return jax.jit(outputs).lower(arrays, x).compile()
