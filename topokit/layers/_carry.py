"""Values carried along the edges: each neuron joins what the edges that meet at it bring.

This is the one place where a network is walked layer by layer. What an edge does to a value and how
values join is an `Algebra`: with numbers, and identity at the inputs, the product of the layers
before a neuron; with truth values, which inputs reach it; with bits, the same for 64 inputs at a
time; with logarithms, with residues modulo a prime, with Python's integers whatever they stand for;
with numbers of any size (`topokit.layers._scaled`).
Backwards from the outputs it is the same of the layers behind a neuron.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped
from scipy.sparse import csr_array

from topokit.layers._as_matrix import DENSE_FROM, as_matrix
from topokit.layers._bundles import Bundles, in_bundles, out_bundles
from topokit.layers._recipe import Layers

Values = Shaped[np.ndarray, "_width *_columns"]
Weights = Shaped[np.ndarray, " _edges"]
Held = TypeVar("Held")
"""What the neurons of a layer hold: `Values`, or what an algebra of its own knows."""

Algebra = Callable[..., Any]
"""What comes of the values at one end of a layer, one row a neuron, at the other end."""

# Values that edges bring at a time, so that they stay in the cache.
AT_ONCE = 2**17

# Products up to which making a sparse matrix would take longer than multiplying with it.
FEW = 2**12

# The most edges at a neuron whose residues, times halves of weights, add up within 64 bits.
SUMMED = 2**15


def push(
    layers: Layers,
    number: int,
    values: Held,
    weights: Weights | None = None,
    *,
    algebra: Algebra,
) -> Held:
    """Carry what senders hold over layer `number` to its receivers."""
    return algebra(in_bundles(layers)[number], values, weights)


def pull(
    layers: Layers,
    number: int,
    values: Held,
    weights: Weights | None = None,
    *,
    algebra: Algebra,
) -> Held:
    """Carry what receivers hold back over layer `number` to its senders."""
    bundles = out_bundles(layers)[number]
    return algebra(bundles, values, None if weights is None else weights[bundles.order])


def forward(
    layers: Layers,
    start: Held,
    weights: Sequence[Weights] | None = None,
    *,
    algebra: Algebra,
    settle: Callable[[Held], Held] | None = None,
) -> Iterator[Held]:
    """Yield what the neurons of each layer hold, beginning with `start` at the inputs.

    Args:
        layers: The recipe.
        start: What each input holds: a row each, or a number, or what else the algebra knows.
        weights: The weight of every edge, one array for each layer; None for edges that change
            nothing.
        algebra: What edges do and how values join: `NUMBERS`, `ANY`, `BITS`, `LOGS`, `EXACT`,
            `residues(prime)`, `scaled()`, or one of your own, such as
            `semiring(np.maximum, np.minimum)`.
        settle: What is made of each layer's values before they go on: a change of scale, say.
    """
    yield start
    for number in range(layers.depth):
        weight = None if weights is None else weights[number]
        start = push(layers, number, start, weight, algebra=algebra)
        start = start if settle is None else settle(start)
        yield start


def at_outputs(
    layers: Layers,
    start: Held,
    weights: Sequence[Weights] | None = None,
    *,
    algebra: Algebra,
    settle: Callable[[Held], Held] | None = None,
) -> Held:
    """What the outputs hold in the end, and nothing kept of what is on the way: see `forward`."""
    for held in forward(layers, start, weights, algebra=algebra, settle=settle):
        start = held
    return start


def backward(
    layers: Layers,
    start: Held,
    weights: Sequence[Weights] | None = None,
    *,
    algebra: Algebra,
    settle: Callable[[Held], Held] | None = None,
) -> list[Held]:
    """What the neurons of each layer hold, inputs first, if edges carry `start` back from the end.

    The arguments are those of `forward`.
    """
    held = [start]
    for number in reversed(range(layers.depth)):
        weight = None if weights is None else weights[number]
        start = pull(layers, number, start, weight, algebra=algebra)
        start = start if settle is None else settle(start)
        held.append(start)
    return held[::-1]


def semiring(plus: np.ufunc, times: Callable[..., np.ndarray] = np.multiply) -> Algebra:
    """Values join by `plus`; an edge makes `times(value, weight)` of one, where it has a weight.

    A neuron at which nothing meets holds the identity of `plus`, or NaN where it has none.
    """
    return partial(_join, plus=plus, times=times)


def residues(prime: int) -> Algebra:
    """Integers modulo a prime below 2^31, at the speed of two products with integers."""
    return partial(_residues, prime=prime)


def _numbers(bundles: Bundles, values: Values, weights: Weights | None) -> Values:
    """Integers or floats of 64 bits, added up: by whichever product is the fastest."""
    n_edges, shape = bundles.tails.size, (bundles.bounds.size - 1, bundles.width)
    if values.ndim == 2 and values.dtype == float and n_edges > DENSE_FROM * prod(shape):
        data = np.ones(n_edges) if weights is None else weights
        return as_matrix(data, (bundles.heads, bundles.tails), shape) @ values
    if n_edges * values[:1].size <= FEW:
        return _join(bundles, values, weights, np.add, np.multiply)
    data = np.ones(n_edges, values.dtype) if weights is None else weights
    return csr_array((data, bundles.tails, bundles.bounds), shape) @ values


def _residues(bundles: Bundles, values: Values, weights: Weights | None, *, prime: int) -> Values:
    if weights is None:
        return _numbers(bundles, values, None) % prime
    if bundles.sizes.max() > SUMMED:
        return _join(bundles, values, weights, np.add, lambda x, w: x * w % prime) % prime
    high, low = (_numbers(bundles, values, part) for part in np.divmod(weights, 2**16))
    return (high % prime * 2**16 + low) % prime


def _join(
    bundles: Bundles,
    values: Values,
    weights: Weights | None,
    plus: np.ufunc,
    times: Callable[..., np.ndarray],
) -> Values:
    """What each edge brings, as many at a time as stay in the cache, and what that adds up to."""
    if weights is not None and values.ndim > 1:
        weights = weights[:, None]
    n_edges, columns = bundles.tails.size, max(values.size // len(values), 1)
    if n_edges * columns <= AT_ONCE:
        result = plus.reduceat(_brought(bundles.tails, values, weights, times), bundles.starts)
    else:
        parts = []
        for run, starts in _runs(n_edges, bundles.starts, max(1, AT_ONCE // columns)):
            some = None if weights is None else weights[run]
            parts.append(plus.reduceat(_brought(bundles.tails[run], values, some, times), starts))
        result = np.concatenate(parts)
    if bundles.met is None:
        return result
    whole = np.full((bundles.bounds.size - 1, *result.shape[1:]), plus.identity, result.dtype)
    whole[bundles.met] = result
    return whole


def _brought(
    tails: np.ndarray, values: Values, weights: np.ndarray | None, times: Callable[..., np.ndarray]
) -> np.ndarray:
    """What each edge brings: the value it comes from, times its weight."""
    return values[tails] if weights is None else times(values[tails], weights)


def _runs(n_edges: int, starts: np.ndarray, most: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Runs of about so many edges each, and where the bundles begin in each."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, starts[-1] + 1, most))).tolist()
    ends = [*starts[cuts[1:]].tolist(), n_edges]
    for (a, b), last in zip(pairwise([*cuts, starts.size]), ends, strict=True):
        first = int(starts[a])
        yield slice(first, last), starts[a:b] - first


NUMBERS: Algebra = _numbers
EXACT = semiring(np.add)
ANY = semiring(np.logical_or)
BITS = semiring(np.bitwise_or)
LOGS = semiring(np.logaddexp, np.add)
