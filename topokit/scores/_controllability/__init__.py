"""Controllability: which inputs a network can weigh against which, at every output.

A weight sets ratios between inputs. `controllability` counts how many of them each output controls
and whose they are (NeuroFabric section VI and appendix A); `control_bound` and `control_capacity`
prove how far any such count can go.

Data flows one way: `_neurons` and `_wiring` turn a network into arrays, `_flow` sends control
through them in the `_marginal` or the `_pairwise` form, `_solve` descends.
"""

from topokit.scores._controllability._bound import control_bound as control_bound
from topokit.scores._controllability._bound import control_capacity as control_capacity
from topokit.scores._controllability._solve import Controllability as Controllability
from topokit.scores._controllability._solve import controllability as controllability
