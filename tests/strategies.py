"""Random networks for laws that hold of all of them."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from topokit import Layers, from_masks, to_layers, to_masks

constants = st.sampled_from([1.0, -1.0, 0.5, 0.3, 2.0, -3.0])


@st.composite
def layered_networks(draw, *, max_width=6, max_depth=4, trainable=None) -> Layers:
    """A valid recipe of any shape: its hidden neurons may be dead, its pairs unconnected.

    Every layer has an edge and every output is reachable. Which edges are trainable, and the
    constants of the others, is random unless `trainable` says it of all.
    """
    depth = draw(st.integers(1, max_depth))
    widths = draw(st.lists(st.integers(1, max_width), min_size=depth + 1, max_size=depth + 1))
    shapes = list(pairwise(widths))
    masks = [draw(arrays(bool, shape)) for shape in shapes]
    _reach_outputs(masks, [draw(arrays(int, b, elements=st.integers(0, a - 1))) for a, b in shapes])
    # The order of a recipe: by receiver, then by sender.
    receivers, senders = zip(*(np.nonzero(mask.T) for mask in masks), strict=True)
    flags = st.booleans() if trainable is None else st.just(trainable)
    free = tuple(draw(arrays(bool, s.size, elements=flags)) for s in senders)
    fixed = [draw(arrays(float, s.size, elements=constants)) for s in senders]
    weights = tuple(np.where(f, 0.0, c) for f, c in zip(free, fixed, strict=True))
    # Built directly: make_layers, type-checked, would draw random numbers inside a strategy.
    return Layers(tuple(widths), senders, receivers, free, weights)


def _reach_outputs(masks, anchors):
    """Add what edges are missing on a path to each output; `anchors` names the senders."""
    reached = [np.ones(len(masks[0]), bool)]
    for mask in masks:
        reached.append(reached[-1] @ mask)
    for output in range(len(reached[-1])):
        layer, neuron = len(masks), output
        while not reached[layer][neuron]:
            reached[layer][neuron] = True
            sender = anchors[layer - 1][neuron]
            masks[layer - 1][sender, neuron] = True
            layer, neuron = layer - 1, sender


@st.composite
def networks_with_twins(draw, **shape) -> Layers:
    """A network some of whose neurons, of any layer, have others with all of their edges."""
    layers = draw(layered_networks(**shape))
    kinds = [
        np.append(np.arange(n), draw(arrays(int, 2, elements=st.integers(0, n - 1))))
        for n in layers.widths
    ]
    masks, free = (
        [mask[np.ix_(*ends)] for ends, mask in zip(pairwise(kinds), found, strict=True)]
        for found in (to_masks(layers), to_masks(layers, trainable=True))
    )
    return to_layers(from_masks(masks, free))
