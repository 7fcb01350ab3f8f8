"""Processor seconds of a network: of a training step, of its parts, and of one prediction.

They are seconds of the processor, of a process in one thread on one core, because others may take
the rest of the machine: what they take of the core is not counted. What they take of its caches and
of its frequency is, which is why clocks are raced in turn with those of a network that is the same
in all races.

A step is one of `networks.train_steps`, batch, gradient and Adam. `gradient` and `forward` are of a
batch that is at hand, and `prediction` is a compiled call with one example, its start included.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from analyses._trained_networks import ADAM, BATCH, Scheduled
from analyses.kit import Clock, busy
from topokit import networks

LEAST_STEPS, LONG = 20, 1e6  # steps that a clock takes at least, and those of a schedule
EXAMPLES = 2000


def step_clock(layers: eqx.nn.Sequential, data: networks.Dataset) -> Clock:
    """Training goes on for so many steps; what a call without any takes is taken off."""
    few = replace(
        data,
        train_x=data.train_x[:EXAMPLES],
        train_y=data.train_y[:EXAMPLES],
        validation_x=data.validation_x[:1],
        validation_y=data.validation_y[:1],
    )
    model = Scheduled(layers, jnp.asarray(1e-3), jnp.asarray(LONG))
    begun = networks.train_steps(model, few, optimizer=ADAM, steps=1, batch_size=BATCH)

    def spent(steps: int) -> float:
        def go_on() -> Any:
            return networks.train_steps(
                model, few, optimizer=ADAM, steps=1 + steps, batch_size=BATCH, since=begun
            )

        return busy(go_on)[0]

    def clock(steps: int) -> float:
        taken = max(steps, LEAST_STEPS)
        return (spent(taken) - spent(0)) * steps / taken

    return clock


def batch_clocks(layers: eqx.nn.Sequential, data: networks.Dataset) -> dict[str, Clock]:
    """The gradient of a batch, and its forward pass."""
    arrays, static = eqx.partition(layers, eqx.is_array)
    weights, wiring = eqx.partition(arrays, eqx.is_inexact_array)
    x, y = jnp.asarray(data.train_x[:BATCH]), jnp.asarray(data.train_y[:BATCH])

    def loss(weights: Any, wiring: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = jax.vmap(eqx.combine(weights, wiring, static))(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    return {
        "gradient": _calls(jax.jit(jax.grad(loss)), weights, wiring, x, y),
        "forward": _calls(jax.jit(loss), weights, wiring, x, y),
    }


def prediction_clock(layers: eqx.nn.Sequential, data: networks.Dataset) -> Clock:
    """The logits of one example."""
    arrays, static = eqx.partition(layers, eqx.is_array)

    def predict(arrays: Any, x: jax.Array) -> jax.Array:
        return eqx.combine(arrays, static)(x)

    return _calls(jax.jit(predict), arrays, jnp.asarray(data.train_x[0]))


def _calls(compiled: Callable[..., Any], *given: Any) -> Clock:
    """So many calls, each waited for."""
    jax.block_until_ready(compiled(*given))

    def run(calls: int) -> None:
        for _ in range(calls):
            jax.block_until_ready(compiled(*given))

    return lambda calls: busy(lambda: run(calls))[0]
