"""What a member of a family takes, told by its closed forms before any array is made.

A builder checks its arguments, then `check_size`, then makes arrays. Called for a graph it is the
graph that has to fit, for which `family` says `as_graph`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from topokit._limits import check_memory
from topokit._records import brief
from topokit.layers import check_graph

# Bytes for a neuron, for an edge while the arrays are sorted, and for an array of any length with
# the steps that make it, measured.
NEURON, EDGE, PART = 16, 80, 2500
LIMIT = 2**33

_graph_wanted: ContextVar[bool] = ContextVar("topokit graph wanted", default=False)


@contextmanager
def as_graph() -> Iterator[None]:
    """Whatever is checked inside is built as a graph at last."""
    token = _graph_wanted.set(True)
    try:
        yield
    finally:
        _graph_wanted.reset(token)


def check_size(*, neurons: int, edges: float, parts: int) -> None:
    """Raise `TooLargeError` if a member should not be built.

    Args:
        neurons: Of all layers.
        edges: Of all layers; of random ones what is expected.
        parts: The layers of edges, or the blocks that these are made of.
    """
    edges = int(edges)
    if _graph_wanted.get():
        check_graph(neurons, edges)
    check_memory(
        "a topology",
        NEURON * neurons + EDGE * edges + PART * parts,
        LIMIT,
        "take fewer or smaller layers",
        of=f"{brief(neurons)} neurons, {brief(edges)} edges and {brief(parts)} layers or blocks",
    )
