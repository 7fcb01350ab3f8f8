"""Matching edges to constraints: against networkx and scipy, at n = 1,024, and on a ladder.

At 128 inputs, topokit (from the recipe to the certificate) against Hopcroft-Karp in networkx and
in scipy on the same problem, one after the other, several times over: the median of the peer's
time divided by topokit's, without and with the time to write the peer's graph down, which topokit
never does. At 1,024 inputs and more: seconds and peak memory, each in a process of its own, and
the exponent with which the time of butterflies grows. On a ladder (scipy issue 26147): scipy's
time, under a limit, against topokit's.

Writes `matching.json` beside this script; `--quick` runs small sizes and writes nothing.
"""

from time import perf_counter
from typing import Any, NamedTuple

import networkx as nx
import numpy as np
from networkx.algorithms import bipartite
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

import topokit as tk
from analyses.kit import Study, apart, exponent, nested, peak_bytes, timed
from topokit.scores import match_constraints

REPETITIONS = 5
RATIOS = ("networkx", "networkx with its graph", "scipy", "scipy with its matrix")
LIMIT = 20.0
t = tk.topologies
PEERS = {
    "butterfly 128, 7 layers": lambda: t.butterfly.layers(128, 7),
    "butterfly 128, 11 layers": lambda: t.butterfly.layers(128, 11),
    "clos 128, (8, 16, 8)": lambda: t.clos.layers(128, 128, 8, 16, 8),
    "torus 16 x 8, 4 layers": lambda: t.torus.layers((16, 8), 4),
    "torus 16 x 8, 7 layers": lambda: t.torus.layers((16, 8), 7),
    "hypercube 128, 3 layers": lambda: t.hypercube.layers(128, 3),
    "hypercube 128, 4 layers": lambda: t.hypercube.layers(128, 4),
    "low rank 128, 32": lambda: t.low_rank.layers(128, 128, 32),
    "random 128, 4 layers": lambda: t.random_regular.layers([128] * 5, 4, seed=0),
    "ring 128, 20 layers, crowded": lambda: t.small_world.layers(128, 20, 2, 0.0, seed=0),
}
LARGE = {
    "butterfly 1024, 20 layers": lambda: t.butterfly.layers(1024, 20),
    "clos 1024, (32, 20, 32)": lambda: t.clos.layers(1024, 1024, 32, 20, 32),
    "torus 32 x 32, 12 layers": lambda: t.torus.layers((32, 32), 12),
    "hypercube 1024, 8 layers": lambda: t.hypercube.layers(1024, 8),
    "low rank 1024, 512": lambda: t.low_rank.layers(1024, 1024, 512),
    "ring 256, 20 layers, crowded": lambda: t.small_world.layers(256, 20, 2, 0.0, seed=0),
    "ring 1024, 20 layers, crowded": lambda: t.small_world.layers(1024, 20, 2, 0.0, seed=0),
    "ring 1024, 100 layers, crowded": lambda: t.small_world.layers(1024, 100, 2, 0.0, seed=0),
    "random 1024, full": lambda: t.erdos_renyi.layers([1024, 512, 1024], 0.95, seed=0),
    "butterfly 4096, 12 layers": lambda: t.butterfly.layers(4096, 12),
    "clos 4096, (64, 64, 64)": lambda: t.clos.layers(4096, 4096, 64, 64, 64),
}
GROWTH = (128, 256, 512, 1024, 2048)
LADDERS = (20, 22, 24, 26, 60)


class Case(NamedTuple):
    """A network, a size or a depth of a part."""

    part: str
    which: Any


def cases() -> list[Case]:
    """The large ones first, while this process is small: a child's peak counts the parent's."""
    parts = {"large": LARGE, "peers": PEERS, "growth": GROWTH, "ladders": LADDERS}
    return [Case(part, which) for part, ones in parts.items() for which in ones]


def measure(case: Case) -> Any:
    """The large ones in processes of their own, the others here."""
    match case.part:
        case "large":
            return apart(measure_alone, case.which)
        case "peers":
            return compare(PEERS[case.which](), REPETITIONS)
        case "growth":
            return butterfly_s(case.which, REPETITIONS)
    return measure_ladder(case.which)


def incidences(layers: tk.Layers) -> tuple[np.ndarray, np.ndarray]:
    """The constraints of each edge, one after the other, and where each edge's begin and end."""
    masks = [mask.astype(np.int64) for mask in tk.to_masks(layers)]
    above, below = [np.eye(layers.n_in, dtype=bool)], [np.eye(layers.n_out, dtype=bool)]
    for mask in masks[:-1]:
        above.append(above[-1] @ mask > 0)
    for mask in masks[:0:-1]:
        below.append(mask @ below[-1] > 0)
    rows = zip(above, reversed(below), layers.senders, layers.receivers, strict=True)
    cells = [
        (np.flatnonzero(a[:, s])[:, None] * layers.n_out + np.flatnonzero(b[r])).ravel()
        for a, b, senders, receivers in rows
        for s, r in zip(senders, receivers, strict=True)
    ]
    return np.concatenate(cells), np.cumsum([0, *(c.size for c in cells)])


