"""The kinds of work behind every table: to score a topology, and to rebuild matrices with it.

They are kept apart, each under the key of what decides it: scores by the topology alone, so that
every solver finds them again, and so the map that only pictures need; reconstructions by the
topology, the targets, the seed and all settings. What a task finds is a record that knows how it
lies in a store.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Float

from topokit._plain_records import values_of
from topokit._records import brief
from topokit._table_rows import row_of
from topokit.layers import Layers
from topokit.products import Cost
from topokit.ranking._content_keys import describe, key_of, packed, unpacked
from topokit.ranking._drawn_targets import Targets, gaussian_targets
from topokit.ranking._rows import Result
from topokit.ranking._store import Entry
from topokit.ranking._subjects import Subject
from topokit.ranking._task import Finding, Found, Task, check_precision, own_precision
from topokit.reconstruction import Solver, check_arguments, reconstruct
from topokit.scores import Score, score_and_leverage
from topokit.scores.control import controllability
from topokit.scores.counts import size_of

# A descent takes 500 steps on a share for each input and edge: 20 s for so many.
MOST_SHARES = 4_000_000


@dataclass(frozen=True)
class Scored(Finding):
    """Every data-free number of a topology, and the maps behind some."""

    KIND: ClassVar[str] = "score"

    score: Score
    control: Float[np.ndarray, "n_in n_out"]
    leverage: Float[np.ndarray, "n_in n_out"] | None

    def to_entry(self) -> Entry:
        """The numbers by name, and the maps."""
        maps = {"control": self.control, "leverage": self.leverage}
        return Entry(self.KIND, values_of(self.score), _given(maps))

    @classmethod
    def from_entry(cls, entry: Entry) -> "Scored":
        """What `to_entry` wrote."""
        control, leverage = _maps(entry, "control", "leverage")
        if control is None:
            raise ValueError("control is missing")
        return cls(row_of(Score, entry.value), control, leverage)


@dataclass(frozen=True)
class Descended(Finding):
    """Where plain descent ends, if it does not take too long."""

    KIND: ClassVar[str] = "descent"

    K: Float[np.ndarray, "n_in n_out"] | None

    def to_entry(self) -> Entry:
        """The map."""
        return Entry(self.KIND, {}, _given({"K": self.K}))

    @classmethod
    def from_entry(cls, entry: Entry) -> "Descended":
        """What `to_entry` wrote."""
        (K,) = _maps(entry, "K")
        return cls(K)


@dataclass(frozen=True)
class Rebuilt(Finding):
    """The results of one topology and one seed, one for each target."""

    KIND: ClassVar[str] = "reconstruction"

    results: tuple[Result, ...]

    @classmethod
    def of(cls, shared: dict[str, Any], losses: list[float], steps: list[int]) -> "Rebuilt":
        """One result for each target, from what they share and what is their own."""
        own = enumerate(zip(losses, steps, strict=True))
        rows = ({"target": target, "loss": loss, "steps": taken} for target, (loss, taken) in own)
        return cls(tuple(row_of(Result, shared | row) for row in rows))

    def to_entry(self) -> Entry:
        """What all results share, once; the losses and the steps as lists."""
        shared = self.results[0]._asdict()
        del shared["target"]
        losses, steps = zip(*((one.loss, one.steps) for one in self.results), strict=True)
        return Entry(self.KIND, shared | {"loss": list(losses), "steps": list(steps)})

    @classmethod
    def from_entry(cls, entry: Entry) -> "Rebuilt":
        """What `to_entry` wrote."""
        _maps(entry)  # of which there are none
        return cls.of(entry.value, entry.value["loss"], entry.value["steps"])


def _maps(entry: Entry, *names: str) -> list[np.ndarray | None]:
    """The maps of an entry, each a matrix of floats or not there."""
    for name, array in entry.arrays.items():
        if name not in names or array.ndim != 2 or array.dtype.kind != "f":
            raise ValueError(f"the array {name} is {brief(array)}")
    return [entry.arrays.get(name) for name in names]


def _given(maps: dict[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    return {name: array for name, array in maps.items() if array is not None}


@dataclass(frozen=True)
class TopologyTask(Task[Found]):
    """A task about one topology.

    Attributes:
        subject: The topology.
    """

    subject: Subject

    @property
    def content(self) -> str:
        """The hash of its arrays."""
        return self.subject.content


@dataclass(frozen=True)
class ScoreTask(TopologyTask[Scored]):
    """The data-free numbers of a topology, and the maps that they come from."""

    @classmethod
    def of(cls, subject: Subject) -> "ScoreTask":
        """The task of a topology."""
        return cls(key_of(Scored.KIND, subject.content), subject)

    @property
    def label(self) -> str:
        """The name of the topology."""
        return f"the scores of {self.subject.label.name!r}"

    @property
    def cost(self) -> float:
        """One number for each input and edge."""
        return self.subject.layers.n_in * self.subject.layers.n_edges

    def run(self) -> Scored:
        """Score; each map is found once, for itself and for what follows from it."""
        control = controllability(self.subject.layers)
        found, leverage = score_and_leverage(self.subject.layers, control=control)
        return Scored(found, control.K, leverage)

    def read(self, entry: Entry) -> Scored:
        """What a store holds of it."""
        return Scored.from_entry(entry)


@dataclass(frozen=True)
class DescentTask(TopologyTask[Descended]):
    """The paper's K of a topology, which only pictures need."""

    @classmethod
    def of(cls, subject: Subject) -> "DescentTask":
        """The task of a topology."""
        return cls(key_of(Descended.KIND, subject.content), subject)

    @property
    def label(self) -> str:
        """The name of the topology."""
        return f"the descent of {self.subject.label.name!r}"

    @property
    def cost(self) -> float:
        """One number for each input and edge."""
        return self.subject.layers.n_in * self.subject.layers.n_edges

    def run(self) -> Descended:
        """Descend, unless that takes minutes."""
        if self.cost > MOST_SHARES:
            return Descended(None)
        return Descended(controllability(self.subject.layers, fairness=False).K)

    def read(self, entry: Entry) -> Descended:
        """What a store holds of it."""
        return Descended.from_entry(entry)


