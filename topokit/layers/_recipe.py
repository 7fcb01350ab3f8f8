"""The recipe: a layered network as plain arrays, checked once.

Layer `l` joins `widths[l]` senders to `widths[l + 1]` receivers. Its edges are parallel arrays
sorted by receiver and then by sender, so that the in-edges of a neuron lie side by side. With
`mask[i, j]` true where sender `i` feeds receiver `j`, activations are row vectors that go
`x @ (mask * weight)`, and the end-to-end matrix is the plain product of the layers, of shape
`(n_in, n_out)`.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Layers(NamedTuple):
    """A topology as arrays: what every score and every solver reads.

    `make_layers` sorts and checks arrays into one; `topokit.to_layers` compiles one from a graph.

    Attributes:
        widths: Neurons per layer, inputs first: `depth + 1` numbers.
        senders: For each layer, the sender of each edge, in `[0, widths[l])`.
        receivers: For each layer, the receiver of each edge, in `[0, widths[l + 1])`.
        trainable: For each layer, true where the weight of the edge is free.
        constant: For each layer, the fixed weight of the edge; 0 where the edge is trainable.
    """

    widths: tuple[int, ...]
    senders: tuple[Int[np.ndarray, " _edges"], ...]
    receivers: tuple[Int[np.ndarray, " _edges"], ...]
    trainable: tuple[Bool[np.ndarray, " _edges"], ...]
    constant: tuple[Float[np.ndarray, " _edges"], ...]

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


def make_layers(
    widths: Sequence[int],
    senders: Sequence[Int[np.ndarray, " _edges"]],
    receivers: Sequence[Int[np.ndarray, " _edges"]],
    *,
    trainable: Sequence[Bool[np.ndarray, " _edges"]] | None = None,
    constant: Sequence[Float[np.ndarray, " _edges"]] | None = None,
) -> Layers:
    """Sort and check edge arrays; cost O(E log E).

    Args:
        widths: Neurons per layer, inputs first.
        senders: For each layer, the sender of each edge, in any order.
        receivers: For each layer, the receiver of each edge.
        trainable: For each layer, which edges are trainable; all of them by default.
        constant: For each layer, the weight of each constant edge; 1 by default. What it says of
            a trainable edge is ignored.

    Raises:
        ValueError: If the arrays do not describe a layered network in which every layer has
            edges and every output can be reached.
    """
    layers = sort_layers(widths, senders, receivers, trainable=trainable, constant=constant)
    _check_outputs(layers)
    return layers


def sort_layers(
    widths: Sequence[int],
    senders: Sequence[Int[np.ndarray, " _edges"]],
    receivers: Sequence[Int[np.ndarray, " _edges"]],
    *,
    trainable: Sequence[Bool[np.ndarray, " _edges"]] | None = None,
    constant: Sequence[Float[np.ndarray, " _edges"]] | None = None,
) -> Layers:
    """`make_layers` for a network whose outputs need not all be reachable."""
    _check_counts(widths, senders, receivers)
    if trainable is None:
        trainable = [np.ones(s.shape, bool) for s in senders]
    if constant is None:
        constant = [np.ones(s.shape) for s in senders]
    rows = zip(pairwise(widths), senders, receivers, trainable, constant, strict=True)
    layers = [_sorted_layer(number, *row) for number, row in enumerate(rows)]
    return Layers(tuple(int(w) for w in widths), *map(tuple, zip(*layers, strict=True)))


def each_layer(layers: Layers) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield `(senders, receivers, trainable, constant)` of each layer, inputs first."""
    yield from zip(*layers[1:], strict=True)


def ancestors(layers: Layers) -> list[Bool[np.ndarray, "_width _n_in"]]:
    """For each layer of neurons, which inputs reach which neuron; cost O(n_in E)."""
    reach = [np.eye(layers.n_in, dtype=bool)]
    for width, senders, receivers in zip(
        layers.widths[1:], layers.senders, layers.receivers, strict=True
    ):
        reach.append(_spread(reach[-1], senders, receivers, width))
    return reach


def descendants(layers: Layers) -> list[Bool[np.ndarray, "_width _n_out"]]:
    """For each layer of neurons, which outputs each neuron reaches; cost O(n_out E)."""
    reach = [np.eye(layers.n_out, dtype=bool)]
    rows = zip(layers.widths, layers.senders, layers.receivers, strict=False)
    for width, senders, receivers in reversed(list(rows)):
        order = np.argsort(senders, kind="stable")
        reach.append(_spread(reach[-1], receivers[order], senders[order], width))
    return reach[::-1]


def live_edges(layers: Layers) -> list[Bool[np.ndarray, " _edges"]]:
    """For each layer, the edges that lie on a path from an input to an output; cost O(E)."""
    fed, heard = [np.ones(layers.n_in, bool)], [np.ones(layers.n_out, bool)]
    edges = list(zip(layers.senders, layers.receivers, strict=True))
    for (s, r), width in zip(edges, layers.widths[1:], strict=True):
        fed.append(np.bincount(r[fed[-1][s]], minlength=width) > 0)
    for (s, r), width in zip(edges[::-1], layers.widths[-2::-1], strict=True):
        heard.append(np.bincount(s[heard[-1][r]], minlength=width) > 0)
    heard.reverse()
    return [fed[layer][s] & heard[layer + 1][r] for layer, (s, r) in enumerate(edges)]


