"""The default topologies: the families of NeuroFabric and its sources at one budget.

All have 32 inputs and outputs and 1,056 to 1,280 trainable edges, as close to the 1,152 of the
paper's figure 5 as the family allows. Each family stands there twice: with all edges trainable, and
larger but with one constant edge a neuron.
"""

import networkx as nx

from topokit import topologies as t

N = 32
SEED = 0


def default_topologies() -> dict[str, nx.DiGraph]:
    """Twenty topologies by name: ten families, without and with skip connections.

    Examples:
        >>> import topokit as tk
        >>> topologies = tk.ranking.default_topologies()
        >>> list(topologies)[:3]
        ['hypercube', 'clos', 'butterfly']
        >>> len(topologies)
        20
        >>> topologies["butterfly"].name
        'butterfly(32, 18)'

    See Also:
        `topokit.rank`, which compares them.
    """
    plain = {
        "hypercube": t.hypercube(N, 6),
        "clos": t.clos(N, N, 8, 9, 8),
        "butterfly": t.butterfly(N, 18),
        "torus": t.torus((8, 4), 7),
        "parallel butterfly": t.parallel_butterfly(N, 5, 4),
        "low rank": t.low_rank(N, N, 18),
        "radix-net": t.radix_net([[4, 8]] * 3),
        "random": t.erdos_renyi([N] * 7, 6 / N, seed=SEED),
        "random regular": t.random_regular([N] * 7, 6, seed=SEED),
        "small world": t.small_world(N, 7, 4, 0.2, seed=SEED),
    }
    larger = {
        "hypercube": t.hypercube(N, 7),
        "clos": t.clos(N, N, 8, 10, 8),
        "butterfly": t.butterfly(N, 36),
        "torus": t.torus((8, 4), 9),
        "parallel butterfly": t.parallel_butterfly(N, 5, 6),
        "low rank": t.low_rank(N, N, 19),
        "radix-net": t.radix_net([[4, 8]] * 3 + [[8]]),
        "random": t.erdos_renyi([N] * 8, 6 / N, seed=SEED),
        "random regular": t.random_regular([N] * 8, 6, seed=SEED),
        "small world": t.small_world(N, 9, 4, 0.2, seed=SEED),
    }
    return plain | {f"{name} + skip": t.with_skip(g) for name, g in larger.items()}
