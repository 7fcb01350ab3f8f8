"""Candidates on their way: what a batch says of each, and its trainings rung by rung.

Who comes first is a matter of whole numbers and of texts: right validation examples, numbers of
parameters, names. So it is the same wherever the accuracies are.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit._escapes import shown
from topokit._progress import progress
from topokit.networks._contestants import Contestant, check_contestant
from topokit.networks._dataset import Dataset
from topokit.networks._fingerprint import fingerprint
from topokit.networks._halving import Rung
from topokit.networks._sparsify import n_parameters
from topokit.networks._trials import ForetellTask, Foretold, Recipe, Trial, TrialTask
from topokit.networks._untrained import Untrained
from topokit.ranking import Task, describe, key_of, run


class Race:
    """The candidates on their way.

    Attributes:
        contestants: They, by name.
        recipe: How they are trained.
        parameters: Their numbers of parameters.
        foretold: What the batch said of them, if it was asked.
        trials: The last training of each, by seed.
        counts: Of each and each of its rungs how many validation examples were right, and of how
            many, over its seeds.
    """

    def __init__(
        self,
        contestants: dict[str, Contestant],
        data: Dataset,
        recipe: Recipe,
        settings: Mapping[str, Any],
        executor: Executor | None,
        store: str | os.PathLike[str] | None,
    ) -> None:
        """Take the candidates, what they learn from, how, and where that runs and is kept."""
        self.contestants, self.data, self.recipe = contestants, data, recipe
        self.settings, self.executor, self.store = settings, executor, store
        self.parameters: dict[str, int] = {}
        self.foretold: dict[str, Foretold] = {}
        self.trials: defaultdict[str, dict[int, Trial]] = defaultdict(dict)
        self.counts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._drawn: dict[tuple[str, int], tuple[Untrained, str]] = {}
        self._shared = "" if store is None else self._what_all_share()

    def check(self) -> None:
        """Draw all candidates with the first seed, and refuse one that does not fit the data."""
        with progress("candidates", len(self.contestants)) as bar:
            for name, contestant in self.contestants.items():
                bar.show(repr(name))
                one, _ = self._draw(name, 0)
                check_contestant(one, contestant, self.data, self.recipe.batch_size, 0)
                self.parameters[name] = n_parameters(one.model)
                bar.advance(1)

    def foretell(
        self, x: Float[np.ndarray, "n *shape"], y: Int[np.ndarray, " n"], *, sparse_only: bool
    ) -> None:
        """Ask one batch about all of them."""
        batch = "" if self.store is None else describe("batch", (x, y, sparse_only))
        tasks = {}
        for name in self.contestants:
            one, text = self._draw(name, 0)
            key = key_of(Foretold.KIND, text, batch)
            tasks[name] = ForetellTask(key, name, one, x, y, sparse_only)
        self.foretold |= self._run(tasks, "batch")
        found = self.foretold.values()
        failures = [one.failure for one in found if one.failure is not None]
        if len(failures) == len(found):
            raise ValueError(
                "the kernel regression, which says who is trained, fails for all candidates: scale "
                f"the data, or give keep=1, which trains all: {shown(failures[0])}"
            )

    def climb(self, names: Sequence[str], rung: Rung, doing: str) -> None:
        """Train these as far as a rung asks."""
        pairs = [(name, seed) for name in names for seed in range(rung.seeds)]
        tasks = {pair: self._trial(*pair, rung.steps) for pair in pairs}
        for (name, seed), found in self._run(tasks, doing).items():
            self.trials[name][seed] = found
        for name in names:
            right = self.right(name)
            self.counts[name].append((int(right.sum()), right.size))

    def right(self, name: str) -> Bool[np.ndarray, "seeds n_validation"]:
        """Which validation examples are right after the last training of each seed."""
        trials = self.trials[name]
        return np.stack([trials[seed].right for seed in sorted(trials)])

    def is_sound(self, name: str) -> bool:
        """Whether no training of it diverged."""
        return not any(trial.diverged for trial in self.trials[name].values())

    def promise(self, name: str) -> tuple[float, int, str]:
        """What candidates are sorted by before they are trained."""
        error = self.foretold[name].error if self.foretold else 0.0
        return error, self.parameters[name], name

    def standing(self, name: str) -> tuple[int, float, int, str]:
        """What candidates of one rung are sorted by: the batch counts where nothing is trained."""
        error, parameters, _ = self.promise(name)
        counts = self.counts[name]
        return (-counts[-1][0], 0.0, parameters, name) if counts else (0, error, parameters, name)

    def _trial(self, name: str, seed: int, steps: int) -> TrialTask:
        one, text = self._draw(name, seed)
        key = key_of(Trial.KIND, text, self._shared, str(seed), str(steps))
        since = self.trials[name].get(seed)
        return TrialTask(key, name, one, seed, self.data, self.recipe, steps, since)

    def _run(self, tasks: Mapping[Any, Task[Any]], doing: str) -> dict[Any, Any]:
        """What tasks find, under the names that they have here; equal ones run once."""
        arguments = {"executor": self.executor, "path": self.store, "doing": doing}
        with closing(run(tasks.values(), **arguments)) as finished:
            found = dict(finished)
        return {name: found[task.content] for name, task in tasks.items()}

    def _draw(self, name: str, seed: int) -> tuple[Untrained, str]:
        """A candidate with the first weights of a seed, and what tells it from others."""
        if (name, seed) not in self._drawn:
            one = self.contestants[name].draw(seed)
            text = name if self.store is None else self._text_of(one)
            self._drawn[name, seed] = one, text
        return self._drawn[name, seed]

    def _text_of(self, one: Untrained) -> str:
        return _lines(fingerprint(self.settings, model=one.model, state=one.state))

    def _what_all_share(self) -> str:
        names = ("train_x", "train_y", "validation_x", "validation_y")
        parts = {name: getattr(self.data, name) for name in names}
        return _lines(fingerprint({}, **parts)) + describe("recipe", self.recipe)


def _lines(told: Mapping[str, str]) -> str:
    return "".join(f"{name} {text}\n" for name, text in told.items())
