"""Controllability as the paper writes it: dense tensors over all pairs, senders and receivers.

For each layer of edges (NeuroFabric section VI.C and appendix A) there is a tensor R of ratios of
shape `n_in x n_in x n_senders x n_receivers`, whose softmax over receivers splits control (16),
(17); a tensor dC of what receivers add, whose softmax over all pairs spends `min(t, k - 1)` (28);
and equations (18) and (19) to go on with. Bounds (9) and (11) scale down what exceeds them; (9)
implies the clip in (12). An edge that is absent still has its `n_in^2` numbers, under a mask.

It is the peer that topokit is measured against, so what the paper leaves open is done in its favor.
dC is kept summed over senders, since nothing else is asked of it. The first layer has no R, since
inputs have no control to split. R ends in the axis of its softmax, which thus runs along
memory. A step is compiled whole, in single precision, and writes over the state that it was given.

Unlike topokit, it counts edges that come from no input; where there are any, it may find more.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

import topokit as tk

DEVIATION = 0.01
BETA2, EPSILON = 0.95, 1e-4


class Layer(NamedTuple):
    """One layer of edges and the neurons that they feed.

    Attributes:
        edges: Which sender feeds which receiver.
        pairs: Which ordered pairs of inputs a receiver may control.
        gain: What a receiver adds, `min(t, k - 1)` (28).
        room: What a receiver can control in all, `|A(v)| - 1` (11).
    """

    edges: Bool[np.ndarray, "senders receivers"]
    pairs: Bool[np.ndarray, "n_in n_in receivers"]
    gain: Float[np.ndarray, " receivers"]
    room: Float[np.ndarray, " receivers"]


class Tensors(NamedTuple):
    """The logits of dC, for every layer, and of R, for all but the first."""

    added: list[Float[Array, "n_in n_in _receivers"]]
    ratios: list[Float[Array, "n_in n_in _senders _receivers"]]


class State(NamedTuple):
    """Where a descent stands: the logits, Adam's moments, and the loss of the step before."""

    tensors: Tensors
    moments: optax.OptState
    loss: Float[Array, ""]


def dense_descent(
    layers: tk.Layers, *, steps: int = 500, learning_rate: float = 0.03, seed: int = 0
) -> tuple[Callable[[State], State], State]:
    """A compiled step of Adam on loss (20), with topokit's settings, and where to start.

    Cost of a step: `O(n_in^2 n_senders n_receivers)` for each layer, in time and in memory.
    """
    dense = dense_layers(layers)
    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    optimizer = optax.adam(schedule, b2=BETA2, eps=EPSILON)

    def step(state: State) -> State:
        loss, slope = jax.value_and_grad(lambda own: total_loss(dense, own))(state.tensors)
        updates, moments = optimizer.update(slope, state.moments)
        tensors = jax.tree.map(jnp.add, state.tensors, updates)
        return State(tensors, moments, loss)

    tensors = draw_tensors(layers, seed)
    start = State(tensors, optimizer.init(tensors), jnp.float32(jnp.inf))
    return jax.jit(step, donate_argnums=0), start


def dense_layers(layers: tk.Layers) -> list[Layer]:
    """What the equations ask of each layer, from the masks alone."""
    reach, dense = np.eye(layers.n_in, dtype=bool), []
    different = ~reach[:, :, None]
    masks = tk.to_masks(layers), tk.to_masks(layers, trainable=True)
    for edges, trainable in zip(*masks, strict=True):
        reach = reach @ edges
        gain = np.maximum(np.minimum(trainable.sum(0), edges.sum(0) - 1), 0)
        pairs = reach[:, None, :] & reach[None, :, :] & different
        room = np.maximum(reach.sum(0) - 1, 0)
        dense.append(Layer(edges, pairs, gain.astype(np.float32), room.astype(np.float32)))
    return dense


def draw_tensors(layers: tk.Layers, seed: int) -> Tensors:
    """Logits so small that shares are nearly even."""
    rng, n_in = np.random.default_rng(seed), layers.n_in

    def draw(*shape: int) -> Array:
        return jnp.asarray(DEVIATION * rng.standard_normal((n_in, n_in, *shape), np.float32))

    added = [draw(width) for width in layers.widths[1:]]
    return Tensors(added, [draw(*widths) for widths in pairwise(layers.widths[1:])])


def total_loss(dense: list[Layer], tensors: Tensors) -> Float[Array, ""]:
    """Equation (20)."""
    control = propagate(dense, tensors)
    return jnp.sum((len(control) - 1 - control.sum((0, 1))) ** 2)


def propagate(dense: list[Layer], tensors: Tensors) -> Float[Array, "n_in n_in n_out"]:
    """C at the outputs, by (18) and (19) layer after layer; its sum over axis 1 is K."""
    control = hold(dense[0], add(dense[0], tensors.added[0]))
    for layer, added, logits in zip(dense[1:], tensors.added[1:], tensors.ratios, strict=True):
        heard = control * layer.edges.any(axis=1)
        arrived = jnp.einsum("ijm,ijmk->ijk", heard, shares(logits, layer.edges, axis=3))
        control = hold(layer, arrived + add(layer, added))
    return control


def add(layer: Layer, logits: Array) -> Float[Array, "n_in n_in receivers"]:
    """What receivers add, over all pairs at once (28); one without pairs has no room for any."""
    return shares(logits, layer.pairs, axis=(0, 1)) * layer.gain


def hold(layer: Layer, control: Array) -> Float[Array, "n_in n_in receivers"]:
    """Scale each pair down to `C_ij + C_ji <= 1` (9), then all to the room (11)."""
    control = control / jnp.maximum(control + control.swapaxes(0, 1), 1)
    return control * jnp.minimum(layer.room / jnp.maximum(control.sum((0, 1)), 1e-6), 1)


def shares(logits: Array, among: np.ndarray, *, axis: int | tuple[int, ...]) -> Array:
    """A softmax over the true entries of `among`; an even one where there are none."""
    return jax.nn.softmax(jnp.where(among, logits, -jnp.finfo(logits.dtype).max), axis=axis)
