"""Which entries of the partial products can differ from zero, and how to store only those.

The product of the first layers is sparse: neuron `v` depends on its ancestors alone. As long as
neurons either share all their ancestors or none, the row of `v` is stored as a short list, one
column an ancestor, and its senders fall into `parts`: those of one part share their ancestors,
those of different parts share none. So

    row(v) = concatenation over parts p of (sum over senders u in p of w[u, v] * row(u)),

and a receiver with several parts is treated as that many `virtual` receivers whose rows lie side by
side. In a butterfly, in Clos and in Monarch products up to the point where every neuron sees every
input no part has more than one sender, and nothing is added at all: a butterfly of `log2 n` layers
costs O(n^2) instead of O(n^2 log n). Where ancestors overlap in part (torus, hypercube, random),
rows are spread out over all inputs after the first layer.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit._layers import Layers


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
            after this layer.
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
        group: Group of each neuron; those of one group have the same ancestors.
        ancestors: The inputs that each group depends on, in the order of the columns; those of
            different groups are disjoint.
    """

    group: Int[np.ndarray, " neurons"]
    ancestors: Int[np.ndarray, "groups columns"]


def plan_product(layers: Layers) -> tuple[list[Step], Int[np.ndarray, " n_in"]]:
    """The steps of the product, and the input to which each of its columns belongs; O(E log E)."""
    rows = Rows(np.arange(layers.n_in), np.arange(layers.n_in)[:, None])
    steps = []
    for number in range(layers.depth):
        step, following = _step(layers, number, rows)
        last = number == layers.depth - 1
        if following is None or (last and following.ancestors.shape != (1, layers.n_in)):
            step = step._replace(spread=_columns(step, rows))
            following = _all_inputs(layers.n_in, step.n_receivers)
        steps.append(step)
        rows = following
    return steps, rows.ancestors[0]


def _all_inputs(n_in: int, neurons: int) -> Rows:
    return Rows(np.zeros(neurons, int), np.arange(n_in)[None])


def _step(layers: Layers, number: int, rows: Rows) -> tuple[Step, Rows | None]:
    """One layer, and the rows that it leaves; None where ancestors overlap in part."""
    n_senders, n_receivers = layers.widths[number : number + 2]
    senders, receivers = layers.senders[number], layers.receivers[number]
    order = np.lexsort((senders, rows.group[senders], receivers))
    senders, receivers = senders[order], receivers[order]
    group = rows.group[senders]
    new = (np.diff(receivers, prepend=-1) != 0) | (np.diff(group, prepend=-1) != 0)
    part = np.cumsum(new) - 1
    first = np.searchsorted(receivers[new], np.arange(n_receivers))
    counts = np.bincount(receivers[new], minlength=n_receivers)
    parts = int(counts.max())
    virtual = receivers * parts + part - first[receivers]
    step = Step(order, senders, virtual, n_senders, n_receivers, parts, None)
    if (counts != parts).any():
        return step, None
    unions, following = np.unique(group[new].reshape(-1, parts), axis=0, return_inverse=True)
    if np.unique(unions).size != unions.size:
        return step, None
    ancestors = rows.ancestors[unions].reshape(len(unions), -1)
    return step, Rows(following.ravel(), ancestors)


def _columns(step: Step, rows: Rows) -> Int[np.ndarray, "n_receivers columns"]:
    """The input of each column of each row; input 0 for those of a part that has no sender."""
    group = np.full(step.n_receivers * step.parts, -1)
    group[step.receivers] = rows.group[step.senders]
    inputs = np.where(group[:, None] >= 0, rows.ancestors[group], 0)
    return inputs.reshape(step.n_receivers, -1)
