"""What can be counted on the graph: size, degrees, paths, bandwidth, and matched constraints.

`_structure` and `_paths` carry numbers over the layers and let one flow through. The constraints
that edges could settle are never listed: `_rectangles` keeps them as sets of ancestors and of
descendants, `_matching` offers a few to a maximum flow, and `_alternating_paths` searches the rest
until a closed set proves that no more can be matched.
"""

from topokit.scores.counts._matching import Matching as Matching
from topokit.scores.counts._matching import match_constraints as match_constraints
from topokit.scores.counts._matching import satisfiable_constraints as satisfiable_constraints
from topokit.scores.counts._paths import bandwidth as bandwidth
from topokit.scores.counts._paths import path_counts as path_counts
from topokit.scores.counts._size import Label as Label
from topokit.scores.counts._size import Size as Size
from topokit.scores.counts._size import label_of as label_of
from topokit.scores.counts._size import size_of as size_of
from topokit.scores.counts._structure import Structure as Structure
from topokit.scores.counts._structure import structure as structure
