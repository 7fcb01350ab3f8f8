"""What a graph says of where it comes from, believed only where it is true.

A graph says its family, its parameters and the changes since, and a builder's name says the same.
It may be wrong, for users edit graphs and files come from elsewhere; so the topology is built
again, on arrays alone, and compared.
"""

from typing import Any, NamedTuple

import networkx as nx

from topokit.layers import Layers, said_of
from topokit.topologies._compose import name_of, with_diagonal
from topokit.topologies._families import families
from topokit.topologies._skip import with_skip
from topokit.topologies._trim import trim

CHANGES = {change.__name__: change for change in (with_skip, with_diagonal, trim)}
OTHER = ", other edges"
FAULTS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError)


class Origin(NamedTuple):
    """How a topology was built.

    Attributes:
        family: The name of its builder.
        parameters: The arguments of that.
        changes: Since then, the names of the functions with their options.
    """

    family: str
    parameters: dict[str, Any]
    changes: list[tuple[str, dict[str, Any]]]


def origin_of(topology: nx.DiGraph | Layers, layers: Layers) -> Origin | None:
    """How a topology, given also as its recipe, was built; None unless that gives its edges."""
    try:
        said = _said(topology, layers.n_edges)
        return said if said is not None and _built(said) == layers else None
    except FAULTS:
        return None


def true_name(topology: nx.DiGraph | Layers, layers: Layers) -> str:
    """The name of a topology; where a builder gave it to other edges, it says so."""
    name = str(name_of(topology))
    said = said_of(topology)
    given = "parameters" in said and name.startswith(f"{said.get('family')}(")
    if not given or said["family"] not in families() or OTHER in name:
        return name
    return name if origin_of(topology, layers) is not None else name + OTHER


def _said(topology: nx.DiGraph | Layers, most: int) -> Origin | None:
    """What a graph says, if it says all; none that would build a giant."""
    said = said_of(topology)
    family = said.get("family")
    changes = [(name, dict(options)) for name, options in said.get("changes", ())]
    if (
        not isinstance(family, str)
        or family not in families()
        or any(name not in CHANGES for name, _ in changes)
    ):
        return None
    parameters = dict(said["parameters"])
    sizes = {name: value for name, value in parameters.items() if name != "seed"}
    return None if _largest(sizes) > most else Origin(family, parameters, changes)


def _largest(value: Any) -> float:
    """The greatest number and the longest list within."""
    if isinstance(value, dict):
        return _largest(list(value.values()))
    if isinstance(value, list | tuple):
        return max([len(value), *map(_largest, value)])
    return 0 if value is None else value


def _built(origin: Origin) -> Layers:
    layers = families()[origin.family].layers(**origin.parameters)
    for name, options in origin.changes:
        layers = CHANGES[name](layers, **options)
    return layers
