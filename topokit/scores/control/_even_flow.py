"""Flows that let every output have all inputs that reach it evenly, wherever there are such.

A pair of an input and an output is worth something to flows; a path, what its end is worth to its
input, so that a neuron is worth the mean of what the next ones are. Each neuron adds all that it
may, and passes on all that it has, in proportion to this worth. Where a pair has too little it is
then made worth more, where it has too much, less, by the ratio. That is iterative proportional
fitting (Deming and Stephan, 1940; Csiszar, "I-divergence geometry of probability distributions and
minimization problems", 1975): of flows that meet what is asked, it comes to the one nearest to the
even split, by relative entropy. Where neurons are full, they pass on a share.

Worth and flow are one number for each neuron and input; what single edges carry is nowhere written
down. A sweep back and forth is twice as many products as edges have inputs, and what it comes to is
possible, whether it is even or not.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from topokit.scores.control._flow_network import FlowNetwork
from topokit.scores.control._flow_plan import edges_of_layers

TINY = np.float32(1e-20)

Table = Float[np.ndarray, "_rows columns"]


class Shares(NamedTuple):
    """The even split over the edges behind a layer.

    Attributes:
        back: For each row of the layer, the mean over what is behind it.
        forth: For each row of the next layer, what of each row before comes to it.
    """

    back: sparse.csr_array
    forth: sparse.csr_array


def flow_evenly(
    network: FlowNetwork, ideal: Float[np.ndarray, "ends columns"]
) -> Iterator[Float[np.ndarray, "ends columns"]]:
    """Yield what outputs have after each sweep, without end; at most the ideal, possible always."""
    shares = _split_evenly(network)
    worth = network.reach[network.outputs].astype(np.float32)
    passing = np.ones(network.gain.size, np.float32)
    while True:
        worths = _look_back(network, shares, passing, worth)
        arrived, all_ = _flow_forth(network, shares, passing, worths)
        yield _top_up(network, ideal, arrived * worth)
        worth = ideal / np.maximum(all_, TINY)
        worth /= max(worth.max(), TINY)


def _split_evenly(network: FlowNetwork) -> list[Shares]:
    fan_out = np.bincount(network.senders, network.leaving, network.owner.size)
    found = []
    for layer, edges in enumerate(edges_of_layers(network)[:-1]):
        before, behind = network.layers[layer : layer + 2]
        senders, receivers = network.senders[edges], network.receivers[edges]
        places = senders - before.start, receivers - behind.start
        shape = before.stop - before.start, behind.stop - behind.start
        back, forth = (
            sparse.csr_array(((times[edges] / fan_out[senders]).astype(np.float32), places), shape)
            for times in (network.leaving, network.arriving)
        )
        found.append(Shares(back, forth.T.tocsr()))
    return found


def _look_back(
    network: FlowNetwork,
    shares: list[Shares],
    passing: Float[np.ndarray, " neurons"],
    worth: Table,
) -> list[Table]:
    """What each layer is worth, the last as given."""
    worths = [worth]
    for rows, share in zip(network.layers[-2::-1], reversed(shares), strict=True):
        worth = share.back @ worth
        worth *= network.spread(passing, rows)
        worths.append(worth)
    return worths[::-1]


def _flow_forth(
    network: FlowNetwork,
    shares: list[Shares],
    passing: Float[np.ndarray, " neurons"],
    worths: list[Table],
) -> tuple[Table, Table]:
    """What comes to outputs, and that with what they add, for each unit that it is worth there.

    Neurons that were full and are no longer pass on more the next time; those that are full by now
    do not hold more than they can at any time.
    """
    arrived = flow = np.zeros_like(worths[0])
    for rows, worth, share in zip(network.layers, worths, [*shares, None], strict=True):
        arrived, reach = flow, network.reach[rows]
        wanted = network.total(worth * reach, rows)
        rate = np.where(wanted > TINY, network.gain / np.maximum(wanted, TINY), 0)
        flow = arrived + network.spread(rate, rows) * reach
        if share is None:
            break
        held = network.total(flow * worth, rows)
        full = np.where(held > TINY, network.room / np.maximum(held, TINY), 1)
        more = np.minimum(full, 1 / np.maximum(passing, TINY)).astype(np.float32)
        flow *= network.spread(passing * np.minimum(more, 1), rows)
        own = np.unique(network.owner[rows])
        passing[own] *= more[own]
        flow = share.forth @ flow
    return arrived, flow


def _top_up(
    network: FlowNetwork, ideal: Table, arrived: Table
) -> Float[np.ndarray, "ends columns"]:
    """What outputs have if they add what is missing, of their own, and leave what is too much."""
    ends = network.outputs
    missing = np.maximum(ideal - arrived, 0)
    lacking = network.total(missing, ends)
    rate = np.minimum(1, network.gain / np.maximum(lacking, TINY))
    return np.minimum(arrived, ideal) + missing * network.spread(rate, ends)
