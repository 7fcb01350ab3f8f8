"""The ground floor: a network as layers of plain arrays, and everything that walks them.

`Layers` is the recipe that every score, product and model reads; `to_layers` compiles a
`networkx.DiGraph` into it, once, and from there on no graph is needed. A recipe never changes: what
follows from it alone is a function of it, `remembered` if it is asked for often.

Who wants to know something of a network, looks here for how:

- `forward`, `backward` and `at_outputs` carry values over all layers, `push` and `pull` over one.
  What edges do to values is an algebra: `NUMBERS`, `ANY`, `BITS`, `LOGS`, `EXACT`, `residues(p)`,
  and `scaled()` where numbers may leave the range of floats.
  Who multiplies with a layer many times makes it a matrix, `as_matrix`.
- `live_edges` and its neighbors say what lies on a path, `ancestors` and `descendants` what leads
  to what, `edge_factors` how the end-to-end matrix moves with each weight.
- `numbered_edges` numbers neurons through all layers; `split_flow` lets flows through them.
- `padded_table` and `split_by_layer` cut arrays over edges into parts; `complete_blocks` finds
  dense ones.
- `xavier_radii` and `draw_xavier` are first weights.
"""

from topokit.layers._as_matrix import Matrix as Matrix
from topokit.layers._as_matrix import as_matrix as as_matrix
from topokit.layers._bits import WORD as WORD
from topokit.layers._bits import Bits as Bits
from topokit.layers._bits import from_bits as from_bits
from topokit.layers._bits import has_bit as has_bit
from topokit.layers._bits import to_bits as to_bits
from topokit.layers._bundles import Bundles as Bundles
from topokit.layers._bundles import in_bundles as in_bundles
from topokit.layers._bundles import in_degrees as in_degrees
from topokit.layers._bundles import out_bundles as out_bundles
from topokit.layers._bundles import out_degrees as out_degrees
from topokit.layers._carry import ANY as ANY
from topokit.layers._carry import BITS as BITS
from topokit.layers._carry import EXACT as EXACT
from topokit.layers._carry import LOGS as LOGS
from topokit.layers._carry import NUMBERS as NUMBERS
from topokit.layers._carry import Algebra as Algebra
from topokit.layers._carry import at_outputs as at_outputs
from topokit.layers._carry import backward as backward
from topokit.layers._carry import forward as forward
from topokit.layers._carry import pull as pull
from topokit.layers._carry import push as push
from topokit.layers._carry import residues as residues
from topokit.layers._carry import semiring as semiring
from topokit.layers._complete_blocks import complete_blocks as complete_blocks
from topokit.layers._constants_fit import check_constants as check_constants
from topokit.layers._edge_factors import edge_factors as edge_factors
from topokit.layers._edge_factors import end_to_end_matrix as end_to_end_matrix
from topokit.layers._edge_factors import scaled_edge_factors as scaled_edge_factors
from topokit.layers._edge_tables import padded_table as padded_table
from topokit.layers._edge_tables import places_within as places_within
from topokit.layers._edge_tables import split_by_layer as split_by_layer
from topokit.layers._edge_tables import split_by_size as split_by_size
from topokit.layers._first_weights import draw_within as draw_within
from topokit.layers._first_weights import draw_xavier as draw_xavier
from topokit.layers._first_weights import training_radii as training_radii
from topokit.layers._first_weights import xavier_radii as xavier_radii
from topokit.layers._graph import edge_arrays as edge_arrays
from topokit.layers._graph import from_layers as from_layers
from topokit.layers._graph import from_masks as from_masks
from topokit.layers._graph import node_indices as node_indices
from topokit.layers._graph import said_of as said_of
from topokit.layers._graph import to_layers as to_layers
from topokit.layers._graph import to_masks as to_masks
from topokit.layers._graph_size import check_graph as check_graph
from topokit.layers._graph_size import graph_bytes as graph_bytes
from topokit.layers._layered import layered as layered
from topokit.layers._layered import n_relays as n_relays
from topokit.layers._make_layers import make_layers as make_layers
from topokit.layers._make_layers import sort_layers as sort_layers
from topokit.layers._numbering import ENDLESS as ENDLESS
from topokit.layers._numbering import disjoint_flow as disjoint_flow
from topokit.layers._numbering import first_numbers as first_numbers
from topokit.layers._numbering import numbered_edges as numbered_edges
from topokit.layers._numbering import split_flow as split_flow
from topokit.layers._on_paths import ancestor_bits as ancestor_bits
from topokit.layers._on_paths import ancestors as ancestors
from topokit.layers._on_paths import descendant_bits as descendant_bits
from topokit.layers._on_paths import descendants as descendants
from topokit.layers._on_paths import fed_neurons as fed_neurons
from topokit.layers._on_paths import live_edges as live_edges
from topokit.layers._on_paths import live_neurons as live_neurons
from topokit.layers._on_paths import live_weights as live_weights
from topokit.layers._recipe import DescribedLayers as DescribedLayers
from topokit.layers._recipe import Layers as Layers
from topokit.layers._recipe import described as described
from topokit.layers._recipe import each_layer as each_layer
from topokit.layers._recipe import keep_edges as keep_edges
from topokit.layers._recipe import remembered as remembered
from topokit.layers._scaled import NOTHING as NOTHING
from topokit.layers._scaled import Scaled as Scaled
from topokit.layers._scaled import as_scaled as as_scaled
from topokit.layers._scaled import in_units as in_units
from topokit.layers._scaled import mantissas as mantissas
from topokit.layers._scaled import own_powers as own_powers
from topokit.layers._scaled import scaled as scaled
from topokit.layers._scaled import step_in_units as step_in_units
from topokit.layers._scaled import weights_of_logs as weights_of_logs
from topokit.layers._scaled import weights_with_powers as weights_with_powers

# What a user finds here; the rest stands at the front door, or is for other rooms.
__all__ = ["draw_within", "xavier_radii"]


def __dir__() -> list[str]:
    return __all__
