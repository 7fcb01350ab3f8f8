"""The mean of a power of `1 - H` without the leverage map H, for networks of any size.

Random signs are projected on the range of a Jacobian that is only multiplied with, at the weights
at which the exact way would factor it. Steps go on until what they still find hardly matters to
the loss, and draws of weights until the noise does not.
"""

from collections.abc import Sequence
from importlib import import_module
from math import ceil, prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from topokit._limits import check_memory
from topokit.layers import Layers, ancestors
from topokit.scores.freedom._jacobian_operator import (
    LARGE,
    linearize,
    precision,
    whitened_operator,
)
from topokit.scores.freedom._lsqr_projection import Operator, left_to_find, project, written_down
from topokit.scores.freedom._powers_of_shortfall import MeanPower, mean_power
from topokit.scores.freedom._weight_scale import draw_to_scale

LIMIT = 2**33

# Entries from which on a GPU is worth its start.
LARGE_FOR_GPU = 2**22

# Entries up to which one matrix multiplies faster than layer after layer.
SMALL = 2**17

# Of large networks a probe says enough to be one of three, and two draws of weights are enough.
PROBES = {False: 4, True: 3}
MOST_PROBES = {False: 64, True: 3}
DRAWS = {False: 4, True: 2}
MOST_DRAWS = 16

# The loss below which errors are no longer taken relative to it.
LITTLE = 0.01


class LossEstimate(NamedTuple):
    """The mean of a power of `1 - H`.

    Attributes:
        value: The estimate.
        standard_error: Of `value`, by the noise of probes and of draws of weights.
        drift: What further steps would take from it, about.
        draws: How many draws of weights it is the mean of.
        steps: The most steps that a probe took.
        converged: Whether all probes stopped because little was left to find.
    """

    value: float
    standard_error: float
    drift: float
    draws: int
    steps: int
    converged: bool


class _Draw(NamedTuple):
    """What the probes at one draw of weights say; the fields of a `LossEstimate`."""

    value: float
    variance: float
    drift: float
    steps: int
    settled: bool


def estimate_loss(
    layers: Layers,
    power: float,
    *,
    n_samples: int | None,
    seed: int,
    accuracy: float,
    max_steps: int,
) -> LossEstimate:
    """Estimate the mean of `(1 - H)^power`, over draws of weights too.

    Cost: for each of 6 or more probes (where pairs are few, up to 64 a draw of weights), and each
    of its steps, about five products of all layers with a matrix, O((n_in + n_out) E); memory for
    what all neurons hold and some matrices.

    Args:
        layers: The recipe.
        power: The exponent, 1 or more.
        n_samples: How many draws of weights; by default as many as bring the noise of probes down
            to `accuracy`, if 64 of them at each draw do not.
        seed: That of the first draw of weights, and of the probes.
        accuracy: Noise that is aimed at, as a share of the value; probes aim at half of it, and
            steps at a quarter.
        max_steps: Steps after which a probe stops anyway.

    `check_estimate` says what memory it needs.
    """
    joined = ancestors(layers)[-1].ravel()
    least = DRAWS[_large(layers)] if n_samples is None else n_samples

    def at_weights(number: int) -> _Draw:
        noise = accuracy / 2 * least**0.5
        return _at_weights(layers, joined, power, seed + number, noise, accuracy / 4, max_steps)

    draws = [at_weights(0)]
    wanted = min(max(_times(draws[0], accuracy, 1), least), MOST_DRAWS)
    wanted = wanted if n_samples is None else n_samples
    draws += [at_weights(number) for number in range(1, wanted)]
    return _mean(draws)


def check_estimate(layers: Layers) -> None:
    """Refuse what would take too much memory."""
    number = 4 if _large(layers) else 8
    probes = MOST_PROBES[_large(layers)] + 4  # and sums of their products
    held = layers.n_in * sum(layers.widths) + (8 + probes) * layers.n_in * layers.n_out
    check_memory(
        "an estimate of the predicted loss",
        number * (held + 16 * layers.n_edges),
        LIMIT,
        "topokit.structure counts the trainable edges, whose share of all pairs bounds it",
    )


def _large(layers: Layers) -> bool:
    return layers.n_in * layers.n_out >= LARGE


def _at_weights(
    layers: Layers,
    joined: np.ndarray,
    power: float,
    seed: int,
    noise: float,
    tolerance: float,
    max_steps: int,
) -> _Draw:
    """What probes say at one draw of weights: a few, and as many more as bring their noise down."""
    large, dtype, share = _large(layers), precision(layers), float(joined.mean())
    operator = _operator(layers, draw_to_scale(layers, np.random.default_rng(seed)), dtype)
    rng, n_joined = np.random.default_rng([seed, 1]), int(joined.sum())

    def loss(rest: float) -> float:
        return share * max(rest / n_joined, 0.0) ** power + 1 - share

    def enough(rests: Sequence[float]) -> bool:
        now = loss(rests[-1])
        return now - loss(rests[-1] - left_to_find(rests)) <= tolerance * max(now, LITTLE)

    shortfalls, found = [], []

    def probed(number: int) -> MeanPower:
        while len(found) < number:
            probe = (joined * rng.choice([-1.0, 1.0], joined.size)).astype(dtype)
            found.append(project(operator, probe, enough=enough, max_steps=max_steps))
            shortfalls.append((1 - probe * np.asarray(found[-1].image))[joined])
        mean = mean_power(shortfalls, power)
        return MeanPower(share * mean.value + 1 - share, share**2 * mean.variance)

    mean = probed(PROBES[large])
    mean = probed(min(_times(mean, noise, PROBES[large]), MOST_PROBES[large]))
    return _Draw(
        *mean,
        float(np.mean([loss(p.rest) - loss(p.rest - p.left) for p in found])),
        max(p.steps for p in found),
        all(p.settled for p in found),
    )


def _times(found: MeanPower | _Draw, noise: float, number: int) -> int:
    """How many in place of so many bring the noise down to a share of the value."""
    wanted = noise * max(found.value, LITTLE)
    return ceil(number * found.variance / max(wanted, 1e-300) ** 2)


def _operator(layers: Layers, weights: list[np.ndarray], dtype: type) -> Operator:
    """The Jacobian, on a GPU where there is one and the network is large enough to gain by it."""
    if layers.n_in * layers.n_out >= LARGE_FOR_GPU:
        device = import_module("topokit.scores.freedom._device_operator")  # JAX takes half a second
        if device.has_gpu():
            return device.device_operator(layers, weights)
    operator = whitened_operator(linearize(layers, weights, dtype=dtype))
    return written_down(operator, dtype) if prod(operator.shape) <= SMALL else operator


def _mean(draws: list[_Draw]) -> LossEstimate:
    """The mean over draws; its noise is that of the probes, or that between draws if greater."""
    values: Float[np.ndarray, " draws"] = np.array([draw.value for draw in draws])
    noise = float(np.mean([draw.variance for draw in draws]))
    between = float(values.var(ddof=1)) if len(draws) > 1 else 0.0
    return LossEstimate(
        float(values.mean()),
        float(np.sqrt(max(noise, between) / len(draws))),
        float(np.mean([draw.drift for draw in draws])),
        len(draws),
        max(draw.steps for draw in draws),
        all(draw.settled for draw in draws),
    )
