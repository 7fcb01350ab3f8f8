"""Degrees of freedom at scale: exact counts, estimates, and what either costs.

- Exact: a growing series of one family, with the exponent that fits its seconds, and other families
  at more than 10,000 trainable edges. Peers on the same matrices: python-flint's rank over the same
  field, and the numerical rank of the dense Jacobian by numpy's singular values, where they finish.
- Estimates at 1,024 inputs, with their standard errors.
- Estimates beside exact counts where both run, deep and rank-deficient networks among them.

Every case runs in a process of its own on one thread; its peak memory is the operating system's and
contains the libraries. Writes `freedom.json` beside this script; `--quick` runs a few small cases
and writes nothing.
"""

from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from flint import nmod_mat
from threadpoolctl import threadpool_limits

import topokit as tk
from analyses.kit import Study, apart, exponent, nested, peak_bytes, timed
from topokit.layers import draw_xavier, edge_factors, residues

# Peers get the matrix and the weights that topokit has, which is nobody's business but a peer's.
from topokit.scores.freedom._rank_mod_p import PRIME, multiply, times, to_residues
from topokit.scores.freedom._spanning_edges import count_spanning, spanning_edges

REPETITIONS, REPEATED_UP_TO = 3, 3000
PROBES = 2
FRESH = True  # every case in a process of its own
FLINT_UP_TO, SVD_UP_TO = 6000, 1500
t = tk.topologies
SERIES = {
    f"torus {side} x {side}, 2 layers": lambda side=side: t.torus.layers((side, side), 2)
    for side in (6, 8, 12, 16, 24, 32)
}
LARGE = {
    "butterfly 256, 20 layers": lambda: t.butterfly.layers(256, 20),
    "low rank 120, rank 45": lambda: t.low_rank.layers(120, 120, 45),
}
HUGE = {
    "clos 1024, (32, 20, 32)": (lambda: t.clos.layers(1024, 1024, 32, 20, 32), 1e-3),
    "butterfly 1024, 20 layers": (lambda: t.butterfly.layers(1024, 20), 1e-3),
    "torus 32 x 32, 12 layers": (lambda: t.torus.layers((32, 32), 12), 1e-2),
}
SMALL = {
    "butterfly 32, 18 layers": lambda: t.butterfly.layers(32, 18),
    "butterfly 32, 30 layers": lambda: t.butterfly.layers(32, 30),
    "butterfly 32, 30 layers + skip": lambda: tk.with_skip(t.butterfly.layers(32, 30)),
    "butterfly 32, 36 layers + skip": lambda: tk.with_skip(t.butterfly.layers(32, 36)),
    "hypercube 32, 6 layers": lambda: t.hypercube.layers(32, 6),
    "hypercube 32, 7 layers + skip": lambda: tk.with_skip(t.hypercube.layers(32, 7)),
    "torus 8 x 4, 7 layers": lambda: t.torus.layers((8, 4), 7),
    "clos 32, (8, 9, 8)": lambda: t.clos.layers(32, 32, 8, 9, 8),
    "low rank 32, rank 18": lambda: t.low_rank.layers(32, 32, 18),
    "random 64, 4 layers": lambda: t.erdos_renyi.layers([64] * 5, 0.2, seed=0),
    "butterfly 128, 14 layers": lambda: t.butterfly.layers(128, 14),
    "butterfly 128, 28 layers": lambda: t.butterfly.layers(128, 28),
    "torus 16 x 8, 7 layers": lambda: t.torus.layers((16, 8), 7),
}


class Case(NamedTuple):
    """A network of a part."""

    part: str
    name: str


def cases() -> list[Case]:
    """Part by part."""
    parts = {"series": SERIES, "compared": SMALL, "large": LARGE, "estimates": HUGE}
    return [Case(part, name) for part, names in parts.items() for name in names]


def measure(case: Case) -> dict[str, Any] | None:
    """One network, on a single thread."""
    call = partial(PARTS[case.part], case.name)
    return apart(on_one_thread, call) if FRESH else on_one_thread(call)


