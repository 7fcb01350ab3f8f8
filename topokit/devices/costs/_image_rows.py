"""An image's rows shared among phones: who computes, keeps and receives how much.

Each of `k` nodes has the `i`-th part of the rows of every feature map, as even as can be, and a
copy of the weights (Mao et al., MoDNN, 2017, and MeDNN, 2017). For its part of the outputs it
receives the rows of inputs that its kernels reach beyond its own. Learned structure saves all
three: weights that are 0 are not multiplied, filters without weights have no map, and rows that no
weight of their channel reaches are not sent, for which the rows of kernels at the top and the
bottom are driven to 0 (Wen et al., section III.A, "non-arbitrary" group Lasso).
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from topokit._checks import check_count, check_counts
from topokit._records import Record


class Convolution(NamedTuple):
    """A convolution of a feature map.

    Attributes:
        channels: Channels of the input.
        height: Rows of the input.
        width: Columns of the input.
        filters: Channels of the output.
        kernel: Rows and columns of a kernel.
        stride: Of rows and columns.
        padding: Zeros around the input.
        kept: Which weights are not 0, `(filters, channels, rows, columns)`; None for all.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.Convolution(3, 32, 32, 16, (3, 3), padding=1).stride
        1

    See Also:
        `cut_by_rows`, which shares it.
    """

    channels: int
    height: int
    width: int
    filters: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    kept: Any = None


class RowShare(Record):
    """What a node has to do with a convolution.

    Attributes:
        rows: Rows of outputs that are its part.
        operations: Multiplications and additions.
        memory: Bytes of weights, of rows of inputs that it needs, and of rows of outputs.
        received: Bytes of rows of inputs from other nodes.

    Examples:
        >>> from topokit.devices import costs
        >>> costs.RowShare(rows=4, operations=288, memory=256, received=32)
        RowShare(rows=4, operations=288, memory=256, received=32)

    See Also:
        `cut_by_rows`, which returns it.
    """

    rows: int
    operations: int
    memory: int
    received: int


def cut_by_rows(layer: Convolution, nodes: int, *, itemsize: int = 4) -> tuple[RowShare, ...]:
    """Share a convolution among nodes by the rows of its feature maps.

    Args:
        layer: The convolution, with the weights that are kept of it.
        nodes: How many share it.
        itemsize: Bytes of a number.

    Returns:
        What each node does. The slowest says how long the layer takes.

    Raises:
        ValueError: If a size is none from 1 on, the kernel does not fit into the input, there are
            more nodes than rows of outputs, or `kept` is not of the shape of the weights.

    Examples:
        >>> import numpy as np
        >>> from topokit.devices import costs
        >>> layer = costs.Convolution(3, 8, 8, 16, (3, 3), padding=1)
        >>> [share.received for share in costs.cut_by_rows(layer, 2)]
        [96, 96]
        >>> middle = np.zeros((16, 3, 3, 3), bool)
        >>> middle[:, :, 1] = True
        >>> [share.received for share in costs.cut_by_rows(layer._replace(kept=middle), 2)]
        [0, 0]

    See Also:
        `topokit.networks.group_lasso`, which learns such structure.
    """
    kept, (height, width) = _checked(layer)
    size, k = check_count("itemsize", itemsize), check_count("nodes", nodes)
    if k > height:
        raise ValueError(f"nodes must be at most {height}, a row of outputs each; given {nodes}")
    weights, filters = int(kept.sum()), int(kept.any(axis=(1, 2, 3)).sum())
    shares = []
    for node in range(k):
        rows = _part(height, node, k)
        own = np.isin(np.arange(layer.height), _part(layer.height, node, k))
        needed = _reached(layer, kept, rows)
        received = int((needed & ~own).sum()) * layer.width
        at_hand = int(needed.sum()) * layer.width
        memory = weights + at_hand + filters * len(rows) * width
        work = 2 * weights * len(rows) * width
        shares.append(RowShare(len(rows), work, size * memory, size * received))
    return tuple(shares)


def _checked(
    layer: Convolution,
) -> tuple[Bool[np.ndarray, "filters channels rows columns"], tuple[int, int]]:
    """Which weights are kept, and the sides of the output; or a ValueError."""
    kernel = check_counts("kernel", layer.kernel)
    channels, filters = (check_count(n, getattr(layer, n)) for n in ("channels", "filters"))
    stride = check_count("stride", layer.stride)
    wide = 2 * check_count("padding", layer.padding, least=0)
    sides = [check_count(n, getattr(layer, n)) for n in ("height", "width")]
    if len(kernel) != 2 or any(k > n + wide for k, n in zip(kernel, sides, strict=True)):
        raise ValueError(
            f"kernel must be rows and columns that fit into {sides[0]} x {sides[1]} with padding "
            f"{layer.padding}; given {layer.kernel}"
        )
    shape = (filters, channels, *kernel)
    kept = np.ones(shape, bool) if layer.kept is None else np.not_equal(layer.kept, 0)
    if kept.shape != shape:
        raise ValueError(f"kept must be of the shape {shape}; given {kept.shape}")
    height, width = ((n + wide - k) // stride + 1 for k, n in zip(kernel, sides, strict=True))
    return kept, (height, width)


def _part(rows: int, node: int, nodes: int) -> range:
    """The rows of a node."""
    return range(node * rows // nodes, (node + 1) * rows // nodes)


def _reached(
    layer: Convolution, kept: Bool[np.ndarray, "filters channels rows columns"], rows: range
) -> Bool[np.ndarray, "channels height"]:
    """Which rows of each input channel the outputs in some rows depend on."""
    used = np.any(kept, axis=(0, 3))  # rows of the kernels of each channel
    reached = np.zeros((layer.channels, layer.height), bool)
    for row in rows:
        for offset in range(layer.kernel[0]):
            place = row * layer.stride - layer.padding + offset
            if 0 <= place < layer.height:
                reached[:, place] |= used[:, offset]
    return reached