@dataclass(frozen=True)
class Settings:
    """How to reconstruct.

    Attributes:
        solver: The solver.
        loss: The cost of one entry's error, or its place where `pickle` does not take it.
        restarts: Starts of each target.
        precision: The type that JAX computes with.
        text: What tells settings from others; within one call, without a store, nothing has to.
    """

    solver: Solver
    loss: Cost | str
    restarts: int
    precision: str
    text: str

    @classmethod
    def of(
        cls, layers: Layers, solver: Solver, loss: Cost, restarts: int, *, stored: bool
    ) -> "Settings":
        """Those of this process, checked on one topology."""
        one = gaussian_targets(1, layers.n_in, layers.n_out, seed=0)
        check_arguments(layers, one, solver=solver, restarts=restarts, loss=loss)
        found = cls(solver, packed(loss), int(restarts), own_precision(), "")
        parts = vars(found) | {"loss": loss} if stored else {}
        return replace(found, text="\n".join(describe(*part) for part in parts.items()))


@dataclass(frozen=True)
class ReconstructionTask(TopologyTask[Rebuilt]):
    """All targets of one topology and one seed, for they share one compiled loop."""

    targets: Targets
    seed: int
    settings: Settings

    @classmethod
    def of(
        cls, subject: Subject, targets: Targets, seed: int, settings: Settings
    ) -> "ReconstructionTask":
        """The task of a topology with a seed."""
        key = key_of(Rebuilt.KIND, subject.content, targets.text, str(seed), settings.text)
        return cls(key, subject, targets, seed, settings)

    @property
    def label(self) -> str:
        """The name of the topology, and the seed."""
        return f"{self.subject.label.name!r} with seed {self.seed}"

    @property
    def cost(self) -> float:
        """That of the scores, for each target and start."""
        layers = self.subject.layers
        return layers.n_in * layers.n_edges * self.targets.number * self.settings.restarts

    def run(self) -> Rebuilt:
        """The loss of every target, and what a reader wants to know beside it."""
        settings, layers = self.settings, self.subject.layers
        check_precision(settings.precision)
        found = reconstruct(
            layers,
            self.targets.for_seed(layers, self.seed),
            solver=settings.solver,
            loss=unpacked(settings.loss),
            restarts=settings.restarts,
            key=jax.random.key(self.seed),
        )
        shared = self.subject.label._asdict() | size_of(layers)._asdict()
        shared |= {"solver": repr(settings.solver), "seed": self.seed, "seconds": found.seconds}
        return Rebuilt.of(shared, found.loss.astype(float).tolist(), found.steps.tolist())

    def read(self, entry: Entry) -> Rebuilt:
        """What a store holds of it."""
        return Rebuilt.from_entry(entry)
