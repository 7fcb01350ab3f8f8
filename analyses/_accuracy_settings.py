"""What the networks of a choice by data learn: which data, by which wirings, and for how long."""

from dataclasses import replace
from functools import cache
from math import isqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from analyses import score_accuracy
from topokit import networks
from topokit.networks._dataset import split_by_class

EXAMPLES = 600


class Setting(NamedTuple):
    """What is learned by which wirings, and for how long.

    Attributes:
        name: What it is called.
        data: The data set.
        width: Inputs of a wiring, and its outputs.
        shuffled: Whether inputs and hidden neurons are put in a random order, by each seed.
        epochs: Of a whole training.
        seeds: How many trainings.
        every: One in how many of the wirings learns it.
        kept: Where the accuracies of whole trainings are kept, by the name they have there; where
            they are not, trainings go to the end.
    """

    name: str
    data: str
    width: int
    shuffled: bool
    epochs: int
    seeds: int
    every: int = 1
    kept: str | None = None


@cache
def prepare(name: str, width: int) -> networks.Dataset:
    """The data set of `score_accuracy`, or digits, as wide as the setting asks."""
    if name != "digits":
        return score_accuracy.prepare(name, width)
    data = networks.load_digits()
    parts = {part: getattr(data, part) for part in ("train_x", "validation_x", "test_x")}
    middle, scale = data.train_x.mean(), data.train_x.std()
    return replace(data, **{p: enlarge((x - middle) / scale, width) for p, x in parts.items()})


def enlarge(x: Float[np.ndarray, "n one side side"], width: int) -> Float[np.ndarray, "n width"]:
    """Square images as vectors, each pixel repeated along both sides."""
    times = isqrt(width) // x.shape[-1]
    return x.repeat(times, axis=-1).repeat(times, axis=-2).reshape(len(x), -1)


def batch_of(data: networks.Dataset) -> Int[np.ndarray, " n"]:
    """The training examples of a batch for scores, of each class its share, as `choose` has it."""
    return split_by_class(data.train_y, min(EXAMPLES, len(data.train_y)))[1]
