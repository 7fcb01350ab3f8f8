"""Numbers carried along the edges: each receiver adds up what its in-edges bring.

With identity at the inputs this is the product of the layers before a neuron; run backwards from
identity at the outputs, the product of the layers behind it. One pair of functions serves integers
(counting paths), residues modulo a prime, and floats.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate

import numpy as np
from jaxtyping import Int, Shaped

from topokit.layers._recipe import Layers

Settle = Callable[[np.ndarray], np.ndarray]


def as_it_is(values: np.ndarray) -> np.ndarray:
    """Leave numbers alone."""
    return values


def forward(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    start: Shaped[np.ndarray, "n_in n"],
    *,
    settle: Settle = as_it_is,
) -> Iterator[Shaped[np.ndarray, "_width n"]]:
    """Yield what the neurons of each layer hold, beginning with `start` at the inputs.

    Args:
        layers: The recipe.
        weights: The weight of every edge, one array for each layer.
        start: What each input holds.
        settle: Applied to every array of products and of sums: a reduction modulo a prime, or a
            change of scale (any factor common to a layer).
    """
    rows = zip(layers.senders, layers.receivers, weights, layers.widths[1:], strict=True)
    return accumulate(rows, partial(_push, settle=settle), initial=start)


def backward(
    layers: Layers,
    weights: Sequence[Shaped[np.ndarray, " _edges"]],
    start: Shaped[np.ndarray, "n_out n"],
    *,
    settle: Settle = as_it_is,
) -> list[Shaped[np.ndarray, "_width n"]]:
    """What the neurons of each layer hold, inputs first, if edges carry `start` back from the end.

    The arguments are those of `forward`.
    """
    orders = [np.argsort(senders, kind="stable") for senders in layers.senders]
    rows = zip(layers.senders, layers.receivers, weights, layers.widths, orders, strict=False)
    turned = [(r[o], s[o], w[o], width) for s, r, w, width, o in rows]
    return list(accumulate(turned[::-1], partial(_push, settle=settle), initial=start))[::-1]


def _push(
    states: Shaped[np.ndarray, "before n"],
    layer: tuple[
        Int[np.ndarray, " edges"], Int[np.ndarray, " edges"], Shaped[np.ndarray, " edges"], int
    ],
    *,
    settle: Settle,
) -> Shaped[np.ndarray, "after n"]:
    """Carry `states` over one layer, given as senders, ascending receivers, weights and width."""
    senders, receivers, weights, width = layer
    terms = settle(states[senders] * weights[:, None])
    result = np.zeros((width, states.shape[1]), states.dtype)
    starts = np.flatnonzero(np.diff(receivers, prepend=-1))
    result[receivers[starts]] = settle(np.add.reduceat(terms, starts, axis=0))
    return result