def in_degrees(layers: Layers) -> list[Int[np.ndarray, " _width"]]:
    """Fan-in of every neuron, the inputs' zeros left out: one array for each layer of edges."""
    rows = zip(layers.receivers, layers.widths[1:], strict=True)
    return [np.bincount(r, minlength=w) for r, w in rows]


def out_degrees(layers: Layers) -> list[Int[np.ndarray, " _width"]]:
    """Fan-out of every neuron, the outputs' zeros left out: one array for each layer of edges."""
    rows = zip(layers.senders, layers.widths[:-1], strict=True)
    return [np.bincount(s, minlength=w) for s, w in rows]


def _spread(
    reach: Bool[np.ndarray, "before n"],
    senders: Int[np.ndarray, " edges"],
    receivers: Int[np.ndarray, " edges"],
    width: int,
) -> Bool[np.ndarray, "after n"]:
    """Union of the senders' rows at each receiver; `receivers` ascend."""
    result = np.zeros((width, reach.shape[1]), bool)
    starts = np.flatnonzero(np.diff(receivers, prepend=-1))
    result[receivers[starts]] = np.logical_or.reduceat(reach[senders], starts, axis=0)
    return result


def _check_counts(widths: Sequence[int], senders: Sequence, receivers: Sequence) -> None:
    if len(senders) < 1 or not len(widths) - 1 == len(senders) == len(receivers):
        raise ValueError(
            f"a network of L layers needs L + 1 widths and L arrays each of senders and receivers, "
            f"L at least 1; given {len(widths)} widths, {len(senders)} and {len(receivers)} arrays"
        )
    for layer, width in enumerate(widths):
        if int(width) != width or width < 1:
            raise ValueError(f"widths[{layer}] must be a positive integer; given {width!r}")


def _sorted_layer(
    number: int,
    shape: tuple[int, int],
    senders: np.ndarray,
    receivers: np.ndarray,
    trainable: np.ndarray,
    constant: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    where = f"layer {number} (neurons of layer {number} to layer {number + 1})"
    shapes = [np.shape(a) for a in (senders, receivers, trainable, constant)]
    if len(set(shapes)) != 1 or len(shapes[0]) != 1:
        raise ValueError(f"{where}: edge arrays must be 1-d and of one length; given {shapes}")
    _check_kinds(where, senders, receivers, trainable, constant)
    if not len(senders):
        raise ValueError(f"{where} has no edge: every layer needs at least one")
    _check_range(f"{where}: senders", senders, shape[0])
    _check_range(f"{where}: receivers", receivers, shape[1])
    order = np.lexsort((senders, receivers))
    senders, receivers = senders[order].astype(np.int64), receivers[order].astype(np.int64)
    twice = np.flatnonzero((np.diff(senders) == 0) & (np.diff(receivers) == 0))
    if twice.size:
        edge = (int(senders[twice[0]]), int(receivers[twice[0]]))
        raise ValueError(f"{where}: edge {edge} is given more than once; keep one of them")
    trainable = trainable[order].astype(bool)
    constant = np.where(trainable, 0.0, constant[order])
    wrong = np.flatnonzero(~trainable & ~(np.isfinite(constant) & (constant != 0)))
    if wrong.size:
        edge = (int(senders[wrong[0]]), int(receivers[wrong[0]]))
        raise ValueError(
            f"{where}: constant edge {edge} has weight {constant[wrong[0]]}; a constant must be "
            "finite and not 0 (remove the edge instead)"
        )
    return senders, receivers, trainable, constant


def _check_kinds(where: str, *columns: np.ndarray) -> None:
    expected = (
        ("senders", "iu", "integers"),
        ("receivers", "iu", "integers"),
        ("trainable", "b", "booleans"),
        ("constant", "fiub", "real numbers"),
    )
    for (name, kinds, words), column in zip(expected, columns, strict=True):
        kind = np.asarray(column).dtype
        if len(column) and kind.kind not in kinds:
            raise ValueError(f"{where}: {name} must be an array of {words}; given {kind}")


def _check_range(name: str, numbers: np.ndarray, width: int) -> None:
    if numbers.min() < 0 or numbers.max() >= width:
        raise ValueError(
            f"{name} must lie in [0, {width}); given {numbers.min()} to {numbers.max()}"
        )


def _check_outputs(layers: Layers) -> None:
    reached = np.ones(layers.n_in, bool)
    for width, senders, receivers in zip(
        layers.widths[1:], layers.senders, layers.receivers, strict=True
    ):
        now = np.zeros(width, bool)
        now[receivers[reached[senders]]] = True
        reached = now
    lost = np.flatnonzero(~reached)
    if lost.size:
        raise ValueError(
            f"{lost.size} of {layers.n_out} outputs cannot be reached from any input "
            f"(first: output {lost[0]}); add edges, or drop them with topokit.trim"
        )
