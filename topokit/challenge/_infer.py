"""Inference: images go through the layers in batches, and dead ones are dropped as they die.

A layer is `min(max(Z + bias, 0), 32)` with the sums `Z` of each neuron's senders, times 1/16. The
challenge adds the bias only where `Z` is not 0; it is below 0, so that this is the same. An image
whose signals are all 0 stays so: it is dead. The categories are the images that are alive at the
end.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from time import perf_counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from topokit._checks import check_count
from topokit.challenge._classes import find_classes
from topokit.challenge._images import Images
from topokit.challenge._network import CAP, CONNECTIONS, WEIGHT, ChallengeNetwork
from topokit.products import sum_rows

Tables = tuple[Int[np.ndarray, "_rows _fan_in"], ...]
"""Tables whose sums of rows, one after the other, are a layer."""
Form = Callable[[ChallengeNetwork, int], Tables]
"""From a network and the number of a layer to its tables."""

# Numbers of a batch that stay in the cache, the fewest and most images of one, and the share of
# live ones below which batches are packed anew. Measured on one core of a CPU
# (analyses/benchmarks/challenge.py).
CACHED, FEWEST, MOST, PACKED = 2**18, 64, 256, 0.75
# Numbers of the signals of a group, and of tables that are kept.
GROUPED, KEPT = 2**27, 2**27


class Inference(NamedTuple):
    """What is left of the images, and what it took.

    Attributes:
        categories: Numbers of the images that are alive at the end, from 1, ascending.
        alive: Images alive after each layer.
        rate: Images times connections of the network a second, as in the papers; all images
            count, whenever they died.
        seconds: Time of the inference, from packed images to categories.
        table_seconds: Time in which layers were made, not counted in `seconds`.
    """

    categories: Int[np.ndarray, " alive"]
    alive: Int[np.ndarray, " depth"]
    rate: float
    seconds: float
    table_seconds: float


class _Batch(NamedTuple):
    """Signals of images side by side.

    Attributes:
        signals: One row a neuron, or a class of neurons, and one column an image.
        images: Number of each image, from 1; 0 where a column is free.
        alive: Which columns have a signal that is not 0.
        spare: Memory of the size of the signals, to write the next ones into; None for new memory.
    """

    signals: Float[Array, "rows columns"]
    images: Int[np.ndarray, " columns"]
    alive: Bool[np.ndarray, " columns"]
    spare: Float[Array, "rows columns"] | None = None


def by_edges(network: ChallengeNetwork, layer: int) -> Tables:
    """A layer as it is: each neuron sums over its 32 senders."""
    return (network.senders(layer),)


def by_classes(network: ChallengeNetwork, layer: int) -> Tables:
    """A layer between classes of neurons that have the same signals (see `find_classes`).

    Each class of senders sums over its members, which have the signals of their classes after the
    layer before; each class of receivers sums over classes of senders. Needs 28 times fewer
    additions at 1,024 neurons.
    """
    found = find_classes(network.senders(layer))
    members = found.members
    if layer:
        members = find_classes(network.senders(layer - 1)).receivers[members]
    return members.astype(np.int32), found.joined


def infer(
    network: ChallengeNetwork,
    images: Images,
    *,
    form: Form = by_edges,
    drop_dead: bool = True,
    buffers: bool = True,
    group: int | None = None,
    report: Callable[[int], object] | None = None,
) -> Inference:
    """Send images through a network.

    Args:
        network: From `plain_network`, `read_network` or `read_class_tables`.
        images: As many pixels an image as the network has neurons.
        form: How a layer is computed: `by_edges`, or `by_classes`, which uses that many columns of
            a layer are equal.
        drop_dead: Whether images that died are dropped, as by the filter of all-zero rows in the
            FSSL paper (Wang and others, 2019, section II.E).
        buffers: Whether the signals of a batch go back and forth between two buffers, instead of
            new memory for each layer; the paper's "with buffer", in today's terms.
        group: Images that go through all layers together; None for as many as take a GiB. Memory
            grows with it, 8 bytes a neuron and image.
        report: Called with the number of each layer, from 1, that a group has gone through.

    Raises:
        ValueError: If images have another size than the network's, or `by_classes` finds none.
    """
    if images.neurons != network.neurons:
        raise ValueError(
            f"{network.name} takes images of {network.neurons} pixels; given {images.neurons}"
        )
    check_count("group", group or 1)
    size = group or max(1, GROUPED // network.neurons)
    tables = _Tables(network, form)
    advance = partial(_advanced, bias=jnp.float32(network.bias), buffers=buffers)
    alive, left = np.zeros(network.depth, np.int64), [np.array([], np.int64)]
    _compile(network, tables, advance, min(size, len(images.bits)))
    begin, before = perf_counter(), tables.seconds
    for first in range(0, len(images.bits), size):
        batches = _unpacked(images, first, min(first + size, len(images.bits)))
        for layer in range(network.depth):
            batches = advance(tables(layer), batches)
            alive[layer] += sum(int(batch.alive.sum()) for batch in batches)
            if drop_dead:
                batches = _packed(batches)
            if report is not None:
                report(layer + 1)
        left += [batch.images[batch.alive] for batch in batches]
    making = tables.seconds - before
    seconds = perf_counter() - begin - making
    rate = len(images.bits) * network.connections / seconds
    return Inference(np.concatenate(left), alive, rate, seconds, making)


class _Tables:
    """The tables of each layer on the device, made when they are first asked for, and kept."""

    def __init__(self, network: ChallengeNetwork, form: Form) -> None:
        self.seconds, self._period = 0.0, network.period
        kept = max(network.period + 1, KEPT // (CONNECTIONS * network.neurons))
        self._made = lru_cache(kept)(lambda layer: self._make(network, form, layer))

    def __call__(self, layer: int) -> tuple[Array, ...]:
        """The tables of a layer; from the second on they repeat."""
        return self._made(1 + (layer - 1) % self._period if layer else 0)

    def _make(self, network: ChallengeNetwork, form: Form, layer: int) -> tuple[Array, ...]:
        begin = perf_counter()
        tables = tuple(jnp.asarray(table) for table in form(network, layer))
        self.seconds += perf_counter() - begin
        return tables


def _unpacked(images: Images, first: int, last: int) -> list[_Batch]:
    """Some images in batches, the last of them filled up with dark ones."""
    width = _width(images.neurons, last - first)
    batches = []
    for start in range(first, last, width):
        stop = min(start + width, last)
        pixels = images.pixels(slice(start, stop))
        numbers = np.arange(start + 1, stop + 1)
        batches.append(_batch(pixels.T.astype(np.float32), numbers, width))
    return batches


def _batch(signals: Float[np.ndarray, "rows n"], images: np.ndarray, width: int) -> _Batch:
    free = width - len(images)
    filled = np.pad(signals, ((0, 0), (0, free)))
    return _Batch(jnp.asarray(filled), np.pad(images, (0, free)), (filled != 0).any(axis=0))


def _width(neurons: int, images: int) -> int:
    """Columns of a batch."""
    return min(max(FEWEST, min(MOST, CACHED // neurons)), images)


def _advanced(
    tables: tuple[Array, ...], batches: list[_Batch], *, bias: Array, buffers: bool
) -> list[_Batch]:
    """All batches a layer further; they are sent off together, so that cores share them."""
    sent = []
    for batch in batches:
        fits = buffers and batch.spare is not None and len(batch.spare) == len(tables[-1])
        results = (
            _layer_into(batch.spare, tables, batch.signals, bias)
            if fits
            else _layer(tables, batch.signals, bias)
        )
        sent.append(results)
    return [
        _Batch(signals, batch.images, np.asarray(alive), batch.signals if buffers else None)
        for batch, (signals, alive) in zip(batches, sent, strict=True)
    ]


def _packed(batches: list[_Batch]) -> list[_Batch]:
    """The living images alone, in fewer batches, if that saves enough of them."""
    width = batches[0].images.size if batches else 1
    living = sum(int(batch.alive.sum()) for batch in batches)
    if living > PACKED * width * len(batches):
        return batches
    signals = [np.asarray(batch.signals)[:, batch.alive] for batch in batches]
    images = np.concatenate([batch.images[batch.alive] for batch in batches] or [[]])
    together = np.concatenate(signals, 1) if signals else np.zeros((0, 0))
    return [
        _batch(together[:, start : start + width], images[start : start + width], width)
        for start in range(0, images.size, width)
    ]


def _compute(
    tables: tuple[Array, ...], signals: Float[Array, "rows columns"], bias: Float[Array, ""]
) -> tuple[Float[Array, "new_rows columns"], Bool[Array, " columns"]]:
    """One layer, and which images live on."""
    for table in tables:
        signals = sum_rows(table, signals)
    signals = jnp.clip(WEIGHT * signals + bias, 0, CAP)
    return signals, (signals > 0).any(0)


_layer = jax.jit(_compute)
_layer_into = jax.jit(
    lambda spare, tables, signals, bias: _compute(tables, signals, bias),  # noqa: ARG005
    donate_argnums=0,
    keep_unused=True,
)


def _compile(network: ChallengeNetwork, tables: _Tables, advance: Callable, images: int) -> None:
    """Compile what the first layers need, on dark images, so that no time is taken for it."""
    width = _width(network.neurons, images)
    batches = [_batch(np.zeros((network.neurons, 0), np.float32), np.zeros(0, int), width)]
    for layer in range(min(network.depth, 4)):
        batches = advance(tables(layer), batches)
