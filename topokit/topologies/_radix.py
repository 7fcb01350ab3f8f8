"""RadiX-Nets: layers that are the digits of a mixed-radix number system."""

from collections.abc import Sequence
from itertools import chain, pairwise
from math import prod
from operator import mul

import numpy as np

from topokit._checks import check_count, check_counts
from topokit.layers import Layers
from topokit.topologies._edge_algebra import Edges, complete, kron, out_lists, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size
from topokit.topologies._trim import trim


@family
def radix_net(
    radices: Sequence[Sequence[int]],
    widths: Sequence[int] | None = None,
    *,
    n_in: int | None = None,
    n_out: int | None = None,
) -> Layers:
    """Mixed-radix layers, widened by Kronecker products (Robinett and Kepner, 2019).

    A list of radices `N_1, N_2, ...` counts to `N' = N_1 N_2 ...` with the place values
    `v_1 = 1`, `v_2 = N_1`, `v_3 = N_1 N_2`, ... Each radix is a layer on `N'` neurons in which
    neuron `i` feeds `i - j v_k mod N'` for `j = 0 .. N_k - 1`: the paths through the layers of a
    list are the numerals, so that exactly one joins each pair. The lists follow each other. Layer
    `l` is then widened to `kron(ones(B_l, B_(l+1)), layer)`. Of the ends, which are so many times
    `N'` neurons wide, the first `n_in` inputs and the first `n_out` outputs stay: that makes layers
    of any width. No fewer than `N'` may stay, so that hidden neurons keep a path.

    The direction of the steps is that of the official weights of the Sparse Deep Neural Network
    Graph Challenge: the six layers of a block on 1,024 neurons are
    `radix_net([[2, 2, 2, 2, 2, 2]], [16] * 7)`.

    | invariant | value |
    | --- | --- |
    | widths | `n_in = N' B_0, N' B_1, ..., n_out` |
    | edges of layer `l` | `N' N_l B_l B_(l+1)`, a share `N_l / N'` of the dense layer |
    | edges of the first and of the last of several layers | `n_in N_l B_1`, `n_out N_l B_(L-1)` |
    | in-degree, out-degree of layer `l` | `N_l B_l`, `N_l B_(l+1)`; fewer at an end cut short |
    | paths of each pair | product of the radices after the first list and of the hidden `B` |
    | fully connected | always |
    | degrees of freedom, while nothing saturates | edges less `N' B_l^2` for each hidden layer |
    | bandwidth | the least width |
    | depth | the number of radices in all lists |

    `radix_net([[10, 10]], [8, 30, 1], n_in=784)` and `[8, 3, 1]` are the shapes of Lenet-300-100
    with ten times the hidden neurons and with as many, at 90 % sparsity (Alford et al., 2018).

    Args:
        radices: Lists of radices, each at least 2. All lists have the same product `N'`, except
            that the product of the last may be a divisor of it.
        widths: The Kronecker widths `B`, one for each layer of neurons, inputs first (one more
            than there are radices); all 1 by default.
        n_in: How many inputs stay, from `N'` to `N' B_0`; all of them by default.
        n_out: How many outputs stay, likewise.

    Raises:
        ValueError: If the products do not fit, the number of widths does not, or more or fewer
            inputs or outputs shall stay than can.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.radix_net([[2, 3], [6]])
        >>> tk.to_layers(graph).widths
        (6, 6, 6, 6)
        >>> [tk.topologies.radix_net([[2, 2]], [1, w, 1]).number_of_edges() for w in (1, 2, 3)]
        [16, 32, 48]
        >>> tk.topologies.radix_net.layers([[10, 10]], [8, 3, 1], n_in=784).widths
        (784, 300, 100)

    See Also:
        `rectangular_butterfly`, of which hidden layers narrow towards the narrower end;
        `topokit.challenge.plain_network`, those of the Graph Challenge.
    """
    size, depth = _check_radices(radices), sum(map(len, radices))
    widths = check_counts("widths", [1] * (depth + 1) if widths is None else widths)
    if len(widths) != depth + 1:
        raise ValueError(
            f"widths must have one number more than there are radices: {depth + 1}; "
            f"given {len(widths)}"
        )
    copies = map(prod, pairwise(widths))
    edges = size * sum(map(mul, chain(*radices), copies))
    check_size(neurons=size * sum(widths), edges=edges, parts=depth)
    layers = [
        out_lists((np.arange(size)[:, None] - prod(row[:place]) * np.arange(radix)) % size)
        for row in radices
        for place, radix in enumerate(row)
    ]
    wide = [_widen(edges, pair, size) for edges, pair in zip(layers, pairwise(widths), strict=True)]
    whole = stack([size * width for width in widths], wide)
    if n_in is n_out is None:
        return whole
    return trim(
        whole,
        drop_inputs=_beyond("n_in", n_in, size, whole.n_in),
        drop_outputs=_beyond("n_out", n_out, size, whole.n_out),
    )


def _beyond(name: str, kept: int | None, size: int, width: int) -> range:
    """The neurons of an end that do not stay."""
    if kept is None:
        return range(0)
    if not size <= check_count(name, kept) <= width:
        end = "widths[0]" if name == "n_in" else "widths[-1]"
        cure = f"{end}={-(-kept // size)}" if kept > width else "radices of a smaller product"
        raise ValueError(
            f"{name} must be from {size}, the neurons that the radices count, to {width}, all "
            f"their copies, {end}={width // size}; given {kept}: take {cure}"
        )
    return range(kept, width)


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
