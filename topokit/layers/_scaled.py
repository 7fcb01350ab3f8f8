"""Values of any size: what a neuron holds beside a power of two of its own.

Constants may have any size that a float has, and a product of two of them a size that none has.
Here each neuron holds numbers of about 1 at most, and how often 2 is to be multiplied to them; an
edge's weight may come with a power of two, too. Scales by powers of two round nothing, so that what
fits floats is the same to the last bit as without.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from topokit.layers._bundles import Bundles
from topokit.layers._carry import NUMBERS, Algebra

# The power of a zero, below that of all others.
NOTHING = -(2**40)

# Powers of two beyond which a float is zero, whatever else it is.
GONE = -1100

WEIGHT = np.dtype([("number", float), ("power", np.int64)])


class Scaled(NamedTuple):
    """Numbers of neurons, a number each or a row each, and their powers of two.

    Attributes:
        numbers: What each holds; of a row the greatest magnitude is in [1/2, 1), or 0.
        powers: How often 2 is to be multiplied to it; `NOTHING` where it is 0.
    """

    numbers: Float[np.ndarray, "_width *_columns"]
    powers: Int[np.ndarray, " _width"]


def as_scaled(numbers: Float[np.ndarray, "_width *_columns"]) -> Scaled:
    """Numbers as they are at the inputs, or at the outputs."""
    return _settled(numbers, np.zeros(len(numbers), np.int64))


def weights_with_powers(
    numbers: Float[np.ndarray, " edges"], powers: Int[np.ndarray, " edges"] | int
) -> Shaped[np.ndarray, " edges"]:
    """Weights `numbers * 2**powers`, of any size."""
    result = np.empty(numbers.shape, WEIGHT)
    result["number"], result["power"] = numbers, powers
    return result


def weights_of_logs(logs: Float[np.ndarray, " edges"]) -> Shaped[np.ndarray, " edges"]:
    """Weights with these natural logarithms."""
    powers = np.where(np.isfinite(logs), logs / np.log(2), 0.0).astype(np.int64)
    return weights_with_powers(np.exp(logs - powers * np.log(2)), powers)


def mantissas(
    weights: Shaped[np.ndarray, " edges"],
) -> tuple[Float[np.ndarray, " edges"], Int[np.ndarray, " edges"]]:
    """Numbers in [1/2, 1) or 0, and powers of two, of weights with or without powers."""
    if weights.dtype != WEIGHT:
        weights = weights_with_powers(weights, 0)
    numbers, powers = np.frexp(weights["number"])
    return numbers, np.where(numbers == 0, NOTHING, weights["power"] + powers)


def in_units(
    weights: Shaped[np.ndarray, " edges"],
    of_values: Int[np.ndarray, " edges"],
    of_results: Int[np.ndarray, " edges"],
) -> Float[np.ndarray, " edges"]:
    """What a weight is to values in units of 2 to one power, for results in units of another's.

    It is 0 where either is that of nothing.
    """
    numbers, powers = mantissas(weights)
    powers = powers + of_values - of_results
    powers[(of_values <= NOTHING) | (of_results <= NOTHING)] = GONE
    return np.ldexp(numbers, np.clip(powers, GONE, -GONE))


def scaled(*, noise: float = 0.0) -> Algebra:
    """The algebra of `Scaled` values.

    Args:
        noise: The share of the greatest of the summands up to which a sum is what rounding left
            of a zero.
    """
    return partial(_scaled, noise=noise)


def step_in_units(
    bundles: Bundles, powers: Int[np.ndarray, " _width"], weights: Shaped[np.ndarray, " edges"]
) -> tuple[Float[np.ndarray, " edges"], Int[np.ndarray, " _width"]]:
    """What each edge multiplies with, at most 1, and the powers of two of what neurons add up."""
    numbers, exponents = mantissas(weights)
    exponents = exponents + powers[bundles.tails]
    units = np.full(bundles.bounds.size - 1, NOTHING)
    met = slice(None) if bundles.met is None else bundles.met
    units[met] = np.maximum.reduceat(exponents, bundles.starts)
    return np.ldexp(numbers, np.maximum(exponents - units[bundles.heads], GONE)), units


def _scaled(
    bundles: Bundles, values: Scaled, weights: np.ndarray | None, *, noise: float
) -> Scaled:
    weights = np.ones(bundles.tails.size) if weights is None else weights
    factors, units = step_in_units(bundles, values.powers, weights)
    sums = NUMBERS(bundles, values.numbers, factors.astype(values.numbers.dtype, copy=False))
    return _settled(sums, units, noise)


def _settled(numbers: np.ndarray, units: Int[np.ndarray, " _width"], noise: float = 0.0) -> Scaled:
    """Numbers in some units, each row in one of its own."""
    rows = numbers.reshape(len(numbers), -1)
    sizes = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    own, powers = own_powers(sizes, units, noise)
    factors = np.ldexp(1.0, -own).astype(rows.dtype) * (powers > NOTHING)
    return Scaled((rows * factors[:, None]).reshape(numbers.shape), powers)


def own_powers(
    sizes: Float[np.ndarray, " _width"], units: Int[np.ndarray, " _width"], noise: float = 0.0
) -> tuple[Int[np.ndarray, " _width"], Int[np.ndarray, " _width"]]:
    """Of greatest magnitudes in some units, the powers of two within these, and whole."""
    alive = sizes > noise
    own = np.where(alive, np.maximum(np.frexp(sizes)[1], 1 - np.finfo(sizes.dtype).maxexp), 0)
    return own, np.where(alive, units + own, NOTHING)
