"""Steps of a training, in one compiled loop: the batches of an epoch, from one to another.

Everything random is drawn from the seed and the numbers of the epoch and of the step, so that steps
end at the same weights however they are split into calls. Workers of a mesh take equal parts of
each batch, in order, with the keys of these examples; the optimizer begins with what reduces their
gradients, after which all have the same weights.
"""

import inspect
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
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
        mesh: The workers that take part of each batch, or None for one device.
    """

    static: PyTree
    x: Array
    y: Array
    optimizer: optax.GradientTransformation
    batch_size: int
    seed: int
    mesh: Mesh | None = None

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
    mesh: Mesh | None = None,
) -> Course:
    """The course of a training, its examples on each device in the precision of the arrays."""
    x_there = jnp.asarray(x, double_if(arrays))
    there = None if mesh is None else _everywhere(mesh)
    x_there, y_there = jax.device_put((x_there, y), there)
    return Course(static, x_there, y_there, optimizer, batch_size, seed, mesh)


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
    carry, mesh = (arrays, opt_state, jnp.zeros(())), course.mesh
    if mesh is not None:
        carry = jax.device_put(carry, _everywhere(mesh))
    for begin in range(first, last, STEPS):
        span = jnp.asarray(begin), jnp.asarray(min(begin + STEPS, last)), key
        examples = course.x, course.y
        carry = _steps(carry, span, batches, examples, course.static, course.optimizer, mesh)
        jax.block_until_ready(carry)
    return carry if mesh is None else jax.device_put(carry, mesh.devices.flat[0])


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


def _everywhere(mesh: Mesh) -> NamedSharding:
    """On every device of a mesh, whole."""
    return NamedSharding(mesh, PartitionSpec())


@eqx.filter_jit
def _steps(
    carry: tuple,
    span: tuple[Int[Array, ""], Int[Array, ""], Key[Array, ""]],
    batches: Int[Array, "steps batch"],
    examples: tuple[Array, Array],
    static: PyTree,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None,
) -> tuple:
    """Take the steps from the first to the last given, and add up their losses."""
    turn = partial(_turn, static, optimizer, mesh)
    if mesh is not None:
        same = PartitionSpec()
        turn = jax.shard_map(turn, mesh=mesh, in_specs=same, out_specs=same, check_vma=False)
    return turn(carry, span, batches, examples)


def _turn(
    static: PyTree,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None,
    carry: tuple,
    span: tuple[Int[Array, ""], Int[Array, ""], Key[Array, ""]],
    batches: Int[Array, "steps batch"],
    examples: tuple[Array, Array],
) -> tuple:
    """The same of one worker, or of the only one."""
    first, last, key = span

    def step(number: Array, carry: tuple) -> tuple:
        arrays, begun, total = carry
        model, state = eqx.combine(arrays, static)
        x, y = (part[_own(batches[number], mesh)] for part in examples)
        keys = jax.random.split(jax.random.fold_in(key, number), batches.shape[1])
        (loss, state), slopes = eqx.filter_value_and_grad(batch_loss, has_aux=True)(
            model, state, x, y, _own(keys, mesh)
        )
        weights = eqx.filter(model, eqx.is_inexact_array)
        updates, begun = optimizer.update(slopes, begun, weights)
        model = eqx.apply_updates(model, updates)
        return eqx.filter((model, _mean(state, mesh)), eqx.is_array), begun, total + loss

    arrays, begun, total = lax.fori_loop(first, last, step, carry)
    return arrays, begun, _mean(total, mesh)


def _own(batch: Array, mesh: Mesh | None) -> Array:
    """A worker's part of a batch."""
    if mesh is None:
        return batch
    size = len(batch) // mesh.size
    return lax.dynamic_slice_in_dim(batch, lax.axis_index(mesh.axis_names[0]) * size, size)


def _mean(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The mean over workers of all that is real; what counts is the same for each."""
    if mesh is None:
        return tree
    real, rest = eqx.partition(tree, eqx.is_inexact_array)
    return eqx.combine(lax.pmean(real, mesh.axis_names), rest)


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
