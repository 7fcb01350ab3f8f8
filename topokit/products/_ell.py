"""Products of sparse layers in ELL form: every receiver has the same number of slots for senders.

Activations are `(neurons, columns, batch)`, so that the gathered rows are contiguous; the batch
(targets, restarts) comes last and shares one wiring. A layer is

    Y[v] = sum over slots j of weights[v, j] * X[senders[v, j]],

an unused slot having weight 0. Consecutive layers of equal shape form a `Run` and are scanned.
Gradients use the transposed index, so that both directions only gather.
"""

from itertools import groupby
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from topokit._layers import Layers


class Run(NamedTuple):
    """Consecutive layers of one shape, stacked.

    Attributes:
        senders: Sender of each slot; 0 in an unused one.
        receivers: Receiver of each slot of the transposed layer; 0 in an unused one.
        slots: For each slot of the transposed layer, its place in the flattened weights;
            `n_out * fan_in`, one past the end, in an unused one.
        used: Which slots hold an edge.
    """

    senders: Int[Array, "layers n_out fan_in"]
    receivers: Int[Array, "layers n_in fan_out"]
    slots: Int[Array, "layers n_in fan_out"]
    used: Bool[Array, "layers n_out fan_in"]


class Network(NamedTuple):
    """A topology, ready for products; a pytree of arrays, so that equal shapes compile once.

    Attributes:
        runs: The layers, inputs first. The first run holds one layer.
        true: The value true, unknown to the compiler (see `_fenced`).
    """

    runs: tuple[Run, ...]
    true: Bool[Array, ""]


class _Shape(NamedTuple):
    n_in: int
    n_out: int
    fan_in: int
    fan_out: int


def compile_network(layers: Layers) -> Network:
    """Bring a recipe into ELL form; cost O(E + padding)."""
    shapes = [_shape(layers, number) for number in range(layers.depth)]
    first, *rest = range(layers.depth)
    groups = [[first], *(list(g) for _, g in groupby(rest, key=shapes.__getitem__))]
    runs = [
        Run(*map(_stack, zip(*(_ell(layers, n, shapes[n]) for n in group), strict=True)))
        for group in groups
    ]
    return Network(tuple(runs), jnp.asarray(True))


