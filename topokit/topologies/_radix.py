"""RadiX-Nets: layers that are the digits of a mixed-radix number system."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np

from topokit._checks import check_counts
from topokit.layers import Layers
from topokit.topologies._edge_algebra import Edges, complete, kron, out_lists, stack
from topokit.topologies._family import family


@family
def radix_net(radices: Sequence[Sequence[int]], widths: Sequence[int] | None = None) -> Layers:
    """Mixed-radix layers, widened by Kronecker products (Robinett and Kepner, 2019).

    A list of radices `N_1, N_2, ...` counts to `N' = N_1 N_2 ...` with the place values
    `v_1 = 1`, `v_2 = N_1`, `v_3 = N_1 N_2`, ... Each radix is a layer on `N'` neurons in which
    neuron `i` feeds `i - j v_k mod N'` for `j = 0 .. N_k - 1`: the paths through the layers of a
    list are the numerals, so that exactly one joins each pair. The lists follow each other. Layer
    `l` is then widened to `kron(ones(B_l, B_(l+1)), layer)`.

    The direction of the steps is that of the official weights of the Sparse Deep Neural Network
    Graph Challenge: the six layers of a block on 1,024 neurons are
    `radix_net([[2, 2, 2, 2, 2, 2]], [16] * 7)`.

    | invariant | value |
    | --- | --- |
    | widths | `N' B_0, N' B_1, ...` |
    | edges of layer `l` | `N' N_l B_l B_(l+1)`, a share `N_l / N'` of the dense layer |
    | in-degree, out-degree of layer `l` | `N_l B_l`, `N_l B_(l+1)` |
    | paths of each pair | product of the radices after the first list and of the hidden `B` |
    | fully connected | always |
    | bandwidth | `N' min(B)` |
    | depth | the number of radices in all lists |

    `radix_net([[10, 10]], [8, 30, 1])` and `[8, 3, 1]` are the shapes of Lenet-300-100 with ten
    times the hidden neurons and with as many, at 90 % sparsity (Alford et al., 2018);
    `topokit.trim` drops the 16 inputs too many.

    Args:
        radices: Lists of radices, each at least 2. All lists have the same product `N'`, except
            that the product of the last may be a divisor of it.
        widths: The Kronecker widths `B`, one for each layer of neurons, inputs first (one more
            than there are radices); all 1 by default.

    Raises:
        ValueError: If the products do not fit, or the number of widths does not.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.radix_net([[2, 3], [6]])
        >>> tk.to_layers(graph).widths
        (6, 6, 6, 6)
        >>> [tk.topologies.radix_net([[2, 2]], [1, w, 1]).number_of_edges() for w in (1, 2, 3)]
        [16, 32, 48]

    See Also:
        `butterfly`, of radix 2; `topokit.challenge.plain_network`, those of the Graph Challenge.
    """
    size = _check_radices(radices)
    layers = [
        out_lists((np.arange(size)[:, None] - prod(row[:place]) * np.arange(radix)) % size)
        for row in radices
        for place, radix in enumerate(row)
    ]
    widths = check_counts("widths", [1] * (len(layers) + 1) if widths is None else widths)
    if len(widths) != len(layers) + 1:
        raise ValueError(
            f"widths must have one number more than there are radices: {len(layers) + 1}; "
            f"given {len(widths)}"
        )
    wide = [_widen(edges, pair, size) for edges, pair in zip(layers, pairwise(widths), strict=True)]
    return stack([size * width for width in widths], wide)


def _widen(edges: Edges, widths: tuple[int, int], size: int) -> Edges:
    return kron(complete(*widths), edges, (size, size))


def _check_radices(radices: Sequence[Sequence[int]]) -> int:
    """The common product of the lists."""
    rows = radices if isinstance(radices, Sequence) else [radices]
    lists = [check_counts(f"radices[{place}]", row, least=2) for place, row in enumerate(rows)]
    if not lists or not all(lists):
        raise ValueError(f"radices must be lists of radices, such as [[2, 2, 2]]; given {radices}")
    size, *others = map(prod, radices)
    for place, product in enumerate(others, start=1):
        if product != size and (place < len(others) or size % product):
            raise ValueError(
                f"radices[{place}] multiplies to {product}, radices[0] to {size}: the products "
                "must be equal, except that the last may be a divisor"
            )
    return size
