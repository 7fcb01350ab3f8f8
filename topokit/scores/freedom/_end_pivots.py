"""Where an end layer is eliminated by blocks: pivots of every neuron in a few common places.

A weight of the first layer moves one row of the end-to-end matrix alone, by a multiple of what its
receiver sends to the outputs. So the columns of an input span, within its row, what the rows of its
receivers span, and elimination there is one of a small matrix. Pivots of all inputs are put in as
few outputs as is possible greedily: what else moves these outputs is entangled with them, and what
moves others is not. For the last layer the same holds with inputs and outputs exchanged.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from topokit.scores.freedom._rank_mod_p import PRIME

Numbers = Int[np.ndarray, " _numbers"]


class EndPivots(NamedTuple):
    """Pivots of an end layer, by their owners and then by their places.

    Attributes:
        places: At which neurons of the other end pivots are.
        owners: The input or output of each pivot.
        columns: Its place, as a number among `places`.
        rows: Its row of `solution`; owners with the same neighbors share theirs.
        solution: Rows, columns and values of a matrix with a column for each neuron beside the end
            layer. What these neurons read from an owner's values, times it, is what to take away
            from the values at the pivots, so that the neurons beside the owner read nothing.
        n_rows: How many rows it has.
    """

    places: Numbers
    owners: Numbers
    columns: Numbers
    rows: Numbers
    solution: tuple[Numbers, Numbers, Numbers]
    n_rows: int


class _Class(NamedTuple):
    """Neighborhoods of one size; all but the first two fields change as pivots are found."""

    owners: list[Numbers]  # that have each of them
    neighbors: Int[np.ndarray, "groups size"]
    solution: Int[np.ndarray, "groups size size"]
    pivots: Int[np.ndarray, "groups size"]
    unsettled: Bool[np.ndarray, " groups"]
    reach: Float[np.ndarray, "groups n_places"]


def find_pivots(
    owners: Numbers, neighbors: Numbers, values: Int[np.ndarray, "n_neighbors n_places"]
) -> EndPivots:
    """Eliminate the layer whose edges join owners to neighbors, which move places by `values`."""
    rng = np.random.default_rng(1)
    test = (values * rng.integers(1, PRIME, values.shape[1]) % PRIME).sum(axis=1) % PRIME
    classes = _classes(owners, neighbors, values != 0, test)
    places = []
    while (place := _most_useful(classes)) is not None:
        found = [_sweep(each, place, values[:, place], test) for each in classes]
        places += [place] * any(found)
    return _collect(classes, np.array(places, int), values.shape[1])


def pivot_work(owners: Numbers, neighbors: Numbers, n_places: int) -> int:
    """How many entries of solutions change in `find_pivots`, at most."""
    sizes = np.bincount(owners)[_kinds(owners, neighbors)[0]].tolist()
    return sum(size**2 * min(size, n_places) for size in sizes)


def _classes(
    owners: Numbers, neighbors: Numbers, reach: Bool[np.ndarray, "neighbors places"], test: Numbers
) -> list[_Class]:
    """Owners by their neighborhoods, and these by size."""
    examples, kinds = _kinds(owners, neighbors)
    members = np.split(np.argsort(kinds, kind="stable"), np.cumsum(np.bincount(kinds))[:-1])
    bundles = np.split(neighbors[np.argsort(owners, kind="stable")], np.cumsum(np.bincount(owners)))
    sizes = np.array([bundles[example].size for example in examples])
    result = []
    for size in np.unique(sizes[sizes > 0]).tolist():
        groups = np.flatnonzero(sizes == size).tolist()
        near = np.array([bundles[examples[group]] for group in groups])
        result.append(
            _Class(
                [members[group] for group in groups],
                near,
                np.tile(np.eye(size, dtype=np.int64), (len(groups), 1, 1)),
                np.full(near.shape, -1),
                np.asarray(test[near].any(axis=1)),
                np.array([reach[each].any(axis=0) for each in near], np.float32),
            )
        )
    return result


def _kinds(owners: Numbers, neighbors: Numbers) -> tuple[Numbers, Numbers]:
    """Of each kind of neighborhood an owner that has it, and the kind of each owner."""
    marks = np.random.default_rng(0).random(int(neighbors.max(initial=-1)) + 1)
    sums = np.bincount(owners, marks[neighbors])
    _, examples, kinds = np.unique(sums, return_index=True, return_inverse=True)
    return examples, kinds


def _most_useful(classes: list[_Class]) -> int | None:
    """The place that most unsettled neighborhoods reach; None where there is no such place."""
    if not classes:
        return None
    gain = np.sum([each.unsettled.astype(np.float32) @ each.reach for each in classes], axis=0)
    place = int(np.argmax(gain))
    return place if gain[place] else None


def _sweep(each: _Class, place: int, values: Numbers, test: Numbers) -> bool:
    """Put a pivot at this place wherever a neighborhood has one left; say whether any has."""
    groups = np.flatnonzero(each.unsettled & (each.reach[:, place] > 0))
    each.reach[:, place] = 0
    column = _apply(each.solution[groups], values[each.neighbors[groups]])
    able = (column != 0) & (each.pivots[groups] < 0)
    some = able.any(axis=1)
    groups, column, row = groups[some], column[some], able[some].argmax(axis=1)
    if not groups.size:
        return False
    step = np.arange(groups.size)
    solution = each.solution[groups]
    pivot = solution[step, row] * _inverses(column[step, row])[:, None] % PRIME
    solution = (solution - column[:, :, None] * pivot[:, None, :]) % PRIME
    solution[step, row] = pivot
    each.solution[groups] = solution
    each.pivots[groups, row] = place
    left = _apply(solution, test[each.neighbors[groups]])
    each.unsettled[groups] = ((left != 0) & (each.pivots[groups] < 0)).any(axis=1)
    return True


def _apply(matrices: Int[np.ndarray, "n r c"], values: Int[np.ndarray, "n c"]) -> np.ndarray:
    return (matrices * values[:, None, :] % PRIME).sum(axis=-1) % PRIME


def _inverses(values: Numbers) -> Numbers:
    """Their inverses, as powers: `x^(p - 2)`."""
    result, power, exponent = np.ones_like(values), values, PRIME - 2
    while exponent:
        result = result * power % PRIME if exponent % 2 else result
        power, exponent = power * power % PRIME, exponent // 2
    return result


def _collect(classes: list[_Class], places: Numbers, n_places: int) -> EndPivots:
    """The pivots of all owners, in order, and the solutions that they share."""
    column_of = np.full(n_places, -1)
    column_of[places] = np.arange(places.size)
    pivots, entries, n_rows = [], [], 0
    for each in classes:
        for group, members in enumerate(each.owners):
            found = np.flatnonzero(each.pivots[group] >= 0)
            rows, n_rows = n_rows + np.arange(found.size), n_rows + found.size
            columns = column_of[each.pivots[group, found]]
            grid = np.repeat(members, found.size), *np.tile([columns, rows], members.size)
            pivots.append(np.array(grid))
            inner, beside = np.nonzero(each.solution[group, found])
            values = each.solution[group, found[inner], beside]
            entries.append(np.array([rows[inner], each.neighbors[group, beside], values]))
    nothing = np.zeros((3, 0), int)
    owners, columns, rows = np.hstack([nothing, *pivots])
    order = np.lexsort((columns, owners))
    solution = np.hstack([nothing, *entries])
    return EndPivots(places, owners[order], columns[order], rows[order], tuple(solution), n_rows)
