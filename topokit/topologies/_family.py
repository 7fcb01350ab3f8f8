"""A family of topologies: one definition, as arrays or as a graph.

A builder's body returns a `Layers`. Decorated with `family` it is a function that returns the
`networkx.DiGraph`, and the arrays stay one attribute away for networks too large for a graph:
`butterfly(1024)` is a graph, `butterfly.layers(2**20)` a recipe. Both are plain functions, which
pickle finds by their names: an executor takes either.
"""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, Protocol, cast, runtime_checkable

import networkx as nx
import numpy as np

from topokit._names import fitting
from topokit.layers import DescribedLayers, Layers, described, from_layers
from topokit.topologies._member_size import as_graph

P = ParamSpec("P")


@runtime_checkable
class Family(Protocol[P]):
    """A builder: call it for the graph, call `.layers` for the arrays alone.

    Examples:
        >>> import topokit as tk
        >>> isinstance(tk.topologies.butterfly, tk.topologies.Family)
        True
        >>> tk.topologies.butterfly(8).number_of_edges(), tk.topologies.butterfly.layers(8).n_edges
        (48, 48)

    See Also:
        `family`, which makes one of a function.
    """

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> nx.DiGraph:
        """Build the topology as a graph that keeps its name, family and parameters."""
        ...

    @property
    def layers(self) -> Callable[P, Layers]:
        """The same topology as arrays, from the same arguments."""
        ...

    @property
    def described(self) -> Callable[P, DescribedLayers]:
        """The same arrays, which say of themselves what the graph would."""
        ...


def family(build: Callable[P, Layers]) -> Family[P]:
    """Make a builder of arrays a builder of graphs.

    Examples:
        >>> import topokit as tk
        >>> @tk.topologies.family
        ... def diamond(n: int) -> tk.Layers:
        ...     return tk.topologies.low_rank.layers(1, 1, n)
        >>> diamond(3).name
        'diamond(3)'
        >>> diamond.layers(1000).n_edges
        2000

    See Also:
        `families`, those of this package.
    """
    name, signature = build.__name__, inspect.signature(build)

    def describe(*args: P.args, **kwargs: P.kwargs) -> DescribedLayers:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            takes = ", ".join(signature.parameters)
            raise TypeError(f"{name}({takes}): {error}") from None
        layers = build(*args, **kwargs)
        named = [f"{key}={_plain(value)!r}" for key, value in kwargs.items()]
        label = fitting(f"{name}({', '.join([*(repr(_plain(a)) for a in args), *named])})")
        bound.apply_defaults()
        parameters = _plain(bound.arguments)
        return described(layers, {"name": label, "family": name, "parameters": parameters})

    @functools.wraps(build)
    def builder(*args: P.args, **kwargs: P.kwargs) -> nx.DiGraph:
        with as_graph():
            layers = describe(*args, **kwargs)
        return from_layers(layers, **layers.said)

    builder.__annotations__ = {**build.__annotations__, "return": nx.DiGraph}
    builder.__dict__["__signature__"] = signature.replace(return_annotation=nx.DiGraph)
    builder.__dict__["layers"], builder.__dict__["described"] = build, describe
    build.__name__, build.__qualname__ = "layers", f"{build.__qualname__}.layers"
    return cast(Family[P], builder)


def _plain(value: object) -> object:
    """Tuples as lists and numpy's numbers as Python's: parameters read back equal from JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
