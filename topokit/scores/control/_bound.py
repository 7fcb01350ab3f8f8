"""How far control can go at most, with a proof.

Summed over inputs, control is a flow. Each neuron adds at most its gain, holds at most its room,
and passes on what it holds. So the most that reaches the outputs is a maximum flow of whole
numbers, and the loss is least where outputs have it as evenly as can be (`_level_flow`). The dual
of this convex program sets a price on control at each neuron, and any prices at all prove a bound,
by the closed form in `proven_loss`; those of the levels prove the least loss itself.
"""

from typing import NamedTuple

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.sparse.csgraph import maximum_flow

from topokit._limits import check_memory
from topokit.layers import Layers, split_flow
from topokit.scores.control._control_network import ControlNetwork, make_network
from topokit.scores.control._level_flow import find_levels

LIMIT = 2**34

# Bytes for each arc of a maximum flow, of which a neuron has one and an edge another.
BYTES = 256


class Totals(NamedTuple):
    """Control summed over inputs, where the loss is least.

    Attributes:
        taken: What each output has. The loss is strictly convex in these, so there is one answer.
        bound: A proven lower bound on the loss.
    """

    taken: Float[np.ndarray, " outputs"]
    bound: float


def control_bound(topology: nx.DiGraph | Layers) -> float:
    """A lower bound on the loss of `controllability`, in either form (NeuroFabric, equation (20)).

    It is the least loss of control summed over inputs, but for rounding; a descent that comes near
    has nothing left to find. The bound (9) on single pairs is left out: where that binds, the
    pairwise form cannot come near.

    Cost: O(n_in E) for who reaches whom, and a maximum flow, or some where outputs cannot all have
    equally much: seconds for a million edges.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology, or it would take more than 16 GiB.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.control_bound(tk.topologies.butterfly(8)), 3)
        128.0

    See Also:
        `control_capacity`, a bound on the total that costs less; `topokit.controllability`.
    """
    return least_totals(make_network(topology)).bound


def control_capacity(topology: nx.DiGraph | Layers) -> int:
    """The most control that the outputs can have in all: an upper bound on the sum of K.

    While no neuron is full it is the sum of `min(t, k - 1)` over the neurons. Flows of least loss
    reach it too, for whatever an output gains lowers the loss. Cost: one maximum flow.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.

    Examples:
        >>> import topokit as tk
        >>> tk.scores.control_capacity(tk.topologies.butterfly(8))
        24
        >>> tk.scores.control_capacity(tk.topologies.butterfly(1024))
        10240

    See Also:
        `control_bound`, on the loss.
    """
    network = make_network(topology)
    n = len(network.gain)
    gain, room = (array.astype(np.int64) for array in (network.gain, network.room))
    leaving = np.where(np.arange(n) < network.outputs.start, 0, room)
    ends = {"entering": gain, "leaving": leaving}
    graph = split_flow(network.senders, network.receivers, room=room, **ends)
    return int(maximum_flow(graph, 2 * n, 2 * n + 1).flow_value)


def least_totals(network: ControlNetwork) -> Totals:
    """Find the totals of least loss, and prices that prove it."""
    check_memory(
        "control_bound",
        BYTES * (network.gain.size + network.senders.size),
        LIMIT,
        "topokit.structure counts what has no need of flows",
    )
    level, taken = find_levels(network)
    price = 2 * np.maximum(network.n_in - 1 - level, 0)
    return Totals(taken, proven_loss(network, price))


def proven_loss(network: ControlNetwork, price: Float[np.ndarray, " neurons"]) -> float:
    """The Lagrangian dual at any prices of at least 0: no flow has a lower loss.

    Each output takes control T within its room so that `(n_in - 1 - T)^2 + price T` is least; what
    is added costs the neurons' own prices; and a neuron that could sell dearer than it buys gains
    the difference on as much as it can hold.
    """
    outputs, hidden = network.outputs, slice(network.outputs.start)
    best = price.copy()
    np.maximum.at(best, network.senders, price[network.receivers])
    wanted = network.n_in - 1
    taken = np.clip(wanted - price[outputs] / 2, 0, network.room[outputs])
    loss = np.sum((wanted - taken) ** 2 + price[outputs] * taken)
    trade = network.room[hidden] @ (best - price)[hidden]
    return float(loss - network.gain @ price - trade)
