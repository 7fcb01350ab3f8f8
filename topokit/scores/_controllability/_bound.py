"""How far control can go at most, with a proof.

Summed over inputs, control is a flow. Each neuron adds at most its gain, holds at most its room,
and passes on what it holds. So the most that reaches the outputs is a maximum flow of whole
numbers, and the least loss is a convex quadratic program. Its dual sets a price on control at each
neuron, and any prices at all prove a bound, by the closed form in `_proven_loss`. The solver only
finds good ones: what it gets wrong can weaken the bound, not break it.
"""

from typing import NamedTuple

import clarabel
import networkx as nx
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from topokit._graph import to_layers
from topokit._layers import Layers
from topokit.scores._controllability._neurons import carrying, count_neurons


class _Flow(NamedTuple):
    """The network as one graph: neurons numbered through behind the inputs, outputs last."""

    n_in: int
    n_out: int
    gain: Float[np.ndarray, " neurons"]
    room: Float[np.ndarray, " neurons"]
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]


def control_bound(topology: nx.DiGraph | Layers) -> float:
    """A lower bound on the loss of `controllability`, in either form (NeuroFabric, equation (20)).

    It is the least loss of control summed over inputs, short of it by about a millionth; a descent
    that comes near has nothing left to find. The bound (9) on single pairs is left out: where
    that binds, the pairwise form cannot come near.

    Cost: one convex program with a variable for each edge, whatever the number of inputs.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.
    """
    flow = _make_flow(to_layers(topology))
    nothing = np.zeros(len(flow.gain))
    return max(_proven_loss(flow, nothing), _proven_loss(flow, _find_prices(flow)))


def control_capacity(topology: nx.DiGraph | Layers) -> int:
    """The most control that the outputs can have in all: an upper bound on the sum of K.

    While no neuron is full it is the sum of `min(t, k - 1)` over the neurons. Flows of least loss
    reach it too, for whatever an output gains lowers the loss. Cost: one maximum flow.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the graph is not a valid topology.
    """
    flow = _make_flow(to_layers(topology))
    n = len(flow.gain)
    source, sink, neurons, outputs = 2 * n, 2 * n + 1, np.arange(n), np.arange(n - flow.n_out, n)
    arcs = [  # tail, head, capacity; neuron v is the arc from v to n + v
        (np.full(n, source), neurons, flow.gain),
        (neurons, n + neurons, flow.room),
        (n + flow.senders, flow.receivers, flow.room[flow.senders]),
        (n + outputs, np.full(flow.n_out, sink), flow.room[outputs]),
    ]
    tails, heads, capacities = (np.concatenate(column) for column in zip(*arcs, strict=True))
    shape = (2 * n + 2, 2 * n + 2)
    graph = sparse.csr_array((capacities.astype(np.int32), (tails, heads)), shape)
    return int(maximum_flow(graph, source, sink).flow_value)


def _make_flow(layers: Layers) -> _Flow:
    layers = carrying(layers)
    neurons = count_neurons(layers)
    gain, room = (np.concatenate([n[field] for n in neurons]).astype(float) for field in (0, 1))
    starts = np.cumsum([0, *layers.widths[1:-1]])
    none = np.zeros(0, np.int64)
    senders = [a + s for a, s in zip(starts, layers.senders[1:], strict=False)]
    receivers = [b + r for b, r in zip(starts[1:], layers.receivers[1:], strict=True)]
    return _Flow(
        layers.n_in,
        layers.n_out,
        gain,
        room,
        np.concatenate([none, *senders]),
        np.concatenate([none, *receivers]),
    )


def _proven_loss(flow: _Flow, price: Float[np.ndarray, " neurons"]) -> float:
    """The Lagrangian dual at any prices of at least 0: no flow has a lower loss.

    Each output takes control T within its room so that `(n_in - 1 - T)^2 + price T` is least; what
    is added costs the neurons' own prices; and a neuron that could sell dearer than it buys gains
    the difference on as much as it can hold.
    """
    hidden = slice(len(price) - flow.n_out)
    outputs = slice(len(price) - flow.n_out, None)
    best = price.copy()
    np.maximum.at(best, flow.senders, price[flow.receivers])
    taken = np.clip(flow.n_in - 1 - price[outputs] / 2, 0, flow.room[outputs])
    loss = np.sum((flow.n_in - 1 - taken) ** 2 + price[outputs] * taken)
    trade = flow.room[hidden] @ (best - price)[hidden]
    return float(loss - flow.gain @ price - trade)


def _find_prices(flow: _Flow) -> Float[np.ndarray, " neurons"]:
    """Multipliers of `held(v) <= arrived(v) + gain(v)` in the program of least loss.

    Its variables are what each edge carries and what each output has.
    """
    n, edges = len(flow.gain), len(flow.senders)
    outputs = np.arange(n - flow.n_out, n)
    held = _sums(np.concatenate([flow.senders, outputs]), n)
    arrived = sparse.hstack([_sums(flow.receivers, n), sparse.csc_array((n, flow.n_out))])
    positive = -sparse.eye_array(edges + flow.n_out)
    rows = sparse.csc_array(sparse.vstack([held - arrived, held, positive]))
    limits = np.concatenate([flow.gain, flow.room, np.zeros(edges + flow.n_out)])
    counts = np.concatenate([np.zeros(edges), np.ones(flow.n_out)])
    cost = sparse.csc_array(sparse.diags_array(2 * counts))
    _, prices = solve_program(cost, -2 * (flow.n_in - 1) * counts, rows, limits)
    return np.maximum(np.nan_to_num(prices[:n]), 0)


def solve_program(
    quadratic: sparse.csc_array,
    linear: Float[np.ndarray, " variables"],
    rows: sparse.csc_array,
    limits: Float[np.ndarray, " rows"],
) -> tuple[Float[np.ndarray, " variables"], Float[np.ndarray, " rows"]]:
    """Minimize `x Q x / 2 + c x` subject to `A x <= b`: x and the multipliers of the rows."""
    settings = clarabel.DefaultSettings()  # pyright: ignore[reportAttributeAccessIssue] (compiled)
    settings.verbose = False
    cones = [clarabel.NonnegativeConeT(limits.size)]  # pyright: ignore[reportAttributeAccessIssue]
    solver = clarabel.DefaultSolver(  # pyright: ignore[reportAttributeAccessIssue]
        quadratic, linear, rows, limits, cones, settings
    )
    solution = solver.solve()
    return np.array(solution.x), np.array(solution.z)


def _sums(owners: Int[np.ndarray, " terms"], n: int) -> sparse.csc_array:
    """The matrix that adds terms up by owner."""
    return sparse.csc_array(
        (np.ones(owners.size), (owners, np.arange(owners.size))), (n, owners.size)
    )
