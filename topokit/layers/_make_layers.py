"""From edge arrays in any order to a recipe: sorted, and checked once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.layers._on_paths import fed_neurons
from topokit.layers._recipe import Layers


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

    Examples:
        >>> import topokit as tk
        >>> import numpy as np
        >>> layers = tk.make_layers([2, 1], [np.array([1, 0])], [np.array([0, 0])])
        >>> layers.senders[0].tolist()
        [0, 1]
        >>> tk.from_layers(layers).number_of_edges()
        2

    See Also:
        `from_masks`, which starts from matrices.
    """
    layers = sort_layers(widths, senders, receivers, trainable=trainable, constant=constant)
    lost = np.flatnonzero(~fed_neurons(layers)[-1])
    if lost.size:
        raise ValueError(
            f"{lost.size} of {layers.n_out} outputs cannot be reached from any input "
            f"(first: output {lost[0]}); add edges, or drop them with topokit.trim"
        )
    return layers


def sort_layers(
    widths: Sequence[int],
    senders: Sequence[Int[np.ndarray, " _edges"]],
    receivers: Sequence[Int[np.ndarray, " _edges"]],
    *,
    trainable: Sequence[Bool[np.ndarray, " _edges"]] | None = None,
    constant: Sequence[Float[np.ndarray, " _edges"]] | None = None,
) -> Layers:
    """Sort and check edge arrays: `make_layers` but that outputs need not all be reachable."""
    _check_counts(widths, senders, receivers)
    if trainable is None:
        trainable = [np.ones(s.shape, bool) for s in senders]
    if constant is None:
        constant = [np.ones(s.shape) for s in senders]
    rows = zip(pairwise(widths), senders, receivers, trainable, constant, strict=True)
    layers = [_sorted_layer(number, *row) for number, row in enumerate(rows)]
    return Layers(tuple(int(w) for w in widths), *map(tuple, zip(*layers, strict=True)))


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
