"""The ground floor: a network as layers of plain arrays, and everything that walks them.

`Layers` is the recipe that every score, product and model reads; `to_layers` compiles a
`networkx.DiGraph` into it, once, and from there on no graph is needed. Values are carried over the
layers by one function, whatever they are and however they add up.
"""

from topokit.layers._carry import Settle as Settle
from topokit.layers._carry import as_it_is as as_it_is
from topokit.layers._carry import backward as backward
from topokit.layers._carry import forward as forward
from topokit.layers._graph import edge_arrays as edge_arrays
from topokit.layers._graph import from_layers as from_layers
from topokit.layers._graph import from_masks as from_masks
from topokit.layers._graph import node_indices as node_indices
from topokit.layers._graph import to_layers as to_layers
from topokit.layers._graph import to_masks as to_masks
from topokit.layers._layered import layered as layered
from topokit.layers._recipe import Layers as Layers
from topokit.layers._recipe import ancestors as ancestors
from topokit.layers._recipe import descendants as descendants
from topokit.layers._recipe import each_layer as each_layer
from topokit.layers._recipe import in_degrees as in_degrees
from topokit.layers._recipe import live_edges as live_edges
from topokit.layers._recipe import make_layers as make_layers
from topokit.layers._recipe import out_degrees as out_degrees
from topokit.layers._recipe import sort_layers as sort_layers
from topokit.layers._xavier import BESIDE_CONSTANTS as BESIDE_CONSTANTS
from topokit.layers._xavier import sparse_xavier as sparse_xavier
from topokit.layers._xavier import xavier_radii as xavier_radii

# What a user finds here; the rest stands at the front door, or is for other rooms.
__all__ = ["sparse_xavier", "xavier_radii"]


def __dir__() -> list[str]:
    return __all__
