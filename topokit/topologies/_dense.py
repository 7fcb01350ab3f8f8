"""The baselines: one dense layer, and the product of two.

Biregular layers, here and in every regular family: where all in-degrees of a layer are equal and
all its out-degrees are equal, the bandwidth (the maximum number of vertex-disjoint input-output
paths) is the smallest width. An equal share of that many units through every neuron of each layer
is a flow that overloads no neuron, and such flows can be made integral (Menger's theorem).
"""

from topokit._checks import check_count
from topokit.layers import Layers
from topokit.topologies._edge_algebra import complete, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


@family
def dense(n_in: int, n_out: int) -> Layers:
    """One fully connected layer, the matrix that sparse cascades replace.

    | invariant | value |
    | --- | --- |
    | widths | `n_in, n_out` |
    | edges | `n_in n_out` |
    | in-degree, out-degree | `n_in`, `n_out` |
    | paths of each input-output pair | 1 |
    | bandwidth | `min(n_in, n_out)` |

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.

    Examples:
        >>> import topokit as tk
        >>> tk.topologies.dense(3, 2).number_of_edges()
        6
        >>> tk.topologies.dense.layers(300, 100).n_edges
        30000

    See Also:
        `low_rank`, which keeps every pair joined with fewer edges.
    """
    widths = [check_count("n_in", n_in), check_count("n_out", n_out)]
    check_size(neurons=sum(widths), edges=n_in * n_out, parts=1)
    return stack(widths, [complete(n_in, n_out)])


@family
def low_rank(n_in: int, n_out: int, rank: int) -> Layers:
    """Two fully connected layers with `rank` neurons between them.

    The products that it reaches are the matrices of rank at most `rank`, so that the best
    reconstruction of a target is its truncated singular value decomposition (Eckart and Young),
    and the degrees of freedom are `rank (n_in + n_out - rank)` while `rank <= min(n_in, n_out)`.

    | invariant | value |
    | --- | --- |
    | widths | `n_in, rank, n_out` |
    | edges | `rank (n_in + n_out)` |
    | in-degrees; out-degrees | `n_in`, `rank`; `rank`, `n_out` |
    | paths of each input-output pair | `rank` |
    | bandwidth | `min(n_in, rank, n_out)` |

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        rank: Number of hidden neurons.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.low_rank(8, 8, 2)
        >>> graph.number_of_edges()
        32
        >>> tk.degrees_of_freedom(graph)
        28

    See Also:
        `dense`; `topokit.scores.low_rank_loss`, the least loss of a matrix of that rank.
    """
    widths = [check_count("n_in", n_in), check_count("rank", rank), check_count("n_out", n_out)]
    check_size(neurons=sum(widths), edges=rank * (n_in + n_out), parts=2)
    return stack(widths, [complete(n_in, rank), complete(rank, n_out)])