def by_networkx(cells: np.ndarray, ends: np.ndarray) -> tuple[float, float, int]:
    """Seconds to write the graph, seconds to match, and the size."""
    start, n_edges = perf_counter(), ends.size - 1
    graph = nx.Graph()
    graph.add_nodes_from(range(n_edges))
    for edge in range(n_edges):
        own = (cells[ends[edge] : ends[edge + 1]] + n_edges).tolist()
        graph.add_edges_from((edge, cell) for cell in own)
    written = perf_counter()
    found = bipartite.hopcroft_karp_matching(graph, range(n_edges))
    return written - start, perf_counter() - written, len(found) // 2


def by_scipy(cells: np.ndarray, ends: np.ndarray, n_cells: int) -> tuple[float, int]:
    """Seconds to match, and the size."""
    matrix = csr_array((np.ones(cells.size, np.int8), cells, ends), shape=(ends.size - 1, n_cells))
    seconds, columns = timed(lambda: maximum_bipartite_matching(matrix, "column"))
    return seconds, int((columns >= 0).sum())


def ladder(depth: int) -> np.ndarray:
    """Rungs whose two rows meet both columns of the next, a dead end, beside a chain that is none.

    Rows are in an order in which a greedy matching leaves one over that needs the whole chain.
    """
    rungs, size = 2 * depth, 3 * depth + 1
    meets = np.eye(size, dtype=np.int8)
    meets[-1] = 0
    for row in range(rungs):
        meets[row, row // 2 * 2 + 2 : min(row // 2 * 2 + 4, rungs)] = 1
    for row in range(rungs, size - 1):
        meets[row, row + 1] = 1
    meets[-1, [0, 1, rungs]] = 1
    return meets[::-1]


def as_network(meets: np.ndarray) -> tk.Layers:
    """One input, an edge for each row, and constants to the columns that it meets."""
    rows, columns = np.nonzero(meets)
    row = np.arange(len(meets))
    trainable = [np.ones(row.size, bool), np.zeros(rows.size, bool)]
    return tk.make_layers(
        [1, *meets.shape], [np.zeros_like(row), rows], [row, columns], trainable=trainable
    )


def one_after_the_other(layers: tk.Layers) -> list[float]:
    """Seconds of topokit, networkx, scipy, each peer without and with writing its graph down."""
    own, matching = timed(lambda: match_constraints(layers))
    listing, (cells, ends) = timed(lambda: incidences(layers))
    writing, theirs, size = by_networkx(cells, ends)
    scipy_s, scipy_size = by_scipy(cells, ends, layers.n_in * layers.n_out)
    if not matching.size == size == scipy_size:
        raise RuntimeError(f"the matchings disagree: {matching.size}, {size}, {scipy_size}")
    return [own, theirs, listing + writing + theirs, scipy_s, listing + scipy_s]


def compare(layers: tk.Layers, repetitions: int) -> dict:
    """Median seconds and ratios at one network."""
    seconds = np.array([one_after_the_other(layers) for _ in range(repetitions)])
    ratios = np.median(seconds[:, 1:] / seconds[:, :1], axis=0)
    return {
        "edges": layers.n_trainable,
        "incidences": int(incidences(layers)[0].size),
        "seconds": float(np.median(seconds[:, 0])),
        "ratios": dict(zip(RATIOS, ratios.tolist(), strict=True)),
    }


def measure_alone(name: str) -> dict:
    """One large network: seconds, and the peak memory of this process."""
    match_constraints(t.butterfly.layers(32))
    layers = LARGE[name]()
    seconds, matching = timed(lambda: match_constraints(layers))
    found = {"edges": layers.n_trainable, "matched": matching.size}
    return found | {"seconds": seconds, "peak_gib": peak_bytes() / 2**30}


def climb(depth: int) -> float:
    """Seconds of scipy's matcher on a ladder."""
    matrix = csr_array(ladder(depth))
    return timed(lambda: maximum_bipartite_matching(matrix, "column"))[0]


def measure_ladder(depth: int) -> dict:
    """Scipy's seconds, or None beyond the limit, and topokit's."""
    network = as_network(ladder(depth))
    seconds, matching = timed(lambda: match_constraints(network))
    scipy_s = apart(climb, depth, limit=LIMIT)
    return {"matched": matching.size, "seconds": seconds, "scipy": scipy_s, "limit": LIMIT}


def butterfly_s(n: int, repetitions: int) -> float:
    """Median seconds of a butterfly of depth 2 log2(n)."""
    layers = t.butterfly.layers(n, 2 * (n.bit_length() - 1))
    runs = [timed(lambda: match_constraints(layers))[0] for _ in range(repetitions)]
    return float(np.median(runs))


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """By part, with the median of each ratio and the exponent of growth."""
    rows = nested(found)
    peers, seconds = rows["peers"].values(), list(rows["growth"].values())
    medians = {n: float(np.median([row["ratios"][n] for row in peers])) for n in RATIOS}
    growth = {"sizes": GROWTH, "seconds": seconds, "exponent": exponent(GROWTH, seconds)}
    return {"peers": rows["peers"], "medians": medians} | rows | {"growth": growth}


STUDY = Study(
    __name__,
    quick={
        "LARGE": dict([*LARGE.items()][:1]),
        "PEERS": dict([*PEERS.items()][:1]),
        "GROWTH": (32, 64),
        "LADDERS": (16,),
        "REPETITIONS": 1,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
