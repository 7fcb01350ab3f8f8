"""The recipe: a layered network as plain arrays, checked once.

Layer `l` joins `widths[l]` senders to `widths[l + 1]` receivers. Its edges are parallel arrays
sorted by receiver and then by sender, so that the in-edges of a neuron lie side by side. With
`mask[i, j]` true where sender `i` feeds receiver `j`, activations are row vectors that go
`x @ (mask * weight)`, and the end-to-end matrix is the plain product of the layers, of shape
`(n_in, n_out)`.

A recipe never changes, so that what follows from it is worked out once: see `remembered`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit._read_only import read_only

Fact = TypeVar("Fact")

# Layers of neurons that a `repr` shows; of more, the first and the last two.
SHOWN = 7
COLUMNS = ("senders", "receivers", "trainable", "constant")


@dataclass(frozen=True, eq=False, repr=False)
class Layers:
    """A topology as arrays: what every score and every solver reads.

    `make_layers` sorts and checks arrays into one; `topokit.to_layers` compiles one from a graph.
    Two are equal if all their arrays are, which are read-only here. Made
    directly or by `dataclasses.replace`, nothing is checked.

    Attributes:
        widths: Neurons per layer, inputs first: `depth + 1` numbers.
        senders: For each layer, the sender of each edge, in `[0, widths[l])`.
        receivers: For each layer, the receiver of each edge, in `[0, widths[l + 1])`.
        trainable: For each layer, true where the weight of the edge is free.
        constant: For each layer, the fixed weight of the edge; 0 where the edge is trainable.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> layers.widths, layers.depth, layers.n_edges
        ((4, 4, 4), 2, 16)
        >>> layers.senders[1].tolist()
        [0, 2, 1, 3, 0, 2, 1, 3]

    See Also:
        `make_layers`, which checks arrays of one's own; `to_layers`, which compiles a graph.
    """

    widths: tuple[int, ...]
    senders: tuple[Int[np.ndarray, " _edges"], ...]
    receivers: tuple[Int[np.ndarray, " _edges"], ...]
    trainable: tuple[Bool[np.ndarray, " _edges"], ...]
    constant: tuple[Float[np.ndarray, " _edges"], ...]

    def __post_init__(self) -> None:
        for name, column in zip(COLUMNS, self.columns, strict=True):
            object.__setattr__(self, name, tuple(map(read_only, column)))

    @property
    def columns(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Senders, receivers, trainable and constant."""
        return self.senders, self.receivers, self.trainable, self.constant

    @property
    def depth(self) -> int:
        """Number of layers of edges."""
        return len(self.senders)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.widths[0]

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.widths[-1]

    @property
    def n_edges(self) -> int:
        """Number of edges, constant ones included."""
        return sum(s.size for s in self.senders)

    @property
    def n_trainable(self) -> int:
        """Number of trainable edges."""
        return sum(int(t.sum()) for t in self.trainable)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layers):
            return NotImplemented
        ours, theirs = (chain(*each.columns) for each in (self, other))
        return self.widths == other.widths and all(map(np.array_equal, ours, theirs))

    def __hash__(self) -> int:
        return hash((self.widths, *(s.size for s in self.senders)))

    def __reduce__(self) -> tuple[type["Layers"], tuple]:
        return Layers, (self.widths, *self.columns)  # without what is remembered

    def __repr__(self) -> str:
        widths = [str(width) for width in self.widths]
        depth = f"depth {self.depth:,}, " if len(widths) > SHOWN else ""
        shown = [*widths[:2], "...", *widths[-2:]] if depth else widths
        counts = f"{self.n_edges:,} edges, {self.n_trainable:,} trainable"
        return f"Layers({' -> '.join(shown)}, {depth}{counts})"


@dataclass(frozen=True, eq=False, repr=False)
class DescribedLayers(Layers):
    """A recipe with what its graph would say of itself, for topologies that need no graph.

    Attributes:
        said: The attributes of the graph: `name`, `family`, `parameters`, `changes`.
    """

    said: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the graph, or ""."""
        return str(self.said.get("name", ""))


def described(layers: Layers, said: dict[str, Any]) -> DescribedLayers:
    """A recipe with what its graph would say of itself."""
    return DescribedLayers(layers.widths, *layers.columns, said=said)


def remembered(fact: Callable[[Layers], Fact]) -> Callable[[Layers], Fact]:
    """Work out once for each recipe what follows from it; not to be changed by who reads it."""
    name = f"{fact.__module__}.{fact.__qualname__}"

    @wraps(fact)
    def recall(layers: Layers) -> Fact:
        known: dict[str, Any] = vars(layers)
        if name not in known:
            known[name] = fact(layers)
        return known[name]

    return recall


def each_layer(layers: Layers) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield `(senders, receivers, trainable, constant)` of each layer, inputs first."""
    yield from zip(*layers.columns, strict=True)


def keep_edges(layers: Layers, keep: Sequence[Bool[np.ndarray, " _edges"]]) -> Layers:
    """The recipe with some of its edges alone; neurons stay, even without an edge."""
    if all(kept.all() for kept in keep):
        return layers
    chosen = (tuple(a[k] for a, k in zip(column, keep, strict=True)) for column in layers.columns)
    return Layers(layers.widths, *chosen)
