"""From words to a topology: a family's name, its parameters, and the changes to make."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import networkx as nx

import topokit as tk
from topokit.layers import DescribedLayers
from topokit.topologies import Family

Topology = TypeVar("Topology", nx.DiGraph, DescribedLayers)

SEED = 0


def find_family(name: str) -> Family:
    """The family of that name.

    Raises:
        ValueError: If there is none; it says which names are close.
    """
    known = tk.topologies.families()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from {', '.join(known)}"
    raise ValueError(f"no family is called {name!r}: {hint}")


def make(family: Family, parameters: Mapping[str, Any], *, seed: int = SEED) -> DescribedLayers:
    """Build a member of a family, as arrays.

    Args:
        family: The builder.
        parameters: Its arguments by name, without the seed.
        seed: Its seed, if it takes one.

    Raises:
        ValueError: If the parameters are not the builder's, or it refuses them.
    """
    takes_seed = "seed" in inspect.signature(family).parameters
    try:
        return family.described(**parameters, **({"seed": seed} if takes_seed else {}))
    except TypeError as error:
        raise ValueError(f"{family.__name__}{describe(family)}: {error}") from None


def change(
    topology: Topology, *, skip: str | None = None, diagonal: bool = False, seed: int = SEED
) -> Topology:
    """Make what was asked for on top of a family.

    Args:
        topology: A graph or a recipe.
        skip: Where the constant edges of `topokit.with_skip` go, if anywhere.
        diagonal: Whether to append a trainable diagonal.
        seed: Seed of random skip connections.

    Raises:
        ValueError: If there is no such placement.
    """
    if skip is not None:
        topology = tk.with_skip(topology, placement=skip, seed=seed)
    return tk.with_diagonal(topology) if diagonal else topology


def describe(family: Family) -> str:
    """The signature of a builder without its types, such as `(n, depth=None)`."""
    signature = inspect.signature(family)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))
