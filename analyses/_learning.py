"""What the analyses that train networks share: their data, and the one place where they train.

Data are loaded as the papers had them, without a validation part; a script that chooses anything by
accuracy holds out training examples of its own.
"""

from functools import cache
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

import optax

from analyses.kit import data_folder
from topokit import networks


class Learned(NamedTuple):
    """A trained network.

    Attributes:
        model: The network after the last epoch.
        accuracy: Its test accuracy.
        validation_accuracy: That on examples held out, NaN if there are none.
        accuracies: Test accuracies after each epoch, where they were asked for.
        train_loss: Mean loss of the batches of the last epoch.
        seconds: Wall time until the end of each epoch.
        state: Its state, if it has one.
    """

    model: Any
    accuracy: float
    validation_accuracy: float
    accuracies: list[float]
    train_loss: float
    seconds: list[float]
    state: Any


def train(
    model: Any,
    data: networks.Dataset,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    batch: int,
    seed: int = 0,
    state: Any = None,
    each_epoch: bool = False,
) -> Learned:
    """Train a network; give one optimizer to all networks of a kind, to compile once."""
    accuracies: list[float] = []

    def test(_: networks.Epoch, model: Any, state: Any) -> None:
        found = networks.evaluate(model, data.test_x, data.test_y, state=state)
        accuracies.append(found.accuracy)

    run = networks.train(
        model,
        data,
        optimizer=optimizer,
        state=state,
        epochs=epochs,
        batch_size=batch,
        seed=seed,
        callback=test if each_epoch else None,
    )
    last, seconds = run.epochs[-1], [row.seconds for row in run.epochs]
    held_out = nan if last.validation_accuracy is None else last.validation_accuracy
    loss = last.train_loss
    return Learned(run.model, run.test.accuracy, held_out, accuracies, loss, seconds, run.state)


def test_accuracy(model: Any, data: networks.Dataset) -> float:
    """Of a network that is not trained any more."""
    return networks.evaluate(model, data.test_x, data.test_y).accuracy


def validation_accuracy(model: Any, data: networks.Dataset) -> float:
    """The same on what is held out: what constants are set by."""
    return networks.evaluate(model, data.validation_x, data.validation_y).accuracy


def load(name: str, *, held_out: bool = False) -> networks.Dataset:
    """A data set from its folder, or the bundled digits in a quick run.

    Args:
        name: What it is called among the folders.
        held_out: Whether a tenth of the training examples is held out for validation.
    """
    return _read(name, data_folder(name), 0.1 if held_out else 0.0)


@cache
def _read(name: str, folder: Path | None, validation: float) -> networks.Dataset:
    """Once a process; CIFAR-10 from its batches, or the part of it that is an `.npz` file."""
    if folder is None:
        return networks.load_digits(validation=validation)
    if name == "mnist":
        return networks.read_mnist(folder, validation=validation)
    return networks.read_cifar10(next(folder.glob("*.npz"), folder), validation=validation)
