"""What is said of a wiring before any data, each score turned so that more is meant to be better.

At 256 inputs and outputs the leverage maps do not fit the memory limits of `topokit.leverage` and
`topokit.scores.soft_leverage`. What they are wanted for, means over all pairs, is taken over some
thousand pairs here: the same projector, of the same weights' law, at the pairs that were drawn.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from threadpoolctl import threadpool_limits

import topokit as tk
from analyses.equal_classes import coverage
from analyses.kit import significant
from topokit import Layers
from topokit.layers import edge_factors, xavier_radii
from topokit.reconstruction import Adam

SOFTNESS, NEARLY_NONE = 0.03, 1e-8
DIGITS = 5  # so that equals tie where a solver is not exact to the last of them


class Effort(NamedTuple):
    """Pairs drawn for a leverage map, draws of weights, targets and steps of the yardstick."""

    pairs: int
    draws: int
    targets: int
    steps: int


YARDSTICK = "reconstruction loss"
"""Not data-free: it trains, though on random matrices and not on the data."""


def score_all(layers: Layers, effort: Effort) -> dict[str, float]:
    """All scores by name, and the yardstick."""
    control, rivals = tk.controllability(layers), tk.scores.rivals(layers)
    paths = tk.scores.path_counts(layers).astype(float)
    leverage = tk.scores.estimate_leverage(layers)
    found = {
        "predicted loss": -predicted_loss(layers, effort),
        "mean((1 - H)^2)": -leverage.mean_square_shortfall,
        "soft leverage": -soft_shortfall(layers, effort),
        "degrees of freedom": tk.degrees_of_freedom(layers),
        "satisfiable (matching)": tk.satisfiable_constraints(layers),
        "trainable edges": layers.n_trainable,
        "total K": control.total,
        "control loss": -control.loss,
        "deviation of K": -control.K.std(),
        "coverage": coverage(layers),
        "reachable pairs": (paths > 0).mean(),
        "log paths per pair": math.log(paths.mean()),
        "evenness of paths": -paths.std() / paths.mean(),
        "bandwidth": tk.scores.bandwidth(layers),
        "few layers": -layers.depth,
        "log SynFlow": rivals.log_synflow,
        "spectral gap, mean": rivals.spectral_gap_mean,
        "average path length": -rivals.average_path_length,
        YARDSTICK: -reconstruction_loss(layers, effort),
    }
    return {name: significant(float(value), DIGITS) for name, value in found.items()}


def reconstruction_loss(layers: Layers, effort: Effort) -> float:
    """Mean over Gaussian targets."""
    shape = (effort.targets, layers.n_in, layers.n_out)
    targets = np.random.default_rng(0).standard_normal(shape)
    found = tk.reconstruct(layers, targets, solver=Adam(max_steps=effort.steps))
    return float(found.loss.mean())


def predicted_loss(layers: Layers, effort: Effort) -> float:
    """`topokit.predicted_loss` of one draw, its mean being that over the pairs drawn.

    Beside constants the kept numbers are of weights within the plain radii and of the plain
    interaction order, as topokit had it when the networks were trained.
    """
    rng = np.random.default_rng(0)
    exponent = 4 * (1 - 1 / max(tk.scores.interaction_order(layers), 4 / 3))
    weights = [radii * rng.uniform(-1, 1, radii.size) for radii in xavier_radii(layers)]
    a, b = map(_unit_rows, _factors(layers, weights))
    pairs = _Pairs.of(layers, effort.pairs)
    left = pairs.mean_left(pairs.leverage(a, b, NEARLY_NONE), exponent)
    rank = tk.scores.bandwidth(layers)
    return max(left, tk.scores.low_rank_loss(layers.n_in, layers.n_out, rank))


def soft_shortfall(layers: Layers, effort: Effort) -> float:
    """Mean of `(1 - H)^2` with H from `topokit.scores.soft_leverage`, over the pairs drawn."""
    rng = np.random.default_rng(0)
    deviations = [radii / math.sqrt(3) for radii in xavier_radii(layers)]
    free = np.concatenate(layers.trainable)
    unit = np.concatenate(deviations)[free, None]
    pairs, maps = _Pairs.of(layers, effort.pairs), []
    for _ in range(effort.draws):
        weights = [d * rng.choice([-1.0, 1.0], d.size) for d in deviations]
        a, b = _factors(layers, weights)
        maps.append(pairs.leverage(unit * a, b, SOFTNESS))
    return pairs.mean_left(np.mean(maps, axis=0), 2)


def _factors(layers: Layers, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The columns of dW_d/dw, those of trainable edges, as outer products `a_e b_e^T`."""
    rows = zip(weights, layers.trainable, layers.constant, strict=True)
    own = [np.where(free, weight, constant) for weight, free, constant in rows]
    return edge_factors(layers, own, layers.trainable)


def _unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of length 1; leverage does not depend on their lengths."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)


class _Pairs(NamedTuple):
    """Pairs drawn among those that a path joins, and the share of these among all."""

    inputs: np.ndarray
    outputs: np.ndarray
    joined: float

    @classmethod
    def of(cls, layers: Layers, most: int) -> "_Pairs":
        inputs, outputs = np.nonzero(tk.scores.path_counts(layers))
        chosen = np.random.default_rng(1).permutation(inputs.size)[:most]
        joined = inputs.size / (layers.n_in * layers.n_out)
        return cls(inputs[chosen], outputs[chosen], joined)

    def leverage(self, a: np.ndarray, b: np.ndarray, softness: float) -> np.ndarray:
        """Diagonal of `J (J^T J + softness s I)^-1 J^T` at the pairs, as in `soft_leverage`."""
        with threadpool_limits(1, user_api="blas"):
            gram = (a @ a.T) * (b @ b.T)
            gram[np.diag_indices_from(gram)] += softness * np.trace(gram) / a.shape[1] / b.shape[1]
            columns = a[:, self.inputs] * b[:, self.outputs]
            shares = solve_triangular(cholesky(gram, lower=True), columns, lower=True)
        return np.minimum((shares**2).sum(axis=0), 1)

    def mean_left(self, leverage: np.ndarray, exponent: float) -> float:
        """Mean of `(1 - H)^exponent` over all pairs; those that no path joins have an H of 0."""
        return float(self.joined * ((1 - leverage) ** exponent).mean() + 1 - self.joined)
