"""How much each output can have in all: as much as there is, as evenly as can be.

What sets of outputs can have is a polymatroid, for it is a maximum flow, and over its bases a sum
of equal convex functions of what each output has is least at the most even base (Fujishige,
"Lexicographically optimal base of a polymatroid with respect to a weight vector", 1980). His
decomposition finds it. If all outputs can have the same share of what there is for them together,
they have it. If not, a minimum cut parts the network: outputs on its far side get less than that
share, and all that can cross the cut; those on the near side get more, of what does not cross.
Neither side needs to know the other, so that each is a smaller network of the same kind.

The shares are fractions, and capacities whole numbers: all are multiplied by the denominator.
"""

from math import gcd
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from topokit.layers import ENDLESS
from topokit.scores.control._control_network import ControlNetwork

Numbers = Int[np.ndarray, " _numbers"]


class FlowPart(NamedTuple):
    """A part of the network, a neuron being two nodes, one to come in at and one to go out.

    Attributes:
        nodes: Their numbers in the whole, going out after all coming in.
        tails: Where each arc begins, among the nodes.
        heads: Where it ends.
        capacities: How much it lets through; `ENDLESS` between neurons.
        entering: How much enters at each node.
        leaving: How much leaves the part at each node for others that have less.
        outputs: Which nodes are outputs.
    """

    nodes: Numbers
    tails: Numbers
    heads: Numbers
    capacities: Numbers
    entering: Numbers
    leaving: Numbers
    outputs: Bool[np.ndarray, " nodes"]


def find_levels(
    network: ControlNetwork,
) -> tuple[Float[np.ndarray, " neurons"], Float[np.ndarray, " n_out"]]:
    """What outputs have that more control at a neuron would go to, and what each output has.

    The former is infinite where more would go to none. Cost: a maximum flow over all, and for each
    level one or two over the neurons of the level.
    """
    whole = _whole(network)
    level = np.full(whole.nodes.size, np.inf)
    parts = [_cut(whole, _flow(whole, ENDLESS * whole.outputs, 1)[1])[1]]
    while parts:
        part = parts.pop()
        n_outputs = int(part.outputs.sum())
        if n_outputs == 0:
            continue
        shared = int(part.entering.sum() - part.leaving.sum())
        scale = _scale(part, shared, n_outputs)
        leaving = scale * part.leaving + shared * scale // n_outputs * part.outputs
        value, near = _flow(part, leaving, scale)
        if value == leaving.sum():
            level[part.nodes] = shared / n_outputs
        else:
            parts += _cut(part, near)
    coming, going = np.split(level, 2)
    return coming, np.minimum(going[network.outputs], network.room[network.outputs])


def _whole(network: ControlNetwork) -> FlowPart:
    """All neurons, before any cut."""
    n, m = network.gain.size, network.senders.size
    numbers, none = np.arange(n), np.zeros(n, np.int64)
    outputs = np.zeros(2 * n, bool)
    outputs[n:][network.outputs] = True
    return FlowPart(
        np.arange(2 * n),
        np.concatenate([numbers, n + network.senders]),
        np.concatenate([n + numbers, network.receivers]),
        np.concatenate([network.room.astype(np.int64), np.full(m, ENDLESS)]),
        np.concatenate([network.gain.astype(np.int64), none]),
        np.concatenate([none, none]),
        outputs,
    )


def _scale(part: FlowPart, shared: int, n_outputs: int) -> int:
    """The denominator of the share, or what 32 bits have room for, which misses it by 1 in that."""
    limits = part.capacities[part.capacities < ENDLESS], part.entering, part.leaving
    most = max(int(limit.max(initial=0)) for limit in limits)
    return min(n_outputs // gcd(shared, n_outputs), ENDLESS // max(most, shared // n_outputs + 1))


def _flow(part: FlowPart, leaving: Numbers, scale: int) -> tuple[int, Bool[np.ndarray, " nodes"]]:
    """The value of a maximum flow, and the nodes at which more could come in: the near side."""
    n = part.nodes.size
    first, last = np.flatnonzero(part.entering), np.flatnonzero(leaving)
    endless = part.capacities == ENDLESS
    arcs = [
        (part.tails, part.heads, np.where(endless, ENDLESS, part.capacities * scale)),
        (np.full(first.size, n), first, part.entering[first] * scale),
        (last, np.full(last.size, n + 1), leaving[last]),
    ]
    tails, heads, capacities = (np.concatenate(column) for column in zip(*arcs, strict=True))
    graph = csr_array((capacities.astype(np.int32), (tails, heads)), shape=(n + 2, n + 2))
    found = maximum_flow(graph, n, n + 1)
    left = csr_array(graph - found.flow)
    left.eliminate_zeros()
    near = np.zeros(n + 2, bool)
    near[breadth_first_order(left, n, return_predecessors=False)] = True
    return int(found.flow_value), near[:n]


def _cut(part: FlowPart, near: Bool[np.ndarray, " nodes"]) -> tuple[FlowPart, FlowPart]:
    """The near and the far side, as much leaving the one and entering the other as can cross."""
    across = near[part.tails] & ~near[part.heads]
    entering, leaving = part.entering.copy(), part.leaving.copy()
    np.add.at(entering, part.heads[across], part.capacities[across])
    np.add.at(leaving, part.tails[across], part.capacities[across])
    moved = part._replace(entering=entering, leaving=leaving)
    return _keep(moved, near), _keep(moved, ~near)


def _keep(part: FlowPart, side: Bool[np.ndarray, " nodes"]) -> FlowPart:
    """The nodes of one side and the arcs between them."""
    number = np.cumsum(side) - 1
    inside = side[part.tails] & side[part.heads]
    tails, heads = number[part.tails[inside]], number[part.heads[inside]]
    capacities, nodes = part.capacities[inside], [part.nodes, part.entering, part.leaving]
    kept, entering, leaving = (column[side] for column in nodes)
    return FlowPart(kept, tails, heads, capacities, entering, leaving, part.outputs[side])
