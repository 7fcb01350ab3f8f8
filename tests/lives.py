"""A small sweep that does real work, for processes that are killed in the midst of it."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import topokit as tk
from topokit.ranking import Result, sweep
from topokit.reconstruction import Parameters, Problem, Solution

SEEDS = (0, 1)
TOPOLOGIES = {f"rank {r}": tk.topologies.low_rank(4, 4, r) for r in (1, 2, 3)}
UNITS = [(name, seed) for name in TOPOLOGIES for seed in SEEDS]


def run(folder: str) -> list[Result]:
    """All units of the sweep that the store in a folder does not hold."""
    Path(folder).mkdir(exist_ok=True)
    solver = Compiling("log")
    results = sweep(TOPOLOGIES, seeds=SEEDS, targets=2, solver=solver, store=f"{folder}/store")
    return timeless(results)


def timeless(results: Iterable[Result]) -> list[Result]:
    """Results without what differs from run to run, in one order."""
    rows = (replace(row, seconds=0.0) for row in results)
    return sorted(rows, key=lambda row: (row.name, row.seed, row.target))


class Compiling(NamedTuple):
    """Adds a line that tells topology and targets to a file, and compiles the size of the start."""

    log: str

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        with Path(self.log).open("a") as file:
            file.write(f"{problem.layers.n_edges} {float(np.asarray(problem.targets).sum())}\n")
        loss = size_of(start)
        return Solution(start, loss, loss[None], jnp.ones(loss.size, int))


@jax.jit
def size_of(start: Parameters) -> jax.Array:
    """The sum of the squares of all weights, for each of the batch."""
    leaves = [leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(start)]
    return (jnp.concatenate(leaves) ** 2).sum(axis=0)
