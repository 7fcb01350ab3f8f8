"""What scores of an untrained network take at the door: the model, its draws, and one batch.

A model is any pytree with weights in it that maps one example to a vector: an Equinox module, or
`jax.tree_util.Partial(function, parameters)` of a function of parameters and an example, as other
frameworks have them. In its place can stand what makes it from a random `key`; then there are as
many draws of first weights as one likes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.nn import StateIndex
from jaxtyping import Array, Float, Shaped

from topokit._checks import SEEDS, check_count, check_seed
from topokit._records import brief
from topokit.networks._dataset import as_array, check_examples, check_labels
from topokit.networks._infer_one import double_if, infer_one

LEAST_EXAMPLES = 8

# Sizes of targets, from here to the inverse, of which all that is computed fits single precision.
LEAST_SIZE = 1e-15


# What JAX raises of a part of a model that it cannot differentiate.
NO_GRADIENTS = TypeError, ValueError, NotImplementedError


class Untrained(NamedTuple):
    """A model with first weights.

    Attributes:
        model: The model.
        state: Its state, or None.
    """

    model: Any
    state: Any


class Batch(NamedTuple):
    """Examples with what a network should return of them.

    Attributes:
        x: The examples, in the model's precision.
        targets: What regression fits: one-hot vectors of labels, or the numbers themselves.
        labels: The labels; None if there are numbers in their place.
    """

    x: Float[Array, "n *shape"]
    targets: Float[np.ndarray, "n outputs"] | None
    labels: Shaped[np.ndarray, " n"] | None


def draw_models(model: Any, state: Any, *, draws: int, seed: int) -> Iterator[Untrained]:
    """The model as it is, or one draw of what makes it after the other.

    Raises:
        ValueError: If it is neither, several draws of a finished model are asked for, or weights
            are not finite.
    """
    draws = check_count("draws", draws, most=SEEDS)
    seed = check_seed("seed", seed, draws=draws)
    if not has_weights(model):
        return (_checked(*_made(model, seed + number)) for number in range(draws))
    if draws > 1:
        raise ValueError(
            f"draws={draws} needs a function that makes the model from the keyword key, such as "
            "functools.partial(topokit.networks.lenet5); given a model, whose weights are drawn"
        )
    return iter([_checked(model, state)])


def has_weights(model: Any) -> bool:
    """Whether something is a model, and not what makes one."""
    return any(map(eqx.is_inexact_array, jax.tree.leaves(model)))


def _made(build: Any, seed: int) -> Untrained:
    expected = (
        "model must be an Equinox model, or a function that makes one from the keyword key; "
        "parameters beside a function, as Flax has them, are taken as "
        "jax.tree_util.Partial(function, parameters), and sparse layers of PyTorch by "
        "topokit.torch.to_equinox"
    )
    try:
        model, state = eqx.nn.make_with_state(build)(key=jax.random.key(seed))
    except TypeError as error:
        raise ValueError(f"{expected}; given {brief(build)}: {error}") from error
    if not has_weights(model):
        raise ValueError(f"{expected}; given {brief(build)}, which made {brief(model)}")
    return Untrained(model, state if has_state(model) else None)


def has_state(model: Any) -> bool:
    """Whether a model is called with a state."""
    parts = jax.tree.leaves(model, is_leaf=lambda part: isinstance(part, StateIndex))
    return any(isinstance(part, StateIndex) for part in parts)


def check_state(model: Any, state: Any) -> None:
    """Refuse a model that has a state, without one."""
    if state is None and has_state(model):
        raise ValueError(
            "the model has a state; make it by equinox.nn.make_with_state, and give state="
        )


def _checked(model: Any, state: Any) -> Untrained:
    check_state(model, state)
    weights = [leaf for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf) and leaf.size]
    kinds = sorted({str(weight.dtype) for weight in weights} - {"float32", "float64"})
    if kinds or not weights:
        raise ValueError(
            f"the model must have weights of float32 or float64; given {', '.join(kinds) or 'none'}"
        )
    if not all(bool(jnp.isfinite(weight).all()) for weight in weights):
        raise ValueError(
            "the model must have finite weights; given some that are infinite or not a number"
        )
    return Untrained(model, state)


@contextmanager
def needing_gradients() -> Iterator[None]:
    """What differentiates a model in here says so where it has no gradients."""
    try:
        yield
    except NO_GRADIENTS as error:
        raise ValueError(
            "the model must have gradients; take jax.lax.scan in it, which has, for a "
            f"while_loop, which has none: {error}"
        ) from error


def count_outputs(one: Untrained, shape: tuple[int, ...]) -> int:
    """How long the vector is that a model returns of an example of a shape."""
    kind = double_if(one.model) or np.float32
    example = jax.ShapeDtypeStruct(shape, kind)
    try:
        returned = eqx.filter_eval_shape(infer_one, *one, example)
    except (TypeError, ValueError, AttributeError, NameError, IndexError) as error:
        raise ValueError(f"the model cannot take an example of shape {shape}: {error}") from error
    if len(getattr(returned, "shape", ())) != 1 or not returned.size:
        raise ValueError(
            "the model must return a vector of one example, such as one logit a class; it returns "
            f"{brief(returned)} of an example of shape {shape}"
        )
    return returned.size


def check_learned(one: Untrained, x: Any, y: Any) -> Batch:
    """The same as `check_batch`, of what has to be learned."""
    if y is None:
        raise ValueError(
            "y must be labels, integers from 0, or floats, a row for each example; given None"
        )
    return check_batch(one, x, y)


def check_batch(one: Untrained, x: Any, y: Any = None) -> Batch:
    """A batch that fits a model.

    Args:
        one: The model.
        x: Examples.
        y: Labels, or numbers to return, or None.

    Raises:
        ValueError: If there are too few examples, something is not finite, they do not fit the
            model or each other, or are all of one class.
    """
    x = check_examples("x", as_array("x", x))
    if len(x) < LEAST_EXAMPLES:
        raise ValueError(
            f"x must hold at least {LEAST_EXAMPLES} examples, half of which are held out; given "
            f"{len(x)}"
        )
    n_outputs = count_outputs(one, x.shape[1:])
    examples = jnp.asarray(x, double_if(one.model))
    if y is None:
        return Batch(examples, None, None)
    y = as_array("y", y)
    if len(y.shape) == 0 or len(y) != len(x):
        raise ValueError(f"y must have one row for each of the {len(x)} examples; given {brief(y)}")
    if y.dtype.kind == "f":
        return Batch(examples, _numbers(y, n_outputs), None)
    labels = check_labels("y", y)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"y must be of several classes; all {len(y)} labels are {labels[0]}")
    if labels.max() >= n_outputs:
        raise ValueError(
            f"y must be labels from 0 to {n_outputs - 1}, for the model returns {n_outputs} "
            f"numbers; given {labels.max()}"
        )
    return Batch(examples, np.eye(n_outputs)[labels], labels)


def _numbers(y: Float[np.ndarray, "n *outputs"], n_outputs: int) -> Float[np.ndarray, "n outputs"]:
    """Targets of a regressor."""
    numbers = y.reshape(len(y), -1).astype(float)
    if numbers.shape[1] != n_outputs or y.ndim > 2:
        raise ValueError(
            f"y must be integers, the labels, or floats of shape {(len(y), n_outputs)}, as many as "
            f"the model returns; given {brief(y)}"
        )
    if not np.isfinite(numbers).all():
        raise ValueError("y must be finite; given infinite or missing values")
    if (numbers == numbers[0]).all():
        raise ValueError("y must differ from example to example; given the same numbers for all")
    size = np.abs(numbers).max()
    if not LEAST_SIZE <= size <= 1 / LEAST_SIZE:
        raise ValueError(
            f"y must be of a size whose squares fit floats, from {LEAST_SIZE:g} to "
            f"{1 / LEAST_SIZE:g}; given up to {size:.3g}: scale all targets by one number"
        )
    return numbers
