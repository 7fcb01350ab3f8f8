"""What can be chosen among: rules, topologies and whole models, each made anew for every seed."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import networkx as nx

from topokit._escapes import shown
from topokit._names import check_name
from topokit._records import brief
from topokit.designs import Candidate
from topokit.layers import Layers, to_layers
from topokit.networks._dataset import Dataset
from topokit.networks._sparsify import kernels, sparsify
from topokit.networks._train import check_training
from topokit.networks._untrained import Untrained, draw_models, has_state, has_weights

EXPECTED = (
    "candidates must be a dict from names to rules, topologies, models, or functions that make a "
    "model from the keyword key; or what topokit.design returns"
)

BUILD = (
    "a function that makes the model from the keyword key, such as "
    "functools.partial(networks.mlp, ...)"
)


@dataclass(frozen=True)
class Contestant:
    """A candidate, and how it is made."""

    name: str
    wiring: Any
    model: Any

    def draw(self, seed: int) -> Untrained:
        """It with the first weights of a seed; of a finished model those that it has."""
        with self.naming_model():
            one = next(draw_models(self.model, None, draws=1, seed=seed))
        if self.wiring is None:
            return one
        with naming(_called(self.name)):
            wiring = self.wiring
            if isinstance(wiring, Layers):
                wiring = _where_it_fits(wiring, one.model)
            return one._replace(model=sparsify(one.model, wiring, key=jax.random.key(seed)))

    def naming_model(self) -> AbstractContextManager[None]:
        """A ValueError about the model in here says whose it is: its own, or that of `build`."""
        return naming(_called(self.name) if self.wiring is None else "build")


def contestants_of(candidates: Any, build: Any) -> list[Contestant]:
    """All candidates by name, in the order given.

    Raises:
        ValueError: If there are none or one alone, two have one name, or one is something else.
    """
    if not (build is None or callable(build) or has_weights(build)):
        raise ValueError(f"build must be {BUILD}; given {brief(build)}")
    named = [*_named(candidates)]
    names = [check_name(name, "the name of a candidate") for name, _ in named]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two candidates are called '{shown(twice[0])}'; give each its own name")
    if len(named) < 2:
        raise ValueError(f"candidates must be at least two, to choose among; given {len(named)}")
    return [_contestant(name, given, build) for name, given in named]


def check_contestant(
    one: Untrained, contestant: Contestant, data: Dataset, batch_size: int, seed: int
) -> None:
    """Refuse what does not fit the data, by its name."""
    with contestant.naming_model():
        check_training(*one, data, batch_size, seed)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """A ValueError in here says what it is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _called(name: str) -> str:
    return f"candidate {shown(name)!r}"


def _named(candidates: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(candidates, Mapping):
        return candidates.items()
    if isinstance(candidates, list) and all(isinstance(each, Candidate) for each in candidates):
        return [(each.name, each) for each in candidates]
    raise ValueError(f"{EXPECTED}; given {brief(candidates)}")


def _contestant(name: str, given: Any, build: Any) -> Contestant:
    with naming(_called(name)):
        wiring = _wiring(given)
        if wiring is None:
            _check_model(given)
            return Contestant(name, None, given)
        if build is None:
            raise ValueError(
                f"a rule or a topology needs the model that it goes into: give build=, {BUILD}"
            )
    with naming("build"):
        _check_model(build)
        return Contestant(name, wiring, build)


def _check_model(given: Any) -> None:
    """Refuse a finished model with a state, which nobody could give."""
    if has_weights(given) and has_state(given):
        raise ValueError(
            "the model has a state: give the function that makes it from the keyword key instead, "
            "which makes the state, too"
        )


def _wiring(given: Any) -> Layers | Mapping[str, Any] | Callable[..., Any] | None:
    """What goes into a model; None of a whole one, or of what makes it."""
    match given:
        case Candidate():
            return given.layers
        case Layers() | nx.DiGraph():
            return to_layers(given)
        case Mapping():
            return given
        case _ if has_weights(given):
            return None
        case _ if callable(given):
            return given if _takes(given, 1, 1) else None
    raise ValueError(f"{EXPECTED}; given {brief(given)}")


def _takes(function: Callable[..., Any], *given: Any) -> bool:
    """Whether a function takes such arguments, as a rule takes two numbers."""
    try:
        inspect.signature(function).bind(*given)
    except (TypeError, ValueError):
        return False
    return True


def _where_it_fits(layers: Layers, model: Any) -> dict[str, Layers]:
    """A topology for all dense layers of a model that have as many inputs and outputs."""
    sizes = kernels(model)
    found = {name: layers for name, size in sizes.items() if size == (layers.n_in, layers.n_out)}
    if not found:
        raise ValueError(
            f"it has {layers.n_in} inputs and {layers.n_out} outputs, as no layer of the model "
            f"has: {sizes}"
        )
    return found
