"""A descent on sparse cascades: topokit's ELL products against what one would write.

Peers, on the same problem in the same process: dense masked matrices in JAX, and scipy's CSR with
the gradient written by hand. One step is the products of all targets, their losses and gradients
and a gradient step; JAX takes its steps inside one compiled loop. Every repetition times all peers
in turn; a figure is the median over repetitions of the peer's time divided by topokit's, with its
quartiles. Compilation is timed apart.

Writes `products.json` beside this script; `--quick` runs a small size and writes nothing.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from rich.console import Console
from rich.table import Table

import topokit as tk
from topokit.products import compile_network, multiply, to_slots

REPETITIONS = 9
STEPS = 50
RATE = 1e-4
CASES = {
    "butterfly 32, 5 layers": (lambda: tk.topologies.butterfly.layers(32), 16),
    "butterfly 32, 20 layers": (lambda: tk.topologies.butterfly.layers(32, 20), 16),
    "clos 32, (8, 9, 8)": (lambda: tk.topologies.clos.layers(32, 32, 8, 9, 8), 16),
    "hypercube 32, 6 layers": (lambda: tk.topologies.hypercube.layers(32, 6), 16),
    "butterfly 256, 8 layers": (lambda: tk.topologies.butterfly.layers(256), 1),
    "clos 256, (16, 16, 16)": (lambda: tk.topologies.clos.layers(256, 256, 16, 16, 16), 1),
}
QUICK = ("butterfly 32, 5 layers",)


def topokit_run(layers: tk.Layers, weights: list[np.ndarray], targets: np.ndarray) -> Callable:
    """`STEPS` steps through `topokit.products`; returns the last loss."""
    network = compile_network(layers)
    start = [jnp.asarray(s) for s in to_slots(layers, network, [w.T for w in weights])]
    goals = jnp.asarray(targets.transpose(2, 1, 0))

    def loss(slots: list) -> jax.Array:
        return jnp.sum((multiply(network, slots) - goals) ** 2)

    return descent(loss, start)


def dense_run(layers: tk.Layers, weights: list[np.ndarray], targets: np.ndarray) -> Callable:
    """The same with dense masked matrices."""
    masks = [jnp.asarray(mask, jnp.float32) for mask in tk.to_masks(layers)]
    batches = [np.stack([matrix.toarray() for matrix in row]) for row in csr(layers, weights)]
    goals = jnp.asarray(targets)

    def loss(dense: list) -> jax.Array:
        product = dense[0] * masks[0]
        for matrix, mask in zip(dense[1:], masks[1:], strict=True):
            product = product @ (matrix * mask)
        return jnp.sum((product - goals) ** 2)

    return descent(loss, [jnp.asarray(batch) for batch in batches])


def descent(loss: Callable, start: list) -> Callable:
    """A compiled loop of gradient steps."""

    @jax.jit
    def run(start: list) -> jax.Array:
        def step(weights: list, _: None) -> tuple[list, jax.Array]:
            value, gradient = jax.value_and_grad(loss)(weights)
            return jax.tree.map(lambda w, g: w - RATE * g, weights, gradient), value

        return jax.lax.scan(step, start, length=STEPS)[1][-1]

    return lambda: float(run(start))


def scipy_run(layers: tk.Layers, weights: list[np.ndarray], targets: np.ndarray) -> Callable:
    """The same with scipy's CSR, target by target; the structure is set up once."""
    patterns = [matrices[0].T.tocsr() for matrices in csr(layers, weights)]
    flipped = [matrices[0].tocsr() for matrices in csr(layers, weights)]
    orders = [np.lexsort((r, s)) for s, r in zip(layers.senders, layers.receivers, strict=True)]

    def step(own: list[np.ndarray], goal: np.ndarray) -> float:
        activations = [np.eye(layers.n_in, dtype=np.float32)]
        for matrix, weight in zip(patterns, own, strict=True):
            matrix.data[:] = weight
            activations.append(matrix @ activations[-1])
        error = activations[-1] - goal
        back = 2 * error
        for number in reversed(range(layers.depth)):
            rows = back[layers.receivers[number]] * activations[number][layers.senders[number]]
            flipped[number].data[:] = own[number][orders[number]]
            back = flipped[number] @ back
            own[number] -= RATE * rows.sum(axis=1)
        return float((error**2).sum())

    def run() -> float:
        own = [[w[target].copy() for w in weights] for target in range(len(targets))]
        history = [
            [step(w, goal.T) for w, goal in zip(own, targets, strict=True)] for _ in range(STEPS)
        ]
        return sum(history[-1])

    return run


def csr(layers: tk.Layers, weights: list[np.ndarray]) -> list[list]:
    """Each layer, for each target, as a scipy matrix of shape `(n_senders, n_receivers)`."""
    rows = zip(weights, layers.senders, layers.receivers, pairwise(layers.widths), strict=True)
    return [[sp.csr_array((w, (s, r)), shape=shape) for w in ws] for ws, s, r, shape in rows]


def measure(layers: tk.Layers, n_targets: int, repetitions: int) -> dict:
    """Times in seconds and ratios of one case; the three losses must agree."""
    rng = np.random.default_rng(0)
    weights = [
        (rng.normal(size=(n_targets, s.size)) * np.sqrt(width / s.size)).astype(np.float32)
        for s, width in zip(layers.senders, layers.widths[1:], strict=True)
    ]
    targets = rng.normal(size=(n_targets, layers.n_in, layers.n_out)).astype(np.float32)
    makers = {"topokit": topokit_run, "JAX dense": dense_run, "scipy CSR": scipy_run}
    runs = {name: make(layers, weights, targets) for name, make in makers.items()}
    first = {name: timed(run) for name, run in runs.items()}
    losses = {name: run() for name, run in runs.items()}
    if not np.allclose(list(losses.values()), losses["topokit"], rtol=1e-3):
        raise RuntimeError(f"the products disagree: {losses}")
    times = {name: np.zeros(repetitions) for name in runs}
    for repetition in range(repetitions):
        for name, run in runs.items():
            times[name][repetition] = timed(run)
    return {
        "edges": layers.n_edges,
        "targets": n_targets,
        "compile_s": first["topokit"] - float(np.median(times["topokit"])),
        "step_s": float(np.median(times["topokit"])) / STEPS,
        "ratios": {name: quartiles(times[name] / times["topokit"]) for name in list(makers)[1:]},
    }


def timed(run: Callable) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def quartiles(values: np.ndarray) -> list[float]:
    """Lower quartile, median and upper quartile."""
    return [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]


def show(results: dict) -> None:
    """Print the results as a table."""
    table = Table("case", "targets", "compile", "step", "JAX dense", "scipy CSR")
    for name, row in results.items():
        ratios = [f"{m:.1f}x ({a:.1f} to {b:.1f})" for a, m, b in row["ratios"].values()]
        times = f"{row['compile_s']:.2f} s", f"{row['step_s'] * 1e3:.3f} ms"
        table.add_row(name, str(row["targets"]), *times, *ratios)
    Console().print(table)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one small case, nothing written")
    quick = parser.parse_args().quick
    names = QUICK if quick else CASES
    results = {
        name: measure(CASES[name][0](), CASES[name][1], 3 if quick else REPETITIONS)
        for name in names
    }
    show(results)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
