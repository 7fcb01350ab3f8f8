"""Descent on the controllability loss (NeuroFabric section VI.C), compiled as one loop."""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from topokit._compilation import compiled
from topokit._keys import generator
from topokit._limits import check_memory
from topokit.layers import Layers
from topokit.scores.control.descent._padded_layers import PaddedLayers, make_wiring
from topokit.scores.control.descent._propagation import (
    ControlForm,
    Logits,
    draw_logits,
    logit_shapes,
    propagate,
)
from topokit.scores.control.descent._round_shapes import SMALL, round_shapes

LIMIT = 2**33

# Bytes that a step takes for each logit: parameters, gradient, two moments of Adam, the shares and
# their derivatives, in single precision.
BYTES = 48

# Logits start nearly even, but for what breaks a tie.
DEVIATION = 0.01

# Slopes this small are rounding. Adam would magnify them and let K drift where the loss is flat.
NOISE = 1e-4

# Parts of a large descent that is watched: after each it is told how far it is.
PARTS = 20


class DescentState(NamedTuple):
    """Where a descent is.

    Attributes:
        logits: The free choices.
        moments: What Adam remembers.
        least: The least loss and penalty met.
        best: The K of it, transposed.
    """

    logits: Logits
    moments: optax.OptState
    least: Float[Array, ""]
    best: Float[Array, "n_out n_in"]


def lay_out(layers: Layers, form: ControlForm, *, remedy: str) -> PaddedLayers:
    """The wiring for a descent, or a ValueError that names the remedy where it would not fit."""
    wiring = make_wiring(layers)
    count = sum(prod(shape) for shape in logit_shapes(form, wiring))
    check_memory("controllability by descent", BYTES * count, LIMIT, remedy)
    return wiring


def descend(
    wiring: PaddedLayers,
    form: ControlForm,
    *,
    n_out: int,
    evenness: float,
    steps: int,
    learning_rate: float,
    key: Any,
    callback: Callable[[int, int], object] | None = None,
) -> tuple[Float[np.ndarray, "n_in n_out"], Float[np.ndarray, " steps"]]:
    """The K of least loss and penalty that Adam meets, and the loss at every step.

    Args:
        wiring: The network, as `lay_out` returns it.
        form: What is kept of the tensor.
        n_out: How many of the last neurons are outputs; the others are padding.
        evenness: Weight of the penalty `sum((K - mean(K))^2)`.
        steps: How many steps to take.
        learning_rate: Where the cosine schedule starts.
        key: A JAX key or an integer seed for the logits to start from; None for 0.
        callback: Called with the number of steps done and of all; of a small network once.
    """
    logits = draw_logits(generator(key), form, wiring, deviation=DEVIATION)
    wiring, logits = round_shapes(wiring, logits)
    state: Any = logits  # after the first part a `DescentState`
    small = callback is None or sum(map(np.size, jax.tree.leaves(logits))) <= SMALL
    at_once = steps if small else -(-steps // PARTS)
    losses: list[np.ndarray] = []
    for done in range(0, steps, at_once):
        now = min(at_once, steps - done)
        state, found = _descend(form, steps, n_out, now, state, wiring, evenness, learning_rate)
        losses.append(np.asarray(found, float))
        if callback is not None:
            callback(done + now, steps)
    return np.asarray(state.best, float).T, np.concatenate(losses)


@compiled(static=4)
def _descend(
    form: ControlForm,
    steps: int,
    n_out: int,
    now: int,
    state: Logits | DescentState,
    wiring: PaddedLayers,
    evenness: float | Array,
    learning_rate: float | Array,
) -> tuple[DescentState, Float[Array, " now"]]:
    """So many of all steps from logits or from where an earlier part ended; the loss at each."""
    n_in = wiring.first.reach.shape[1]
    schedule = optax.cosine_decay_schedule(1.0, steps)
    optimizer = optax.adam(
        lambda count: learning_rate * schedule(count), b1=0.9, b2=0.95, eps=NOISE
    )

    def objective(logits):
        K = form.read(propagate(form, wiring, logits)[:n_out])
        loss = jnp.sum((n_in - 1 - K.sum(axis=1)) ** 2)
        return loss + evenness * jnp.sum((K - K.mean()) ** 2), (loss, K)

    def step(state, _):
        logits, moments, least, best = state
        (value, (loss, K)), slope = jax.value_and_grad(objective, has_aux=True)(logits)
        best = jnp.where(value < least, K, best)
        updates, moments = optimizer.update(slope, moments)
        logits: Any = optax.apply_updates(logits, updates)
        return DescentState(logits, moments, jnp.minimum(value, least), best), loss

    if isinstance(state, Logits):
        blank = jnp.zeros((n_out, n_in), jnp.float32)
        state = DescentState(state, optimizer.init(state), jnp.float32(jnp.inf), blank)
    return jax.lax.scan(step, state, length=now)
