"""Alternating paths through whole rectangles, level by level.

Level 0 are the constraints that groups with unmatched edges meet; level k + 1 are those, met by no
level before, that the owners of level k's constraints meet. A free constraint ends a path by which
the matching can grow. If there is none, the constraints seen are a closed set: no owner of one of
them, and no unmatched edge, meets any other.

What a level meets is carried back through the layers as bits; which of its edges meets a
constraint, a walk from the constraint's input finds. So a level costs a pass over the network,
however large its rectangles are.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from topokit.layers import BITS, WORD, Bits, from_bits, has_bit, out_bundles, out_degrees
from topokit.scores.counts._rectangles import Numbers, Rectangles, expand

STEPS_AT_ONCE = 2**22


class Levels(NamedTuple):
    """What a search has seen.

    Attributes:
        level: Level of each group, or -1.
        entry: For groups above level 0, a cell of the level before that it owns.
        found: Free cells, by level.
        closed: The cells seen: a closed set if no free one was found.
    """

    level: Numbers
    entry: Numbers
    found: list[Numbers]
    closed: Bool[np.ndarray, "_n_in _n_out"]


def search_levels(rectangles: Rectangles, unmatched: Numbers, owner: Numbers) -> Levels:
    """Search until as many free cells are found as there are unmatched edges, or none is left.

    Cost O(E n_out / 64 + n_in n_out) for each level, of which there are at most as many as groups.

    Args:
        rectangles: The groups.
        unmatched: Number of unmatched edges of each group.
        owner: Group that owns each cell, or -1.
    """
    level, entry = np.where(unmatched > 0, 0, -1), np.full(unmatched.size, -1)
    seen = np.zeros(rectangles.descendants[0].shape, WORD)
    found: list[Numbers] = []
    while (level == len(found)).any() and sum(map(len, found)) < unmatched.sum():
        met = _reach(rectangles, level == len(found))[0] & ~seen
        seen |= met
        cells = np.flatnonzero(from_bits(met, rectangles.n_out))
        found.append(cells[owner[cells] < 0])
        cells = cells[owner[cells] >= 0]
        cells = cells[level[owner[cells]] < 0]
        entry[owner[cells]] = cells
        level[owner[cells]] = len(found)
    return Levels(level, entry, found, from_bits(seen, rectangles.n_out))


def trace_paths(
    rectangles: Rectangles, levels: Levels, most: int, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Alternating paths to at most `most` of the free cells found, one at least.

    Returns:
        The pairs of group and cell that the paths follow and that are not matched.
    """
    stride = -(-sum(map(len, levels.found)) // most)
    ends = np.arange(sum(map(len, levels.found))) % stride == 0
    chosen = np.split(ends, np.cumsum([cells.size for cells in levels.found])[:-1])
    cells, paths = np.zeros(0, np.int64), []
    for number in reversed(range(len(chosen))):
        cells = np.unique(np.concatenate([cells, levels.found[number][chosen[number]]]))
        groups = _meeting(rectangles, levels.level == number, cells, rng)
        paths.append((groups, cells))
        cells = levels.entry[groups]
    groups, cells = zip(*paths, strict=True)
    return np.concatenate(groups), np.concatenate(cells)


def _reach(rectangles: Rectangles, front: Bool[np.ndarray, " groups"]) -> list[Bits]:
    """For each layer of neurons, the outputs that each neuron reaches through a front's edge.

    An edge of the front brings all outputs below its receiver, and any other what that one reaches.
    """
    inside = np.append(front, False)
    reach = [np.zeros_like(rectangles.descendants[-1])]
    rows = zip(
        out_bundles(rectangles.layers), rectangles.groups, rectangles.descendants[1:], strict=True
    )
    for bundles, group, below in reversed(list(rows)):
        tails = bundles.tails + bundles.width * inside[group[bundles.order]]
        both = np.concatenate([reach[-1], below])
        reach.append(BITS(bundles._replace(tails=tails), both, None))
    return reach[::-1]


def _meeting(
    rectangles: Rectangles,
    front: Bool[np.ndarray, " groups"],
    cells: Numbers,
    rng: np.random.Generator,
) -> Numbers:
    """A group of the front that meets each cell, drawn at random."""
    reach = _reach(rectangles, front)
    fan_out = max(int(degrees.max()) for degrees in out_degrees(rectangles.layers))
    batch = max(1, STEPS_AT_ONCE // fan_out)
    starts = range(0, cells.size, batch)
    walks = [_walk(rectangles, front, reach, cells[k : k + batch], rng) for k in starts]
    return np.concatenate([np.zeros(0, np.int64), *walks])


def _walk(
    rectangles: Rectangles,
    front: Bool[np.ndarray, " groups"],
    reach: list[Bits],
    cells: Numbers,
    rng: np.random.Generator,
) -> Numbers:
    """From each cell's input along random edges that lead to its output through the front."""
    inside, result = np.append(front, False), np.full(cells.size, -1)
    walker = np.arange(cells.size)
    node, output = np.divmod(cells, rectangles.n_out)
    after = zip(rectangles.descendants[1:], reach[1:], strict=True)
    rows = zip(out_bundles(rectangles.layers), rectangles.groups, after, strict=True)
    for bundles, group, (after, through) in rows:
        which, place = expand(bundles.sizes[node])
        edge = bundles.bounds[node][which] + place
        receivers, group = bundles.tails, group[bundles.order]
        below = receivers[edge], output[which]
        ends = inside[group[edge]] & has_bit(after, *below)
        good = rng.permutation(np.flatnonzero(ends | has_bit(through, *below)))
        taken = np.zeros(node.size, np.int64)
        taken[which[good]] = good
        ends, edge = ends[taken], edge[taken]
        result[walker[ends]] = group[edge[ends]]
        walker, node, output = walker[~ends], receivers[edge[~ends]], output[~ends]
        if not walker.size:
            break
    return result
