"""Steps of a training, in one compiled loop: the batches of an epoch, from one to another.

Everything random is drawn from the seed and the numbers of the epoch and of the step, so that steps
end at the same weights however they are split into calls.
"""

import inspect
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from topokit.networks._infer_one import double_if

# Steps of one compiled call, long enough to hide its start and short enough to be interrupted.
STEPS = 200


class Course(NamedTuple):
    """What a training does not change.

    Attributes:
        static: What of a model and its state is no array.
        x: Examples, on the device.
        y: Their labels.
        optimizer: The optimizer.
        batch_size: Examples of a step.
        seed: Decides the order of the examples, and the keys.
    """

    static: PyTree
    x: Array
    y: Array
    optimizer: optax.GradientTransformation
    batch_size: int
    seed: int

    @property
    def steps_an_epoch(self) -> int:
        """Examples that do not fill a last batch wait for another epoch."""
        return len(self.x) // self.batch_size

    def batches(self, epoch: int) -> Int[np.ndarray, "steps batch"]:
        """The examples of each batch of an epoch, counted from 0."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))
        whole = self.steps_an_epoch * self.batch_size
        return order[:whole].reshape(-1, self.batch_size)


def course_of(
    static: PyTree,
    arrays: PyTree,
    x: Float[np.ndarray, "n *shape"],
    y: Int[np.ndarray, " n"],
    optimizer: optax.GradientTransformation,
    batch_size: int,
    seed: int,
) -> Course:
    """The course of a training, its examples on the device in the precision of the arrays."""
    x_there = jnp.asarray(x, double_if(arrays))
    return Course(static, x_there, jax.device_put(y), optimizer, batch_size, seed)


def take_steps(
    course: Course, arrays: PyTree, opt_state: PyTree, epoch: int, first: int, last: int
) -> tuple[PyTree, PyTree, Float[Array, ""]]:
    """Take the steps of an epoch from the first to before the last one given.

    Returns:
        The arrays of the model and of its state, the state of the optimizer, and the sum of the
        losses of the batches, each before its step.
    """
    batches = jnp.asarray(course.batches(epoch))
    key = jax.random.fold_in(jax.random.key(course.seed), epoch)
    carry = arrays, opt_state, jnp.zeros(())
    for begin in range(first, last, STEPS):
        span = jnp.asarray(begin), jnp.asarray(min(begin + STEPS, last)), key
        examples = course.x, course.y
        carry = _steps(carry, span, batches, examples, course.static, course.optimizer)
        jax.block_until_ready(carry)
    return carry


def go_on(
    course: Course, arrays: PyTree, opt_state: PyTree, first: int, last: int
) -> tuple[PyTree, PyTree]:
    """Take the steps from the first to before the last one, counted over all epochs."""
    while first < last:
        epoch, begin = divmod(first, course.steps_an_epoch)
        end = min(course.steps_an_epoch, begin + last - first)
        arrays, opt_state, _ = take_steps(course, arrays, opt_state, epoch, begin, end)
        first += end - begin
    return arrays, opt_state


@eqx.filter_jit
def _steps(
    carry: tuple,
    span: tuple[Int[Array, ""], Int[Array, ""], Key[Array, ""]],
    batches: Int[Array, "steps batch"],
    examples: tuple[Array, Array],
    static: PyTree,
    optimizer: optax.GradientTransformation,
) -> tuple:
    """Take the steps from the first to the last given, and add up their losses."""
    first, last, key = span

    def step(number: Array, carry: tuple) -> tuple:
        arrays, begun, total = carry
        model, state = eqx.combine(arrays, static)
        x, y = (part[batches[number]] for part in examples)
        keys = jax.random.split(jax.random.fold_in(key, number), len(y))
        (loss, state), slopes = eqx.filter_value_and_grad(batch_loss, has_aux=True)(
            model, state, x, y, keys
        )
        weights = eqx.filter(model, eqx.is_inexact_array)
        updates, begun = optimizer.update(slopes, begun, weights)
        model = eqx.apply_updates(model, updates)
        return eqx.filter((model, state), eqx.is_array), begun, total + loss

    return lax.fori_loop(first, last, step, carry)


def batch_loss(
    model: Any, state: Any, x: Array, y: Array, keys: Key[Array, " batch"]
) -> tuple[Float[Array, ""], Any]:
    """Mean cross entropy of a batch, and the next state of the model."""

    def one(x: Array, state: Any, key: Key[Array, ""]) -> tuple[Array, Any]:
        extra = {"key": key} if "key" in inspect.signature(model).parameters else {}
        return (model(x, **extra), None) if state is None else model(x, state, **extra)

    together = jax.vmap(one, in_axes=(0, None, 0), out_axes=(0, None), axis_name="batch")
    logits, state = together(x, state, keys)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), state
