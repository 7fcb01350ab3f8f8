"""L0 constraint satisfaction: give each entry of the end-to-end matrix an edge of its own.

A weight can be set so that one entry of `W_d`, a "constraint", is met exactly; it may be any entry
(i, o) with a path through the edge: the rectangle of the sender's ancestors by the receiver's
descendants. The most constraints that can be met is the maximum matching of edges to constraints
(NeuroFabric, section V.A).

The bipartite graph is never written down: it would have 10^8 incidences at n = 1,024. Edges with
equal rectangles are merged, each rectangle offers a few constraints an edge, and a maximum flow
matches the edges to those. Where edges are left, a search along alternating paths through the whole
rectangles either finds constraints to offer as well, and the flow runs again, or has seen a closed
set, with more edges than constraints: a proof that no more can be matched (König).
"""

import networkx as nx
import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from topokit._limits import check_memory
from topokit._records import Record
from topokit.layers import Layers, to_layers
from topokit.scores.counts._alternating_paths import search_levels, trace_paths
from topokit.scores.counts._rectangles import Numbers, Rectangles, expand, merge_edges, sample_cells

LIMIT = 2**32
PROBES = 4


class Matching(Record):
    """Which edge settles which constraint, with proofs from both sides.

    Edges are the trainable ones in recipe order (layer by layer, by receiver, then by sender).

    Attributes:
        size: Number of matched edges, from 0 to the smaller of edges and reachable pairs.
        inputs: Input of the constraint that each edge settles, or -1. With `outputs` it proves
            "at least": the pairs differ, and a path of each runs through its edge.
        outputs: Output of the constraint that each edge settles, or -1.
        crowded: The constraints of a vertex cover, which proves "at most": these and
            `decisive` count `size` together, and every edge meets only crowded constraints
            unless it is decisive itself. The edges that are not decisive compete for the crowded
            constraints, too many for all to find one; every maximum matching has the same ones.
        decisive: The edges of the vertex cover.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> found = tk.scores.match_constraints(layers)
        >>> found.size, layers.n_trainable, found.crowded.shape
        (16, 16, (4, 4))

    See Also:
        `match_constraints`, which returns it.
    """

    size: int
    inputs: Int[np.ndarray, " trainable"]
    outputs: Int[np.ndarray, " trainable"]
    crowded: Bool[np.ndarray, "n_in n_out"]
    decisive: Bool[np.ndarray, " trainable"]


def satisfiable_constraints(topology: nx.DiGraph | Layers) -> int:
    """Most entries of the end-to-end matrix that could be met exactly, one edge each.

    It lies between `degrees_of_freedom` and the number of trainable edges: it is the structural
    rank of the Jacobian `dW_d/dw`. Cost as for `match_constraints`, which gives the certificate.

    Examples:
        >>> import topokit as tk
        >>> tk.satisfiable_constraints(tk.topologies.low_rank(8, 8, 2))
        32
        >>> tk.satisfiable_constraints(tk.topologies.dense(8, 8))
        64

    See Also:
        `degrees_of_freedom`, at most as many; `topokit.scores.match_constraints`, which edge
        settles which.
    """
    return match_constraints(topology).size


def match_constraints(topology: nx.DiGraph | Layers) -> Matching:
    """Match as many constraints as possible to trainable edges that can settle them.

    Cost: O(E (n_in + n_out) / 64) for the rectangles, then rounds of a flow and a search. A flow
    over `a` offers, four an edge at first, costs O(a sqrt(E)) at most: dead ends are marked, so it
    is exponential on no network. A search costs O(E n_out / 64 + n_in n_out) for each of its
    levels. A round matches one more edge at least; where constraints are plenty, one round is
    usually enough.
    Memory: O(E + n_in n_out), and the bits, (n_in + n_out) / 8 bytes a neuron.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If it would take more than 4 GiB.

    Examples:
        >>> import topokit as tk
        >>> layers = tk.topologies.butterfly.layers(4)
        >>> found = tk.scores.match_constraints(layers)
        >>> found.size, len(set(zip(found.inputs.tolist(), found.outputs.tolist())))
        (16, 16)

    See Also:
        `topokit.satisfiable_constraints`, its size alone.
    """
    layers = to_layers(topology)
    _check_memory(layers, 0)
    rectangles = merge_edges(layers)
    _check_memory(layers, int(_first_offers(rectangles).sum()))
    owner, crowded = _match(rectangles, layers.n_in * layers.n_out)
    inputs, outputs = _hand_out(rectangles, owner)
    decisive = (inputs >= 0) & ~crowded[inputs, outputs]
    return Matching(int((owner >= 0).sum()), inputs, outputs, crowded, decisive)


