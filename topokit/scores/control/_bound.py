"""How far control can go at most, with a proof.

Summed over inputs, control is a flow. Each neuron adds at most its gain, holds at most its room,
and passes on what it holds. So the most that reaches the outputs is a maximum flow of whole
numbers, and the least loss is a convex quadratic program. Its dual sets a price on control at each
neuron, and any prices at all prove a bound, by the closed form in `proven_loss`. The solver only
finds good ones: what it gets wrong can weaken the bound, not break it.
"""

from typing import NamedTuple

import clarabel
import networkx as nx
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from topokit._limits import check_memory
from topokit.layers import Layers, split_flow
from topokit.scores.control._color_refinement import Kinds, find_kinds
from topokit.scores.control._control_network import ControlNetwork, make_network

# What the solver asks of itself. A loss is flat around its least: to find the point, and not only
# the value, takes more than the usual 1e-8. Where rounding stops it sooner, it returns its best.
TOLERANCE = 1e-12

# The factors of a random network with n kinds of neurons fill about n^2 / 2 places of 8 bytes.
LIMIT = 2**34


class Totals(NamedTuple):
    """Control summed over inputs, where the loss is least.

    Attributes:
        carried: What each edge carries.
        taken: What each output has. The loss is strictly convex in these, so there is one answer.
        bound: A proven lower bound on the loss.
    """

    carried: Float[np.ndarray, " edges"]
    taken: Float[np.ndarray, " n_out"]
    bound: float


def control_bound(topology: nx.DiGraph | Layers) -> float:
    """A lower bound on the loss of `controllability`, in either form (NeuroFabric, equation (20)).

    It is the least loss of control summed over inputs, short of it by about a millionth; a descent
    that comes near has nothing left to find. The bound (9) on single pairs is left out: where
    that binds, the pairwise form cannot come near.

    Cost: O(n_in E) for who reaches whom, and one convex program with a variable for each kind of
    edges, whatever the number of inputs. Neurons that no counting can tell apart are of one kind: a
    regular topology has few, a random one as many as neurons.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology, or it would take more than 16 GiB: a
            random network of some 60,000 neurons, a regular one of any size that can be built.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.control_bound(tk.topologies.butterfly(8)), 3)
        128.0

    See Also:
        `control_capacity`, a bound on the total that costs less; `topokit.controllability`.
    """
    network = make_network(topology)
    return least_totals(network, find_kinds(network)).bound


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


def least_totals(network: ControlNetwork, kinds: Kinds) -> Totals:
    """Solve for the totals of least loss, one unknown for each kind of edges and of outputs."""
    check_memory(
        "control_bound",
        4 * kinds.neurons.size**2 + 2048 * kinds.edges.size,
        LIMIT,
        "topokit.scores.control_capacity bounds the total in less",
    )
    carried, taken, price = _solve(kinds, network.n_in - 1)
    nothing = np.zeros(len(network.gain))
    return Totals(
        carried[kinds.edge],
        np.minimum(taken[kinds.neuron], network.room)[network.outputs],
        max(proven_loss(network, nothing), proven_loss(network, price[kinds.neuron])),
    )


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


def _solve(
    kinds: Kinds, wanted: int
) -> tuple[
    Float[np.ndarray, " edge_kinds"], Float[np.ndarray, " kinds"], Float[np.ndarray, " kinds"]
]:
    """What an edge carries, what an output has, and multipliers of `held <= arrived + gain`.

    The variables are what an edge carries and what an output is short of `wanted`, one of each
    kind, and the loss is the sum of the squares of the latter, all in units of `wanted` and of all
    outputs. That nothing is short by less than 0 goes without saying, and is better not said: a
    limit that the optimum touches without a push costs an interior method its precision.
    """
    n, edges, outputs = kinds.neurons.size, kinds.edges.size, kinds.outputs
    none, unit = sparse.csc_array((n, outputs.size)), max(wanted, 1)
    held = sparse.hstack([_means(kinds.senders, kinds), -sparse.eye_array(n).tocsc()[:, outputs]])
    arrived = sparse.hstack([_means(kinds.receivers, kinds), none])
    positive = -sparse.eye_array(edges, edges + outputs.size)
    most = np.zeros(n)
    most[outputs] = wanted
    gain, room = (array / kinds.neurons - most for array in (kinds.gain, kinds.room))
    full = room < 0
    full[: outputs[0]] = True
    rows = sparse.csc_array(sparse.vstack([held - arrived, held.tocsr()[full], positive]))
    limits = np.concatenate([gain / unit, room[full] / unit, np.zeros(edges)])
    share = kinds.neurons[outputs] / kinds.neurons[outputs].sum()
    curved = sparse.csc_array(sparse.diags_array(np.concatenate([np.zeros(edges), 2 * share])))
    x, prices = solve_program(curved, np.zeros(edges + outputs.size), rows, limits)
    taken = np.zeros(n)
    taken[outputs] = wanted - unit * x[edges:]
    value = prices[:n] * unit * kinds.neurons[outputs].sum() / kinds.neurons
    return unit * np.maximum(x[:edges], 0), np.maximum(taken, 0), np.maximum(value, 0)


def solve_program(
    quadratic: sparse.csc_array,
    linear: Float[np.ndarray, " variables"],
    rows: sparse.csc_array,
    limits: Float[np.ndarray, " rows"],
) -> tuple[Float[np.ndarray, " variables"], Float[np.ndarray, " rows"]]:
    """Minimize `x Q x / 2 + c x` subject to `A x <= b`: x and the multipliers of the rows."""
    settings = clarabel.DefaultSettings()  # pyright: ignore[reportAttributeAccessIssue] (compiled)
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    cones = [clarabel.NonnegativeConeT(limits.size)]  # pyright: ignore[reportAttributeAccessIssue]
    solver = clarabel.DefaultSolver(  # pyright: ignore[reportAttributeAccessIssue]
        quadratic, linear, rows, limits, cones, settings
    )
    solution = solver.solve()
    return np.nan_to_num(solution.x), np.nan_to_num(solution.z)


def _means(ends: Int[np.ndarray, " edge_kinds"], kinds: Kinds) -> sparse.csc_array:
    """The matrix that adds up, at one neuron of each kind, what its edges carry."""
    n = kinds.neurons.size
    counts = kinds.edges / kinds.neurons[ends]
    return sparse.csc_array((counts, (ends, np.arange(ends.size))), (n, ends.size))
