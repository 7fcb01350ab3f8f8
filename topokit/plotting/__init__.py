"""Pictures of topologies, of their scores and of a ranking.

Topologies are read as recipes (`_topology_drawing`, `_masks`), maps over input-output pairs as
matrices (`_heatmaps`, `_map_table`, on `_color_scales`), rankings by the fields of their
rows, for which any objects will do that have them (`_ranking_chart`, `_loss_by_parameters`),
histories by their epochs (`_learning_curves`, `_loss_curves`); colors and empty axes come from
`_figures`. A plot function draws on the axes it is given (on a new figure if given none) and
returns them; it saves and shows nothing: that is left to `save_figure`, to matplotlib or to a
notebook. Matrices are drawn inputs down, outputs across, as `mask[i, j]` is read, and large ones so
that nothing gets lost (`_matrix_image`). Colors can be
told apart by color-blind readers, and no meaning hangs on color alone.
"""

from topokit.plotting._figures import save_figure as save_figure
from topokit.plotting._heatmaps import plot_control as plot_control
from topokit.plotting._heatmaps import plot_controls as plot_controls
from topokit.plotting._heatmaps import plot_leverage as plot_leverage
from topokit.plotting._learning_curves import plot_learning as plot_learning
from topokit.plotting._loss_by_parameters import plot_parameters as plot_parameters
from topokit.plotting._loss_curves import plot_losses as plot_losses
from topokit.plotting._map_table import plot_maps as plot_maps
from topokit.plotting._masks import plot_masks as plot_masks
from topokit.plotting._ranking_chart import plot_ranking as plot_ranking
from topokit.plotting._topology_drawing import plot_topology as plot_topology


def __dir__() -> list[str]:
    return [name for name in globals() if name[0] != "_"]
