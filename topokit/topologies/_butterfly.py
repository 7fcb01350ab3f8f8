"""Butterflies: two edges a neuron, the wiring of the fast Fourier transform."""

import numpy as np

from topokit._checks import check_count, check_power_of_two
from topokit.layers import Layers
from topokit.topologies._compose import join
from topokit.topologies._edge_algebra import out_lists, stack
from topokit.topologies._family import family


@family
def butterfly(n: int, depth: int | None = None) -> Layers:
    """Layer `l` joins neuron `i` to `i` and to `i XOR 2^(l mod log2 n)`.

    With `depth = log2 n` the masks are the supports of the radix-2 factors of the discrete Fourier
    transform after the bit reversal; deeper butterflies start again at stride 1. A layer changes
    one bit of the index or keeps it, so paths are counted bit by bit.

    | invariant | value |
    | --- | --- |
    | widths | `n` in all `depth + 1` layers |
    | edges | `2 n depth` |
    | in-degree, out-degree | 2, 2 |
    | paths of each input-output pair, `depth >= log2 n` | `2^depth / n` |
    | paths, `depth < log2 n` | 1 within blocks of `2^depth` neurons, 0 between them |
    | fully connected | from `depth = log2 n` on |
    | bandwidth | `n` |

    Args:
        n: Number of inputs and of outputs, a power of two.
        depth: Number of layers; `log2 n` by default.

    Raises:
        ValueError: If `n` is no power of two.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.butterfly(8)
        >>> graph.number_of_edges()
        48
        >>> sorted(graph.successors((1, 0)))
        [(2, 0), (2, 2)]
        >>> tk.topologies.butterfly.layers(2**16).n_edges
        2097152

    See Also:
        `parallel_butterfly`, which grows by copies; `radix_net`, with other radices than 2.
    """
    bits = check_power_of_two("n", n)
    depth = bits if depth is None else check_count("depth", depth)
    strides = [2 ** (layer % bits) for layer in range(depth)]
    neurons = np.arange(n)[:, None]
    return stack([n] * (depth + 1), [out_lists(neurons ^ [0, stride]) for stride in strides])


@family
def parallel_butterfly(n: int, depth: int, copies: int) -> Layers:
    """Butterflies side by side with shared inputs and summed outputs (NeuroFabric, section VII.E).

    The copies lie one after the other in every hidden layer. An output is one neuron, fed by all
    copies. The paper keeps `depth` at most `log2 n` and grows by `copies`; deeper is allowed.

    | invariant | value |
    | --- | --- |
    | widths | `n`, then `copies n` in each of `depth - 1` hidden layers, then `n` |
    | edges | `2 n depth copies` |
    | in-degree | 2; in the last layer `2 copies` |
    | out-degree | `2 copies` in the first layer; 2 |
    | paths of each input-output pair | `copies` times those of `butterfly(n, depth)` |
    | fully connected | from `depth = log2 n` on |
    | bandwidth | `n` |

    Args:
        n: Number of inputs and of outputs, a power of two.
        depth: Number of layers, at least 2 unless `copies` is 1: without a hidden layer the edges
            of the copies would coincide.
        copies: Number of butterflies.

    Raises:
        ValueError: If `n` is no power of two, or one layer shall hold several copies.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.parallel_butterfly(8, depth=3, copies=2)
        >>> graph.number_of_edges()
        96
        >>> tk.to_layers(graph).widths
        (8, 16, 16, 8)
        >>> int(tk.scores.path_counts(graph).min())
        2

    See Also:
        `butterfly`, one copy.
    """
    check_count("copies", copies)
    if check_count("depth", depth) == 1 and copies > 1:
        raise ValueError(
            f"depth must be at least 2 for copies={copies}; given 1: without a hidden layer the "
            "edges of the copies coincide"
        )
    return join([butterfly.layers(n, depth)] * copies, shared=True)
