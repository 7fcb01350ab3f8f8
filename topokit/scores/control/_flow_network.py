"""What plans of control are made on: a row for each neuron, or for all pairs that are alike.

A pair is of a kind of inputs and a neuron that these reach. A network as it is has a row for each
neuron and a column for each kind of inputs. Merged (`_pair_kinds`), it has a row for each kind of
pairs, and one column: a row stands for pairs of many neurons, and for several at each of them. What
plans, carries out and improves reads the same from either.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from topokit.scores.control._control_network import ControlNetwork


class FlowNetwork(NamedTuple):
    """Rows and neurons, layer by layer, outputs last, and edges between rows.

    Attributes:
        layers: For each layer, its rows.
        neurons: How many neurons each stands for.
        gain: What each neuron may add.
        room: What each neuron can hold.
        owner: The neuron of each row.
        alike: How many pairs of one neuron the row stands for, with each input of a column.
        inputs: How many inputs there are in each column.
        reach: Where an input reaches a neuron.
        senders: The row from which each edge comes, ascending.
        receivers: The row to which it leads.
        leaving: How many such edges leave each pair of the sender.
        arriving: How many arrive at each pair of the receiver.
        entry: For each output and kind of inputs, where its K is among those of the last rows; one
            more than there are where no path leads.
    """

    layers: tuple[slice, ...]
    neurons: Int[np.ndarray, " neurons"]
    gain: Float[np.ndarray, " neurons"]
    room: Float[np.ndarray, " neurons"]
    owner: Int[np.ndarray, " rows"]
    alike: Float[np.ndarray, " rows"]
    inputs: Int[np.ndarray, " columns"]
    reach: Bool[np.ndarray, "rows columns"]
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]
    leaving: Float[np.ndarray, " edges"]
    arriving: Float[np.ndarray, " edges"]
    entry: Int[np.ndarray, "n_out kinds"]

    @property
    def outputs(self) -> slice:
        """The last rows."""
        return self.layers[-1]

    def total(
        self, amounts: np.ndarray, rows: slice = slice(None)
    ) -> Float[np.ndarray, " neurons"]:
        """What there is of all inputs together at each neuron, of these rows."""
        each = self.alike[rows] * (amounts @ self.inputs.astype(np.float32))
        return np.bincount(self.owner[rows], each, self.gain.size)

    def spread(
        self, amounts: Float[np.ndarray, " neurons"], rows: slice = slice(None)
    ) -> Float[np.ndarray, "rows 1"]:
        """The amount of its neuron for each of these rows, to go with every column."""
        return amounts.astype(np.float32)[self.owner[rows], None]

    def expand(self, K: Float[np.ndarray, "ends columns"]) -> Float[np.ndarray, "n_out kinds"]:
        """The K of each output and kind of inputs, of those of the last rows."""
        return np.append(K, np.float32(0))[self.entry]


def neuron_by_neuron(network: ControlNetwork) -> FlowNetwork:
    """The network as it is."""
    neurons, one_each = np.arange(network.gain.size), np.ones(network.senders.size)
    return FlowNetwork(
        network.layers,
        np.ones_like(neurons),
        network.gain,
        network.room,
        neurons,
        np.ones(neurons.size),
        network.inputs,
        network.reach,
        network.senders,
        network.receivers,
        one_each,
        one_each,
        np.arange(network.n_out * network.inputs.size, dtype=np.int32).reshape(network.n_out, -1),
    )


def adding(
    owners: Int[np.ndarray, " parts"], counts: Float[np.ndarray, " parts"], n_owners: int
) -> sparse.csr_array:
    """The matrix that adds up the parts of each owner, each so many times, in single precision."""
    places = (owners, np.arange(owners.size))
    return sparse.csr_array((counts.astype(np.float32), places), (n_owners, owners.size))
