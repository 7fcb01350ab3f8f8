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

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses.kit import Study, nested, quartiles, timed
from topokit.products import FormRule, block_form, dense_form, fastest_form, gather_form

# A single layer in a form of one's choice has no public door; hence what is private here.
from topokit.products._column_plan import Step
from topokit.products._end_to_end import Product, Stage, through
from topokit.products._product_kernel import Unrolled

SIZES = ((32, 64), (64, 16), (256, 1), (1024, 1))
BLOCKS = ((2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (4, 16), (16, 4))
DENSITIES = (0.05, 0.1, 0.2, 0.4, 0.7)
REPETITIONS, STEPS, RATE = 5, 10, 1e-6
# Gathered rows at this many multiplications would take minutes, and lose.
MOST = 3e8


class Case(NamedTuple):
    """A layer with blocks of senders and receivers, or of a density."""

    n: int
    batch: int
    kind: Any

    @property
    def table(self) -> str:
        """Where it stands in the results."""
        return "blocks" if isinstance(self.kind, tuple) else "dense"

    @property
    def name(self) -> str:
        """Such as `n = 32, batch 64: 2 x 2`."""
        where = f"n = {self.n}" + (f", batch {self.batch}" if self.batch > 1 else "")
        if self.table == "blocks":
            return f"{where}: {self.kind[0]} x {self.kind[1]}"
        return f"{where}: density {self.kind}"


def cases() -> list[Case]:
    """All layers that gathered rows can do."""
    kinds = [*BLOCKS, *DENSITIES]
    every = [Case(n, batch, kind) for (n, batch), kind in product(SIZES, kinds)]
    return [c for c in every if c.table == "blocks" or fan_in(c) * c.n * c.n * c.batch <= MOST]


def fan_in(case: Case) -> int:
    """Senders of each receiver of a random layer."""
    return max(1, round(case.kind * case.n))


def block_step(n: int, senders: int, receivers: int) -> Step:
    """As many complete blocks as fit among `n` neurons."""
    count = n // max(senders, receivers)
    receiver = np.repeat(np.arange(count * receivers), senders)
    sender = receiver // receivers * senders + np.tile(np.arange(senders), count * receivers)
    edges = np.arange(receiver.size)
    return Step(edges, sender, receiver, count * senders, count * receivers, 1, None)


def random_step(n: int, senders: int) -> Step:
    """Every receiver has the same number of senders, drawn at random."""
    rng = np.random.default_rng(0)
    sender = np.concatenate([np.sort(rng.permutation(n)[:senders]) for _ in range(n)])
    receiver = np.repeat(np.arange(n), senders)
    return Step(np.arange(receiver.size), sender, receiver, n, n, 1, None)


def steps_of(step: Step, columns: int, batch: int, form: FormRule) -> Callable[[], object]:
    """`STEPS` steps of descent through one layer, weights and rows alike."""
    rng = np.random.default_rng(1)
    tail = (batch,) if batch > 1 else ()
    weights, x, goal = (
        jnp.asarray(rng.normal(size=shape + tail), jnp.float32)
        for shape in ((step.edges.size,), (step.n_senders, columns), (step.n_receivers, columns))
    )
    stage = Stage(form(step, batch), None, None, None)
    network = Product((stage,), jnp.arange(columns))

    @jax.jit
    def run(network: Product, state: tuple, goal: jax.Array) -> jax.Array:
        def loss(state: tuple) -> jax.Array:
            return jnp.sum((through(network, *state) - goal) ** 2)

        def advance(state: tuple, _: None) -> tuple[tuple, jax.Array]:
            value, gradient = jax.value_and_grad(loss)(state)
            return jax.tree.map(lambda a, g: a - RATE * g, state, gradient), value

        return jax.lax.scan(advance, state, length=STEPS)[1]

    return lambda: run(network, (weights, x), goal).block_until_ready()


def measure(case: Case) -> dict[str, Any]:
    """Seconds of a step with gathered rows, how much faster the rival is, and who is chosen."""
    if case.table == "blocks":
        step, rival = block_step(case.n, *case.kind), block_form
    else:
        step, rival = random_step(case.n, fan_in(case)), dense_form
    forms = {"gathered": gather_form, "rival": rival}
    runs = {name: steps_of(step, case.n, case.batch, form) for name, form in forms.items()}
    compile_s = {name: round(timed(run)[0], 2) for name, run in runs.items()}
    rounds = range(REPETITIONS)
    times = np.array([[timed(run)[0] for run in runs.values()] for _ in rounds])
    gathered = isinstance(fastest_form(step, case.batch), Unrolled)
    return {
        "compile_s": compile_s,
        "gathered_ms": float(np.median(times[:, 0])) / STEPS * 1e3,
        "ratio": quartiles(times[:, 0] / times[:, 1]),
        "chosen": "gathered" if gathered else "rival",
    }


def summarize(found: dict[Case, dict[str, Any]]) -> dict[str, Any]:
    """One table for each kind of layer."""
    return nested({(case.table, case.name): record for case, record in found.items()})


STUDY = Study(
    __name__,
    quick={
        "SIZES": SIZES[:1],
        "BLOCKS": BLOCKS[:1],
        "DENSITIES": DENSITIES[:1],
        "REPETITIONS": 1,
    },
    one_thread=True,
)

if __name__ == "__main__":
    STUDY.main()
