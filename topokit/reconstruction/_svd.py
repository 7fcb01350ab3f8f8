"""Factors in closed form where the supports are rectangles: truncated SVDs, cut after cut.

Cut a network at a hidden layer. Neuron `u` of that layer adds a matrix of rank one to the product,
supported on the rectangle of its ancestors and its descendants. Where neurons with overlapping
rectangles have the same one, the product is a sum of blocks that share no entry, each of rank at
most the number of its neurons, and by Eckart and Young (1936) the nearest such matrix is each
block's truncated SVD. Its two factors are then the targets of the two halves of the network.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from topokit.layers import to_masks
from topokit.reconstruction._problem import Parameters, Problem, Solution

Matrices = Float[np.ndarray, "batch _rows _columns"]


class HierarchicalSVD(NamedTuple):
    """The closed form for low rank, Monarch, butterflies and all that is cut into blocks like them.

    The best there is for two layers: low rank (Eckart and Young, 1936) and two block-diagonal
    factors with a transposition between (Monarch: Dao et al., 2022). A butterfly of depth log2(n)
    is cut down the middle and then each half (Zheng, Riccietti and Gribonval, 2022): a target that
    is such a product, like a Hadamard matrix, is factored exactly, any other one well; `ALS` after
    it gains the rest. In deeper cascades, where a block has several neurons and its factors more
    than one basis, what it returns is no more than a start.

    It has no randomness and takes no step: `start` and restarts make no difference. SVDs are taken
    in double precision, on the host: a butterfly's cost O(n^2 log n) flops in all, low rank's
    O(n_in n_out min(n_in, n_out)).

    Examples:
        >>> import numpy as np
        >>> import topokit as tk
        >>> targets = np.random.default_rng(0).standard_normal((2, 8, 8))
        >>> solver = tk.reconstruction.HierarchicalSVD()
        >>> found = tk.reconstruct(tk.topologies.low_rank(8, 8, 4), targets, solver=solver)
        >>> values = np.linalg.svd(targets, compute_uv=False) ** 2
        >>> best = values[:, 4:].sum(axis=1) / values.sum(axis=1)
        >>> bool(np.allclose(found.loss, best, atol=1e-4))
        True

    See Also:
        `ALS`, which improves on it where it is no optimum.
    """

    def solve(self, problem: Problem, start: Parameters) -> Solution:
        """Factor every target.

        Raises:
            ValueError: If some edges are constant, the loss is not `jnp.square`, or the supports
                of some part of the network are not disjoint blocks wherever it is cut.
        """
        layers = problem.layers
        check_square("HierarchicalSVD", problem)
        if layers.n_trainable < layers.n_edges:
            raise ValueError(
                "HierarchicalSVD needs a topology whose edges are all trainable; given "
                f"{layers.n_edges - layers.n_trainable} constant ones: use ALS or Adam"
            )
        targets = np.asarray(problem.targets, float).transpose(2, 1, 0)
        factors = _factor(to_masks(layers), targets)
        rows = zip(factors, layers.senders, layers.receivers, strict=True)
        weights = np.concatenate([factor[:, s, r].T for factor, s, r in rows])
        parameters = jnp.asarray(weights, start.dtype)
        loss = _loss(problem, parameters)
        return Solution(parameters, loss, loss[None], jnp.zeros(loss.shape, jnp.int32))


@jax.jit
def _loss(problem: Problem, parameters: Parameters) -> Float[Array, " batch"]:
    return problem.objective(parameters)


class _Cut(NamedTuple):
    """A hidden layer whose neurons' rectangles are equal or disjoint."""

    groups: list[Int[np.ndarray, " _neurons"]]
    left: Bool[np.ndarray, "n_in width"]
    right: Bool[np.ndarray, "width n_out"]

    @property
    def largest(self) -> int:
        """Neurons of the largest block."""
        return max(map(len, self.groups))


