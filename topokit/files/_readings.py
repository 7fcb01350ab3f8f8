"""All networks that stored layers can be, and the one that they are, or the question which.

A reading says of each layer which axis receives, and in which order the layers feed each other. It
counts if every layer has as many senders as the one before has receivers.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from topokit.files._named_leaves import components
from topokit.files._stored_arrays import shape_of
from topokit.files._stored_layers import StoredLayer

MOST_STEPS = 20_000
SHOWN = 8  # of layers in a message


class Arrangement(NamedTuple):
    """An order of the layers, by their places, and for each layer whether it is turned."""

    order: tuple[int, ...]
    turned: tuple[bool, ...]


class Network(NamedTuple):
    """Layers under a reading: their matrices, senders first."""

    names: tuple[str, ...]
    turned: tuple[bool, ...]
    matrices: tuple[sparse.csr_array, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons per layer, inputs first."""
        return (shape_of(self.matrices[0])[0], *(shape_of(m)[1] for m in self.matrices))

    def with_turned(self, place: int) -> "Network":
        """The network with one square layer the other way."""
        turned, matrices = [*self.turned], [*self.matrices]
        turned[place] = not turned[place]
        matrices[place] = sparse.csr_array(matrices[place].T)
        return Network(self.names, tuple(turned), tuple(matrices))

    def __str__(self) -> str:
        return f"widths {few(self.widths)} and {sum(m.nnz for m in self.matrices)} edges"


def few(values: Any) -> str:
    """A list or a tuple as text, of many entries the first ones and the last."""
    text = str(values)
    if not isinstance(values, list | tuple) or len(values) <= SHOWN:
        return text
    shown = [*map(repr, values[: SHOWN - 2]), "...", repr(values[-1])]
    return f"{text[0]}{', '.join(shown)}{text[-1]}"


def network(layers: Sequence[StoredLayer], reading: Arrangement) -> Network:
    """The network that a reading makes of layers."""
    rows = [(layers[n], reading.turned[n]) for n in reading.order]
    return Network(
        tuple(layer.name for layer, _ in rows),
        tuple(turned for _, turned in rows),
        tuple(layer.feeding(turned) for layer, turned in rows),
    )


def readings(
    layers: Sequence[StoredLayer], turned: Sequence[bool], before: Callable[[str, str], bool] | None
) -> Iterator[Arrangement]:
    """Readings in which each layer feeds the next one.

    Args:
        layers: The layers as they are given.
        turned: For each layer, whether receivers lie on the first axis.
        before: Whether the layer of one name must come before that of another; None if the layers
            are in order.
    """
    given = tuple(range(len(layers)))
    shapes = [shape(layer, t) for layer, t in zip(layers, turned, strict=True)]
    if before is None:
        if all(a[1] == b[0] for a, b in pairwise(shapes)):
            yield Arrangement(given, tuple(turned))
        return
    later = [frozenset(b for b in given if before(layers[a].name, layers[b].name)) for a in given]
    for order in _chains(shapes, later):
        yield Arrangement(order, tuple(turned))


def shape(layer: StoredLayer, turned: bool) -> tuple[int, int]:
    """Senders and receivers of a layer."""
    first, last = shape_of(layer.matrix)
    return (last, first) if turned else (first, last)


def _chains(
    shapes: Sequence[tuple[int, int]], later: Sequence[frozenset[int]]
) -> Iterator[tuple[int, ...]]:
    """Orders that chain, with none of the layers before one that it is later than."""
    stack: list[tuple[int, ...]] = [()]
    for _ in range(MOST_STEPS):
        if not stack:
            return
        order = stack.pop()
        left = [n for n in range(len(shapes)) if n not in order]
        if not left:
            yield order
        after = frozenset().union(*(later[n] for n in left)) if left else frozenset()
        fitting = [n for n in left if not order or shapes[order[-1]][1] == shapes[n][0]]
        stack += [(*order, n) for n in reversed(fitting) if n not in after]
    raise ValueError(
        f"weights has {len(shapes)} layers that fit together in too many ways to try; give "
        "names=[...], the layers in order"
    )


def never(_: str, __: str) -> bool:
    """No name says that it comes before another."""
    return False


def precedes(first: str, second: str) -> bool:
    """Whether numbers in two names say that one comes before the other, as in `fc2` and `fc10`."""
    return _compared(first, second, counted=False)


def precedes_in_count(first: str, second: str) -> bool:
    """The same, with numbers that frameworks append, as in `Dense_2` and `Dense_10`."""
    return _compared(first, second, counted=True)


def in_count(names: Sequence[str]) -> bool:
    """Whether numbers in names say the order of all of them."""
    return all(precedes_in_count(a, b) for a, b in pairwise(names))


def in_a_row(first: str, second: str) -> bool:
    """Whether two names differ in numbers, as layers of one row do, and not in words.

    Numbers that frameworks append count the layers of a row, but not what holds several layers.
    """
    owners = [(*components(name)[:-2],) for name in (first, second)]
    for n, (a, b) in enumerate(zip(components(first), components(second), strict=False)):
        if a != b:
            (text, _), (other, _) = _numbered(a), _numbered(b)
            holder = all(n < len(owner) for owner in owners)
            made = holder and (text.endswith("_") or other.endswith("_"))
            return text.rstrip("_") == other.rstrip("_") and not made
    return True


def _compared(first: str, second: str, *, counted: bool) -> bool:
    for a, b in zip(components(first), components(second), strict=False):
        if a != b:
            (text, one), (other, two) = _numbered(a), _numbered(b)
            counts = counted or not text.endswith("_") and not other.endswith("_")
            return counts and text.rstrip("_") == other.rstrip("_") and one < two
    return False


@lru_cache(2**12)
def _numbered(part: str) -> tuple[str, tuple[int, ...]]:
    """The text of a part without its numbers, and these."""
    return re.sub(r"\d+", "", part), tuple(map(int, re.findall(r"\d+", part)))


def digest(matrix: sparse.csr_array) -> bytes:
    """What two matrices share if they have their entries in the same places."""
    matrix.sort_indices()
    columns = (matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64))
    content = b"|".join([str(matrix.shape).encode(), *(c.tobytes() for c in columns)])
    return blake2b(content, digest_size=16).digest()
