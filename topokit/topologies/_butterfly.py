"""Butterflies: a layer changes one digit of the index, as in the fast Fourier transform."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod
from operator import mul

import numpy as np

from topokit._checks import check_count, check_counts, check_power_of_two
from topokit.layers import Layers
from topokit.topologies._compose import cascade, join
from topokit.topologies._edge_algebra import Edges, out_lists, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


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
        `rectangular_butterfly`, for any widths; `parallel_butterfly`, which grows by copies;
        `radix_net`.
    """
    bits = check_power_of_two("n", n)
    depth = bits if depth is None else check_count("depth", depth)
    check_size(neurons=n * (depth + 1), edges=2 * n * depth, parts=depth)
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
    check_power_of_two("n", n)
    inside = copies * n * (depth - 1)
    check_size(neurons=2 * n + inside, edges=2 * n * depth * copies, parts=depth)
    return join([butterfly.layers(n, depth)] * copies, shared=True)


@family
def rectangular_butterfly(
    n_in: int, n_out: int, radices: Sequence[int] | None = None, sweeps: int = 1
) -> Layers:
    """A butterfly of any radices between any numbers of inputs and outputs.

    The radices `r_1, r_2, ...` count to `N = r_1 r_2 ...` with the place values `V_0 = 1`,
    `V_l = r_1 ... r_l`. Layer `l` of the whole butterfly of `N` neurons joins all that differ in
    digit `l` alone, so that exactly one path joins each pair. Of it stay the first `n_in` inputs,
    the first `n_out` outputs, and what lies on a path between them. Of the neurons behind layer
    `l`, `i = h V_l + w`, these are the `H_l = ceil(n_in / V_l)` least `h` with the
    `W_l = min(V_l, n_out)` least `w`.

    More sweeps follow each other: the first ends at all `N` neurons, the last begins there.

    | invariant | value for one sweep | for `s` sweeps |
    | --- | --- | --- |
    | widths | `H_l W_l`, from `n_in` to `n_out` | with `n_in = N` or `n_out = N` inside |
    | edges of layer `l` | `H_(l-1) W_l` | the same |
    | in-degrees | `r_l`, fewer for the last `h` | the same |
    | out-degrees | `r_l`, fewer for the last `w` | the same |
    | paths of each input-output pair | 1 | `N^(s-1)` |
    | degrees of freedom | edges less hidden neurons | the same while nothing saturates |
    | bandwidth | `min(n_in, n_out)` | the same |
    | depth | the number of radices | `s` times that |

    With `n_in = n_out = 2^k` and the default radices it is `butterfly(2^k, s k)`.

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        radices: At least 2 each, with a product of at least `max(n_in, n_out)`; by default as many
            2 as that takes.
        sweeps: How often all digits are changed.

    Raises:
        ValueError: If the radices do not count far enough.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.rectangular_butterfly.layers(784, 300, [9, 9, 10])
        >>> layers.widths, layers.n_edges
        ((784, 792, 810, 300), 17184)
        >>> graph = tk.topologies.rectangular_butterfly(12, 5)
        >>> tk.to_layers(graph).widths, int(tk.scores.path_counts(graph).max())
        ((12, 12, 12, 10, 5), 1)
        >>> tk.degrees_of_freedom(graph) == graph.number_of_edges() - (12 + 12 + 10)
        True

    See Also:
        `butterfly`; `radix_net`, whose hidden layers can be wider; `monarch`, which with rank 1 is
        one of two radices, but for the order of outputs.
    """
    wide = max(check_count("n_in", n_in), check_count("n_out", n_out))
    radices = [2] * max(1, (wide - 1).bit_length()) if radices is None else radices
    radices = check_counts("radices", radices, least=2)
    if (size := prod(radices)) < wide or not radices:
        raise ValueError(
            f"radices must multiply to at least {wide}, the wider end; given {radices}, whose "
            f"product is {size}: raise one, or give one more"
        )
    inner = check_count("sweeps", sweeps) - 2  # between the first and the last
    whole = [(size, size, inner)] * (inner > 0)
    runs = [(n_in, size, 1), *whole, (size, n_out, 1)] if sweeps > 1 else [(n_in, n_out, 1)]
    _check_sweeps(runs, radices)
    return cascade([_sweep(a, b, radices) for a, b, times in runs for _ in range(times)])


def _check_sweeps(runs: Sequence[tuple[int, int, int]], radices: Sequence[int]) -> None:
    """Check the size of sweeps, each between its ends so many times."""
    neurons, edges, parts = runs[0][0], 0, 0
    for n_in, n_out, times in runs:
        heads, tails = _heads_and_tails(n_in, n_out, radices)
        neurons += times * sum(map(mul, heads[1:], tails[1:]))
        edges += times * sum(map(mul, heads, tails[1:]))
        parts += times * len(radices)
    check_size(neurons=neurons, edges=edges, parts=parts)


def _heads_and_tails(n_in: int, n_out: int, radices: Sequence[int]) -> tuple[list[int], list[int]]:
    """The numbers of `h` and of `w` of each layer of neurons."""
    values = list(accumulate(radices, mul, initial=1))
    return [-(-n_in // value) for value in values], [min(value, n_out) for value in values]


def _sweep(n_in: int, n_out: int, radices: Sequence[int]) -> Layers:
    """The part between so many inputs and outputs of one change of all digits."""
    heads, tails = _heads_and_tails(n_in, n_out, radices)
    rows = zip(heads[:-1], pairwise(tails), radices, strict=True)
    layers = [_digit(head, *pair, radix) for head, pair, radix in rows]
    return stack([head * tail for head, tail in zip(heads, tails, strict=True)], layers)


def _digit(heads: int, before: int, after: int, radix: int) -> Edges:
    """Sender `(h, w mod before)` feeds receiver `(h div radix, w)` for each of `after` values `w`.

    Where `after` is cut short of `before radix`, so is the last of the new digits.
    """
    head, tail = np.indices((heads, after)).reshape(2, -1)
    return head * before + tail % before, head // radix * after + tail
