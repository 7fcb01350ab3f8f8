"""What the predicted loss of a topology cannot go below, before anything is factored or probed.

The prediction is the mean of `(1 - H)^p` over all entries, or what the bandwidth allows where that
is more (`topokit.predicted_loss`). Entries without a path keep all they have, for H is 0 there.
Over the others the mean is least where H is the same everywhere, `(1 - f / N)^p` for f degrees of
freedom in N entries: the power is convex. It falls with f and with p, and both have a limit that
costs little: f at most the trainable edges less one for each hidden neuron that can be scaled, the
dimension of matrices of the narrowest layer's rank, and N; p by the order of the interaction, at
most the depth.

What a rank leaves is known for large matrices (`low_rank_loss`). Of small ones the best of a rank
leaves less, by at most `MARGIN` over the shorter side (.13 to .15 for sides from 16 to 64), which
the bound takes off.
"""

from functools import lru_cache

import numpy as np

from topokit.designs._members import Member
from topokit.layers import Layers, ancestor_bits
from topokit.scores.freedom import count_spanning, effective_order, exponent_of, low_rank_loss

MARGIN = 1 / 6


def bound_of_member(member: Member) -> float:
    """A lower bound of the predicted loss of a member that is not built; cost O(1).

    Of random edges it is that of their expected number.
    """
    freedom = member.trainable - (0 if member.skip else member.hidden)
    return _bound(member.n_in, member.n_out, freedom, member.narrowest, member.depth)


def bound_of_layers(layers: Layers) -> float:
    """A lower bound of the predicted loss of a recipe; cost O(n_in E / 64) and some 20 E."""
    joined = int(np.bitwise_count(ancestor_bits(layers)[-1]).sum())
    share = joined / (layers.n_in * layers.n_out)
    freedom, rank = count_spanning(layers), min(layers.widths)
    return _bound(layers.n_in, layers.n_out, freedom, rank, effective_order(layers), share)


def _bound(
    n_in: int, n_out: int, freedom: int, rank: int, order: float, share: float = 1.0
) -> float:
    entries = share * n_in * n_out
    settled = min(max(freedom, 0), rank * (n_in + n_out - rank), entries) / entries
    even = share * (1 - settled) ** exponent_of(order) + 1 - share
    return max(even, bound_of_rank(n_in, n_out, rank))


@lru_cache(maxsize=2**12)
def bound_of_rank(n_in: int, n_out: int, rank: int) -> float:
    """What the best matrix of a rank leaves of a Gaussian one, or a little less."""
    return max(low_rank_loss(n_in, n_out, rank) - MARGIN / min(n_in, n_out), 0.0)
