"""A family of topologies: one definition, as arrays or as a graph.

A builder's body returns a `Layers`. Decorated with `family` it returns the `networkx.DiGraph`, and
the arrays stay one attribute away for networks too large for a graph: `butterfly(1024)` is a
graph, `butterfly.layers(2**20)` a recipe.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Generic, ParamSpec

import networkx as nx
import numpy as np

from topokit.layers import Layers, from_layers

P = ParamSpec("P")


class Family(Generic[P]):
    """A builder: call it for the graph, call `.layers` for the arrays alone."""

    __name__: str

    def __init__(self, build: Callable[P, Layers]) -> None:
        """Take the builder's name, docstring and signature."""
        functools.update_wrapper(self, build)
        self.layers = build

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> nx.DiGraph:
        """Build the topology as a graph that keeps its name, family and parameters."""
        bound = inspect.signature(self.layers).bind(*args, **kwargs)
        named = [f"{key}={_plain(value)!r}" for key, value in kwargs.items()]
        name = f"{self.__name__}({', '.join([*(repr(_plain(a)) for a in args), *named])})"
        bound.apply_defaults()
        layers = self.layers(*args, **kwargs)
        return from_layers(
            layers, name=name, family=self.__name__, parameters=_plain(bound.arguments)
        )


def family(build: Callable[P, Layers]) -> Family[P]:
    """Make a builder of arrays a builder of graphs."""
    return Family(build)


def _plain(value: object) -> object:
    """Tuples as lists and numpy's numbers as Python's: parameters read back equal from JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
