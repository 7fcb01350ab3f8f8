"""How freely the weights move the end-to-end matrix: the rank of its Jacobian, and where it lies.

All of it starts from `topokit.layers.edge_factors`, the Jacobian in two thin factors, at the edges
that `_spanning_edges` leaves. Where a matrix of it fits memory the rank is exact: over a prime
field in `_degrees_of_freedom` (by `_rank_mod_p`, once `_end_elimination` has settled the end layers
block by block), and cut at that rank in `_leverage`; `_soft_leverage` puts a price on far steps.
Beyond, `_estimate` projects random probes (`_lsqr_projection`) on the range of a
`_jacobian_operator`, at `_isometric_weights`, less the `_scale_invariances`. `_predicted_loss` says
what rank, leverage, `_interaction_order` and bandwidth foretell. Beside constants, `_weight_scale`
says how large weights are. Who limits its memory says so before it works.
"""

from topokit.scores.freedom._degrees_of_freedom import count_quickly as count_quickly
from topokit.scores.freedom._degrees_of_freedom import degrees_of_freedom as degrees_of_freedom
from topokit.scores.freedom._estimate import FreedomEstimate as FreedomEstimate
from topokit.scores.freedom._estimate import LeverageEstimate as LeverageEstimate
from topokit.scores.freedom._estimate import estimate_freedom as estimate_freedom
from topokit.scores.freedom._estimate import estimate_leverage as estimate_leverage
from topokit.scores.freedom._estimate import freedom_and_error as freedom_and_error
from topokit.scores.freedom._interaction_order import effective_order as effective_order
from topokit.scores.freedom._interaction_order import interaction_order as interaction_order
from topokit.scores.freedom._isometric_weights import flat_weights as flat_weights
from topokit.scores.freedom._leverage import leverage as leverage
from topokit.scores.freedom._low_rank_loss import low_rank_loss as low_rank_loss
from topokit.scores.freedom._predicted_loss import PredictedLoss as PredictedLoss
from topokit.scores.freedom._predicted_loss import cheap as cheap
from topokit.scores.freedom._predicted_loss import draw_leverage as draw_leverage
from topokit.scores.freedom._predicted_loss import exponent_of as exponent_of
from topokit.scores.freedom._predicted_loss import leverage_and_loss as leverage_and_loss
from topokit.scores.freedom._predicted_loss import loss_of_maps as loss_of_maps
from topokit.scores.freedom._predicted_loss import predicted_loss as predicted_loss
from topokit.scores.freedom._soft_leverage import soft_leverage as soft_leverage
from topokit.scores.freedom._spanning_edges import count_spanning as count_spanning
from topokit.scores.freedom._spanning_edges import free_neurons as free_neurons
