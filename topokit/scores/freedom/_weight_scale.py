"""At what scale weights make an end-to-end matrix of the size that its targets have.

Without constants there is nothing to choose: other weights only stretch the matrix. Beside
constant edges weights have a scale of their own. Where they are small the constants' paths are all
there is, where they are large the constants do not matter, and in between lies the scale at which
the network can make up what lies between its constants and a target: at which, of the mean squares
of the entries of `W_d`, that of all paths with trainable edges is 1, the targets', and once more
that of the paths of constants alone. Paths count as independent, so that mean squares add up; all
sums are carried as logarithms, for constants may be of any size.
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.optimize import root_scalar

from topokit.layers import LOGS, Layers, draw_within, push, weights_with_powers, xavier_radii

EXACTNESS = 1e-9  # of the logarithm of the scale

Logs = list[Float[np.ndarray, " _edges"]]


def log_scale(layers: Layers) -> float:
    """The logarithm of what to multiply weights within `xavier_radii` by; 0 without constants.

    Cost O(E) for each of about 20 steps.
    """
    if layers.n_trainable in (0, layers.n_edges):
        return 0.0
    entries = np.log(layers.n_in * layers.n_out)

    def excess(log: float) -> float:
        moved, held = (size - entries for size in path_sizes(layers, typical_sizes(layers, log)))
        return float(moved - np.logaddexp(0.0, np.log(2) + held))

    start = excess(0.0)
    if not np.isfinite(start):  # no path has a trainable edge
        return 0.0
    # The excess grows at least twice as fast as the logarithm of the scale.
    ends = sorted((0.0, -start / 2 - np.sign(start) * EXACTNESS))
    if start == 0:
        return 0.0
    return float(root_scalar(excess, bracket=ends, method="brentq", xtol=EXACTNESS).root)


def typical_sizes(layers: Layers, log: float) -> Logs:
    """Logarithms of the mean squares of all weights; of Xavier weights, their scale that of `log`.

    A uniform weight has a mean square of a third of its radius squared.
    """
    rows = zip(xavier_radii(layers), layers.trainable, layers.constant, strict=True)
    with np.errstate(divide="ignore"):
        return [
            np.where(free, 2 * (np.log(radii) + log) - np.log(3), 2 * np.log(np.abs(constant)))
            for radii, free, constant in rows
        ]


def path_sizes(layers: Layers, sizes: Logs) -> tuple[float, float]:
    """Logarithms of the sum over paths of the product of `sizes`, logarithms themselves.

    The first is that of the paths with a trainable edge, the second that of all others; minus
    infinity where there is none.
    """
    moved, held = np.full(layers.n_in, -np.inf), np.zeros(layers.n_in)
    for number, (size, free) in enumerate(zip(sizes, layers.trainable, strict=True)):
        trained, constant = np.where(free, size, -np.inf), np.where(free, -np.inf, size)
        moved = np.logaddexp(
            push(layers, number, moved, size, algebra=LOGS),
            push(layers, number, held, trained, algebra=LOGS),
        )
        held = push(layers, number, held, constant, algebra=LOGS)
    return float(np.logaddexp.reduce(moved)), float(np.logaddexp.reduce(held))


def draw_to_scale(layers: Layers, rng: np.random.Generator) -> list[Shaped[np.ndarray, " _edges"]]:
    """Draw Xavier weights at `log_scale`, beside the constants, both of any size."""
    log = log_scale(layers)
    power = int(np.rint(log / np.log(2)))
    factor = np.exp(log - power * np.log(2))
    rows = zip(xavier_radii(layers), layers.trainable, layers.constant, strict=True)
    return [
        weights_with_powers(
            np.where(free, factor * draw_within(r, 1, rng)[:, 0], constant), power * free
        )
        for r, free, constant in rows
    ]
