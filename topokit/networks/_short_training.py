"""Short training as a score: the validation accuracy after some steps, and on from there."""

from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Bool

from topokit._checks import check_count, check_instance
from topokit._records import Record
from topokit.networks._dataset import Dataset
from topokit.networks._steps import course_of, go_on
from topokit.networks._train import check_kinds, check_training, judge_each


class ShortTraining(Record):
    """A model after some steps.

    Attributes:
        steps: Steps since the beginning.
        validation_loss: Mean cross entropy of the validation part, in nats.
        validation_accuracy: Share of the validation part that is right, in [0, 1].
        right: Which examples of it are.
        seconds: Wall time since the beginning, compilation included.
        model: The model.
        opt_state: State of the optimizer.
        state: State of the model, or None.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> found = networks.train_steps(model, data, optimizer=optax.adam(0.01), steps=3)
        >>> found.steps, found.right.shape
        (3, (15,))

    See Also:
        `train_steps`, which returns it.
    """

    steps: int
    validation_loss: float
    validation_accuracy: float
    right: Bool[np.ndarray, " n_validation"]
    seconds: float
    model: Any
    opt_state: Any
    state: Any


def train_steps(
    model: Any,
    data: Dataset,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    state: Any = None,
    batch_size: int = 32,
    seed: int = 0,
    since: ShortTraining | None = None,
) -> ShortTraining:
    """Train for some steps, and look at the validation part alone.

    The accuracy after few steps is the plain score of a wiring that other ones have to beat at
    equal time. Where more steps are wanted after all, none is taken twice: the steps are those of
    `train` with the same arguments, whole epochs or not, and end at the same numbers however they
    are split.

    Args:
        model: As in `train`.
        data: Examples and labels, with a validation part.
        optimizer: As in `train`. One whose rate falls should fall along the whole training.
        steps: Steps since the beginning.
        state: As in `train`.
        batch_size: As in `train`.
        seed: As in `train`.
        since: An earlier result of this same training, with the same arguments but for `steps`, to
            go on from; that they are the same is checked of the arrays of the model and of the
            optimizer alone, by their shapes.

    Raises:
        ValueError: As in `train`, if there is no validation part, or if `since` has taken more
            steps, or is of another model or kind of optimizer.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from topokit import networks
        >>> x = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> adam = optax.adam(0.01)
        >>> first = networks.train_steps(model, data, optimizer=adam, steps=3)
        >>> more = networks.train_steps(model, data, optimizer=adam, steps=90, since=first)
        >>> more.validation_loss < first.validation_loss
        True

    See Also:
        `choose`, which spends such steps on many candidates; `train`, to the end.
    """
    check_kinds(data, optimizer)
    check_training(model, state, data, batch_size, seed)
    check_validation(data)
    if since is not None:
        _check_since(since, model, state, optimizer)
    done = 0 if since is None else since.steps
    check_count("steps", steps, least=done)
    options = {"batch_size": batch_size, "seed": seed, "since": since}
    return take_further(model, state, data, optimizer, steps, **options)


def take_further(
    model: Any,
    state: Any,
    data: Dataset,
    optimizer: optax.GradientTransformation,
    steps: int,
    *,
    batch_size: int,
    seed: int,
    since: ShortTraining | None,
) -> ShortTraining:
    """The same, of what was checked."""
    done = 0 if since is None else since.steps
    began = perf_counter() - (0.0 if since is None else since.seconds)
    arrays, static = eqx.partition((model, state), eqx.is_array)
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    if since is not None:
        arrays, opt_state = eqx.filter((since.model, since.state), eqx.is_array), since.opt_state
    course = course_of(static, arrays, data.train_x, data.train_y, optimizer, batch_size, seed)
    arrays, opt_state = go_on(course, arrays, opt_state, done, steps)
    model, state = eqx.combine(arrays, static)
    found, right = judge_each(model, state, data.validation_x, data.validation_y)
    spent = perf_counter() - began
    return ShortTraining(steps, found.loss, found.accuracy, right, spent, model, opt_state, state)


def _check_since(
    since: Any, model: Any, state: Any, optimizer: optax.GradientTransformation
) -> None:
    """Refuse what is no result of such a training, as far as shapes of arrays tell."""
    check_instance("since", since, ShortTraining, "an earlier result of train_steps")
    begun = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    pairs = {
        "model": ((model, state), (since.model, since.state)),
        "optimizer": (begun, since.opt_state),
    }
    for name, (here, there) in pairs.items():
        if _kinds(here) != _kinds(there):
            raise ValueError(
                f"since must be of this same training; given one of another {name}, which has "
                f"other arrays: give that {name}, or since=None to begin anew"
            )


def _kinds(tree: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """How a tree is made, and of what types and shapes."""
    leaves, made = jax.tree.flatten(jax.eval_shape(lambda: eqx.filter(tree, eqx.is_array_like)))
    return made, [(leaf.shape, leaf.dtype) for leaf in leaves]


def check_validation(data: Dataset) -> None:
    """Refuse data by which nothing can be chosen."""
    if not len(data.validation_x):
        raise ValueError(
            "data must have a validation part, by which is chosen; given none: make it with "
            "validation=0.1, or another share of the training examples"
        )
