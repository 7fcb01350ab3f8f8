"""Solvers of one's own that cost nothing, for tests of what is around them."""

import os
import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax import tree

from topokit.reconstruction import Parameters, Problem, Solution


class Idle(NamedTuple):
    """Stays at the start, and says that the loss is the mean square of the weights there."""

    steps: int = 1

    def solve(self, problem: Problem, start: Parameters) -> Solution:  # noqa: ARG002
        squares = [
            (np.asarray(p, float) ** 2).reshape(-1, p.shape[-1]).mean(axis=0)
            for p in tree.leaves(start)
        ]
        loss = np.asarray(sum(squares), np.float32)
        steps = np.full(loss.size, self.steps)
        return Solution(start, loss, np.tile(loss, (self.steps, 1)), steps)  # pyright: ignore


class Noting(NamedTuple):
    """Adds the number of edges to a file before it does what `Idle` does."""

    log: str

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        with Path(self.log).open("a") as file:
            file.write(f"{problem.layers.n_edges}\n")
        return Idle().solve(problem, start)


class Failing(NamedTuple):
    """Raises for topologies of so many edges."""

    edges: int

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        if problem.layers.n_edges == self.edges:
            raise ArithmeticError("this wiring is too hard")
        return Idle().solve(problem, start)


class Deadly(NamedTuple):
    """Kills its process for topologies of so many edges."""

    edges: int

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        if problem.layers.n_edges == self.edges:
            os.kill(os.getpid(), signal.SIGKILL)
        return Idle().solve(problem, start)


class Interrupted(NamedTuple):
    """Is interrupted, as by Ctrl-C, at topologies of so many edges."""

    edges: int

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        if problem.layers.n_edges == self.edges:
            raise KeyboardInterrupt
        return Idle().solve(problem, start)


class Nameless:
    """A solver that no key can describe."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        return Idle(self.steps).solve(problem, start)
