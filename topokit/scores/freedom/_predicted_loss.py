"""The loss that training will leave, predicted from leverage, interaction order and bandwidth.

A target with independent Gaussian entries is rebuilt best where the weights make the most of its
noise. If they can move an entry freely its error vanishes, if not it stays, and in between leverage
`h` stands for the share of its variance that they reach from one point. Training does not stay at
one point: it turns the reachable directions towards the target, the better the more weights are
multiplied with each other. An entry of `W_d` is a polynomial in the weights, of a degree that is
its number of trainable edges on a path. For such polynomials of order p in very many unknowns
with random coefficients, the spherical p-spin model, descent ends at the squared value
`4 (p - 1) / p` for each unknown, where a fixed set of directions would give 1. So a small `h`
counts for `4 (p - 1) / p` times itself, and `(1 - h)^(4 (p - 1) / p)` of the variance is left.
Constant edges mix terms of several degrees, and their sizes then decide which of them count.

No weights get below what the bandwidth allows: `W_d` has at most that rank.
"""

from collections.abc import Sequence
from math import pi

import networkx as nx
import numpy as np
from jaxtyping import Float

from topokit._checks import check_count
from topokit.layers import Layers, to_layers
from topokit.scores.counts import bandwidth
from topokit.scores.freedom._degrees_of_freedom import degrees_of_freedom
from topokit.scores.freedom._interaction_order import effective_order
from topokit.scores.freedom._leverage import check_leverage, leverage_of_rank

ANGLES = 2**13
ENTRIES_ENOUGH = 2**13
MOST_DRAWS = 8


def predicted_loss(
    topology: nx.DiGraph | Layers, *, n_samples: int | None = None, seed: int = 0
) -> float:
    """The relative loss that reconstruction of a Gaussian matrix is likely to leave, in [0, 1].

    The greater of two numbers: `low_rank_loss` at the bandwidth, which no weights can beat on
    average, and the mean of `(1 - H)^p` over the entries of the leverage map H, itself averaged
    over draws of weights. The exponent is `p = 4 (1 - 1 / d)`, 1 or more, with d the
    `effective_order`. Nothing is fitted. A single layer is predicted exactly: 1 less its density.

    The formula p comes from the threshold energy of spherical p-spin models (Crisanti and Sommers,
    1995; Cugliandolo and Kurchan, 1993), and at order 2 from the greatest singular value of a
    Gaussian matrix: `(2 sqrt(n))^2` for the 2n weights of rank one. What it leaves out: the steps
    that training takes, which matter where H is nearly 1 everywhere, and constants, which hold the
    weights near to one scale. `analyses/score_validity.py` says how good it is.

    Cost: that of `leverage` for `n_samples` draws, `degrees_of_freedom` and `bandwidth`.

    Args:
        topology: A graph or a recipe.
        n_samples: How many random weights to average over; by default as many as bring 8,192
            entries, at most 8: an average over many entries needs few draws.
        seed: For the weights, drawn as by `leverage`.

    Raises:
        ValueError: If `n_samples` is no positive integer, `seed` is negative, or `leverage` or
            `degrees_of_freedom` would take too much memory.

    Examples:
        >>> import topokit as tk
        >>> round(tk.predicted_loss(tk.topologies.low_rank(16, 16, 4)), 2)
        0.38
        >>> tk.predicted_loss(tk.topologies.dense(8, 8))
        0.0

    See Also:
        `reconstruct`, which trains; `topokit.scores.low_rank_loss`, exact for low rank.
    """
    layers, seed = to_layers(topology), check_count("seed", seed, least=0)
    n_samples = None if n_samples is None else check_count("n_samples", n_samples)
    return leverage_and_loss(layers, n_samples=n_samples, seed=seed)[1]


def leverage_and_loss(
    layers: Layers, *, n_samples: int | None = None, seed: int = 0
) -> tuple[Float[np.ndarray, "n_in n_out"], float]:
    """The mean of the leverage maps behind `predicted_loss`, and what it says."""
    check_leverage(layers)  # and so no more than fits is eliminated
    maps = draw_leverage(layers, degrees_of_freedom(layers), n_samples=n_samples, seed=seed)
    return np.mean(maps, axis=0), loss_of_maps(layers, maps, bandwidth(layers))


def draw_leverage(
    layers: Layers, freedom: int, *, n_samples: int | None = None, seed: int = 0
) -> list[Float[np.ndarray, "n_in n_out"]]:
    """The leverage maps behind `predicted_loss`, one for each draw of weights."""
    entries = layers.n_in * layers.n_out
    enough = min(MOST_DRAWS, -(-ENTRIES_ENOUGH // entries))
    n_samples = enough if n_samples is None else n_samples
    n_samples = 1 if freedom == entries else n_samples  # nothing is drawn then
    seeds = range(seed, seed + n_samples)
    return [leverage_of_rank(layers, freedom, n_samples=1, seed=each) for each in seeds]


def loss_of_maps(
    layers: Layers, maps: Sequence[Float[np.ndarray, "n_in n_out"]], width: int
) -> float:
    """`predicted_loss` where the leverage maps and the bandwidth are known."""
    exponent = 4 * (1 - 1 / max(effective_order(layers), 4 / 3))
    left = float(np.mean([((1 - H) ** exponent).mean() for H in maps]))
    return max(left, low_rank_loss(layers.n_in, layers.n_out, width))


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
