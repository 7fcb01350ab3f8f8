"""Training of a classifier: epochs of shuffled batches, a row of results after each, a checkpoint.

A run that was cut off and goes on from its checkpoint ends at the same numbers as one that was not.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from topokit._checks import check_count, check_seed
from topokit._records import Record, brief
from topokit.devices import Reduction, averaged, make_mesh
from topokit.networks._checkpoint import Progress, read_checkpoint, write_checkpoint
from topokit.networks._dataset import Dataset
from topokit.networks._fingerprint import check_settings, fingerprint
from topokit.networks._infer_one import double_if, infer_one
from topokit.networks._steps import Course, batch_loss, course_of, take_steps
from topokit.networks._untrained import NO_GRADIENTS, check_state, needing_gradients

# Examples that are evaluated at a time.
TOGETHER = 500


class Metrics(Record):
    """How good a classifier is on some examples.

    Attributes:
        loss: Mean cross entropy, in nats.
        accuracy: Share of the examples whose largest logit is the right one, in [0, 1].

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> list(networks.evaluate(model, data.test_x, data.test_y)._asdict())
        ['loss', 'accuracy']

    See Also:
        `evaluate`, which returns it.
    """

    loss: float
    accuracy: float


class Epoch(Record):
    """What is known after an epoch.

    Attributes:
        epoch: Its number, from 1.
        steps: Steps taken since the beginning.
        train_loss: Mean cross entropy of its batches, in nats, before each step.
        validation_loss: Mean cross entropy of the validation part; None if there is none.
        validation_accuracy: Share of the validation part whose largest logit is the right one, in
            [0, 1]; None if there is none.
        seconds: Wall time since the beginning, compilation included.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> found = networks.train(model, data, optimizer=optax.adam(0.01), epochs=2)
        >>> last = found.epochs[-1]
        >>> last.epoch, last.steps, 0 <= last.validation_accuracy <= 1
        (2, 8, True)

    See Also:
        `train`, which returns them.
    """

    epoch: int
    steps: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class Training(Record):
    """A trained model and its history.

    Attributes:
        model: The model after the last epoch.
        epochs: One row an epoch.
        opt_state: State of the optimizer after the last step.
        state: State of the model, such as the running means of batch normalization, or None.
        test: Loss and accuracy of that model on the test part, which nothing before has looked at.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> found = networks.train(model, data, optimizer=optax.adam(0.01), epochs=2)
        >>> found.epochs[-1].steps, networks.n_parameters(found.model)
        (8, 90)

    See Also:
        `train`, which returns it.
    """

    model: Any
    epochs: tuple[Epoch, ...]
    opt_state: Any
    state: Any
    test: Metrics


def train(
    model: Any,
    data: Dataset,
    *,
    optimizer: optax.GradientTransformation,
    state: Any = None,
    epochs: int = 10,
    batch_size: int = 32,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    callback: Callable[[Epoch, Any, Any], object] | None = None,
    devices: Sequence[Any] | None = None,
    reduction: Reduction | None = None,
) -> Training:
    """Lower the cross entropy of a classifier.

    After each epoch it is evaluated on the validation part, by which learning rates and the like
    are chosen, and in the end once on the test part.

    Args:
        model: Any Equinox model that takes one example and returns one logit a class. If it takes
            a keyword `key`, as for dropout, each example of each step has its own.
        data: Examples and labels.
        optimizer: An optax optimizer, such as `optax.adam(1e-3)`, or a chain that ends in `prune`.
        state: The state of a model that has one, from `equinox.nn.make_with_state`. It is called
            as `model(example, state)`, returns the logits and the next state, and may use means
            over the axis "batch".
        epochs: How often all examples are seen. Each is shuffled anew; examples that do not fill a
            last batch wait for another epoch.
        batch_size: Examples of a step.
        seed: Decides the order of the examples, and the keys.
        checkpoint: A file that is written after each epoch, whole or not at all. If it is there,
            the run goes on from it, and a finished one returns at once. It belongs to one training,
            whatever the number of epochs: another model or first state of the optimizer, down to
            their arrays, other data, settings, batch size or seed, are refused. The code behind the
            names of functions and classes is not compared.
        settings: What a checkpoint cannot see, stated by plain values that it compares: always the
            optimizer, which is made of closures, as `{"optimizer": ["adam", 3e-3]}`; and lambdas,
            closures and the like in the model, by their names in it (`"model.layers[2].fn"`) or
            together (`"model"`). More may be stated.
        callback: Called after each epoch with its row, the model and its state: to show progress,
            or to measure more.
        devices: Divide each batch among these, such as `jax.devices()`, whose number divides
            `batch_size`. Each has the whole model and all examples; what is sent are gradients, and
            the state of a model, whose means are those of the devices' own. By `reduction` as it
            is, the result is that of one device, up to rounding, but for means over a batch.
        reduction: How gradients become the same on all devices, the first part of the optimizer:
            `topokit.devices.averaged()` if None, or `terngrad` and others from there. Any other
            transformation leaves each device its own, and is refused.

    Returns:
        The model and its history, the same for the same arguments on the same machine, however
        often it was interrupted.

    Raises:
        ValueError: If the data or the optimizer is something else, the model does not fit the data,
            a batch has more examples than there are, the devices cannot share one (see
            `topokit.devices.make_mesh`), the checkpoint is of another run, or something decides the
            run that is neither known nor stated (see `settings`).
        FileNotFoundError: If the folder of the checkpoint is not there.

    Warns:
        RuntimeWarning: If the loss is no number any more after an epoch.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> found = networks.train(model, data, optimizer=optax.adam(0.01), epochs=20)
        >>> len(found.epochs)
        20
        >>> networks.evaluate(found.model, data.test_x, data.test_y).accuracy > 0.8
        True

    See Also:
        `evaluate`, for the test part; `train_from_seed`, with topologies; `prune`, while training.
    """
    check_kinds(data, optimizer)
    _check_options(checkpoint, callback)
    settings = check_settings(settings)
    check_count("epochs", epochs, least=0)
    check_training(model, state, data, batch_size, seed)
    mesh = _mesh(devices, reduction, batch_size)
    reduction = reduction or _averaged()
    reduced = optimizer if mesh is None else _chained(reduction, optimizer)
    arrays, static = eqx.partition((model, state), eqx.is_array)
    begun = reduced.init(eqx.filter(model, eqx.is_inexact_array))
    progress = start = Progress(arrays, begun, np.empty((0, len(fields(Epoch)))))
    path, mark = _path(checkpoint), {}
    if path:
        parts = {"model": model, "state": state, "optimizer": optimizer, "optimizer_state": begun}
        if mesh is not None:
            kind = mesh.devices.flat[0].device_kind
            parts = {"devices": f"{mesh.size} x {kind}", "reduction": reduction} | parts
        mark = _mark(settings, parts, data, batch_size, seed)
        if path.exists():
            progress = start = read_checkpoint(path, start, mark, epochs)
    course = course_of(static, arrays, data.train_x, data.train_y, reduced, batch_size, seed, mesh)
    for progress in _epochs(start, course, data, epochs):
        if path:
            write_checkpoint(path, progress, mark)
        row = _row(progress.rows[-1], data)
        _warn(row)
        if callback is not None:
            callback(row, *eqx.combine(progress.arrays, static))
    model, state = eqx.combine(progress.arrays, static)
    rows = tuple(_row(numbers, data) for numbers in progress.rows)
    test = evaluate(model, data.test_x, data.test_y, state=state)
    return Training(model, rows, progress.opt_state, state, test)


def _mark(
    settings: Mapping[str, Any],
    parts: Mapping[str, Any],
    data: Dataset,
    batch_size: int,
    seed: int,
) -> dict[str, str]:
    """What decides a run, for its checkpoint to compare; the names of classes and data do not."""
    data = replace(data, classes=("",) * data.n_classes, name="")
    return fingerprint(settings, **parts, data=data, batch_size=batch_size, seed=seed)


def evaluate(
    model: Any, x: Float[np.ndarray, "n *shape"], y: Int[np.ndarray, " n"], *, state: Any = None
) -> Metrics:
    """Loss and accuracy of a classifier on examples.

    Args:
        model: As in `train`; dropout and batch normalization are set to inference.
        x: Examples.
        y: Their labels.
        state: As in `train`.

    Raises:
        ValueError: If there are no examples.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from topokit import networks
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal((200, 8)).astype(np.float32)
        >>> y = (x[:, 0] > 0).astype(int)
        >>> data = networks.make_dataset(x[:150], y[:150], x[150:], y[150:])
        >>> model = networks.mlp((8,), [8], 2, key=jax.random.key(0))
        >>> found = networks.evaluate(model, data.test_x, data.test_y)
        >>> 0 <= found.accuracy <= 1, found.loss > 0
        (True, True)

    See Also:
        `train`, which evaluates the validation part after each epoch.
    """
    if not len(x):
        raise ValueError("there are no examples to evaluate the model on")
    return judge_each(model, state, x, y)[0]


def judge_each(
    model: Any, state: Any, x: Float[np.ndarray, "n *shape"], y: Int[np.ndarray, " n"]
) -> tuple[Metrics, Bool[np.ndarray, " n"]]:
    """The same, and which of the examples are right."""
    both = jnp.asarray(x, double_if(model)), jnp.asarray(y)
    loss, accuracy, right = _metrics((model, state), *both)
    return Metrics(float(loss), float(accuracy)), np.asarray(right)


def _epochs(progress: Progress, course: Course, data: Dataset, epochs: int) -> Iterator[Progress]:
    """Yield after each epoch what a checkpoint has to hold."""
    begin = perf_counter() - (progress.rows[-1, -1] if len(progress.rows) else 0.0)
    each = course.steps_an_epoch
    for epoch in range(len(progress.rows), epochs):
        arrays, begun, total = take_steps(
            course, progress.arrays, progress.opt_state, epoch, 0, each
        )
        model, state = eqx.combine(arrays, course.static)
        found = Metrics(np.nan, np.nan)
        if len(data.validation_x):
            found = evaluate(model, data.validation_x, data.validation_y, state=state)
        judged = found.loss, found.accuracy
        row = [epoch + 1, (epoch + 1) * each, float(total) / each, *judged, perf_counter() - begin]
        progress = Progress(arrays, begun, np.vstack([progress.rows, row]))
        yield progress


@eqx.filter_jit
def _metrics(
    both: tuple[Any, Any], x: Array, y: Array
) -> tuple[Float[Array, ""], Float[Array, ""], Bool[Array, " n"]]:
    one = partial(infer_one, *both)
    logits = lax.map(one, x, batch_size=min(TOGETHER, len(x)))
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
    right = logits.argmax(1) == y
    return loss, right.mean(), right


def _path(checkpoint: str | Path | None) -> Path | None:
    path = None if checkpoint is None else Path(checkpoint)
    if path and not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"{path}: there is no folder {path.absolute().parent}; make it first"
        )
    return path


def _warn(row: Epoch) -> None:
    if not np.isfinite(row.train_loss):
        warnings.warn(
            f"the training loss of epoch {row.epoch} is {row.train_loss}: take a lower learning "
            "rate",
            RuntimeWarning,
            stacklevel=3,
        )


def _row(numbers: Float[np.ndarray, " fields"], data: Dataset) -> Epoch:
    epoch, steps, lost, *judged, seconds = numbers.tolist()
    loss, accuracy = judged if len(data.validation_x) else (None, None)
    return Epoch(int(epoch), int(steps), lost, loss, accuracy, seconds)


def check_kinds(data: Any, optimizer: Any) -> None:
    """Refuse data and optimizers that are none."""
    if not isinstance(data, Dataset):
        raise ValueError(
            f"data must be a Dataset, as make_dataset makes of arrays; given {brief(data)}"
        )
    if not all(callable(getattr(optimizer, part, None)) for part in ("init", "update")):
        raise ValueError(
            f"optimizer must be one of optax, such as optax.adam(1e-3); given {brief(optimizer)}"
        )


def _check_options(checkpoint: Any, callback: Any) -> None:
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise ValueError(f"checkpoint must be the path of a file; given {brief(checkpoint)}")
    if callback is not None and not callable(callback):
        raise ValueError(
            "callback must be a function of a row, the model and its state; "
            f"given {brief(callback)}"
        )


_averaged = cache(averaged)
_chained = cache(optax.chain)  # one object for the same two, for which steps are compiled once


def _mesh(devices: Any, reduction: Any, batch_size: int) -> Mesh | None:
    """The devices that share a training, or None; refused before anything is compiled."""
    if reduction is not None and devices is None:
        raise ValueError(
            "reduction says how several devices share gradients; give devices=jax.devices() too"
        )
    if not isinstance(reduction, Reduction | None):
        raise ValueError(
            "reduction must be one such as topokit.devices.averaged(), after which gradients are "
            "the same on all devices, a topokit.devices.Reduction; what else an optimizer does "
            f"stands in optimizer; given {brief(reduction)}"
        )
    if devices is None:
        return None
    mesh = make_mesh(devices)
    if batch_size % mesh.size:
        raise ValueError(
            f"batch_size must be a multiple of the {mesh.size} devices that share it; "
            f"given {batch_size}"
        )
    return mesh


def check_training(model: Any, state: Any, data: Dataset, batch_size: int, seed: int) -> None:
    """Refuse a model that does not fit the data, and sizes that cannot be."""
    check_count("batch_size", batch_size, most=len(data.train_x))
    check_seed("seed", seed)
    check_state(model, state)
    kind = double_if(model) or np.float32
    example = jax.ShapeDtypeStruct(data.shape, kind)
    batch = jax.ShapeDtypeStruct((2, *data.shape), kind)
    labels = jax.ShapeDtypeStruct((2,), np.int32)
    try:
        logits = eqx.filter_eval_shape(infer_one, model, state, example)
        fault = _slope_error(model, state, batch, labels, jax.random.split(jax.random.key(0)))
    except (TypeError, ValueError, AttributeError, NameError) as error:
        raise ValueError(
            f"the model cannot take an example of {data.name}, of shape {data.shape}: {error}"
        ) from error
    with needing_gradients():
        if fault is not None:
            raise fault
    if logits.shape != (data.n_classes,):
        raise ValueError(
            f"the model must return {data.n_classes} logits, one a class of {data.name}; it "
            f"returns shape {logits.shape}"
        )


def _slope_error(*given: Any) -> Exception | None:
    """Why the loss of a batch has no gradients; what it cannot be computed of is raised."""
    try:
        eqx.filter_eval_shape(eqx.filter_value_and_grad(batch_loss, has_aux=True), *given)
    except NO_GRADIENTS as error:
        eqx.filter_eval_shape(batch_loss, *given)
        return error
    return None
