"""What tests ask of a recipe: its matrices, its paths, whether it equals another."""

from functools import reduce
from itertools import pairwise

import numpy as np

import topokit as tk


def matrices(layers: tk.Layers, free: float = 1.0) -> list[np.ndarray]:
    """The weights of each layer: constants as they are, every trainable edge `free`."""
    result = []
    for shape, *arrays in zip(pairwise(layers.widths), *layers.columns, strict=True):
        senders, receivers, trainable, constant = arrays
        matrix = np.zeros(shape)
        matrix[senders, receivers] = np.where(trainable, free, constant)
        result.append(matrix)
    return result


def product(layers: tk.Layers, free: float = 1.0) -> np.ndarray:
    return reduce(np.matmul, matrices(layers, free))


def count_paths(layers: tk.Layers) -> np.ndarray:
    """Paths of every pair: the product of the masks, in integers."""
    return reduce(np.matmul, [mask.astype(np.int64) for mask in tk.to_masks(layers)])
