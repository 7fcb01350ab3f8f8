"""Which entries of the partial products can differ from zero, and how to store only those.

The product of the first layers is sparse: neuron `v` depends on its ancestors alone. As long as
neurons either share all their ancestors or none, the row of `v` is stored as a short list, one
column an ancestor, and its senders fall into `parts`: those of one part share their ancestors,
those of different parts share none. So

    row(v) = concatenation over parts p of (sum over senders u in p of w[u, v] * row(u)),

and a receiver with several parts is treated as that many `virtual` receivers whose rows lie side by
side. In a butterfly, in Clos and in Monarch products up to the point where every neuron sees every
input no part has more than one sender, and nothing is added at all: a butterfly of `log2 n` layers
costs O(n^2) instead of O(n^2 log n).

Where ancestors overlap in part (torus, hypercube, random), every sender is a part of its own, and
an input that is reached on several paths has a column for each. Such lists grow by the fan-in with
every layer; before they would be longer than the inputs are many, they are spread out over all
inputs, and columns of the same input are added up.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit.layers import Layers


class Step(NamedTuple):
    """One layer of the plan; its edges are sorted by virtual receiver, then by sender.

    Attributes:
        edges: Place of each edge in the layer's arrays.
        senders: Sender of each edge.
        receivers: Virtual receiver of each edge, `receiver * parts + part`.
        n_senders: Number of senders.
        n_receivers: Number of receivers, each of `parts` virtual ones.
        parts: Virtual receivers for each receiver.
        spread: None, or the input to which each column of each row belongs: rows are spread out
            after this layer, and columns of the same input added up.
    """

    edges: Int[np.ndarray, " edges"]
    senders: Int[np.ndarray, " edges"]
    receivers: Int[np.ndarray, " edges"]
    n_senders: int
    n_receivers: int
    parts: int
    spread: Int[np.ndarray, "n_receivers columns"] | None


class Rows(NamedTuple):
    """What the rows of a layer of neurons stand for.

    Attributes:
        group: Group of each neuron; those of one group have the same columns.
        ancestors: The input of each column, group by group.
        disjoint: Whether no input belongs to two columns, of one group or of several.
    """

    group: Int[np.ndarray, " neurons"]
    ancestors: Int[np.ndarray, "groups columns"]
    disjoint: bool


def plan_product(layers: Layers) -> tuple[list[Step], Int[np.ndarray, " n_in"]]:
    """The steps of the product, and the input to which each of its columns belongs; O(E log E)."""
    rows = Rows(np.arange(layers.n_in), np.arange(layers.n_in)[:, None], disjoint=True)
    steps = []
    for number in range(layers.depth):
        step = _step(layers, number, rows)
        following = _joined(step, rows)
        if not _stays(layers, number + 1, following):
            step = step._replace(spread=following.ancestors[following.group])
            following = _all_inputs(layers.n_in, step.n_receivers)
        steps.append(step)
        rows = following
    return steps, rows.ancestors[0]


def layer_step(layers: Layers, number: int) -> Step:
    """A layer on its own, whose senders' rows are full."""
    n_in, n_out = layers.widths[number : number + 2]
    senders, receivers = layers.senders[number], layers.receivers[number]
    return Step(np.arange(senders.size), senders, receivers, n_in, n_out, 1, None)


def _all_inputs(n_in: int, neurons: int) -> Rows:
    return Rows(np.zeros(neurons, int), np.arange(n_in)[None], disjoint=True)


def _step(layers: Layers, number: int, rows: Rows) -> Step:
    n_senders, n_receivers = layers.widths[number : number + 2]
    senders, receivers = layers.senders[number], layers.receivers[number]
    order = np.lexsort((senders, rows.group[senders], receivers))
    senders, receivers = senders[order], receivers[order]
    group = rows.group[senders]
    new = (np.diff(receivers, prepend=-1) != 0) | (np.diff(group, prepend=-1) != 0)
    part = np.cumsum(new) - 1
    first = np.searchsorted(receivers[new], np.arange(n_receivers))
    parts = int(np.bincount(receivers[new], minlength=n_receivers).max())
    virtual = receivers * parts + part - first[receivers]
    return Step(order, senders, virtual, n_senders, n_receivers, parts, None)


def _joined(step: Step, rows: Rows) -> Rows:
    """What the rows stand for after a step."""
    group = np.full(step.n_receivers * step.parts, -1)
    group[step.receivers] = rows.group[step.senders]
    parts = group.reshape(-1, step.parts)
    unions, following = np.unique(parts, axis=0, return_inverse=True)
    if rows.disjoint and (unions >= 0).all() and np.unique(unions).size == unions.size:
        return Rows(following.ravel(), rows.ancestors[unions].reshape(len(unions), -1), True)
    # The columns of a part without a sender are zero, whichever input they are given to.
    inputs = rows.ancestors[np.maximum(parts, 0)]
    return Rows(np.arange(len(parts)), inputs.reshape(len(parts), -1), False)


def _stays(layers: Layers, number: int, rows: Rows) -> bool:
    """Whether rows can go into layer `number`, or out of the last one, without being spread out."""
    columns = rows.ancestors.shape[1]
    if number == layers.depth:
        return rows.disjoint and columns == layers.n_in
    fan_in = np.bincount(layers.receivers[number]).max()
    return rows.disjoint or bool(columns * fan_in <= layers.n_in)
