"""Lattices: every layer joins a neuron to itself and to its neighbors in one fixed graph.

With `A` the adjacency matrix of that graph, the paths of all pairs are the entries of
`(I + A)^depth`, and near pairs have more of them than far ones.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from jaxtyping import Int

from topokit._checks import check_count, check_counts, check_power_of_two
from topokit.layers import Layers
from topokit.topologies._edge_algebra import out_lists, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


@family
def hypercube(n: int, depth: int) -> Layers:
    """Neuron `i` feeds itself and every `i XOR 2^b`: the corners and edges of a cube.

    Let `m = log2 n`. The paths of a pair depend on its Hamming distance `h` alone: they are the
    entries of `(I + A)^depth`, whose eigenvalues `m + 1 - 2 k` weigh by the Krawtchouk polynomials,

        paths(h) = sum_k K_k(h) (m + 1 - 2 k)^depth / n,
        K_k(h) = sum_j (-1)^j C(h, j) C(m - h, k - j).

    | invariant | value |
    | --- | --- |
    | widths | `n` in all `depth + 1` layers |
    | edges | `n (m + 1) depth` |
    | in-degree, out-degree | `m + 1`, `m + 1` |
    | paths of an input-output pair | `paths(h)` above |
    | fully connected | from `depth = m` on |
    | bandwidth | `n` |

    NeuroFabric's figure 5 uses 32 neurons and 6 layers: 1,152 edges.

    Args:
        n: Number of inputs and of outputs, a power of two.
        depth: Number of layers.

    Raises:
        ValueError: If `n` is no power of two.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.hypercube(8, depth=3)
        >>> sorted(graph.successors((0, 0)))
        [(1, 0), (1, 1), (1, 2), (1, 4)]
        >>> graph.number_of_edges()
        96

    See Also:
        `butterfly`, which takes one direction of the cube a layer; `torus`.
    """
    bits = check_power_of_two("n", n)
    _check_repeated(n, bits + 1, depth)
    flips = np.concatenate([[0], 2 ** np.arange(bits)])
    return _repeat(np.arange(n)[:, None] ^ flips, depth)


@family
def torus(shape: Sequence[int], depth: int) -> Layers:
    """Neuron `x` of a periodic grid feeds itself and the neighbors on each axis.

    A side of 3 or more gives two neighbors on its axis, a side of 2 one, a side of 1 none. The
    paths of a pair depend on its displacement `x` alone; by the discrete Fourier transform

        paths(x) = sum_k exp(2 pi i sum_a k_a x_a / s_a) (1 + sum_a c_a)^depth / n,

    with `c_a = 2 cos(2 pi k_a / s_a)` for a side `s_a >= 3`, `(-1)^k_a` for 2 and 0 for 1.

    | invariant | value |
    | --- | --- |
    | widths | `n`, the product of the sides, in all `depth + 1` layers |
    | edges | `n d depth`, `d` the degree |
    | in-degree, out-degree | `d = 1 + ` neighbors on all axes |
    | paths of an input-output pair | `paths(x)` above |
    | fully connected | from `depth = sum_a floor(s_a / 2)` on |
    | bandwidth | `n` |

    NeuroFabric's figure 5 uses 8 x 4 neurons; with 7 layers that is 1,120 edges.

    Args:
        shape: The sides of the grid, any number of them; neurons are numbered in C order, the last
            axis fastest.
        depth: Number of layers.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.torus((4, 4), depth=2)
        >>> graph.number_of_edges()
        160
        >>> sorted(graph.successors((0, 5)))
        [(1, 1), (1, 4), (1, 5), (1, 6), (1, 9)]

    See Also:
        `hypercube`, whose sides are 2.
    """
    sides = check_counts("shape", shape)
    if not sides:
        raise ValueError("shape is empty: give the sides of the grid, such as (8, 4)")
    _check_repeated(prod(sides), 1 + sum(min(side, 3) - 1 for side in sides), depth)
    neurons = np.arange(prod(sides)).reshape(sides)
    rolls = [
        np.roll(neurons, step, axis)
        for axis, side in enumerate(sides)
        for step in (1, -1)[: min(side, 3) - 1]
    ]
    return _repeat(np.stack([neurons, *rolls], axis=-1).reshape(neurons.size, -1), depth)


def _check_repeated(n: int, degree: int, depth: int) -> None:
    """Check the depth, and that so many equal layers fit."""
    check_count("depth", depth)
    check_size(neurons=n * (depth + 1), edges=n * degree * depth, parts=depth)


def _repeat(neighbors: Int[np.ndarray, "n degree"], depth: int) -> Layers:
    n = len(neighbors)
    return stack([n] * (depth + 1), [out_lists(neighbors)] * depth)
