"""Layers one after the other as matrices: all that one pixel of the last one's output is made of.

A convolution is the same dense layer at every pixel, from a patch to the channels; of several, one
after the other, each pixel of a patch between them is such a layer again. The neurons are the
entries `(channel, row, column)` of these patches, in this order, so that for a kernel of 1 x 1
pixels they are the channels. Edges that stand for one entry of a kernel at several pixels share
their weight, which a topology does not know: its edges learn each for itself.
"""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from topokit._limits import check_memory
from topokit.layers import Layers, sort_layers
from topokit.networks._factored_layer import Factor

LIMIT = 2**33

Matrix = Float[np.ndarray, "_n_senders _n_receivers"]


def patch_matrices(layers: Sequence[Factor]) -> list[Matrix]:
    """The matrix `(senders, receivers)` of each layer, inputs first; an end is one pixel.

    Raises:
        TooLargeError: If they take too much memory.
    """
    sides, matrices = (np.zeros(1, int), np.zeros(1, int)), []
    for layer in reversed(layers):
        if isinstance(layer, eqx.nn.Linear):
            matrices.append(np.asarray(layer.weight, float).T)
            continue
        before = tuple(
            np.unique(_places(side, *how))
            for side, *how in zip(
                sides, layer.kernel_size, layer.stride, layer.dilation, strict=True
            )
        )
        matrices.append(_matrix(layer, before, sides))
        sides = before
    return matrices[::-1]


def nonzero_edges(
    name: str, matrices: Sequence[Matrix]
) -> tuple[Layers, list[Float[np.ndarray, " _edges"]]]:
    """The entries that are not 0 as a recipe, and their values in its order.

    Raises:
        ValueError: If a matrix has none; it is named.
    """
    widths = [matrices[0].shape[0], *(matrix.shape[1] for matrix in matrices)]
    ends = [np.nonzero(matrix.T) for matrix in matrices]
    if not all(receivers.size for receivers, _ in ends):
        raise ValueError(
            f"{f'layer {name}' if name else 'the layer'} has no weight left; prune it less"
        )
    recipe = sort_layers(widths, [s for _, s in ends], [r for r, _ in ends])
    rows = zip(matrices, recipe.senders, recipe.receivers, strict=True)
    return recipe, [matrix[senders, receivers] for matrix, senders, receivers in rows]


def _places(side: Int[np.ndarray, " n"], kernel: int, stride: int, dilation: int) -> np.ndarray:
    """Which pixel before a convolution each entry of a kernel sees, for each pixel behind it."""
    return side[:, None] * stride + dilation * np.arange(kernel)


def _matrix(
    layer: eqx.nn.Conv2d, before: tuple[np.ndarray, ...], behind: tuple[np.ndarray, ...]
) -> Matrix:
    weight = _whole(layer)
    n_out, n_in = weight.shape[:2]
    n_senders, n_receivers = (
        n * np.prod([side.size for side in sides], dtype=int)
        for n, sides in ((n_in, before), (n_out, behind))
    )
    check_memory(
        "the topology of a layer",
        16 * int(n_senders) * int(n_receivers),
        LIMIT,
        "take a smaller layer",
        of=f"{n_senders} and {n_receivers} neurons",
    )
    rows = zip(before, behind, layer.kernel_size, layer.stride, layer.dilation, strict=True)
    down, across = (
        (_places(there, *how)[:, None, :] == here[None, :, None]).astype(float)
        for here, there, *how in rows
    )
    matrix = np.einsum("ncyx,aiy,bjx->cijnab", weight, down, across, optimize=True)
    return matrix.reshape(n_senders, n_receivers)


def _whole(layer: eqx.nn.Conv2d) -> Float[np.ndarray, "n_out n_in h w"]:
    """The kernel with zeros where groups do not see each other's channels."""
    weight = np.asarray(layer.weight, float)
    n_out, each = weight.shape[:2]
    whole = np.zeros((n_out, layer.groups * each, *weight.shape[2:]))
    for group, filters in enumerate(np.split(np.arange(n_out), layer.groups)):
        whole[filters, group * each : (group + 1) * each] = weight[filters]
    return whole
