"""A plan of whose control goes where, and what comes of it.

A plan may ask for a little more than there is: a method that finds one meets the constraints in the
limit. `realize` carries it out, layer by layer, with what has really arrived, so that what it
returns is possible, whatever the plan.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from topokit.scores.control._flow_network import FlowNetwork, adding

TINY = 1e-30


class Plan(NamedTuple):
    """Control by row, for one input of each column. Arrays of numpy or of JAX.

    Attributes:
        sent: What each edge carries.
        added: What a neuron adds.
        K: What an output has.
    """

    sent: Float[Any, "edges columns"]
    added: Float[Any, "rows columns"]
    K: Float[Any, "outputs columns"]


def plan_evenly(network: FlowNetwork, taken: Float[np.ndarray, " outputs"]) -> Plan:
    """The plan in which each neuron adds evenly and gives each next one as much of all it has.

    Outputs are to have all inputs that reach them evenly, which is the ideal; only a plan whose
    flows bring that about is canonical for certain.
    """
    each = 1 / np.maximum(network.total(network.reach), 1)
    added = network.spread(network.gain * each) * network.reach
    fan_out = np.bincount(network.senders, network.leaving, len(added))
    sent = np.zeros((network.senders.size, added.shape[1]), np.float32)
    held = added.copy()
    for layer, edges in enumerate(edges_of_layers(network)):
        senders = network.senders[edges]
        sent[edges] = held[senders] / fan_out[senders, None].astype(np.float32)
        if edges.stop > edges.start:
            held[network.layers[layer + 1]] += _arrivals(network, layer, edges) @ sent[edges]
    return Plan(sent, added, share_evenly(network, taken))


def share_evenly(
    network: FlowNetwork, taken: Float[np.ndarray, " outputs"]
) -> Float[np.ndarray, "ends columns"]:
    """The K that gives each output as much of all inputs that reach it: none has less squares."""
    ends = network.outputs
    reach = network.reach[ends]
    each = put_last(taken, network.gain.size) / np.maximum(network.total(reach, ends), 1)
    return network.spread(each, ends) * reach


def put_last(amounts: Float[np.ndarray, " outputs"], size: int) -> Float[np.ndarray, " {size}"]:
    """The amounts of outputs, in an array over all neurons."""
    return np.concatenate([np.zeros(size - amounts.size), amounts])


def realize(network: FlowNetwork, plan: Plan) -> Float[np.ndarray, "outputs columns"]:
    """The K that a plan comes to; what it asks for and cannot have is lost, as is what is left.

    A neuron gives each input what the plan wants of it, or what there is; if that leaves it below
    its planned total, it makes up for it from what is left of others.
    """
    held = np.maximum(np.asarray(plan.added), 0)
    held *= network.spread(_at_most(network.total(held), network.gain))
    for layer, edges in enumerate(edges_of_layers(network)):
        rows = network.layers[layer]
        outputs = rows == network.outputs
        flows = np.maximum(np.asarray(plan.K if outputs else plan.sent[edges]), 0)
        wanted = flows if outputs else _departures(network, layer, edges) @ flows
        got = _give(network, rows, wanted, held[rows])
        if outputs:
            return got
        rate = np.where(wanted > TINY, got / np.maximum(wanted, TINY), 0)
        flows *= rate[network.senders[edges] - rows.start]
        held[network.layers[layer + 1]] += _arrivals(network, layer, edges) @ flows
    raise AssertionError("the last layer is that of the outputs")


def _give(
    network: FlowNetwork,
    rows: slice,
    wanted: Float[np.ndarray, "some_rows columns"],
    there: Float[np.ndarray, "some_rows columns"],
) -> Float[np.ndarray, "some_rows columns"]:
    factors = _at_most(network.total(wanted, rows), network.room)
    wanted = wanted * network.spread(factors, rows)
    got = np.minimum(wanted, there)
    left = np.where(wanted > TINY, there - got, 0)
    missing = network.total(wanted - got, rows)
    more = np.clip(missing / np.maximum(network.total(left, rows), TINY), 0, 1)
    return got + left * network.spread(more, rows)


def _at_most(
    totals: Float[np.ndarray, " neurons"], limits: Float[np.ndarray, " neurons"]
) -> Float[np.ndarray, " neurons"]:
    """The factors that bring totals down to their limits."""
    return np.minimum(1, limits / np.maximum(totals, TINY))


def edges_of_layers(network: FlowNetwork) -> list[slice]:
    """For each layer of rows its out-edges, which lie side by side; outputs have none."""
    bounds = [layer.start for layer in network.layers] + [network.outputs.stop]
    places = np.searchsorted(network.senders, bounds).tolist()
    return [slice(a, b) for a, b in zip(places, places[1:], strict=False)]


def _arrivals(network: FlowNetwork, layer: int, edges: slice) -> sparse.csr_array:
    """The matrix that adds up at the next layer what the out-edges of one bring."""
    rows = network.layers[layer + 1]
    receivers = network.receivers[edges] - rows.start
    return adding(receivers, network.arriving[edges], rows.stop - rows.start)


def _departures(network: FlowNetwork, layer: int, edges: slice) -> sparse.csr_array:
    """The matrix that adds up the out-edges of each row of a layer."""
    rows = network.layers[layer]
    return adding(
        network.senders[edges] - rows.start, network.leaving[edges], rows.stop - rows.start
    )
