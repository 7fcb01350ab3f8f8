"""Inference: images go through the layers in batches, and dead ones are dropped as they die.

A layer is `min(max(Z + bias, 0), 32)` with the sums `Z` of each neuron's senders, times 1/16. The
challenge adds the bias only where `Z` is not 0; it is below 0, so that this is the same. An image
whose signals are all 0 stays so: it is dead. The categories are the images that are alive at the
end.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from topokit._checks import check_count
from topokit._records import Record
from topokit.challenge._challenge_network import CAP, CONNECTIONS, WEIGHT, ChallengeNetwork
from topokit.challenge._images import Images
from topokit.challenge._neuron_classes import find_classes
from topokit.products import sum_rows

Tables = tuple[Int[np.ndarray, "_rows _fan_in"], ...]
"""Tables whose sums of rows, one after the other, are a layer."""
Form = Callable[[ChallengeNetwork, int], Tables]
"""From a network and the number of a layer to its tables."""

# Numbers of a batch that stay in the cache, the fewest and most images of one, and the share of
# live ones below which batches are packed anew. Measured on one core of a CPU
# (analyses/benchmarks/challenge.py).
CACHED, FEWEST, MOST, PACKED = 2**18, 64, 1024, 0.6
# Batches that go through some layers together, first so many layers, then so many at a time.
TOGETHER, FRONT, BACK = 16, 8, 32
# Numbers of the signals of a group, and of tables that are kept.
GROUPED, KEPT = 2**27, 2**27


class Inference(Record):
    """What is left of the images, and what it took.

    Attributes:
        categories: Numbers of the images that are alive at the end, from 1, ascending.
        alive: Images alive after each layer; in the first ones a few more or less by form, where
            a sum that cancels the bias is rounded to 0 or to just above it.
        rate: Images times connections of the network a second, as in the papers; all images
            count, whenever they died.
        seconds: Time of the inference, from packed images to categories.
        table_seconds: Time in which layers were made, not counted in `seconds`.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> found = challenge.infer(network, images)
        >>> found.rate == 20 * network.connections / found.seconds
        True

    See Also:
        `infer`, which returns it.
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
    """A layer as it is: each neuron sums over its 32 senders.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> [table.shape for table in challenge.by_edges(network, 0)]
        [(256, 32)]

    See Also:
        `by_classes`, which sums over classes.
    """
    return (network.senders(layer),)


def by_classes(network: ChallengeNetwork, layer: int) -> Tables:
    """A layer between classes of neurons that have the same signals (see `find_classes`).

    Each class of senders sums over its members, which have the signals of their classes after the
    layer before; each class of receivers sums over classes of senders. Needs 28 times fewer
    additions at 1,024 neurons.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> one = challenge.infer(network, images)
        >>> other = challenge.infer(network, images, form=challenge.by_classes)
        >>> one.categories.tolist() == other.categories.tolist()
        True

    See Also:
        `by_edges`, the default.
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
    callback: Callable[[int], object] | None = None,
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
        callback: Called now and then with the number of layers that a group has gone through.

    Raises:
        ValueError: If images have another size than the network's, or `by_classes` finds none.

    Examples:
        >>> from topokit import challenge
        >>> network = challenge.plain_network(256, depth=8)
        >>> images = challenge.synthetic_images(20, 256)
        >>> found = challenge.infer(network, images)
        >>> len(found.alive), int(found.alive[-1]) == len(found.categories)
        (8, True)

    See Also:
        `by_classes`, another form of the layers.
    """
    _check(network, images, form)
    most = max(1, GROUPED // network.neurons)
    size = most if group is None else check_count("group", group)
    tables = _Tables(network, form)
    run = partial(_through, bias=jnp.float32(network.bias), drop_dead=drop_dead, buffers=buffers)
    alive, left = np.zeros(network.depth, np.int64), [np.array([], np.int64)]
    width = min(_width(tables), size, len(images.bits))
    _compile(network, tables, run, width)
    begin, before = perf_counter(), tables.seconds
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(images.bits), size):
            last = min(first + size, len(images.bits))
            parts, batches = _unpacked(images, range(first, last), width), []
            for span in _spans(network.depth):
                layers = [tables(layer) for layer in span]
                done = list(pool.map(partial(run, layers), parts))
                alive[span.start : span.stop] += sum(counts for _, counts in done)
                batches = [batch for part, _ in done for batch in part]
                parts = _parts(_packed(batches) if drop_dead else batches)
                if callback is not None:
                    callback(span.stop)
            left += [batch.images[batch.alive] for batch in batches]
    seconds = perf_counter() - begin - (tables.seconds - before)
    rate = len(images.bits) * network.connections / seconds
    return Inference(np.concatenate(left), alive, rate, seconds, tables.seconds)


