"""What the graph of a topology takes, told by its numbers alone before there is one."""

from topokit._limits import check_memory
from topokit._records import brief

# Bytes that networkx takes for a node and for an edge of the convention, measured.
NODE, EDGE = 800, 450
LIMIT = 2**32


def graph_bytes(neurons: int, edges: int) -> int:
    """The memory of a graph with so many nodes and edges."""
    return NODE * neurons + EDGE * edges


def check_graph(neurons: int, edges: int) -> None:
    """Raise `TooLargeError` if a graph of so many nodes and edges should not be built."""
    check_memory(
        "the graph",
        graph_bytes(neurons, edges),
        LIMIT,
        "arrays take a tenth: FAMILY.layers(...), topokit.read_layers, and a file .npz of them",
        of=f"{brief(neurons)} neurons and {brief(edges)} edges",
    )
