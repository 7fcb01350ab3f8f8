"""Constants brought near 1, without a change of what generic weights can do.

Multiply what a neuron hears by a power of two, and what it says by its inverse: the end-to-end
matrix stays. Free weights beside it are as generic as before, and inputs and outputs that are
scaled, too, stretch rows and columns of the matrix, so that the rank of its Jacobian is the same.
Powers of two round nothing: constants that cancel still do.
"""

import dataclasses

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from topokit.layers import Layers, first_numbers, numbered_edges, split_by_layer

# Constants within 2^-MODERATE and 2^MODERATE are left alone.
MODERATE = 16

MOST = 1000
STEPS = 200


def balanced(layers: Layers) -> Layers:
    """The recipe with constants as near to 1 as scales of neurons bring them; cost O(E) a step."""
    constants, fixed = np.concatenate(layers.constant), ~np.concatenate(layers.trainable)
    sizes = np.log2(np.abs(constants[fixed]))
    if np.abs(sizes).max(initial=0.0) <= MODERATE:
        return layers
    senders, receivers = (ends[fixed] for ends in numbered_edges(layers))
    n, places = sizes.size, np.arange(sizes.size)
    rows = np.concatenate([places, places]), np.concatenate([senders, receivers])
    shape = n, int(first_numbers(layers)[-1])
    potentials = csr_array((np.repeat([1.0, -1.0], n), rows), shape)
    found = np.rint(lsqr(potentials, -sizes, iter_lim=STEPS)[0]).astype(int)
    powers = np.frexp(constants[fixed])[1] + found[senders] - found[receivers]
    constants[fixed] = np.ldexp(np.frexp(constants[fixed])[0], np.clip(powers, -MOST, MOST))
    return dataclasses.replace(layers, constant=tuple(split_by_layer(layers, constants)))
