"""A plan of whose control goes where, and what comes of it.

A plan may ask for a little more than there is: a method that finds one meets the constraints in the
limit. `realize` carries it out, layer by layer, with what has really arrived, so that what it
returns is possible, whatever the plan.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from topokit.scores.control._control_network import ControlNetwork

TINY = 1e-30


class Plan(NamedTuple):
    """Control by kind of inputs, for one input of the kind. Arrays of numpy or of JAX.

    Attributes:
        sent: What each edge carries.
        added: What each neuron adds.
        K: What each output has.
    """

    sent: Float[Any, "edges kinds"]
    added: Float[Any, "neurons kinds"]
    K: Float[Any, "n_out kinds"]


def plan_evenly(
    network: ControlNetwork,
    carried: Float[np.ndarray, " edges"],
    taken: Float[np.ndarray, " n_out"],
) -> Plan:
    """The plan that knows totals alone: each neuron adds evenly, splits all kinds alike.

    Outputs are to have all inputs that reach them evenly, which is the ideal; only a plan whose
    flows bring that about is canonical for certain.
    """
    each = 1 / np.maximum(network.reach @ network.inputs, 1)
    added = _by_row(network.gain * each, network.reach)
    K = _by_row(taken * each[network.outputs], network.reach[network.outputs])
    totals = np.bincount(network.senders, carried, minlength=len(each))
    shares = (carried / np.maximum(totals, TINY)[network.senders]).astype(np.float32)
    sent = np.zeros((len(carried), added.shape[1]), np.float32)
    held = added.copy()
    for layer, edges in enumerate(_edges_of_layers(network)):
        sent[edges] = shares[edges, None] * held[network.senders[edges]]
        if edges.stop > edges.start:
            held[network.layers[layer + 1]] += _arrivals(network, layer, edges) @ sent[edges]
    return Plan(sent, added, K)


def realize(network: ControlNetwork, plan: Plan) -> Float[np.ndarray, "n_out kinds"]:
    """The K that a plan comes to; what it asks for and cannot have is lost, as is what is left.

    A neuron gives each kind what the plan wants of it, or what there is; if that leaves it below
    its planned total, it makes up for it from what is left of others.
    """
    inputs = network.inputs.astype(np.float32)
    held = np.maximum(np.asarray(plan.added), 0)
    held *= _at_most(held @ inputs, network.gain)
    for layer, edges in enumerate(_edges_of_layers(network)):
        neurons = network.layers[layer]
        outputs = neurons == network.outputs
        flows = np.maximum(np.asarray(plan.K if outputs else plan.sent[edges]), 0)
        wanted = flows if outputs else _departures(network, layer, edges) @ flows
        got = _give(wanted, held[neurons], network.room[neurons], inputs)
        if outputs:
            return got
        rate = np.where(wanted > TINY, got / np.maximum(wanted, TINY), 0)
        flows *= rate[network.senders[edges] - neurons.start]
        held[network.layers[layer + 1]] += _arrivals(network, layer, edges) @ flows
    raise AssertionError("the last layer is that of the outputs")


def _give(
    wanted: Float[np.ndarray, "neurons kinds"],
    there: Float[np.ndarray, "neurons kinds"],
    room: Float[np.ndarray, " neurons"],
    inputs: Float[np.ndarray, " kinds"],
) -> Float[np.ndarray, "neurons kinds"]:
    wanted = wanted * _at_most(wanted @ inputs, room)
    got = np.minimum(wanted, there)
    left = np.where(wanted > TINY, there - got, 0)
    missing = (wanted - got) @ inputs
    return got + left * np.clip(missing / np.maximum(left @ inputs, TINY), 0, 1)[:, None]


def _at_most(
    totals: Float[np.ndarray, " neurons"], limits: Float[np.ndarray, " neurons"]
) -> Float[np.ndarray, "neurons 1"]:
    """The factors that bring totals down to their limits."""
    return np.minimum(1, limits / np.maximum(totals, TINY)).astype(np.float32)[:, None]


def _edges_of_layers(network: ControlNetwork) -> list[slice]:
    """For each layer of neurons its out-edges, which lie side by side; outputs have none."""
    bounds = [layer.start for layer in network.layers] + [network.outputs.stop]
    places = np.searchsorted(network.senders, bounds).tolist()
    return [slice(a, b) for a, b in zip(places, places[1:], strict=False)]


def _arrivals(network: ControlNetwork, layer: int, edges: slice) -> sparse.csr_array:
    """The matrix that adds up at the next layer what the out-edges of one bring."""
    return _sums(network.receivers[edges], network.layers[layer + 1])


def _departures(network: ControlNetwork, layer: int, edges: slice) -> sparse.csr_array:
    """The matrix that adds up the out-edges of each neuron of a layer."""
    return _sums(network.senders[edges], network.layers[layer])


def _sums(owners: np.ndarray, neurons: slice) -> sparse.csr_array:
    places = (owners - neurons.start, np.arange(owners.size))
    shape = (neurons.stop - neurons.start, owners.size)
    return sparse.csr_array((np.ones(owners.size, np.float32), places), shape)


def _by_row(
    amounts: Float[np.ndarray, " rows"], reach: np.ndarray
) -> Float[np.ndarray, "rows kinds"]:
    return amounts.astype(np.float32)[:, None] * reach
