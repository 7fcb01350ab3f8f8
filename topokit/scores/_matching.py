"""L0 constraint satisfaction: give each entry of the end-to-end matrix an edge of its own.

A weight can be set so that one entry of `W_d`, a "constraint", is met exactly; it may be any entry
(i, o) with a path through the edge: the rectangle of the sender's ancestors by the receiver's
descendants. The most constraints that can be met is the maximum matching of edges to constraints
(NeuroFabric, section V.A).

The bipartite graph is never written down: it would have 10^8 incidences at n = 1,024. Edges take a
free constraint in order of their rectangles' sizes, so that the k-th finds one for certain if its
rectangle holds k or more. One that finds none searches along alternating paths, level by level. A
search that fails has seen a closed set, with more edges than constraints whatever comes later; it
is left out from then on, and in the end the constraints left out prove that no more can be matched
(König).
"""

from typing import NamedTuple

import networkx as nx
import numpy as np
from jaxtyping import Bool, Int

from topokit._graph import to_layers
from topokit._layers import Layers, ancestors, descendants
from topokit.scores._limits import check_memory

limit = 2**32


class Matching(NamedTuple):
    """Which edge settles which constraint, with proofs from both sides.

    Edges are the trainable ones in recipe order (layer by layer, by receiver, then by sender).

    Attributes:
        size: Number of matched edges, from 0 to the smaller of edges and reachable pairs.
        inputs: Input of the constraint that each edge settles, or -1. With `outputs` it proves
            "at least": the pairs differ, and a path of each runs through its edge.
        outputs: Output of the constraint that each edge settles, or -1.
        crowded: The constraints of a vertex cover, which proves "at most": these and
            `decisive` count `size` together, and every edge meets only crowded constraints
            unless it is decisive itself. Edges that are not decisive compete for crowded
            constraints, too many for all to find one (or just as many).
        decisive: The edges of the vertex cover.
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
    """
    return match_constraints(topology).size


def match_constraints(topology: nx.DiGraph | Layers) -> Matching:
    """Match as many constraints as possible to trainable edges that can settle them.

    Cost: a pass over the edges, each at most over its rectangle. Only where constraints run short
    do edges have to search, at a product of two boolean matrices for each level.

    Args:
        topology: A graph or a recipe.

    Raises:
        ValueError: If the ancestors and descendants of all edges would take more than 4 GiB.
    """
    layers = to_layers(topology)
    rectangles = sum(layers.widths) + 5 * layers.n_trainable
    check_memory(
        "match_constraints",
        rectangles * (layers.n_in + layers.n_out) + 16 * layers.n_in * layers.n_out,
        limit,
        "topokit.structure counts an upper bound, the trainable edges",
    )
    above, below = _rectangles(layers)
    matcher = _Matcher(above, below)
    for edge in np.argsort(above.sum(axis=1) * below.sum(axis=1), kind="stable").tolist():
        if not matcher.free.any():
            matcher.closed[:] = True
            break
        matcher.place(edge)
    inputs, outputs = matcher.settles.T
    crowded = matcher.closed & (matcher.owner >= 0)
    decisive = (inputs >= 0) & ~crowded[inputs, outputs]
    return Matching(int((inputs >= 0).sum()), inputs, outputs, crowded, decisive)


def _rectangles(
    layers: Layers,
) -> tuple[Bool[np.ndarray, "trainable n_in"], Bool[np.ndarray, "trainable n_out"]]:
    """For each trainable edge, the inputs that reach it and the outputs it reaches."""
    above, below = ancestors(layers)[:-1], descendants(layers)[1:]
    edges = list(zip(layers.senders, layers.receivers, layers.trainable, strict=True))
    return (
        np.concatenate([a[s[free]] for a, (s, _, free) in zip(above, edges, strict=True)]),
        np.concatenate([b[r[free]] for b, (_, r, free) in zip(below, edges, strict=True)]),
    )


class _Matcher:
    """A matching in the making.

    `owner` is the edge of each constraint or -1 and `settles` the constraint of each edge or
    (-1, -1); `free` are the constraints without an owner that some edge meets, `closed` those
    that failed searches have seen.
    """

    def __init__(
        self, above: Bool[np.ndarray, "edges n_in"], below: Bool[np.ndarray, "edges n_out"]
    ) -> None:
        self.above, self.below = above, below
        self.free = _union(above, below)
        self.closed = np.zeros_like(self.free)
        self.owner = np.full(self.free.shape, -1)
        self.settles = np.full((len(above), 2), -1)
        self.room_in, self.room_out = self.free.sum(axis=1), self.free.sum(axis=0)

    def place(self, edge: int) -> None:
        """Match one more edge, if the matching can grow by it."""
        rows = np.flatnonzero(self.above[edge] & (self.room_in > 0))
        # Rows and columns with the most room first: the fewer later edges have to search.
        for i in rows[np.argsort(-self.room_in[rows], kind="stable")]:
            columns = np.flatnonzero(self.free[i] & self.below[edge])
            if columns.size:
                o = columns[self.room_out[columns].argmax()]
                self.extend([np.array([edge])], (int(i), int(o)))
                return
        self.search(edge)

    def search(self, edge: int) -> None:
        """Follow alternating paths, all of one length at a time, to a free constraint."""
        fronts, seen = [np.array([edge])], self.closed.copy()
        while fronts[-1].size:
            met = _union(self.above[fronts[-1]], self.below[fronts[-1]]) & ~seen
            vacant = np.argwhere(met & self.free)
            if vacant.size:
                self.extend(fronts, tuple(vacant[0].tolist()))
                return
            seen |= met
            fronts.append(self.owner[met])
        self.closed = seen

    def extend(self, fronts: list[Int[np.ndarray, " _edges"]], constraint: tuple[int, int]) -> None:
        """Give a free constraint to an edge of the last front, and its former one to one before."""
        self.free[constraint] = False
        self.room_in[constraint[0]] -= 1
        self.room_out[constraint[1]] -= 1
        for front in reversed(fronts):
            meets = self.above[front, constraint[0]] & self.below[front, constraint[1]]
            edge = front[meets.argmax()]
            self.owner[constraint] = edge
            constraint, self.settles[edge] = tuple(self.settles[edge].tolist()), constraint


def _union(
    above: Bool[np.ndarray, "edges n_in"], below: Bool[np.ndarray, "edges n_out"]
) -> Bool[np.ndarray, "n_in n_out"]:
    """The constraints that at least one of these edges meets."""
    return above.T.astype(np.float32) @ below.astype(np.float32) > 0
