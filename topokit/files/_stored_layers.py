"""One layer as a framework stores it: where its matrix is not zero, and what is known of its axes.

`turned` says that receivers lie on the first axis, as PyTorch and Equinox have them; it is None as
long as nothing tells. A pointwise convolution is the matrix of its channels; with groups it is
block-diagonal.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from scipy import sparse

from topokit.files._stored_arrays import Stored, nonzeros, shape_of


class StoredLayer(NamedTuple):
    """A layer under its name, its matrix as stored, and what is known of it.

    `label` is what messages call it, `word` what the framework calls the array, `bias` the name of
    its bias and how many numbers that has, `grouped` the axis of the matrix that groups would
    lengthen, if none are given.
    """

    name: str
    label: str
    word: str
    matrix: sparse.csr_array
    turned: bool | None = None
    bias: tuple[str, int] | None = None
    grouped: int | None = None
    convolved: bool = False

    def feeding(self, turned: bool) -> sparse.csr_array:
        """The matrix with senders first."""
        return sparse.csr_array(self.matrix.T) if turned else self.matrix


def stored_layer(
    name: str, label: str, word: str, arrays: list[Stored], groups: int | None, *, space_first: bool
) -> StoredLayer:
    """A layer whose matrix is the product, entry by entry, of `arrays`.

    With `space_first` a convolution may have its axes of space, of length 1, before the others.
    """
    whole = shape_of(arrays[0])
    rows = _has_matrix_first(label, word, whole, space_first=space_first)
    shape = whole[:2] if rows else whole[-2:]
    matrix = nonzeros(label, [_as_matrix(array, whole, shape) for array in arrays])
    if not matrix.nnz:
        raise ValueError(f"{label} holds only zeros: the layer has no edge; prune it less")
    turned = None if rows and word != "kernel" else False
    if len(whole) == 2:
        return StoredLayer(name, label, word, matrix, turned)
    if groups is not None:
        matrix = in_groups(label, matrix, groups, rows=rows)
        return StoredLayer(name, label, word, matrix, turned, convolved=True)
    axis = 1 if rows else 0
    grouped = axis if shape_of(matrix)[1 - axis] > 1 else None
    return StoredLayer(name, label, word, matrix, turned, grouped=grouped, convolved=True)


def _as_matrix(array: Stored, whole: tuple[int, ...], shape: tuple[int, ...]) -> Stored:
    """An array in the shape of the layer's matrix."""
    wide = np.broadcast_to(array, whole) if isinstance(array, np.ndarray) else array
    return wide.reshape(shape)


def in_groups(label: str, matrix: sparse.csr_array, groups: int, *, rows: bool) -> sparse.csr_array:
    """The block-diagonal matrix of a grouped convolution; its rows, or columns, are in groups."""
    turned = matrix if rows else sparse.csr_array(matrix.T)
    channels = shape_of(turned)[0]
    if channels % groups:
        raise ValueError(f"groups must divide the {channels} channels of {label}; given {groups}")
    size = channels // groups
    parts = [turned[n * size : (n + 1) * size] for n in range(groups)]
    whole = sparse.csr_array(sparse.block_diag(parts, format="csr"))
    return whole if rows else sparse.csr_array(whole.T)


def _has_matrix_first(label: str, word: str, shape: tuple[int, ...], *, space_first: bool) -> bool:
    """Whether the axes of a matrix come before those of space; refuse what has none."""
    if len(shape) < 2:
        raise ValueError(f"{label} must be a matrix; given shape {shape}")
    if len(shape) == 2 or word != "kernel" and prod(shape[2:]) == 1:
        return True
    if space_first and prod(shape[:-2]) == 1:
        return False
    raise ValueError(
        f"{label} has shape {shape}, a convolution kernel or several matrices in one: a kernel "
        "shares each weight among places, and only pointwise ones, of shape (n_out, n_in, 1, 1), "
        "or (1, 1, n_in, n_out) under the name kernel or with transpose=False, are layers of a "
        "topology; names=[...] takes the layers before or after it, a network of their own"
    )
