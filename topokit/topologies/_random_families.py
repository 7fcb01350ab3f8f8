"""Random families: every edge a coin, exact degrees, or a ring with shortcuts.

All randomness comes from `seed`: the same seed gives the same arrays.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from topokit._checks import check_count, check_counts, check_real
from topokit.layers import Layers
from topokit.topologies._edge_algebra import stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size
from topokit.topologies._random_layers import coins, regular_layer, rewired_ring


@family
def erdos_renyi(widths: Sequence[int], density: float, *, seed: int) -> Layers:
    """Each possible edge is present with probability `density`, independently of the others.

    | invariant | expected value |
    | --- | --- |
    | edges of layer `l` | `density widths[l] widths[l+1]` |
    | in-degree, out-degree | `density widths[l]`, `density widths[l+1]`, binomial |
    | paths of each input-output pair | `density^depth` times the product of the hidden widths |
    | depth | `len(widths) - 1` |

    Nothing is guaranteed: sparse layers leave neurons without edges, and pairs without paths.
    Isolated hidden neurons stay (`topokit.trim` drops them). Cost O(edges), whatever the widths.

    Args:
        widths: Neurons per layer, inputs first.
        density: Probability of an edge, in (0, 1].
        seed: Seed of the choice.

    Raises:
        ValueError: If an output came out unreachable from all inputs, which is likely where
            `density` is below `log(width) / width`.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.erdos_renyi.layers([32, 16, 32], density=0.25, seed=0)
        >>> layers.widths
        (32, 16, 32)
        >>> bool(200 < layers.n_edges < 312)
        True
        >>> tk.topologies.erdos_renyi([4, 4], 1.0, seed=0).number_of_edges()
        16

    See Also:
        `random_regular`, whose degrees are even.
    """
    widths = _check_widths(widths)
    check_real("density", density, least=0, most=1, above=True)
    pairs = list(pairwise(widths))
    edges = density * sum(n * m for n, m in pairs)
    check_size(neurons=sum(widths), edges=edges, parts=len(pairs))
    rng = _generator(seed)
    cells = [coins(n * m, density, rng) for n, m in pairs]
    layers = [divmod(cell, width) for cell, width in zip(cells, widths[1:], strict=True)]
    try:
        return stack(widths, layers)
    except ValueError:
        raise ValueError(
            f"density={density} with seed={seed} leaves an output without a path from any input "
            f"(widths {widths}); raise density, or take another seed"
        ) from None


@family
def random_regular(widths: Sequence[int], fan_in: int, *, seed: int) -> Layers:
    """Exact fan-in and balanced fan-out: the expander layers of X-Nets (Prabhu et al., 2017).

    Each layer is a random bipartite graph in which all receivers have `fan_in` senders and the
    fan-outs of the senders differ by at most 1. Such layers are expanders with high probability:
    their second singular value, normalized by the first, is close to the Ramanujan bound.
    For `random_regular([64, 64], 8, seed=0)`, `topokit.scores.second_singular_values` gives
    0.6206 and the bound is `2 sqrt(7) / 8 = 0.6614`.

    | invariant | value |
    | --- | --- |
    | edges of layer `l` | `fan_in widths[l+1]` |
    | in-degree | `fan_in` |
    | out-degree | `fan_in widths[l+1] / widths[l]`, rounded down or up |
    | paths into each output | `fan_in^depth` in all, a mean of `fan_in^depth / n_in` a pair |
    | bandwidth | `min(widths)`, where the division above leaves no remainder |
    | depth | `len(widths) - 1` |

    The choice is the configuration model: senders in balanced numbers are shuffled, then an edge
    that repeats another trades its sender with a random edge until none is left. While `fan_in` is
    at most half the senders a trade that removes a repetition always exists; above, the complement
    is drawn. Where repetitions are rare, all such graphs are nearly equally likely; between 4 and
    4 neurons with a fan-in of 2, the worst case, some come up half as often. Cost O(E log E).

    Args:
        widths: Neurons per layer, inputs first.
        fan_in: Senders of every neuron, at most the smallest width that sends.
        seed: Seed of the choice.

    Raises:
        ValueError: If `fan_in` is greater than the width of a layer that sends.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.random_regular([8, 8, 4], fan_in=2, seed=0)
        >>> graph.number_of_edges()
        24
        >>> {degree for node, degree in graph.in_degree() if graph.nodes[node]["layer"] > 0}
        {2}

    See Also:
        `erdos_renyi`, whose degrees are left to chance.
    """
    widths = _check_widths(widths)
    if check_count("fan_in", fan_in) > min(widths[:-1]):
        raise ValueError(
            f"fan_in must be at most {min(widths[:-1])}, the smallest layer that sends "
            f"(widths={widths}); given {fan_in}"
        )
    check_size(neurons=sum(widths), edges=fan_in * sum(widths[1:]), parts=len(widths) - 1)
    rng = _generator(seed)
    return stack(widths, [regular_layer(n, m, fan_in, rng) for n, m in pairwise(widths)])


@family
def small_world(n: int, depth: int, neighbours: int, rewiring: float, *, seed: int) -> Layers:
    """Ring lattices with shortcuts (Watts and Strogatz, 1998), one drawn for each layer.

    Neuron `j` is fed by itself and by its `neighbours` nearest neurons on a ring, half of them on
    each side. An edge from a neighbor is rewired with probability `rewiring`: its sender is drawn
    anew among all neurons that do not feed `j` otherwise. In-degrees stay as they are; `rewiring=0`
    is the ring, `rewiring=1` a random graph. The edge from `j` to itself is kept, as in the lattice
    families, so that the bandwidth never drops.

    | invariant | value |
    | --- | --- |
    | widths | `n` in all `depth + 1` layers |
    | edges | `n (neighbours + 1) depth` |
    | in-degree | `neighbours + 1` |
    | out-degree | `neighbours + 1` on average |
    | paths into each output | `(neighbours + 1)^depth` in all |
    | fully connected, `rewiring=0` | from `depth neighbours / 2 >= floor(n / 2)` on |
    | bandwidth | `n` |

    Args:
        n: Number of inputs and of outputs.
        depth: Number of layers.
        neighbours: Neighbors of a neuron on the ring, an even number of at most `n / 2`.
        rewiring: Probability that an edge is rewired, in [0, 1].
        seed: Seed of the choice.

    Raises:
        ValueError: If `neighbours` is odd or too great.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.small_world(8, depth=2, neighbours=2, rewiring=0.1, seed=0)
        >>> graph.number_of_edges()
        48
        >>> graph.graph["family"]
        'small_world'

    See Also:
        `torus((n,), depth)`, the ring that is rewired.
    """
    check_count("n", n)
    if check_count("neighbours", neighbours, least=2) % 2 or 2 * neighbours > n:
        raise ValueError(
            f"neighbours must be even and at most n / 2 = {n / 2:g}; given {neighbours}"
        )
    check_real("rewiring", rewiring, least=0, most=1)
    check_count("depth", depth)
    check_size(neurons=n * (depth + 1), edges=n * (neighbours + 1) * depth, parts=depth)
    rng = _generator(seed)
    layers = [rewired_ring(n, neighbours, rewiring, rng) for _ in range(depth)]
    return stack([n] * (depth + 1), layers)


def _check_widths(widths: Sequence[int]) -> list[int]:
    counts = check_counts("widths", widths)
    if len(counts) < 2:
        raise ValueError(
            f"widths must name at least two layers, inputs and outputs; given {counts}"
        )
    return counts


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(check_count("seed", seed, least=0))
