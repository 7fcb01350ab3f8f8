"""Which form of a layer is fastest: gathered rows, dense blocks, or one masked dense matrix?

One step is a layer forward and backward, both gradients included, on one core in single precision.
Two sizes carry a batch at the end of their arrays, as `reconstruct` does with many small targets;
two are a single large matrix. The first table has layers that fall into complete blocks of
`senders x receivers`, in blocks against gathered rows; the second has layers in which every
receiver has the same number of random senders, dense against gathered rows. A figure above 1 says
that gathered rows take so many times longer; a star marks the form that `fastest_form` takes. Each
repetition times all forms in turn, after one run that compiles them.

Writes `forms.json` beside this script; `--quick` measures little and writes nothing.
"""

import _one_thread  # isort: skip  # has to come before jax
import argparse
import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from _timing import quartiles, timed
from rich.console import Console
from rich.table import Table

from topokit.products import FormRule, block_form, dense_form, fastest_form, gather_form
from topokit.products._blocks import Blocks
from topokit.products._column_plan import Step
from topokit.products._end_to_end import Product, Stage, through

SIZES = ((32, 64), (64, 16), (256, 1), (1024, 1))
BLOCKS = ((2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (4, 16), (16, 4))
DENSITIES = (0.05, 0.1, 0.2, 0.4, 0.7)
REPETITIONS, STEPS, RATE = 5, 10, 1e-6
# Gathered rows at this many multiplications would take minutes, and lose.
MOST = 3e8


def block_step(n: int, senders: int, receivers: int) -> Step:
    """As many complete blocks as fit among `n` neurons."""
    count = n // max(senders, receivers)
    receiver = np.repeat(np.arange(count * receivers), senders)
    sender = receiver // receivers * senders + np.tile(np.arange(senders), count * receivers)
    edges = np.arange(receiver.size)
    return Step(edges, sender, receiver, count * senders, count * receivers, 1, None)


def random_step(n: int, density: float) -> Step:
    """Every receiver has the same number of senders, drawn at random."""
    rng, fan_in = np.random.default_rng(0), max(1, round(density * n))
    sender = np.concatenate([np.sort(rng.permutation(n)[:fan_in]) for _ in range(n)])
    receiver = np.repeat(np.arange(n), fan_in)
    return Step(np.arange(receiver.size), sender, receiver, n, n, 1, None)


def steps_of(step: Step, columns: int, batch: int, form: FormRule) -> Callable[[], object]:
    """`STEPS` steps of descent through one layer, weights and rows alike."""
    rng = np.random.default_rng(1)
    tail = (batch,) if batch > 1 else ()
    weights, x, goal = (
        jnp.asarray(rng.normal(size=shape + tail), jnp.float32)
        for shape in ((step.edges.size,), (step.n_senders, columns), (step.n_receivers, columns))
    )
    stage = Stage(form(step, batch), None, None)
    network = Product((stage,), jnp.arange(columns), jnp.asarray(True))

    @jax.jit
    def run(network: Product, state: tuple, goal: jax.Array) -> jax.Array:
        def loss(state: tuple) -> jax.Array:
            return jnp.sum((through(network, *state) - goal) ** 2)

        def advance(state: tuple, _: None) -> tuple[tuple, jax.Array]:
            value, gradient = jax.value_and_grad(loss)(state)
            return jax.tree.map(lambda a, g: a - RATE * g, state, gradient), value

        return jax.lax.scan(advance, state, length=STEPS)[1]

    return lambda: run(network, (weights, x), goal).block_until_ready()


def measure(step: Step, columns: int, batch: int, rival: FormRule, repetitions: int) -> dict:
    """Seconds of a step with gathered rows, how much faster the rival is, and who is chosen."""
    forms = {"gathered": gather_form, "rival": rival}
    runs = {name: steps_of(step, columns, batch, form) for name, form in forms.items()}
    compile_s = {name: timed(run) for name, run in runs.items()}
    times = np.array([[timed(run) for run in runs.values()] for _ in range(repetitions)])
    return {
        "compile_s": {name: round(seconds, 2) for name, seconds in compile_s.items()},
        "gathered_ms": float(np.median(times[:, 0])) / STEPS * 1e3,
        "ratio": quartiles(times[:, 0] / times[:, 1]),
        "chosen": "rival" if isinstance(fastest_form(step, batch), Blocks) else "gathered",
    }


def cases(quick: bool) -> dict[str, dict[str, tuple[Step, int, int, FormRule]]]:
    """All layers by table, then by name."""
    sizes = SIZES[:1] if quick else SIZES
    tables = {"blocks": {}, "dense": {}}
    for n, batch in sizes:
        where = f"n = {n}" + (f", batch {batch}" if batch > 1 else "")
        for pair in BLOCKS[:2] if quick else BLOCKS:
            name = f"{where}: {pair[0]} x {pair[1]}"
            tables["blocks"][name] = (block_step(n, *pair), n, batch, block_form)
        for density in DENSITIES[:1] if quick else DENSITIES:
            step = random_step(n, density)
            if step.edges.size * n * batch <= MOST:
                tables["dense"][f"{where}: density {density}"] = (step, n, batch, dense_form)
    return tables


def show(results: dict[str, dict[str, dict]]) -> None:
    """One table for each kind of layer."""
    for title, rows in results.items():
        table = Table("layer", "gathered, ms a step", f"{title}, times as fast", title=title)
        for name, row in rows.items():
            low, middle, high = row["ratio"]
            stars = ("*", "") if row["chosen"] == "gathered" else ("", "*")
            figure = f"{middle:.2f} ({low:.2f} to {high:.2f}) {stars[1]}"
            table.add_row(name, f"{row['gathered_ms']:.3f} {stars[0]}", figure)
        Console().print(table)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three layers, nothing written")
    quick = parser.parse_args().quick
    results = {
        table: {name: measure(*case, 1 if quick else REPETITIONS) for name, case in rows.items()}
        for table, rows in cases(quick).items()
    }
    show(results)
    if not quick:
        path = Path(__file__).with_suffix(".json")
        text = json.dumps({"cores": _one_thread.n_cores(), **results}, indent=2)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
