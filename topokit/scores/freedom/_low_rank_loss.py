"""What no weights can get below: the best matrix of a rank, for a Gaussian target."""

from math import pi

import numpy as np

from topokit._checks import check_count

ANGLES = 2**13


def low_rank_loss(n_in: int, n_out: int, rank: int) -> float:
    """The mean relative loss of the best matrix of some rank for a Gaussian target, in [0, 1].

    By the theorem of Eckart and Young it is the share of the squared singular values beyond the
    first `rank`; for large matrices these follow the law of Marchenko and Pastur. With `g` the
    ratio of the sides, at most 1, they are `1 + g + 2 sqrt(g) cos(t)` times the longer side, with
    density `2 / pi sin(t)^2 / (1 + g + 2 sqrt(g) cos(t))` for t from 0 to pi, and those up to `t`
    hold the share `(t - sin(t) cos(t)) / pi` of the whole. Small matrices deviate by a term
    of the order of 1 / side. Cost O(1).

    Args:
        n_in: Rows.
        n_out: Columns.
        rank: The rank, 0 or more.

    Raises:
        ValueError: If a number is out of range or no integer.

    Examples:
        >>> import topokit as tk
        >>> round(tk.scores.low_rank_loss(32, 32, 8), 3), tk.scores.low_rank_loss(32, 32, 32)
        (0.377, 0.0)

    See Also:
        `topokit.predicted_loss`, for every topology.
    """
    short, long = sorted((check_count("n_in", n_in), check_count("n_out", n_out)))
    if check_count("rank", rank, least=0) >= short:
        return 0.0
    ratio = short / long
    t = (np.arange(ANGLES) + 0.5) * pi / ANGLES
    density = np.sin(t) ** 2 / (1 + ratio + 2 * ratio**0.5 * np.cos(t))
    counted = np.concatenate([[0.0], np.cumsum(density)])
    angle = np.interp(rank / short * counted[-1], counted, np.linspace(0, pi, ANGLES + 1))
    return float(1 - (angle - np.sin(angle) * np.cos(angle)) / pi)
