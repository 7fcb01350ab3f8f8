"""The Graph Challenge's inference as a program that stays on its device.

`topokit.challenge.infer` packs what is alive on the host, and its batches suit the cache of a core.
Here signals never leave the device: images go through blocks of layers, a block all strides of the
network, in tiles of equally many columns, and after 1, 2, 4, 8 and so on blocks the living columns
of all tiles move together, so that few tiles are left. Layers are topokit's own sums of rows
(`products.sum_rows`), by edges or by classes.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses.kit import changed
from topokit.challenge import ChallengeNetwork, Images
from topokit.products import sum_rows

# How many slots are added up at once has no public switch; hence what is private here.
from topokit.products import _signal_kernel  # isort: skip

WEIGHT, CAP, COPIES = 1 / 16, 32.0, 16

Tables = tuple[jax.Array, ...]


class Setting(NamedTuple):
    """Numbers of the signals of a tile, and slots of a sum that are added up at once."""

    numbers: int
    slots: int


class Tile(NamedTuple):
    """Signals `(rows, columns)`, the image of each column from 1, and which of them are alive."""

    signals: jax.Array
    images: np.ndarray
    alive: jax.Array | np.ndarray


class Program(NamedTuple):
    """A network on its device: the tables of each layer, block by block, and the bias."""

    blocks: list[list[Tables]]
    bias: jax.Array
    neurons: int
    slots: int


def by_device(
    network: ChallengeNetwork, form: Callable, setting: Setting
) -> Callable[[Images], np.ndarray]:
    """Put the layers on the device; then from images to the numbers of those that are left."""

    @cache
    def on_device(layer: int) -> Tables:
        return tuple(jnp.asarray(table) for table in form(network, layer))

    layers = [on_device(1 + (k - 1) % network.period if k else 0) for k in range(network.depth)]
    strides = (network.neurons // COPIES).bit_length() - 1
    blocks = [layers[start : start + strides] for start in range(0, network.depth, strides)]
    program = Program(blocks, jnp.float32(network.bias), network.neurons, setting.slots)
    width = max(8, setting.numbers // max(len(tables[-1]) for tables in blocks[0]))
    return lambda images: _infer(program, images, min(width, len(images.bits)))


def _infer(program: Program, images: Images, width: int) -> np.ndarray:
    tiles = [_begin(program, bits, numbers) for bits, numbers in _parts(images, width)]
    for number, block in enumerate(program.blocks[1:], 1):
        if number & (number - 1) == 0:
            tiles = _together(tiles)
        tiles = [_advance(program, block, tile) for tile in tiles]
    left = np.concatenate([tile.images[np.asarray(tile.alive)] for tile in tiles])
    return np.sort(left[left > 0])


def _parts(images: Images, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Bits of so many images, and their numbers; the last ones are filled up with dark images."""
    for start in range(0, len(images.bits), width):
        bits = images.bits[start : start + width]
        free = width - len(bits)
        numbers = np.pad(np.arange(start + 1, start + len(bits) + 1), (0, free))
        yield np.pad(bits, ((0, free), (0, 0))), numbers


def _begin(program: Program, bits: np.ndarray, numbers: np.ndarray) -> Tile:
    """Some images behind the first block."""
    tile = Tile(_pixels(bits, program.neurons), numbers, numbers > 0)
    return _advance(program, program.blocks[0], tile)


def _advance(program: Program, block: list[Tables], tile: Tile) -> Tile:
    """A tile a block further."""
    signals, alive = _layers(block, tile.signals, program.bias, program.slots)
    return tile._replace(signals=signals, alive=alive)


def _together(tiles: list[Tile]) -> list[Tile]:
    """The living columns of all tiles in as few tiles as hold them, moved on the device."""
    width, found = tiles[0].images.size, []
    living = [np.flatnonzero(np.asarray(tile.alive)) for tile in tiles]
    owners = np.repeat(np.arange(len(tiles)), [columns.size for columns in living])
    columns = np.concatenate(living)
    wanted = max(1, -(-columns.size // width))
    if wanted >= len(tiles):
        return tiles
    for start in range(0, wanted * width, width):
        part, owner = columns[start : start + width], owners[start : start + width]
        signals, images = jnp.zeros_like(tiles[0].signals), np.zeros(width, np.int64)
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            places = np.full(width, -1, np.int32)
            places[mine] = part[mine]
            images[mine] = tiles[number].images[part[mine]]
            signals = _moved(signals, tiles[number].signals, places)
        found.append(Tile(signals, images, images > 0))
    return found


@partial(jax.jit, donate_argnums=0)
def _moved(signals: jax.Array, source: jax.Array, places: jax.Array) -> jax.Array:
    """Columns of the source at places; those that have none stay."""
    return jnp.where(places >= 0, source[:, jnp.maximum(places, 0)], signals)


@partial(jax.jit, static_argnums=1)
def _pixels(bits: jax.Array, neurons: int) -> jax.Array:
    return jnp.unpackbits(bits, axis=1, count=neurons).T.astype(jnp.float32)


@partial(jax.jit, static_argnums=3)
def _layers(
    block: list[Tables], signals: jax.Array, bias: jax.Array, slots: int
) -> tuple[jax.Array, jax.Array]:
    """Some layers, and which columns are alive behind them."""
    sizes = _signal_kernel.loop_sizes()._replace(chunk=slots)
    with changed(_signal_kernel, {"loop_sizes": lambda: sizes}):
        for tables in block:
            for table in tables:
                # Apart, so that no compiler adds a layer up once for each of its readers.
                signals = jax.lax.optimization_barrier(sum_rows(table, signals))
            signals = jnp.clip(WEIGHT * signals + bias, 0, CAP)
    return signals, signals.sum(0) > 0
