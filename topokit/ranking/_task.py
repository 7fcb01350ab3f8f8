"""A unit of work, and what it finds: what a kill can lose, what a process is started for."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import jax.numpy as jnp

from topokit.ranking._store import Entry


class Finding(ABC):
    """What a task finds: it knows how it lies in a store."""

    @abstractmethod
    def to_entry(self) -> Entry:
        """Itself as an entry, which the task reads."""


Found = TypeVar("Found", bound=Finding, covariant=True)


@dataclass(frozen=True)
class Task(ABC, Generic[Found]):
    """One unit of work.

    Attributes:
        key: Hash of all that decides the result; of tasks with one key only the first is run.
    """

    key: str

    @property
    @abstractmethod
    def content(self) -> str:
        """What it is about, behind which its finding is handed on."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What to call it in an error."""

    @property
    @abstractmethod
    def cost(self) -> float:
        """Its work, in a unit that all tasks share."""

    @abstractmethod
    def run(self) -> Found:
        """Do it."""

    @abstractmethod
    def read(self, entry: Entry) -> Found:
        """What a store holds of it."""


def own_precision() -> str:
    """The type that JAX computes with in this process."""
    return str(jnp.result_type(float))


def check_precision(asked: str) -> None:
    """Refuse to compute where JAX has another precision than the process that asks."""
    if own_precision() != asked:
        raise ValueError(
            f"this process computes in {own_precision()}, the one that asked in {asked}: set "
            "JAX_ENABLE_X64 in the environment of both"
        )