def to_slots(
    layers: Layers, network: Network, values: list[np.ndarray] | tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Lay one array an edge, `(edges, ...)`, into slots: `(layers, n_out, fan_in, ...)` a run."""
    number, result = 0, []
    for run in network.runs:
        blank = np.zeros(run.used.shape + values[0].shape[1:], values[0].dtype)
        for layer in range(run.used.shape[0]):
            blank[layer, layers.receivers[number], _slot(layers, number)] = values[number]
            number += 1
        result.append(blank)
    return result


def from_slots(layers: Layers, slots: list[np.ndarray]) -> list[np.ndarray]:
    """Undo `to_slots`: one array `(edges, ...)` for each layer."""
    stacked = [layer for run in slots for layer in run]
    return [
        layer[layers.receivers[number], _slot(layers, number)]
        for number, layer in enumerate(stacked)
    ]


def multiply(
    network: Network, weights: list[Float[Array, "_layers _n_out _fan_in batch"]]
) -> Float[Array, "n_out n_in batch"]:
    """The end-to-end matrices, transposed: the product of all layers for each of the batch."""
    if weights[0].shape[-1] == 1:  # faster than a trailing axis of one
        return _product(network, [weight[..., 0] for weight in weights])[..., None]
    return _product(network, weights)


def _product(
    network: Network, weights: list[Float[Array, "_layers _n_out _fan_in *batch"]]
) -> Float[Array, "n_out n_in *batch"]:
    first, *rest = network.runs
    product = _first_layer(weights[0][0], first)
    for run, weight in zip(rest, weights[1:], strict=True):
        product = _multiply_run(run, weight, product, network.true)
    return product


def _first_layer(
    weights: Float[Array, "n_out fan_in *batch"], run: Run
) -> Float[Array, "n_out n_in *batch"]:
    """The first layer times the identity: its weights, each in its sender's column."""
    n_out, _, *batch = weights.shape
    rows = jnp.arange(n_out)[:, None]
    blank = jnp.zeros((n_out, run.receivers.shape[1], *batch), weights.dtype)
    return blank.at[rows, run.senders[0]].add(weights)


def _multiply_run(
    run: Run, weights: Float[Array, "layers n_out fan_in *batch"], x: Array, true: Array
) -> Float[Array, "n_out columns *batch"]:
    if weights.shape[0] == 1:
        return _layer(weights[0], x, Run(*(leaf[0] for leaf in run)), true)

    def step(x: Array, layer: tuple[Array, Run]) -> tuple[Array, None]:
        return _layer(layer[0], x, layer[1], true), None

    return lax.scan(step, x, (weights, run))[0]


@jax.custom_vjp
def _layer(weights: Array, x: Array, layer: Run, true: Array) -> Array:
    """One layer: `(n_out, fan_in, *batch)` weights, `(n_in, columns, *batch)` activations."""
    return _fenced(true, lambda: _gather_sum(weights, layer.senders, x))


def _layer_forward(weights: Array, x: Array, layer: Run, true: Array) -> tuple[Array, tuple]:
    return _layer(weights, x, layer, true), (weights, x, layer, true)


def _layer_backward(saved: tuple, dy: Array) -> tuple[Array, Array, None, None]:
    weights, x, layer, true = saved

    def gradients() -> tuple[Array, Array]:
        fan_in = layer.senders.shape[1]
        dw = [(dy * x[layer.senders[:, slot]]).sum(axis=1) for slot in range(fan_in)]
        flat = weights.reshape(-1, *weights.shape[2:])
        transposed = jnp.concatenate([flat, jnp.zeros_like(flat[:1])])[layer.slots]
        return jnp.stack(dw, axis=1), _gather_sum(transposed, layer.receivers, dy)

    return *_fenced(true, gradients), None, None


_layer.defvjp(_layer_forward, _layer_backward)


def _gather_sum(weights: Array, index: Array, x: Array) -> Array:
    return sum(weights[:, j, None] * x[index[:, j]] for j in range(index.shape[1]))  # type: ignore[return-value]


def _fenced(true: Array, compute):
    """Evaluate `compute()` where the compiler cannot fuse it with what comes before or after.

    XLA on a CPU fuses one gather-sum into the next and then evaluates each value once for each
    reader, fan-out times a layer. A branch whose outcome is known only at run time stops it.
    """
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(compute))
    return lax.cond(true, compute, lambda: blank)


def _shape(layers: Layers, number: int) -> _Shape:
    n_in, n_out = layers.widths[number : number + 2]
    fan_in = np.bincount(layers.receivers[number]).max()
    fan_out = np.bincount(layers.senders[number]).max()
    return _Shape(n_in, n_out, int(fan_in), int(fan_out))


def _slot(layers: Layers, number: int) -> Int[np.ndarray, " edges"]:
    """Place of each edge among the in-edges of its receiver."""
    return _rank_in_group(layers.receivers[number])


def _rank_in_group(groups: Int[np.ndarray, " edges"]) -> Int[np.ndarray, " edges"]:
    """For sorted group numbers, the place of each element in its group."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(groups.size) - np.repeat(starts, np.diff(np.append(starts, groups.size)))


def _ell(layers: Layers, number: int, shape: _Shape) -> tuple[np.ndarray, ...]:
    """`Run`'s arrays for one layer."""
    senders, receivers = layers.senders[number], layers.receivers[number]
    slot = _slot(layers, number)
    index = np.zeros((shape.n_out, shape.fan_in), np.int32)
    used = np.zeros(index.shape, bool)
    index[receivers, slot] = senders
    used[receivers, slot] = True
    order = np.argsort(senders, kind="stable")
    place = senders[order], _rank_in_group(senders[order])
    transposed = np.zeros((shape.n_in, shape.fan_out), np.int32)
    slots = np.full(transposed.shape, index.size, np.int32)
    transposed[place] = receivers[order]
    slots[place] = (receivers * shape.fan_in + slot)[order]
    return index, transposed, slots, used


def _stack(arrays: tuple[np.ndarray, ...]) -> Array:
    return jnp.asarray(np.stack(arrays))
