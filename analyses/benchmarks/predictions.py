"""The predicted loss at every size: how long it takes, and how near the probes come.

At 1,024 inputs, and at 4,096 with a million edges, each network in a process of its own: seconds,
peak memory, the loss with its standard error and drift, and the device that multiplied. Peers, at
sizes where an exact map fits: the exact way, and the projector of a dense Jacobian as JAX writes it
(`jax.jacfwd` of the product, then a singular value decomposition), one draw of weights each; their
time divided by that of as many probes of one draw as bring their noise down. The exponent with
which the time of random networks of four layers of fan-in 8 grows. And nearness: for each topology
of 32 and 64 inputs on which scores are judged (`score_validity`), what the probes say against the
exact number of the same draws of weights: relative errors of losses above 0.01, and how often they
lie within one and two standard errors.

Writes `predictions.json` beside this script; `--quick` runs small sizes and writes nothing. On one
core: `OPENBLAS_NUM_THREADS=1`.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import topokit as tk
from analyses._validity_topologies import zoo
from analyses.kit import Study, apart, exponent, nested, peak_bytes, timed
from topokit.layers import draw_xavier

t = tk.topologies
LARGE = {
    "Clos 1024, (32, 20, 32)": lambda: t.clos.layers(1024, 1024, 32, 20, 32),
    "butterfly 1024, 10 layers": lambda: t.butterfly.layers(1024),
    "butterfly 1024, 20 layers": lambda: t.butterfly.layers(1024, 20),
    "random 1024, 4 layers": lambda: t.random_regular.layers([1024] * 5, 8, seed=0),
    "hypercube 1024, 3 layers": lambda: t.hypercube.layers(1024, 3),
    "torus 32 x 32, 6 layers": lambda: t.torus.layers((32, 32), 6),
    "butterfly 1024, 20 layers, skip": lambda: tk.with_skip(t.butterfly.layers(1024, 20)),
    "low rank 1024, 64": lambda: t.low_rank.layers(1024, 1024, 64),
    "random 4096, 4 layers": lambda: t.random_regular.layers([4096] * 5, 61, seed=0),
}
PEERS = {
    "Clos 32": lambda: t.clos.layers(32, 32, 8, 6, 8),
    "torus 8 x 8": lambda: t.torus.layers((8, 8), 4),
    "random 64": lambda: t.random_regular.layers([64] * 5, 6, seed=0),
    "butterfly 64, skip": lambda: tk.with_skip(t.butterfly.layers(64, 12)),
    "random 96": lambda: t.random_regular.layers([96] * 4, 8, seed=0),
}
GROWTH = (128, 256, 512, 1024, 2048)
NEARNESS = {32: 8, 64: 2}  # draws of weights
FAMILIES: tuple[str, ...] = ()  # all of them
FLOOR = 0.01
REPETITIONS = 3


class Case(NamedTuple):
    """A network, a size, or a topology of the validity set."""

    part: str
    which: Any


def cases() -> list[Case]:
    """The large ones first, while this process is small: a child's peak counts the parent's."""
    parts = {"large": LARGE, "peers": PEERS, "growth": GROWTH, "nearness": judged()}
    return [Case(part, which) for part, ones in parts.items() for which in ones]


def measure(case: Case) -> Any:
    """The large ones in processes of their own, the others here."""
    match case.part:
        case "large":
            return apart(measure_alone, case.which)
        case "peers":
            return compare(PEERS[case.which]())
        case "growth":
            return random_s(case.which)
    return near(tk.to_layers(judged()[case.which]))


@cache
def judged() -> dict[str, Any]:
    """The topologies of which the exact number is known."""
    return zoo(NEARNESS, FAMILIES)


def measure_alone(name: str) -> dict:
    """One large network: seconds, and the peak memory of this process."""
    tk.predicted_loss(t.random_regular.layers([300] * 3, 4, seed=0))
    layers = LARGE[name]()
    seconds, loss = timed(lambda: tk.predicted_loss(layers))
    return {
        "edges": layers.n_trainable,
        "seconds": seconds,
        "peak_gib": peak_bytes() / 2**30,
        "loss": float(loss),
        "standard_error": loss.standard_error,
        "drift": loss.drift,
        "converged": loss.converged,
        "device": jax.devices()[0].device_kind,
    }


def compare(layers: tk.Layers) -> dict:
    """Median seconds of the probes of one draw, and how many times as long the others take."""
    ways = {
        "probes": lambda: tk.predicted_loss(layers, method="estimate", n_samples=1),
        "exact": lambda: tk.predicted_loss(layers, method="exact", n_samples=1),
        "dense Jacobian": lambda: projector_diagonal(layers),
    }
    rounds = [[timed(way)[0] for way in ways.values()] for _ in range(REPETITIONS + 1)][1:]
    seconds = np.median(rounds, axis=0)
    return {
        "edges": layers.n_trainable,
        "seconds": float(seconds[0]),
        "ratios": dict(zip(list(ways)[1:], (seconds[1:] / seconds[0]).tolist(), strict=True)),
    }


def projector_diagonal(layers: tk.Layers) -> np.ndarray:
    """Leverage as it is written down without a thought: all of the Jacobian, and its left basis."""
    weights = [jnp.asarray(w) for w in draw_xavier(layers, np.random.default_rng(0))]

    def product(trained: list) -> jax.Array:
        rows = zip(trained, weights, layers.trainable, strict=True)
        own = [jnp.where(free, w, fixed) for w, fixed, free in rows]
        return _dense_product(layers, own).ravel()

    columns = jax.jit(jax.jacfwd(product))(weights)
    matrix = np.concatenate(
        [np.asarray(c)[:, free] for c, free in zip(columns, layers.trainable, strict=True)], 1
    )
    basis, values, _ = np.linalg.svd(matrix, full_matrices=False)
    return (basis[:, values > 1e-5 * values[0]] ** 2).sum(axis=1)


def _dense_product(layers: tk.Layers, weights: list) -> jax.Array:
    result = jnp.eye(layers.n_in)
    for number, weight in enumerate(weights):
        shape = layers.widths[number], layers.widths[number + 1]
        places = layers.senders[number], layers.receivers[number]
        result = result @ jnp.zeros(shape).at[places].set(weight)
    return result


def random_s(n: int) -> float:
    """Seconds of a random network of four layers of fan-in 8."""
    layers = t.random_regular.layers([n] * 5, 8, seed=0)
    return timed(lambda: tk.predicted_loss(layers, method="estimate", n_samples=2))[0]


def near(layers: tk.Layers) -> dict:
    """The exact number and that of the probes, of the same draws."""
    draws = NEARNESS[layers.n_in]
    exact = tk.predicted_loss(layers, method="exact", n_samples=draws)
    found = tk.predicted_loss(layers, method="estimate", n_samples=draws)
    return {
        "exact": float(exact),
        "estimate": float(found),
        "standard_error": float(np.hypot(exact.standard_error, found.standard_error)),
        "drift": found.drift,
        "converged": found.converged,
    }


def summarize(found: dict[Case, Any]) -> dict[str, Any]:
    """By part, with the exponent of growth and the quantiles of the errors."""
    rows = nested(found)
    kept = [row for row in rows["nearness"].values() if row["exact"] > FLOOR]
    error = np.array([abs(row["estimate"] / row["exact"] - 1) for row in kept])
    strayed = np.array(
        [abs(row["estimate"] - row["exact"]) / max(row["standard_error"], 1e-9) for row in kept]
    )
    seconds = list(rows["growth"].values())
    return rows | {
        "growth": {"sizes": GROWTH, "seconds": seconds, "exponent": exponent(GROWTH, seconds)},
        "errors": {
            "topologies": len(kept),
            "median": float(np.median(error)),
            "within 2 %": float(np.mean(error <= 0.02)),
            "greatest": float(error.max()),
            "within one standard error": float(np.mean(strayed <= 1)),
            "within two": float(np.mean(strayed <= 2)),
            "converged": sum(row["converged"] for row in kept),
        },
    }


STUDY = Study(
    __name__,
    quick={
        "LARGE": dict([*LARGE.items()][3:4]),
        "PEERS": dict([*PEERS.items()][:1]),
        "GROWTH": (32, 64),
        "NEARNESS": {16: 2},
        "FAMILIES": ("clos",),
        "REPETITIONS": 1,
    },
    alone=True,
)

if __name__ == "__main__":
    STUDY.main()
