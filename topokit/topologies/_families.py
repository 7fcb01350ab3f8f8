"""Every family by its name: what a command line or a sweep chooses from."""

from topokit.topologies._butterfly import butterfly, parallel_butterfly, rectangular_butterfly
from topokit.topologies._clos import clos
from topokit.topologies._dense import dense, low_rank
from topokit.topologies._diagonals import diagonals
from topokit.topologies._family import Family
from topokit.topologies._lattice import hypercube, torus
from topokit.topologies._monarch import block_diagonal, monarch
from topokit.topologies._radix import radix_net
from topokit.topologies._random_families import erdos_renyi, random_regular, small_world


def families() -> dict[str, Family]:
    """The builders of this package by name, in the order of the documentation.

    Examples:
        >>> import topokit as tk
        >>> list(tk.topologies.families())[:4]
        ['dense', 'low_rank', 'block_diagonal', 'diagonals']
        >>> tk.topologies.families()["butterfly"](4).name
        'butterfly(4)'

    See Also:
        `family`, which makes such a builder.
    """
    builders = (
        dense,
        low_rank,
        block_diagonal,
        diagonals,
        butterfly,
        parallel_butterfly,
        rectangular_butterfly,
        monarch,
        clos,
        hypercube,
        torus,
        radix_net,
        erdos_renyi,
        random_regular,
        small_world,
    )
    return {builder.__name__: builder for builder in builders}
