"""Data-free scores that others have proposed, so that those of topokit can be compared.

Each file is one idea of the literature, as its authors define it: how fast layers mix
(`_expansion`), how far apart neurons are (`_distances`), how much magnitude flows (`_synflow`).
`_rivals` puts all of them in one record.
"""

from topokit.scores.literature._distances import average_path_length as average_path_length
from topokit.scores.literature._expansion import graph_spectral_gap as graph_spectral_gap
from topokit.scores.literature._expansion import (
    mean_difference_of_bound as mean_difference_of_bound,
)
from topokit.scores.literature._expansion import ramanujan_bounds as ramanujan_bounds
from topokit.scores.literature._expansion import second_singular_values as second_singular_values
from topokit.scores.literature._rivals import Rivals as Rivals
from topokit.scores.literature._rivals import effective_edges as effective_edges
from topokit.scores.literature._rivals import rivals as rivals
from topokit.scores.literature._synflow import log_synflow as log_synflow
from topokit.scores.literature._synflow import synflow_shares as synflow_shares
