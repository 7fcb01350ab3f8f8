"""Cyclic diagonals: one layer whose mask is the same from column to column, but for a shift."""

import numpy as np

from topokit._checks import check_count
from topokit.layers import Layers
from topokit.topologies._edge_algebra import in_lists, stack
from topokit.topologies._family import family
from topokit.topologies._member_size import check_size


@family
def diagonals(n_in: int, n_out: int, bands: int, width: int = 1) -> Layers:
    """One layer of bands: input `j + d mod n_in` feeds output `j` for each offset `d` of a band.

    Band `b` begins at the offset `floor(b n_in / bands)` and is `width` diagonals wide, so that the
    bands lie evenly in the matrix: many of width 1 spread the senders of a neuron over all inputs,
    one band keeps them together. Any numbers of inputs and outputs will do.

    | invariant | value |
    | --- | --- |
    | widths | `n_in, n_out` |
    | edges | `bands width n_out` |
    | in-degree | `bands width` |
    | out-degree, `width = 1` | `bands n_out / n_in`, rounded down or up |
    | out-degree, `n_in` divides `n_out` | `bands width n_out / n_in` |
    | paths of each input-output pair | 1 on a band, 0 elsewhere |
    | degrees of freedom | the edges |
    | bandwidth | `min(n_in, n_out)` |

    Args:
        n_in: Number of inputs.
        n_out: Number of outputs.
        bands: Number of bands.
        width: Neighboring diagonals in each band; `bands width` is at most `n_in`, which is a
            dense layer.

    Raises:
        ValueError: If there is no room for so many bands.

    Examples:
        >>> import topokit as tk
        >>> graph = tk.topologies.diagonals(6, 4, bands=2)
        >>> [sorted(i for _, i in graph.predecessors((1, j))) for j in range(4)]
        [[0, 3], [1, 4], [2, 5], [0, 3]]
        >>> tk.topologies.diagonals.layers(784, 300, 78).n_edges
        23400

    See Also:
        `random_regular`, as many senders drawn at random; `torus`, whose layers are bands that
        repeat; `block_diagonal`.
    """
    check_count("n_out", n_out)
    check_count("width", width, most=check_count("n_in", n_in))
    if check_count("bands", bands) > n_in // width:
        raise ValueError(
            f"bands must be at most {n_in // width} for n_in={n_in} and width={width}, so that "
            f"they fit side by side; given {bands}"
        )
    check_size(neurons=n_in + n_out, edges=n_out * bands * width, parts=1)
    starts = np.arange(bands) * n_in // bands
    offsets = (starts[:, None] + np.arange(width)).ravel()
    return stack([n_in, n_out], [in_lists((np.arange(n_out)[:, None] + offsets) % n_in)])
