"""The network in which a row stands for all pairs of a kind, and the proof that it may.

Kinds are found by colors; here they are compared. Of each kind there is an example, and what
differs from its example, in what it is or in how many of each kind are around it, is not merged.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from topokit.scores.control._bound import Totals
from topokit.scores.control._control_network import ControlNetwork
from topokit.scores.control._flow_network import FlowNetwork
from topokit.scores.control._pair_graph import PairGraph
from topokit.scores.control._pair_kinds import PairKinds

Numbers = Int[np.ndarray, " _numbers"]


class NotAlikeError(Exception):
    """Two of a kind differ, because two sets of colors have one sum."""


class Around(NamedTuple):
    """Around each of a `kind` is the kind `other` so many `times`: a list by `kind` and `other`."""

    kind: Numbers
    other: Numbers
    times: Numbers


def merge_pairs(
    network: ControlNetwork, graph: PairGraph, totals: Totals, found: PairKinds
) -> tuple[FlowNetwork, Totals]:
    """Keep one of each kind, and its totals; cost O(edges log edges) of the graph.

    Raises:
        NotAlikeError: If two of a kind differ.
    """
    _check_alike(found.neuron, network.gain, network.room)
    _check_alike(found.pair, found.neuron[graph.neuron], network.inputs[graph.column])
    pairs, neurons = _examples(found.pair), _examples(found.neuron)
    behind, before, members = _count_all(network, graph, found)
    owner, alike = np.empty((2, pairs.size), np.int64)
    owner[members.other], alike[members.other] = members.kind, members.times
    layers = tuple(_span(found.pair[rows]) for rows in graph.layers)
    flows = FlowNetwork(
        layers,
        np.bincount(found.neuron),
        network.gain[neurons],
        network.room[neurons],
        owner,
        alike * network.inputs[graph.column[pairs]].astype(float),
        np.ones(1, np.int64),
        np.ones((pairs.size, 1), bool),
        behind.kind,
        behind.other,
        behind.times.astype(float),
        before.times[np.lexsort((before.kind, before.other))].astype(float),
        _entries(network, found.pair[graph.layers[-1]] - layers[-1].start),
    )
    outputs = neurons[_span(found.neuron[network.outputs])] - network.outputs.start
    return flows, Totals(totals.taken[outputs], totals.bound)


def count_around(owners: Numbers, others: Numbers, kinds: Numbers) -> Around:
    """Count what is around the owners, which must be as much around all of a kind.

    Args:
        owners: An owner, as often as something is around it.
        others: The kind of that.
        kinds: The kind of each owner.

    Raises:
        NotAlikeError: If it differs between two of a kind.
    """
    span = int(others.max(initial=0)) + 1
    keys = np.sort(owners.astype(np.int64) * span + others)
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    owner, other = np.divmod(keys[firsts], span)
    times = np.diff(firsts, append=keys.size)
    lengths = np.bincount(owner, minlength=kinds.size)
    starts, example = np.cumsum(lengths) - lengths, _examples(kinds)[kinds]
    if (lengths != lengths[example]).any():
        raise NotAlikeError
    twin = starts[example[owner]] + np.arange(owner.size) - starts[owner]
    if (other != other[twin]).any() or (times != times[twin]).any():
        raise NotAlikeError
    shown = np.flatnonzero(example[owner] == owner)
    shown = shown[np.argsort(kinds[owner[shown]], kind="stable")]
    return Around(kinds[owner[shown]], other[shown], times[shown])


def _count_all(
    network: ControlNetwork, graph: PairGraph, found: PairKinds
) -> tuple[Around, Around, Around]:
    """The pairs behind pairs, those before them, and those of neurons."""
    behind, before, members = [], [], []
    for own, rows in zip(network.layers, graph.layers, strict=True):
        owners = graph.neuron[rows] - own.start
        members.append(count_around(owners, found.pair[rows], found.neuron[own]))
    for layer, (sent, received) in enumerate(zip(graph.senders, graph.receivers, strict=True)):
        rows, next_rows = graph.layers[layer : layer + 2]
        tails, heads = sent - rows.start, received - next_rows.start
        behind.append(count_around(tails, found.pair[received], found.pair[rows]))
        before.append(count_around(heads, found.pair[sent], found.pair[next_rows]))
    return _join(behind), _join(before), _join(members)


def _join(parts: Sequence[Around]) -> Around:
    none = np.zeros(0, np.int64)
    return Around(*(np.concatenate([none, *(part[i] for part in parts)]) for i in range(3)))


def _examples(kinds: Numbers) -> Numbers:
    """The first of each kind, up to the greatest number of a kind."""
    found = np.zeros(int(kinds.max(initial=-1)) + 1, np.int64)
    found[kinds[::-1]] = np.arange(kinds.size)[::-1]
    return found


def _check_alike(kinds: Numbers, *facts: np.ndarray) -> None:
    example = _examples(kinds)[kinds]
    if any((fact != fact[example]).any() for fact in facts):
        raise NotAlikeError


def _span(kinds: Numbers) -> slice:
    """The kinds of a layer, which are numbered through."""
    return slice(int(kinds.min()), int(kinds.max()) + 1)


def _entries(network: ControlNetwork, kinds: Numbers) -> Int[np.ndarray, "n_out columns"]:
    """The kind of each pair with an output; one more than there are where no path leads."""
    entry = np.full((network.n_out, network.inputs.size), kinds.max() + 1, np.int32)
    entry[network.reach[network.outputs]] = kinds
    return entry
