"""The default topologies: the families of NeuroFabric and its sources at one budget.

Each family stands there twice: with all edges trainable, and larger but with one constant edge a
neuron, both as close to the budget as its usual members come (`topokit.designs`).
"""

import warnings
from dataclasses import replace

import networkx as nx

from topokit._checks import check_budget, check_count
from topokit._limits import check_memory
from topokit.designs import nearest, usual, why_far
from topokit.layers import to_layers
from topokit.ranking._content_keys import content_of

FAMILIES = (
    "hypercube",
    "clos",
    "butterfly",
    "torus",
    "parallel_butterfly",
    "low_rank",
    "radix_net",
    "erdos_renyi",
    "random_regular",
    "small_world",
)
CALLED = {"radix_net": "radix-net", "erdos_renyi": "random"}
"""What a family is called here, where that is not its name with spaces."""

LIMIT = 2**32  # bytes of the graphs of all members
BYTES = 15000  # of them for each edge of the budget: some 23 edges, each of 650 bytes in a graph


def default_budget(n: int) -> int:
    """The budget of the default set: five eighths of the `n**2` entries, where wirings differ.

    From about the `n**2` entries of the matrix on most wirings can set all of them.

    Args:
        n: Number of inputs and of outputs.

    Returns:
        That many trainable edges, but at least the `2 n` that the set needs.

    Examples:
        >>> import topokit as tk
        >>> tk.ranking.default_budget(32)
        640

    See Also:
        `default_topologies`, which takes it.
    """
    n = check_count("n", n, least=2)
    return max(2 * n, 5 * n * n // 8)


def default_topologies(budget: int | None = None, *, n: int = 32) -> dict[str, nx.DiGraph]:
    """Twenty topologies by name: ten families, without and with skip connections, at one budget.

    Every family gives the members whose trainable edges are nearest to the budget, of those that
    grow along one line as in NeuroFabric's figures: deeper (butterfly, hypercube, torus, small
    world, RadiX-Net), wider (Clos, low rank), by copies (parallel butterfly), or both (random). The
    default is 62.5 % of a dense matrix, 640 for 32 inputs and outputs, where wirings differ:
    `budget=1152` gives the hypercube, Clos, butterfly and torus of NeuroFabric's figure 5, and the
    other families at that size, but from about the `n**2` entries of the matrix on most wirings can
    set all of them.

    Args:
        budget: Trainable edges that each should have, from the `2 n` without which not all pairs
            can be joined to the `2 n**2` of two dense layers; `default_budget(n)` by default.
        n: Number of inputs and of outputs.

    Returns:
        The graphs by name, those with skip connections last. A family that has no member with so
        many inputs is left out, as are a member with skip connections in which no neuron mixes two
        signals, and one of the same wiring as one before it.

    Raises:
        ValueError: If there can be no wiring of that size.
        TooLargeError: If the graphs would need more than 4 GiB of memory.

    Warns:
        UserWarning: If a family or a member is left out, or the nearest member of one is more than
            a quarter off.

    Examples:
        >>> import topokit as tk
        >>> topologies = tk.ranking.default_topologies()
        >>> list(topologies)[:3]
        ['hypercube', 'clos', 'butterfly']
        >>> len(topologies)
        20
        >>> topologies["butterfly"].name
        'butterfly(32, 10)'
        >>> tk.ranking.default_topologies(1152)["clos"].name
        'clos(32, 32, 8, 9, 8)'

    See Also:
        `topokit.rank`, which compares them.
    """
    n = check_count("n", n, least=2)
    budget = check_budget(default_budget(n) if budget is None else budget, n)
    check_memory(
        "the default set",
        BYTES * budget,
        LIMIT,
        "take a smaller budget or n, or single members, by topokit.designs.nearest",
        of=f"{budget} trainable edges between {n} inputs and outputs",
    )
    plain, skipped = {}, {}
    for family in FAMILIES:
        name = CALLED.get(family, family.replace("_", " "))
        try:
            plain[name] = nearest(family, n, n, budget, among=usual)
            skipped[f"{name} + skip"] = nearest(family, n, n, budget, among=usual, skip=True)
        except ValueError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
    chosen = plain | skipped
    built: dict[str, nx.DiGraph] = {}
    same: dict[str, str] = {}
    for name, member in chosen.items():
        graph = member.build()
        layers = to_layers(graph)
        first = same.setdefault(content_of(layers), name)
        if member.skip and layers.n_trainable == layers.n_edges:
            warnings.warn(f"left out: {name}: no neuron of {graph.name} mixes", stacklevel=2)
        elif first != name:
            warnings.warn(f"left out: {name}: it is the wiring of {first}", stacklevel=2)
        else:
            built[name] = graph
            made = replace(member, trainable=layers.n_trainable)
            if reason := why_far(made, budget):
                warnings.warn(f"{name} {reason}", stacklevel=2)
    return built