def check_square(name: str, problem: Problem) -> None:
    """Refuse any cost but the square."""
    if problem.comparison.cost is not jnp.square:
        raise ValueError(
            f"{name} lowers the squared error alone; give loss=jnp.square, or another solver, such "
            f"as Adam, for {problem.comparison.cost!r}"
        )


def _factor(masks: list[Bool[np.ndarray, "_n_in _n_out"]], targets: Matrices) -> list[Matrices]:
    """One factor for each mask, with their product near each target."""
    if len(masks) == 1:
        return [np.where(masks[0], targets, 0.0)]
    place, cut = _best_cut(masks)
    left, right = _split(cut, targets)
    return _factor(masks[:place], left) + _factor(masks[place:], right)


def _best_cut(masks: list[Bool[np.ndarray, "_n_in _n_out"]]) -> tuple[int, _Cut]:
    """Of the layers that can be cut one with the smallest blocks, as near the middle as can be."""
    best = None
    for place in sorted(range(1, len(masks)), key=lambda place: abs(place - len(masks) / 2)):
        cut = _cut(masks, place)
        if cut is not None and (best is None or cut.largest < best[1].largest):
            best = place, cut
        if best is not None and best[1].largest == 1:
            break
    if best is None:
        raise ValueError(
            "HierarchicalSVD needs a topology that can be cut into blocks that share no entry, "
            "such as low_rank, or a butterfly of depth log2(n); in this one a part of "
            f"{len(masks)} layers, {masks[0].shape[0]} to {masks[-1].shape[1]} neurons wide, has "
            "no such cut: use ALS or Adam"
        )
    return best


def _cut(masks: list[Bool[np.ndarray, "_n_in _n_out"]], place: int) -> _Cut | None:
    left, right = _reach(masks[:place]), _reach(masks[place:])
    alive = np.flatnonzero(left.any(axis=0) & right.any(axis=1))
    rectangles = np.packbits(np.concatenate([left.T, right], axis=1)[alive], axis=1)
    _, first, group = np.unique(rectangles, axis=0, return_index=True, return_inverse=True)
    corners = alive[first]
    covered = left[:, corners].astype(np.float32) @ right[corners].astype(np.float32)
    if not alive.size or covered.max() > 1:
        return None
    order = np.argsort(group.ravel(), kind="stable")
    groups = np.split(alive[order], np.cumsum(np.bincount(group.ravel()))[:-1])
    return _Cut(groups, left, right)


def _reach(masks: list[Bool[np.ndarray, "_n_in _n_out"]]) -> Bool[np.ndarray, "_rows _columns"]:
    reach = masks[0]
    for mask in masks[1:]:
        reach = reach.astype(np.float32) @ mask.astype(np.float32) > 0
    return reach


def _split(cut: _Cut, targets: Matrices) -> tuple[Matrices, Matrices]:
    """The nearest two factors; blocks of equal shape are factored together."""
    batch = len(targets)
    left, right = (np.zeros((batch, *side.shape)) for side in (cut.left, cut.right))
    shapes: dict[tuple[int, int, int], list] = {}
    for neurons in cut.groups:
        rows, columns = (
            np.flatnonzero(cut.left[:, neurons[0]]),
            np.flatnonzero(cut.right[neurons[0]]),
        )
        rank = min(len(neurons), len(rows), len(columns))
        shapes.setdefault((rank, len(rows), len(columns)), []).append(
            (rows, columns, neurons[:rank])
        )
    for (rank, _, _), blocks in shapes.items():
        rows, columns, neurons = (np.stack(part) for part in zip(*blocks, strict=True))
        u, s, v = np.linalg.svd(targets[:, rows[:, :, None], columns[:, None]], full_matrices=False)
        root = np.sqrt(s[..., :rank])
        left[:, rows[:, :, None], neurons[:, None]] = u[..., :rank] * root[..., None, :]
        right[:, neurons[:, :, None], columns[:, None]] = root[..., None] * v[..., :rank, :]
    return left, right
