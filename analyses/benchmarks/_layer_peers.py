"""The same layer by topokit and by what one would write with JAX; `_layer_torch.py` has the rest.

A layer is followed by a ReLU, and its loss is the squared error to a random target. A training step
is the forward pass, the gradient and a step of Adam. Models are arguments of what is compiled,
never constants in it; a step gives its buffers on to the next.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from analyses.kit import Clock, timed
from topokit.networks import SparseLinear, to_matrices

RATE = 1e-3


class Batch(NamedTuple):
    """Inputs and targets, `(examples, width)`, single precision."""

    x: np.ndarray
    y: np.ndarray


class Peer(NamedTuple):
    """One way to have a layer, at work on one batch.

    Attributes:
        begin: The state at the start: weights and what Adam keeps. `True`: in arrays of its own;
            `False`: it takes the start itself, for good.
        train: Takes so many steps and waits for them. It uses the state up; returns the loss at the
            beginning of the last step, and the new state.
        forward: Sends the batch through so many times and waits; returns the outputs.
        matrices: A state's weights as a matrix `(senders, receivers)` for each layer.
        n_bytes: Bytes of a state's parameters, of gradients, of Adam's state after a step, and of
            index arrays or masks.
    """

    begin: Callable[[bool], Any]
    train: Callable[[Any, int], tuple[float, Any]]
    forward: Callable[[int], np.ndarray]
    matrices: Callable[[Any], list[np.ndarray]]
    n_bytes: Callable[[Any], dict[str, int]]


def draw_batch(n: int, examples: int) -> Batch:
    """Normal numbers."""
    rng = np.random.default_rng(examples)
    x, y = (rng.normal(size=(examples, n)).astype(np.float32) for _ in range(2))
    return Batch(x, y)


def compare(
    name: str, peer: Peer, other_name: str, other: Peer, *, loss: float, step: float
) -> None:
    """Outputs, losses, and weights after two steps must be the same within these tolerances."""
    start = peer.matrices(peer.begin(True))
    results = [(p.forward(1), *two_steps(p, start)) for p in (peer, other)]
    (outputs, *losses, moved), (others, *other_losses, other_moved) = results
    apart = distance(others, outputs), distance(other_moved, moved)
    if not np.allclose(losses, other_losses, rtol=loss) or max(apart) > step:
        raise RuntimeError(
            f"{name} and {other_name} disagree: losses {losses} and {other_losses}, outputs and "
            f"steps apart by {apart}"
        )


def two_steps(peer: Peer, start: list[np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Losses before each of two steps, and how far the entries of `start` have come."""
    first, state = peer.train(peer.begin(True), 1)
    second, state = peer.train(state, 1)
    pairs = zip(peer.matrices(state), start, strict=True)
    return first, second, np.concatenate([(now - was)[was != 0] for now, was in pairs])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Relative to the second."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def forward_clock(peer: Peer, taking: Callable = timed) -> Clock:
    """Seconds of sending the batch through, `timed` or `busy`."""
    return lambda steps: taking(lambda: peer.forward(steps))[0]


def training_clock(peer: Peer, taking: Callable = timed) -> Clock:
    """Seconds of steps after the first, which sets up what the optimizer keeps."""

    def clock(steps: int) -> float:
        state = peer.train(peer.begin(True), 1)[1]
        return taking(lambda: peer.train(state, steps))[0]

    return clock


def by_topokit(model: SparseLinear, batch: Batch) -> Peer:
    """`topokit.networks`, mapped over examples."""
    weights, wiring = eqx.partition(model, eqx.is_inexact_array)

    def apply(weights: SparseLinear, wiring: SparseLinear, x: jax.Array) -> jax.Array:
        return jax.vmap(eqx.combine(weights, wiring))(x)

    def matrices(state: tuple) -> list[np.ndarray]:
        return to_matrices(eqx.combine(state[0], wiring))

    return by_jax(apply, weights, wiring, batch, matrices)


def by_dense(matrix: list[np.ndarray], batch: Batch) -> Peer:
    """A dense layer, its matrix as the product wants it."""

    def apply(weights: dict, _: None, x: jax.Array) -> jax.Array:
        return x @ weights["matrices"][0] + weights["bias"]

    return by_jax(apply, _dense_weights(matrix), None, batch, _matrices)


def by_masked(start: list[np.ndarray], batch: Batch) -> Peer:
    """Dense matrices times their masks, of a byte an entry; zeros of the start are masked."""
    masks = [jnp.asarray(matrix != 0, jnp.uint8) for matrix in start]

    def apply(weights: dict, masks: list, x: jax.Array) -> jax.Array:
        for matrix, mask in zip(weights["matrices"], masks, strict=True):
            x = x @ (matrix * mask)
        return x + weights["bias"]

    return by_jax(apply, _dense_weights(start), masks, batch, _matrices)


def by_jax(
    apply: Callable[[Any, Any, jax.Array], jax.Array],
    start: Any,
    given: Any,
    batch: Batch,
    matrices: Callable[[tuple], list[np.ndarray]],
) -> Peer:
    """Compile a model `apply(weights, given, x)` and its training."""
    optimizer, (x, y) = optax.adam(RATE), map(jnp.asarray, batch)
    init = jax.jit(optimizer.init)

    @jax.jit
    def output(weights: Any, given: Any, x: jax.Array) -> jax.Array:
        return jax.nn.relu(apply(weights, given, x))

    def loss(weights: Any, given: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.sum((output(weights, given, x) - y) ** 2)

    @partial(jax.jit, donate_argnums=0)
    def step(state: tuple, given: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, tuple]:
        weights, moments = state
        value, gradient = jax.value_and_grad(loss)(weights, given, x, y)
        updates, moments = optimizer.update(gradient, moments)
        return value, (optax.apply_updates(weights, updates), moments)

    def begin(keep: bool) -> tuple:
        own = jax.tree.map(jnp.copy, start) if keep else start
        return jax.block_until_ready((own, init(own)))

    def train(state: tuple, steps: int) -> tuple[float, tuple]:
        value = jnp.zeros(())
        for _ in range(steps):
            value, state = step(state, given, x, y)
        return float(value), jax.block_until_ready(state)

    def forward(times: int) -> np.ndarray:
        for _ in range(times - 1):
            output(start, given, x)
        return np.asarray(output(start, given, x))

    return Peer(begin, train, forward, matrices, partial(_bytes, given=given))


def _bytes(state: tuple, given: Any) -> dict[str, int]:
    """What a training holds; a gradient is of the size of what it belongs to."""
    weights, moments = state
    parts = {"parameters": weights, "gradients": weights, "optimizer": moments, "indices": given}
    return {name: _size(part) for name, part in parts.items()}


def _dense_weights(start: list[np.ndarray]) -> dict:
    return {"matrices": [jnp.array(m) for m in start], "bias": jnp.zeros(start[-1].shape[1])}


def _matrices(state: tuple) -> list[np.ndarray]:
    return [np.asarray(matrix) for matrix in state[0]["matrices"]]


def _size(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
