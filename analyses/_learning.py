"""What the analyses that train networks share: their data, and the one place where they train."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import optax

from topokit import networks


class Learned(NamedTuple):
    """A trained network.

    Attributes:
        model: The network after the last epoch.
        accuracy: Its test accuracy.
        accuracies: Test accuracies after each epoch.
        train_loss: Mean loss of the batches of the last epoch.
        seconds: Wall time until the end of each epoch.
    """

    model: Any
    accuracy: float
    accuracies: list[float]
    train_loss: float
    seconds: list[float]


def train(
    model: Any,
    data: networks.Dataset,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    batch: int,
    seed: int = 0,
    state: Any = None,
) -> Learned:
    """Train a network; give one optimizer to all networks of a kind, to compile once."""
    run = networks.train(
        model,
        data,
        optimizer=optimizer,
        state=state,
        epochs=epochs,
        batch_size=batch,
        seed=seed,
    )
    rows = run.epochs
    accuracies = [row.test_accuracy for row in rows]
    return Learned(
        run.model, accuracies[-1], accuracies, rows[-1].train_loss, [row.seconds for row in rows]
    )


def test_accuracy(model: Any, data: networks.Dataset) -> float:
    """Of a network that is not trained any more."""
    return networks.judge(model, data.test_x, data.test_y)[1]


@cache
def load(name: str, folder: Path | None) -> networks.Dataset:
    """A data set from its folder, or the bundled digits without one; once a process.

    CIFAR-10 from its batches, or the part of it that is an `.npz` file in the folder.
    """
    if folder is None:
        return networks.load_digits()
    if name == "mnist":
        return networks.read_mnist(folder)
    return networks.read_cifar10(next(folder.glob("*.npz"), folder))