def exact(name: str) -> dict:
    """Count one network and time the peers that finish."""
    layers = {**SERIES, **LARGE}[name]()
    rows = min(count_spanning(layers), layers.n_in * layers.n_out)
    seconds, count = timed(lambda: tk.degrees_of_freedom(layers))
    row = {"edges": layers.n_trainable, "rows": rows, "degrees_of_freedom": count}
    row |= {"seconds": seconds, "peak_MiB": peak_bytes() / 2**20}
    if rows <= REPEATED_UP_TO:
        again = [timed(lambda: tk.degrees_of_freedom(layers))[0] for _ in range(REPETITIONS - 1)]
        row["seconds"] = median([seconds, *again])
    if rows <= FLINT_UP_TO:
        row["flint_seconds"], row["flint"] = timed(lambda: flint_rank(layers))
    if rows <= SVD_UP_TO:
        row["svd_seconds"], row["svd"] = timed(lambda: numerical_rank(layers))
    return row


def flint_rank(layers: tk.Layers) -> int:
    """The rank of the Jacobian's scalar products, each entry scaled at random, by python-flint."""
    rng, keep = np.random.default_rng(1), spanning_edges(layers)
    weights = [rng.integers(1, PRIME, s.size) for s in layers.senders]
    a, b = edge_factors(layers, weights, keep, algebra=residues(PRIME))
    scaled = [to_residues(x * rng.integers(1, PRIME, x.shape[1])) for x in (a, b)]
    one, other = [multiply(x, to_residues(y.T)) for x, y in zip(scaled, (a, b), strict=True)]
    gram = times(one, other).astype(np.int64) % PRIME
    matrix = nmod_mat(len(gram), len(gram), PRIME)
    for i, values in enumerate(gram):
        for j, value in enumerate(values.tolist()):
            matrix[i, j] = value
    return matrix.rank()


def numerical_rank(layers: tk.Layers) -> int:
    """The rank that floating point sees in the dense Jacobian, its columns of length 1."""
    weights = draw_xavier(layers, np.random.default_rng(0))
    a, b = edge_factors(layers, weights, spanning_edges(layers))
    columns = np.einsum("ei,eo->ioe", a, b).reshape(-1, len(a))
    return int(np.linalg.matrix_rank(columns / np.linalg.norm(columns, axis=0)))


def estimate(name: str) -> dict:
    """Estimate one network at 1,024 inputs."""
    build, tolerance = HUGE[name]
    layers = build()
    seconds, found = timed(
        lambda: tk.scores.estimate_freedom(layers, n_samples=PROBES, tolerance=tolerance)
    )
    row = {"edges": layers.n_trainable, "tolerance": tolerance, **found._asdict()}
    return row | {"seconds": seconds, "peak_MiB": peak_bytes() / 2**20}


def compare(name: str) -> dict:
    """An estimate and the exact count of one network."""
    layers = SMALL[name]()
    exact_seconds, count = timed(lambda: tk.degrees_of_freedom(layers))
    seconds, found = timed(lambda: tk.scores.estimate_freedom(layers))
    row = {"edges": layers.n_trainable, "exact": count, **found._asdict()}
    return row | {"exact_seconds": exact_seconds, "seconds": seconds}


PARTS = {"series": exact, "compared": compare, "large": exact, "estimates": estimate}


def on_one_thread(call: partial[dict[str, Any]]) -> dict[str, Any]:
    """Measure a case with a single BLAS thread."""
    with threadpool_limits(1):
        return call()


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """By part; and the power of the edges with which seconds of the series grow."""
    parts = nested(found)
    edges, seconds = ([row[n] for row in parts["series"].values()] for n in ("edges", "seconds"))
    return {"exponent": exponent(edges, seconds)} | parts


STUDY = Study(
    __name__,
    quick={
        "SERIES": dict([*SERIES.items()][:2]),
        "SMALL": {"low rank 32, rank 18": SMALL["low rank 32, rank 18"]},
        "LARGE": {},
        "HUGE": {},
        "FRESH": False,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
