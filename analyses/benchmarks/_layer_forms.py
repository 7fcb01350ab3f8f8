"""Which form of a layer is fastest: lists of edges, complete pieces, or filled up with zeros?

One step is a cascade of equal layers forward and backward, the gradients of weights and signals
included; a layer alone would not show what compilers make of several. `density`: random layers,
filled against lists. `pieces`: complete square pieces, as such against lists. `loops`:
the two loops of lists, slot by slot in chunks against row by row. A figure is the seconds of the
lists as topokit makes them over those of the form; `chosen` is what `make_wiring` takes.
"""

from collections.abc import Mapping
from itertools import product
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import topokit as tk
from analyses.kit import Clock, changed, quartiles, race, timed
from topokit.products import Wiring, apply_layer, make_wiring

# To try other forms than the one that is taken, constants of private modules are changed.
from topokit.products import _forms, _signal_kernel  # isort: skip
from topokit.products._blocks import Blocks, Dense  # isort: skip

DEPTH, SIZES, EXAMPLES = 3, (256, 1024), (1, 32, 256)
DENSITIES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
PIECES, PIECES_SIZE = (2, 3, 4, 6, 8, 16), 1024
LOOPS, LOOPS_SIZE, COLUMNS, CHUNKS = (2, 8, 51), 1024, (1, 16, 24, 32, 256), (1, 2, 4, 8)
SLOT, INFINITE = 0.01, 1 << 40


def thresholds(block: int, density: int) -> dict[str, dict[bool, int]]:
    """From how many edges of a block and from which density on forms are taken, on any device."""
    each = {"SIGNAL_BLOCK": block, "SIGNAL_DENSITY": density}
    return {name: dict.fromkeys((True, False), value) for name, value in each.items()}


FORMS = {
    "lists": thresholds(INFINITE, INFINITE),
    "pieces": thresholds(0, INFINITE),
    "filled": thresholds(INFINITE, 0),
}


def measure_forms(repetitions: int, most: int) -> dict[str, dict[str, dict]]:
    """Three tables of ratios, of at most so many sizes, densities, batches and loops each."""
    few = slice(most)
    densities = product(SIZES[few], DENSITIES[few], EXAMPLES[few])
    pieces = product(PIECES[few], EXAMPLES[few])
    loops = product(LOOPS[few], COLUMNS[few])
    size = min(PIECES_SIZE, SIZES[few][-1])
    return {
        "density": {
            f"n = {n}, density {density}, batch {examples}": compare(
                random_layers(n, round(density * n)), examples, ("filled",), repetitions
            )
            for n, density, examples in densities
        },
        "pieces": {
            f"n = {size}, {side} x {side}, batch {examples}": compare(
                complete_pieces(size, side), examples, ("pieces",), repetitions
            )
            for side, examples in pieces
        },
        "loops": {
            f"n = {LOOPS_SIZE}, fan-in {fan_in}, batch {columns}": compare_loops(
                random_layers(LOOPS_SIZE, fan_in), columns, CHUNKS[-most:], repetitions
            )
            for fan_in, columns in loops
        },
    }


def random_layers(n: int, fan_in: int) -> tk.Layers:
    """Exact fan-in."""
    return tk.topologies.random_regular.layers([n] * (DEPTH + 1), fan_in, seed=0)


def complete_pieces(n: int, side: int) -> tk.Layers:
    """As many square pieces as fit, the members of each drawn from all neurons."""
    rng, count = np.random.default_rng(0), n // side
    orders = [rng.permutation(count * side).reshape(count, side) for _ in range(DEPTH)]
    senders = [np.repeat(order, side, axis=1).ravel() for order in orders]
    receivers = [np.tile(order, (1, side)).ravel() for order in orders]
    return tk.make_layers([count * side] * (DEPTH + 1), senders, receivers)


def compare(layers: tk.Layers, examples: int, rivals: tuple[str, ...], repetitions: int) -> dict:
    """Lists against other forms."""
    kinds = {_signal_kernel.Looped: "lists", Blocks: "pieces", Dense: "filled"}
    chosen = kinds[type(make_wiring(layers, 0))]
    forms = ("lists", *rivals)
    clocks = {form: clock(layers, examples, _forms, FORMS[form]) for form in forms}
    return against("lists", clocks, repetitions) | {"chosen": chosen}


def compare_loops(
    layers: tk.Layers, columns: int, chunks: tuple[int, ...], repetitions: int
) -> dict:
    """The loops of lists, whatever the number of columns asks for."""
    own = _signal_kernel.ON_CPU
    loops = {"rows": own._replace(many_columns=INFINITE)}
    loops |= {f"chunks of {n}": own._replace(many_columns=0, chunk=n) for n in chunks}
    fan_in = layers.n_edges // sum(layers.widths[1:])
    by_rows = columns < own.many_columns or fan_in < own.chunk
    chosen = "rows" if by_rows else f"chunks of {own.chunk}"
    with changed(_forms, FORMS["lists"]):
        clocks = {
            name: clock(layers, columns, _signal_kernel, {"ON_CPU": sizes})
            for name, sizes in loops.items()
        }
        clocks["lists"] = clock(layers, columns, _signal_kernel, {})
    return against("lists", clocks, repetitions) | {"chosen": chosen}


def against(first: str, clocks: dict[str, Clock], repetitions: int) -> dict:
    """Milliseconds of the first, and how many times as fast the others are."""
    seconds = race(clocks, repetitions, SLOT)
    own = seconds.pop(first)
    faster = {name: quartiles(own / theirs) for name, theirs in seconds.items()}
    return {f"{first}_ms": float(np.median(own)) * 1e3, "times_as_fast": faster}


def clock(
    layers: tk.Layers, examples: int, module: ModuleType, settings: Mapping[str, Any]
) -> Clock:
    """A cascade compiled under other settings: forward, and the gradients."""

    def loss(parts: tuple, wirings: list[Wiring], y: jax.Array) -> jax.Array:
        weights, rows = parts
        for wiring, w in zip(wirings, weights, strict=True):
            rows = apply_layer(wiring, w, rows)
        return jnp.sum((rows - y) ** 2)

    rng, depth = np.random.default_rng(1), len(layers.senders)
    x, y = (jnp.asarray(rng.normal(size=(layers.n_in, examples)), jnp.float32) for _ in range(2))
    scales = [np.sqrt(layers.n_in / s.size) for s in layers.senders]
    weights = [
        jnp.asarray(rng.normal(0, scale, s.size), jnp.float32)
        for s, scale in zip(layers.senders, scales, strict=True)
    ]
    step = jax.jit(jax.value_and_grad(loss))
    with changed(module, settings):
        wirings = [make_wiring(layers, number) for number in range(depth)]
        step((weights, x), wirings, y)

    def run(steps: int) -> None:
        for _ in range(steps):
            jax.block_until_ready(step((weights, x), wirings, y))

    return lambda steps: timed(lambda: run(steps))[0]
