"""The work behind a choice: to foretell a candidate by one batch, and to train it for some steps.

Both are tasks of the engine of rankings, so that they go through any executor and into a store.
What a short training finds holds the state that the next one goes on from.
"""

import pickle
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from topokit._limits import TooLargeError
from topokit._records import brief
from topokit.networks._checkpoint import packed_leaves, unpacked_leaves
from topokit.networks._dataset import Dataset
from topokit.networks._kernel_regression import kernel_regression
from topokit.networks._seeded import falling_adam
from topokit.networks._sent_models import to_send
from topokit.networks._short_training import ShortTraining, take_further
from topokit.networks._untrained import Untrained
from topokit.ranking import Entry, Finding, Found, Task, check_precision


class Recipe(NamedTuple):
    """How all candidates are trained.

    Attributes:
        batch_size: Examples of a step.
        learning_rate: Adam's first one, which falls to 0 along a cosine.
        horizon: Steps of a whole training, at whose end it is 0.
        precision: The type that JAX computes with.
    """

    batch_size: int
    learning_rate: float
    horizon: int
    precision: str


@dataclass(frozen=True)
class Foretold(Finding):
    """What one batch says of a candidate.

    Attributes:
        error: That of the kernel regression, infinite where it failed.
        seconds: Wall time.
        failure: Why it failed; None where it did not.
    """

    KIND: ClassVar[str] = "kernel regression"

    error: float
    seconds: float
    failure: str | None

    def to_entry(self) -> Entry:
        """Both numbers, and the reason; JSON has no infinity."""
        value = {"error": _kept(self.error), "seconds": self.seconds, "failure": self.failure}
        return Entry(self.KIND, value)

    @classmethod
    def from_entry(cls, entry: Entry) -> "Foretold":
        """What `to_entry` wrote."""
        error, failure = _number(entry, "error"), entry.value["failure"]
        if (isinstance(failure, str), failure is None) != (error == inf, error < inf):
            raise ValueError(f"its error is {error}, and its failure {brief(failure)}")
        return cls(error, _number(entry, "seconds"), failure)


@dataclass(frozen=True)
class Trial(Finding):
    """A training so far.

    Attributes:
        steps: Steps that it has taken.
        loss: Of the validation part; infinite where it is no number.
        right: Which of the validation examples are right.
        seconds: Wall time of all steps.
        leaves: The arrays of the model, of its state and of the optimizer's, to go on from.
    """

    KIND: ClassVar[str] = "short training"

    steps: int
    loss: float
    right: Bool[np.ndarray, " n_validation"]
    seconds: float
    leaves: bytes

    @property
    def diverged(self) -> bool:
        """Whether the loss is no number any more."""
        return not isfinite(self.loss)

    def to_entry(self) -> Entry:
        """The numbers, and two arrays."""
        value = {"steps": self.steps, "loss": _kept(self.loss), "seconds": self.seconds}
        leaves = np.frombuffer(self.leaves, np.uint8)
        return Entry(self.KIND, value, {"right": self.right, "leaves": leaves})

    @classmethod
    def from_entry(cls, entry: Entry, steps: int, n_validation: int) -> "Trial":
        """What `to_entry` wrote, after so many steps on so many examples."""
        right, leaves = (entry.arrays[name] for name in ("right", "leaves"))
        if right.dtype != bool or right.shape != (n_validation,) or leaves.dtype != np.uint8:
            raise ValueError(f"its arrays are {brief(right)} and {brief(leaves)}")
        if entry.value["steps"] != steps:
            raise ValueError(f"it has {brief(entry.value['steps'])} steps")
        numbers = _number(entry, "loss"), right, _number(entry, "seconds")
        return cls(steps, *numbers, leaves.tobytes())


def _kept(value: float) -> float | None:
    return value if isfinite(value) else None


def _number(entry: Entry, name: str) -> float:
    """A number of an entry, infinite where it is none."""
    value = entry.value[name]
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"{name} is {brief(value)}")
    return inf if value is None else float(value)


@dataclass(frozen=True)
class ModelTask(Task[Found]):
    """A task about a candidate, which goes to other processes with its model.

    Attributes:
        name: What the candidate is called.
        one: It with its first weights.
    """

    name: str
    one: Untrained

    @property
    def content(self) -> str:
        """The key itself: equal candidates are one."""
        return self.key

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"one": to_send(self.one)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"one": pickle.loads(state["one"])})


@dataclass(frozen=True)
class ForetellTask(ModelTask[Foretold]):
    """One batch on the first weights of a candidate."""

    x: Float[np.ndarray, "n *shape"]
    y: Int[np.ndarray, " n"]
    sparse_only: bool

    @property
    def label(self) -> str:
        """The name of the candidate."""
        return f"kernel of {self.name!r}"

    @property
    def cost(self) -> float:
        """One for each candidate."""
        return 1.0

    def run(self) -> Foretold:
        """Fit one half, and judge on the other."""
        try:
            found = kernel_regression(
                self.one.model, self.x, self.y, state=self.one.state, sparse_only=self.sparse_only
            )
        except TooLargeError:
            raise
        except ValueError as error:  # such as gradients that overflow
            return Foretold(inf, 0.0, str(error))
        if not isfinite(found.error):
            return Foretold(inf, found.seconds, "its error is no finite number")
        return Foretold(found.error, found.seconds, None)

    def read(self, entry: Entry) -> Foretold:
        """What a store holds of it."""
        return Foretold.from_entry(entry)


@dataclass(frozen=True)
class TrialTask(ModelTask[Trial]):
    """The steps of a candidate from one rung to the next, with one seed."""

    seed: int
    data: Dataset
    recipe: Recipe
    steps: int
    since: Trial | None

    @property
    def label(self) -> str:
        """The name of the candidate, and the seed."""
        return f"{self.name!r}, seed {self.seed}"

    @property
    def cost(self) -> float:
        """The steps, and one for what comes with them."""
        return 1.0 + self.steps - (0 if self.since is None else self.since.steps)

    def run(self) -> Trial:
        """Take them, and look at the validation part."""
        recipe = self.recipe
        check_precision(recipe.precision)
        optimizer = falling_adam(recipe.learning_rate, recipe.horizon)
        found = take_further(
            *self.one,
            self.data,
            optimizer,
            self.steps,
            batch_size=recipe.batch_size,
            seed=self.seed,
            since=None if self.since is None else self._unpacked(self.since, optimizer),
        )
        leaves = packed_leaves((_arrays(found.model, found.state), found.opt_state))
        loss = found.validation_loss if isfinite(found.validation_loss) else inf
        return Trial(found.steps, loss, found.right, found.seconds, leaves)

    def _unpacked(self, since: Trial, optimizer: Any) -> ShortTraining:
        """The earlier part, with its arrays in the model again."""
        model, state = self.one
        opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
        like = _arrays(model, state), opt_state
        arrays, opt_state = unpacked_leaves(since.leaves, like)
        static = eqx.filter((model, state), eqx.is_array, inverse=True)
        both = eqx.combine(arrays, static)
        numbers = since.steps, since.loss, float(since.right.mean()), since.right, since.seconds
        return ShortTraining(*numbers, both[0], opt_state, both[1])

    def read(self, entry: Entry) -> Trial:
        """What a store holds of it."""
        return Trial.from_entry(entry, self.steps, len(self.data.validation_x))


def _arrays(model: Any, state: Any) -> Any:
    return eqx.filter((model, state), eqx.is_array)
