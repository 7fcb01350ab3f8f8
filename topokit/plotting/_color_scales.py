"""What the colors of a heatmap mean: values from 0 up or, where these hardly differ, deviations.

A fair K is all but one number. On a scale from 0 its picture is one color, and what structure there
is cannot be seen. So a matrix whose entries all lie within a quarter of that scale is drawn by its
deviations from the mean, on a scale of its own with white in the middle: other colors say that it
is another scale, and the labels how small it is.
"""

from collections.abc import Iterable
from math import floor, log10
from typing import NamedTuple

import numpy as np
from matplotlib.colors import Normalize

# Entries within this share of the scale of values are drawn as deviations.
EVEN = 0.25

# Deviations up to this share of the scale of values are not shown as such: they may be rounding.
LEAST = 1e-3

ROUND = 1, 1.2, 1.6, 2, 3, 4, 6, 8, 10

VALUES, DEVIATIONS = "viridis", "RdBu_r"  # both can be told by color-blind readers


class ColorScale(NamedTuple):
    """Which color an entry has.

    Attributes:
        norm: From entries to [0, 1].
        cmap: From there to colors.
        mean: What deviations are counted from; None on a scale of values.
    """

    norm: Normalize
    cmap: str
    mean: float | None


def scale_of_values(low: float | None, high: float | None, *, limits: tuple) -> ColorScale:
    """A scale with these ends, or with those that are needed."""
    low, high = (limits[0] if low is None else low), (limits[1] if high is None else high)
    return ColorScale(Normalize(low, high), VALUES, None)


def scale_that_shows(values: np.ndarray, *, limits: tuple[float, float]) -> ColorScale:
    """Values, or deviations where values would be one color."""
    spread, length = float(np.ptp(values)), limits[1] - limits[0]
    if spread > EVEN * length:
        return scale_of_values(None, None, limits=limits)
    mean = float(values.mean())
    reach = _round_up(max(float(np.abs(values - mean).max()), LEAST * length))
    return ColorScale(Normalize(mean - reach, mean + reach), DEVIATIONS, mean)


def limits_of(
    matrices: Iterable[np.ndarray], name: str, *, high: float = 1.0
) -> tuple[float, float]:
    """One scale of values for all matrices: it holds 0, what else it shall, and every entry."""
    low = 0.0
    for matrix in matrices:
        values = np.asarray(matrix)
        if values.ndim != 2 or not values.size or not np.isfinite(values).all():
            raise ValueError(
                f"{name} must be a matrix of finite numbers; given shape {values.shape}"
            )
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return low, high


def _round_up(value: float) -> float:
    """To the next of some round numbers, so that the ends of a scale are short to say."""
    unit = 10.0 ** floor(log10(value))
    return unit * next(step for step in ROUND if step >= value / unit - 1e-9)
