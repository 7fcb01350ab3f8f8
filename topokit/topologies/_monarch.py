"""Blocks on the diagonal: one layer of them, and two with a transposition between.

A width is cut into blocks as even as can be: `n` neurons in `k` blocks make blocks of
`ceil(n / k)` and of `floor(n / k)` neurons, the larger ones first. So every width can be cut, and
where `k` divides it all blocks are equal.
"""

import numpy as np

from topokit._checks import check_count
from topokit.layers import Layers
from topokit.topologies._edge_algebra import groups, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


@family
def block_diagonal(n_in: int, n_out: int, blocks: int) -> Layers:
    """One layer of dense blocks side by side: inputs of a block feed outputs of that block alone.

    Inputs and outputs are cut into as many blocks, which differ by one neuron at most, the larger
    ones first. With `n_in = p k + r` and `n_out = q k + s` neurons in `k` blocks, `0 <= r, s < k`:

    | invariant | value |
    | --- | --- |
    | widths | `n_in, n_out` |
    | edges | `p q k + r q + s p + min(r, s)`; `n_in n_out / k` where `k` divides both |
    | in-degrees; out-degrees | `p` or `p + 1`; `q` or `q + 1` |
    | paths of each input-output pair | 1 within a block, 0 between blocks |
    | degrees of freedom | the edges |
    | bandwidth | `min(n_in, n_out)` |

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        blocks: Number of blocks `k`, at most `min(n_in, n_out)`; 1 is a dense layer.

    Raises:
        ValueError: If there are more blocks than inputs or outputs.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.block_diagonal(5, 4, blocks=2)
        >>> sorted(graph.predecessors((1, 0))), sorted(graph.predecessors((1, 2)))
        ([(0, 0), (0, 1), (0, 2)], [(0, 3), (0, 4)])
        >>> tk.topologies.block_diagonal.layers(50257, 768, 32).n_edges
        1206168

    See Also:
        `monarch`, which joins all pairs; `clos`, in which routers are the blocks.
    """
    _check_blocks(n_in, n_out, blocks)
    (p, r), (q, s) = divmod(n_in, blocks), divmod(n_out, blocks)
    edges = p * q * blocks + r * q + s * p + min(r, s)
    check_size(neurons=n_in + n_out, edges=edges, parts=blocks)
    return stack([n_in, n_out], [groups(_cut(n_in, blocks), _cut(n_out, blocks))])


@family
def monarch(n_in: int, n_out: int, blocks: int, rank: int = 1) -> Layers:
    """Block-diagonal, transposition, block-diagonal (Monarch; Dao et al., 2022).

    Each of the `k` input blocks is joined to `rank` hidden neurons for each of the `k` output
    blocks. Hidden neurons are numbered by input block; read as a matrix of `k rank` rows and `k`
    columns, row by row, its columns are the senders of the output blocks: that is the
    transposition. So the matrix of the network falls into `k` by `k` tiles, each an arbitrary
    matrix of rank at most `rank`, and the best reconstruction is known: truncated singular value
    decompositions, tile by tile. With `n = k^2` inputs and outputs and rank 1 these are the
    Monarch matrices of the paper; blocks cut any widths as evenly as can be, the larger ones first.

    | invariant | value |
    | --- | --- |
    | widths | `n_in, k^2 rank, n_out` |
    | edges | `k rank (n_in + n_out)` |
    | in-degrees | `n_in / k` rounded down or up; `k rank` |
    | out-degrees | `k rank`; `n_out / k` rounded down or up |
    | paths of each input-output pair | `rank` |
    | fully connected | always |
    | degrees of freedom, `rank` at most the sides of a tile | `k rank (n_in + n_out - k rank)` |
    | bandwidth | `min(n_in, k^2 rank, n_out)` |

    A rank above a side of a tile adds edges and nothing else: a tile of `a` by `c` has
    `m (a + c - m)` degrees of freedom, `m = min(rank, a, c)`.

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        blocks: Number of blocks `k` on either side, at most `min(n_in, n_out)`; 1 is `low_rank`.
        rank: Hidden neurons of each tile.

    Raises:
        ValueError: If there are more blocks than inputs or outputs.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.monarch(16, 16, blocks=4)
        >>> graph.number_of_edges(), tk.degrees_of_freedom(graph)
        (128, 112)
        >>> sorted(graph.successors((1, 1)))
        [(2, 4), (2, 5), (2, 6), (2, 7)]
        >>> tk.topologies.monarch.layers(784, 300, blocks=12, rank=2).n_edges
        26016

    See Also:
        `low_rank`, one tile; `clos`, with a third stage between; `butterfly`, of smaller blocks.
    """
    _check_blocks(n_in, n_out, blocks)
    width = blocks * blocks * check_count("rank", rank)
    check_size(neurons=n_in + width + n_out, edges=(n_in + n_out) * blocks * rank, parts=2 * blocks)
    columns = list(np.arange(width).reshape(-1, blocks).T)
    stages = [
        groups(_cut(n_in, blocks), _cut(width, blocks)),
        groups(columns, _cut(n_out, blocks)),
    ]
    return stack([n_in, width, n_out], stages)


def _check_blocks(n_in: int, n_out: int, blocks: int) -> None:
    narrow = min(check_count("n_in", n_in), check_count("n_out", n_out))
    if check_count("blocks", blocks) > narrow:
        raise ValueError(
            f"blocks must be at most {narrow}, so that each has an input and an output "
            f"(n_in={n_in}, n_out={n_out}); given {blocks}"
        )


def _cut(n: int, blocks: int) -> list[np.ndarray]:
    """The neurons of each block."""
    return np.array_split(np.arange(n), blocks)