def _check_memory(layers: Layers, n_offers: int) -> None:
    """Refuse what cannot fit: bits in four copies, cells, edges, and the flow over the offers."""
    words = -(-layers.n_in // 64) + -(-layers.n_out // 64)
    widest = max(senders.size for senders in layers.senders)
    check_memory(
        "match_constraints",
        (32 * sum(layers.widths) + 16 * widest) * words
        + 64 * layers.n_in * layers.n_out
        + 128 * layers.n_trainable
        + 256 * n_offers,
        LIMIT,
        "topokit.structure counts an upper bound, the trainable edges",
    )


def _first_offers(rectangles: Rectangles) -> Numbers:
    """How many constraints each group is offered: some for each edge, or all it meets."""
    return np.minimum(rectangles.areas, PROBES * rectangles.edges)


def _match(
    rectangles: Rectangles, n_cells: int
) -> tuple[Numbers, Bool[np.ndarray, "_n_in _n_out"]]:
    """The group that owns each cell, or -1, and the closed set which proves that no more can.

    The draws decide which of the maximum matchings it is and how soon it is found, nothing else.
    """
    rng = np.random.default_rng(0)
    offers = sample_cells(rectangles, _first_offers(rectangles), rng)
    owner, unmatched = np.full(n_cells, -1), rectangles.edges
    while True:
        groups, cells = _augment(unmatched, owner, *offers)
        owner[cells] = groups
        matched = np.bincount(owner[owner >= 0], minlength=rectangles.edges.size)
        unmatched = rectangles.edges - matched
        levels = search_levels(rectangles, unmatched, owner)
        if not any(map(len, levels.found)):
            return owner, levels.closed
        paths = trace_paths(rectangles, levels, int(unmatched.sum()), rng)
        offers = _union(offers, paths, n_cells)


def _union(
    offers: tuple[Numbers, Numbers], paths: tuple[Numbers, Numbers], n_cells: int
) -> tuple[Numbers, Numbers]:
    """Both lists of pairs as one, by group and then by cell, each pair once."""
    # Sorting merges what is sorted already; numpy.unique would hash, and take far longer.
    pairs = np.concatenate([group * n_cells + cell for group, cell in (offers, paths)])
    pairs = np.sort(pairs, kind="stable")
    return np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], n_cells)


def _augment(
    unmatched: Numbers, owner: Numbers, group: Numbers, cell: Numbers
) -> tuple[Numbers, Numbers]:
    """The cells that change hands, and to whom, so that as many edges as possible are matched.

    A flow from a source (vertex 0) through offers to cells, from an owned cell on to its owner,
    from a free one to the sink (the last vertex). Dinic's method never enters a dead end twice in
    a phase and needs O(sqrt(E)) phases (Even and Tarjan, 1975); scipy's
    `maximum_bipartite_matching`, which does enter them again, can take exponential time.
    """
    offered = np.zeros(owner.size, bool)
    offered[cell] = True
    cells, column = np.flatnonzero(offered), np.cumsum(offered) - 1
    group, cell = group[owner[cell] != group], cell[owner[cell] != group]
    m, n = unmatched.size, cells.size
    onward = np.where(owner[cells] < 0, m + n + 1, owner[cells] + 1)
    heads = [np.arange(1, m + 1), m + 1 + column[cell], onward]
    degrees = [[0, m], np.bincount(group, minlength=m), np.ones(n, int), [0]]
    capacities = [unmatched, np.ones(group.size + n, int)]
    arrays = [np.concatenate(parts) for parts in (capacities, heads, degrees)]
    capacity, head, degree = (array.astype(np.int32) for array in arrays)
    network = csr_array((capacity, head, np.cumsum(degree, dtype=np.int32)), shape=(m + n + 2,) * 2)
    flow = maximum_flow(network, 0, m + n + 1, method="dinic").flow[1 : m + 1].tocoo()
    taken = flow.data > 0
    return flow.row[taken].astype(np.int64), cells[flow.col[taken] - m - 1]


def _hand_out(rectangles: Rectangles, owner: Numbers) -> tuple[Numbers, Numbers]:
    """Input and output of each edge's constraint, or -1; a group's first edges come first."""
    inputs = np.full(rectangles.group.size, -1)
    outputs = np.full(rectangles.group.size, -1)
    members = np.argsort(rectangles.group, kind="stable")
    first = np.cumsum(rectangles.edges) - rectangles.edges
    cells = np.flatnonzero(owner >= 0)
    cells = cells[np.argsort(owner[cells], kind="stable")]
    which, place = expand(np.bincount(owner[cells], minlength=rectangles.edges.size))
    edges = members[first[which] + place]
    inputs[edges], outputs[edges] = np.divmod(cells, rectangles.n_out)
    return inputs, outputs
