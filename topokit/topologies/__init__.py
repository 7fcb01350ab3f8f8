"""Families of topologies, and the changes that can be made to one.

A builder such as `butterfly(32)` returns a graph; `butterfly.layers(32)` returns the same topology
as arrays, for networks of millions of edges: `_family` makes both of one body, and `_families`
lists all. Regular families are written in the algebra of one layer (`_edge_algebra`), random ones
(`_random_families`) draw whole layers at a time (`_random_layers`). Changes make a new topology of
a given one: `_compose`, `_skip`, `_trim`; whether a graph is what it says, tells `_origin`, and how
to make it again `_building_lines`.
"""

from topokit.topologies._building_lines import BuildingLines as BuildingLines
from topokit.topologies._building_lines import building_lines as building_lines
from topokit.topologies._building_lines import lines_of as lines_of
from topokit.topologies._building_lines import shell_line as shell_line
from topokit.topologies._butterfly import butterfly as butterfly
from topokit.topologies._butterfly import parallel_butterfly as parallel_butterfly
from topokit.topologies._butterfly import rectangular_butterfly as rectangular_butterfly
from topokit.topologies._clos import clos as clos
from topokit.topologies._compose import cascade as cascade
from topokit.topologies._compose import parallel as parallel
from topokit.topologies._compose import with_diagonal as with_diagonal
from topokit.topologies._dense import dense as dense
from topokit.topologies._dense import low_rank as low_rank
from topokit.topologies._diagonals import diagonals as diagonals
from topokit.topologies._families import families as families
from topokit.topologies._family import Family as Family
from topokit.topologies._family import family as family
from topokit.topologies._lattice import hypercube as hypercube
from topokit.topologies._lattice import torus as torus
from topokit.topologies._monarch import block_diagonal as block_diagonal
from topokit.topologies._monarch import monarch as monarch
from topokit.topologies._origin import true_name as true_name
from topokit.topologies._radix import radix_net as radix_net
from topokit.topologies._random_families import erdos_renyi as erdos_renyi
from topokit.topologies._random_families import random_regular as random_regular
from topokit.topologies._random_families import small_world as small_world
from topokit.topologies._skip import PLACEMENTS as PLACEMENTS
from topokit.topologies._skip import with_skip as with_skip
from topokit.topologies._trim import trim as trim

# What a user finds here; the rest stands at the front door, or is for other rooms.
__all__ = [
    "PLACEMENTS",
    "Family",
    "block_diagonal",
    "butterfly",
    "clos",
    "dense",
    "diagonals",
    "erdos_renyi",
    "families",
    "family",
    "hypercube",
    "low_rank",
    "monarch",
    "parallel_butterfly",
    "radix_net",
    "random_regular",
    "rectangular_butterfly",
    "small_world",
    "torus",
]


def __dir__() -> list[str]:
    return __all__
