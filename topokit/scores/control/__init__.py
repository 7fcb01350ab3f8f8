"""Controllability: which inputs a network can weigh against which, at every output.

A weight sets ratios between inputs. `controllability` counts how many of them each output controls
and whose they are (NeuroFabric section VI and appendix A); `control_bound` and `control_capacity`
prove how far any such count can go.

`_neuron_limits` says what each neuron may add and hold, `_control_network` puts that in arrays.
`_level_flow` finds the totals of least loss by maximum flows, and `_bound` proves them.
`_canonical` finds the fairest K that attains them: by even flows where there are any (`_even_flow`)
and by plans where there are none: `_flow_plan` is what a plan is, `primal_dual` how it improves,
and `_flow_network` what both are made on: all neurons, or one pair of an input and a neuron for all
that play the same part (`_color_refinement`, `_pair_graph`, `_pair_kinds`, `_merged_pairs`). Apart
from these stands `descent`, the paper's own way: gradient descent on its loss.
"""

from topokit.scores.control._bound import control_bound as control_bound
from topokit.scores.control._bound import control_capacity as control_capacity
from topokit.scores.control._controllability import Controllability as Controllability
from topokit.scores.control._controllability import controllability as controllability
from topokit.scores.control._neuron_limits import Neurons as Neurons
from topokit.scores.control._neuron_limits import count_neurons as count_neurons
