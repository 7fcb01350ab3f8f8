"""Wirings of 256 inputs and outputs with equally many trainable edges, one in sixteen of all pairs.

At another width they have as many edges for each output, and so, at 512, one in 32 of all pairs.

From all families, shallow and deep, wide and narrow inside, with and without constant skip
connections; some serve all pairs alike, and some leave most of them without a path.
"""

from collections.abc import Callable

import topokit as tk
from topokit import Layers
from topokit import topologies as t

N, EDGES, TOLERANCE, SEED = 256, 4096, 0.02, 0

Named = dict[str, Layers]

REGULAR = (  # hidden widths and fan-in
    ((), 16),
    ((256,), 8),
    ((256,) * 3, 4),
    ((256,) * 7, 2),
    ((17,), 15),
    ((37,), 14),
    ((85,), 12),
    ((154,), 10),
    ((427,), 6),
    ((768,), 4),
    ((1792,), 2),
    ((165,) * 2, 7),
    ((384,) * 2, 4),
    ((277,) * 4, 3),
)
ROUTERS = ((8, 7, 8), (32, 4, 16), (128, 4, 4), (4, 7, 16))
RADICES = ((4, 4, 4, 4), (2, 2, 4, 4, 4), (2, 2, 2, 2, 4, 4), (2,) * 8)
GRIDS = (((16, 16), 4), ((8, 32), 4), ((256,), 8))
WORLDS = ((8, 2), (4, 4), (2, 8))  # neighbors and depth


def family_of(name: str) -> str:
    """The family that a name begins with, up to the colon."""
    return name.split(":")[0]


def wirings(width: int = N) -> Named:
    """All by name; the trainable edges of each are within `TOLERANCE` of `EDGES`, at width `N`.

    Hypercubes and RadiX-Nets of other widths have too many edges, and are left out there.
    """
    parts = _skipped(width), _random(width), _designed(width), _blocks(width)  # the slowest first
    found = {name: layers for part in parts for name, layers in part.items()}
    edges = EDGES * width // N
    for name, layers in found.items():
        if abs(layers.n_trainable - edges) > TOLERANCE * edges:
            raise ValueError(f"{name} has {layers.n_trainable} trainable edges, not {edges}")
    return found


def few(width: int = 64) -> Named:
    """Three small ones of one shape, which compile once, for a quick run."""
    return {
        f"random regular: draw {seed}": t.random_regular.layers([width, width], 4, seed=seed)
        for seed in range(3)
    }


def _random(width: int) -> Named:
    wide = [(tuple(n * width // N for n in hidden), fan_in) for hidden, fan_in in REGULAR]
    regular = {
        f"random regular: {_text(hidden)}, fan-in {fan_in}": t.random_regular.layers(
            [width, *hidden, width], fan_in, seed=SEED
        )
        for hidden, fan_in in wide
    }
    loose = {
        f"random: {depth} layer{'s' * (depth > 1)}": t.erdos_renyi.layers(
            [width] * (depth + 1), EDGES / depth / N / width, seed=SEED
        )
        for depth in (1, 2)
    }
    return regular | loose


def _designed(width: int) -> Named:
    mixed = [t.butterfly.layers(width, 4), t.random_regular.layers([width] * 2, 8, seed=SEED)]
    routers = [(first * width // N, *rest) for first, *rest in ROUTERS]
    radices = RADICES if width == N else ()
    return {
        **{f"Clos: routers {_text(r)}": t.clos.layers(width, width, *r) for r in routers},
        **{f"RadiX-Net: {_text(r)}": t.radix_net.layers([r]) for r in radices},
        "butterfly: 8 layers": t.butterfly.layers(width, 8),
        "butterfly: 4 layers, 2 copies": t.parallel_butterfly.layers(width, 4, 2),
        "butterfly: 2 layers, 4 copies": t.parallel_butterfly.layers(width, 2, 4),
        "butterfly: 4 layers, then random": tk.cascade(mixed),
        "low rank: 8": t.low_rank.layers(width, width, 8),
    }


def _blocks(width: int) -> Named:
    """Networks side by side, between which no path runs."""
    dense = width // 16
    parts: dict[str, tuple[int, Callable[[int], Layers]]] = {
        f"blocks: {dense} dense": (dense, lambda n: t.dense.layers(n, n)),
        "blocks: 4 of rank 8": (4, lambda n: t.low_rank.layers(n, n, 8)),
        "blocks: 2 of rank 8": (2, lambda n: t.low_rank.layers(n, n, 8)),
        "blocks: 4 random": (4, lambda n: t.random_regular.layers([n] * 3, 8, seed=SEED)),
    }
    return {
        name: tk.parallel([part(width // count)] * count, shared=False)
        for name, (count, part) in parts.items()
    }


def _skipped(width: int) -> Named:
    cube = {"hypercube: 2 layers, skip": t.hypercube.layers(width, 2)} if width == N else {}
    grids = [((*sides, last * width // N), depth) for (*sides, last), depth in GRIDS]
    plain = {
        **cube,
        "butterfly: 16 layers, skip": t.butterfly.layers(width, 16),
        **{
            f"torus: {' x '.join(map(str, s))}, {d} layers, skip": t.torus.layers(s, d)
            for s, d in grids
        },
        **{
            f"small world: {k} neighbors, {d} layers, skip": t.small_world.layers(
                width, d, k, 0.2, seed=SEED
            )
            for k, d in WORLDS
        },
    }
    return {name: tk.with_skip(layers) for name, layers in plain.items()}


def _text(numbers: tuple[int, ...]) -> str:
    """Such as `2 2 4`, or `256 (x 3)` where numbers are equal."""
    if len(numbers) > 1 and len(set(numbers)) == 1:
        return f"{numbers[0]} (x {len(numbers)})"
    return " ".join(map(str, numbers)) or "1 layer"
