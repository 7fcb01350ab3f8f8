"""Meet single entries of the end-to-end matrix exactly: Newton's method in double precision.

The rows of the Jacobian `dW_d/dw`, one an entry, are vectors, and the sets of independent ones form
a matroid: near given weights, a set of entries can be set at will if its rows are independent. The
greedy base takes entries by their error, the smallest first, whenever a row is independent of those
taken; of all bases it asks the least. A step goes where the linearization meets the whole base. An
entry in the way of the others is left out, and tried again once the others are met.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import qr, solve_triangular

from topokit.layers import Layers, edge_factors, end_to_end_matrix, split_by_size

Weights = Sequence[Float[np.ndarray, " _edges"]]

# An error, relative to the target's root mean square, that only rounding leaves. A wrong entry of a
# Gaussian target is that close with a chance of about one in a billion.
EXACT = 1e-9

ROUNDS = 4
STEPS = 200
SHORTEST = 1 / 16  # of the steps: what asks for a shorter one is in the way
LEAPS = 10
LOST = 1e15  # times what is exact: an error from which nothing comes back
INDEPENDENT = 1e-8  # the distance of a row of length 1 from the span of others


class Polished(NamedTuple):
    """Weights that meet entries exactly.

    Attributes:
        weights: For each layer, the weight of every edge.
        met: The entries whose relative error is below `EXACT`.
    """

    weights: Weights
    met: Bool[np.ndarray, "n_in n_out"]


def polish(
    layers: Layers,
    weights: Weights,
    target: Float[np.ndarray, "n_in n_out"],
    nearly: Bool[np.ndarray, "n_in n_out"],
) -> Polished:
    """The most entries met exactly on a search from these weights, first among those `nearly` met.

    Cost: factorizations of the Jacobian, O(n_in n_out E min(n_in n_out, E)) each; at most
    `(1 + ROUNDS) STEPS (1 + LEAPS)` of them.
    """
    rounds = [_meet(layers, weights, target, nearly)]
    for _ in range(ROUNDS):
        rounds.append(_meet(layers, rounds[-1].weights, target, np.ones(target.shape, bool)))
    return max(rounds, key=lambda found: found.met.sum())


def _meet(
    layers: Layers,
    weights: Weights,
    target: Float[np.ndarray, "n_in n_out"],
    allowed: Bool[np.ndarray, "n_in n_out"],
) -> Polished:
    """Meet a base of the allowed entries, and leave out those that are in the way."""
    least = EXACT * float(np.sqrt(np.mean(target**2)))
    wanted = allowed.ravel().copy()
    for _ in range(STEPS):
        errors, jacobian = linearize(layers, weights, target)
        entries, step = _aim(jacobian, errors, wanted, least)
        if np.all(abs(errors[entries]) < least):
            break
        length, there = _walk(layers, weights, target, entries, step)
        if length < SHORTEST:
            leaped = _leap(layers, weights, target, entries, least)
            if leaped is None:
                wanted[entries[abs(errors[entries]).argmax()]] = False
            there = there if leaped is None else leaped
        weights = there
    return Polished(weights, abs(target - end_to_end_matrix(layers, weights)) < least)


def linearize(
    layers: Layers, weights: Weights, target: Float[np.ndarray, "n_in n_out"]
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, "pairs trainable"]]:
    """What is missing in each entry, and how the entries move with the trainable weights."""
    a, b = edge_factors(layers, weights, layers.trainable)
    columns = a.T[:, None] * b.T
    errors = target - end_to_end_matrix(layers, weights)
    return errors.ravel(), columns.reshape(target.size, -1)


def _aim(
    jacobian: Float[np.ndarray, "pairs trainable"],
    errors: Float[np.ndarray, " pairs"],
    allowed: Bool[np.ndarray, " pairs"],
    least: float,
) -> tuple[Int[np.ndarray, " base"], Float[np.ndarray, " trainable"]]:
    """The greedy base, and a small step that meets it as far as the linearization says.

    Rows scaled by one over their error come out of a pivoted QR factorization with the smallest
    errors first.
    """
    lengths = np.linalg.norm(jacobian, axis=1)
    candidates = np.flatnonzero(allowed & (lengths > 0))
    if not candidates.size:
        return candidates, np.zeros(jacobian.shape[1])
    lengths = lengths[candidates]
    scales = least / np.maximum(abs(errors[candidates]), least) / lengths
    factors = qr((scales[:, None] * jacobian[candidates]).T, mode="economic", pivoting=True)
    q, r, order = map(np.asarray, factors)
    order = order[: len(r)]
    apart = np.flatnonzero(abs(np.diag(r)) > INDEPENDENT * (scales * lengths)[order])
    chosen = order[apart]
    entries = candidates[chosen]
    # A step within the span of these columns of q does not see the ones left out.
    triangle = r[np.ix_(apart, apart)] / scales[chosen]
    return entries, q[:, apart] @ solve_triangular(triangle.T, errors[entries], lower=True)


def _walk(
    layers: Layers,
    weights: Weights,
    target: Float[np.ndarray, "n_in n_out"],
    entries: Int[np.ndarray, " base"],
    step: Float[np.ndarray, " trainable"],
) -> tuple[float, Weights]:
    """Walk the step, or as much of it as lowers the errors of the entries; 0 if nothing does."""

    def missing(there: Weights) -> float:
        errors = (target - end_to_end_matrix(layers, there)).ravel()[entries]
        return float(np.linalg.norm(errors))

    now = missing(weights)
    for halvings in range(8):
        length = 0.5**halvings
        there = _moved(layers, weights, length * step)
        if missing(there) < (1 - 0.1 * length) * now:
            return length, there
    return 0.0, weights


def _leap(
    layers: Layers,
    weights: Weights,
    target: Float[np.ndarray, "n_in n_out"],
    entries: Int[np.ndarray, " base"],
    least: float,
) -> Weights | None:
    """Newton's method at full length, which can pass a weight through 0; None if it fails."""
    wanted = np.zeros(target.size, bool)
    wanted[entries] = True
    for _ in range(LEAPS):
        errors, jacobian = linearize(layers, weights, target)
        if np.all(abs(errors[entries]) < least):
            return weights
        if not abs(errors).max() < LOST * least:
            return None
        _, step = _aim(jacobian, errors, wanted, least)
        weights = _moved(layers, weights, step)
    return None


def _moved(layers: Layers, weights: Weights, step: Float[np.ndarray, " trainable"]) -> Weights:
    result = [weight.copy() for weight in weights]
    parts = split_by_size([int(free.sum()) for free in layers.trainable], step)
    for weight, free, part in zip(result, layers.trainable, parts, strict=True):
        weight[free] += part
    return result