def _check(network: ChallengeNetwork, images: Images, form: Form) -> None:
    if not callable(form):
        raise ValueError(f"form must be by_edges or by_classes, the functions; given {form!r}")
    if images.neurons != network.neurons:
        raise ValueError(
            f"{network.name} takes images of {network.neurons} pixels; given {images.neurons}"
        )
    if images.bits.shape[1:] != (-(-images.neurons // 8),):
        raise ValueError(
            f"images of {images.neurons} pixels have {-(-images.neurons // 8)} bytes each; given "
            f"bits of shape {images.bits.shape}"
        )


def _spans(depth: int) -> list[range]:
    """Layers that a few batches go through before all meet: few where many images die."""
    starts = [0, *range(min(FRONT, depth), depth, BACK)]
    return [range(first, last) for first, last in pairwise([*starts, depth])]


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


def _unpacked(images: Images, numbers: range, width: int) -> Iterator[Callable[[], list[_Batch]]]:
    """Some images in parts of a few batches, made when they are called."""
    for start in numbers[:: TOGETHER * width]:
        stop = min(start + TOGETHER * width, numbers.stop)
        yield partial(_part, images, range(start, stop), width)


def _part(images: Images, numbers: range, width: int) -> list[_Batch]:
    """Images in batches, the last of them filled up with dark ones."""
    batches = []
    for start in numbers[::width]:
        stop = min(start + width, numbers.stop)
        signals = images.pixels(slice(start, stop)).T.astype(np.float32)
        batches.append(_batch(signals, np.arange(start + 1, stop + 1), width))
    return batches


def _batch(signals: Float[np.ndarray, "rows n"], images: np.ndarray, width: int) -> _Batch:
    free = width - len(images)
    filled = np.pad(signals, ((0, 0), (0, free)))
    return _Batch(jnp.asarray(filled), np.pad(images, (0, free)), (filled != 0).any(axis=0))


def _width(tables: _Tables) -> int:
    """Columns of a batch whose signals stay in the cache."""
    rows = len(tables(0)[-1])
    return max(FEWEST, min(MOST, CACHED // rows))


def _through(
    layers: list[tuple[Array, ...]],
    part: Callable[[], list[_Batch]],
    *,
    bias: Array,
    drop_dead: bool,
    buffers: bool,
) -> tuple[list[_Batch], Int[np.ndarray, " layers"]]:
    """Some batches after some layers, and how many images were alive after each."""
    batches, alive = part(), np.zeros(len(layers), np.int64)
    for number, tables in enumerate(layers):
        batches = [_advanced(tables, batch, bias, buffers) for batch in batches]
        alive[number] = sum(int(batch.alive.sum()) for batch in batches)
        if drop_dead:
            batches = _packed(batches)
    return batches, alive


def _advanced(tables: tuple[Array, ...], batch: _Batch, bias: Array, buffers: bool) -> _Batch:
    """A batch a layer further."""
    spare = batch.spare if buffers else None
    if spare is not None and len(spare) == len(tables[-1]):
        signals, alive = _layer_into(spare, tables, batch.signals, bias)
    else:
        signals, alive = _layer(tables, batch.signals, bias)
    return _Batch(signals, batch.images, np.asarray(alive), batch.signals)


def _parts(batches: list[_Batch]) -> Iterator[Callable[[], list[_Batch]]]:
    """Batches in parts of a few."""
    for first in range(0, len(batches), TOGETHER):
        yield partial(list, batches[first : first + TOGETHER])


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
    return signals, signals.sum(0) > 0  # which is faster than any()


_layer = jax.jit(_compute)
_layer_into = jax.jit(
    lambda spare, tables, signals, bias: _compute(tables, signals, bias),  # noqa: ARG005
    donate_argnums=0,
    keep_unused=True,
)


def _compile(network: ChallengeNetwork, tables: _Tables, run: Callable, width: int) -> None:
    """Compile what the first layers need, on a dark batch, so that no time is taken for it."""
    dark = _batch(np.zeros((network.neurons, 0), np.float32), np.zeros(0, int), width)
    layers = [tables(layer) for layer in range(min(network.depth, 4))]
    run(layers, lambda: [dark], drop_dead=False)
