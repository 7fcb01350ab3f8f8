"""Constants brought near 1, without a change of what generic weights can do.

Multiply what a neuron hears by a power of two, and what it says by its inverse: the end-to-end
matrix stays. Free weights beside it are as generic as before, and inputs and outputs that are
scaled, too, stretch rows and columns of the matrix, so that the rank of its Jacobian is the same.
Powers of two round nothing: constants that cancel still do.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from topokit.layers import Layers, first_numbers, numbered_edges, split_by_layer

# Constants within 2^-MODERATE and 2^MODERATE are left alone.
MODERATE = 16

MOST = 1000
STEPS = 200


def balanced(layers: Layers) -> Layers:
    """The recipe with constants as near to 1 as scales of neurons bring them; cost O(E) a step."""
    if moderate(layers):
        return layers
    constants, fixed = np.concatenate(layers.constant), ~np.concatenate(layers.trainable)
    numbers, powers = np.frexp(constants)
    powers = powers + scale_edges(layers, powers, fixed)
    constants[fixed] = np.ldexp(numbers, np.clip(powers, -MOST, MOST))[fixed]
    return dataclasses.replace(layers, constant=tuple(split_by_layer(layers, constants)))


def moderate(layers: Layers) -> bool:
    """Whether no constant is very large or very small."""
    constants = np.concatenate(layers.constant)
    sizes = np.log2(np.abs(constants[~np.concatenate(layers.trainable)]))
    return bool(np.abs(sizes).max(initial=0.0) <= MODERATE)


def scale_edges(
    layers: Layers, powers: Int[np.ndarray, " edges"], counted: Bool[np.ndarray, " edges"]
) -> Int[np.ndarray, " edges"]:
    """What scales of neurons add to powers of two, so that those of counted edges come near 0."""
    scales = neuron_scales(layers, powers, counted)
    senders, receivers = numbered_edges(layers)
    return scales[senders] - scales[receivers]


def neuron_scales(
    layers: Layers, powers: Int[np.ndarray, " edges"], counted: Bool[np.ndarray, " edges"]
) -> Int[np.ndarray, " neurons"]:
    """The powers of two by which each neuron says more, and hears less, all numbered through."""
    senders, receivers = (ends[counted] for ends in numbered_edges(layers))
    places = np.arange(senders.size)
    rows = np.concatenate([places, places]), np.concatenate([senders, receivers])
    shape = senders.size, int(first_numbers(layers)[-1])
    differences = csr_array((np.repeat([1.0, -1.0], senders.size), rows), shape)
    sizes = powers[counted].astype(float)
    return np.rint(lsqr(differences, -sizes, iter_lim=STEPS)[0]).astype(np.int64)
