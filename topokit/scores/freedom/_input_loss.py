"""The predicted loss where inputs are not alike: some vary more, and some with each other.

The loss is then that of the outputs, `E |x (W_O - W_d)|^2 / E |x W_O|^2`. With the principal
components of the inputs as rows (`topokit._inputs`) it is the plain loss of `R W_d` against a
target of independent entries, whose row k has the variance `v_k` of that component. The Jacobian of
`R W_d` has the columns `(R a_e) b_e^T`; the projector on them has the diagonal `H`, and what small
steps leave of the target is `sum v_k (1 - H_ko) / (n_out sum v_k)`, exactly. What training leaves
is predicted, as without inputs, by `(1 - H_ko)^p` in the place of `1 - H_ko`.

A single layer is linear in its weights, and nothing has to be predicted: an output that has the
senders `S` and lacks the others `U` is left with the trace of `M_UU - M_US M_SS^-1 M_SU`, for the
second moments `M`: what the inputs that it sees do not tell about those that it does not.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from topokit._inputs import Components
from topokit._one_thread import one_thread
from topokit.layers import Layers, split_by_size
from topokit.scores.freedom._low_rank_loss import low_rank_loss

# Added to the variance of each component, of a mean of 1: the weights then move as many directions
# as without inputs, and what an input that never varies is given costs nothing.
LEAST_VARIANCE = 1e-8

# Of singular values, relative to the greatest, that rounding leaves.
ROUNDING = 1e-9

TARGETS = 8  # drawn for the bound of a rank


def residual_of_layer(layers: Layers, inputs: Components) -> float:
    """The loss of a single layer, exactly; cost O(sum of cubes of fans in)."""
    moments, left = inputs.moments, 0.0
    free = layers.trainable[0]
    senders, receivers = layers.senders[0][free], layers.receivers[0][free]
    fans = np.bincount(receivers, minlength=layers.n_out).tolist()
    with one_thread():
        for seen in split_by_size(fans, senders):
            known = np.linalg.pinv(moments[np.ix_(seen, seen)], rcond=ROUNDING, hermitian=True)
            across = moments[seen]
            left += np.trace(moments) - np.einsum("ij,ik,kj->", across, known, across)
    return float(max(left, 0.0) / (layers.n_out * np.trace(moments)))


def raised(inputs: Components) -> Components:
    """The components, none of which is without variance."""
    return inputs._replace(variances=inputs.variances + LEAST_VARIANCE)


def rank_bound(inputs: Components, n_out: int, rank: int, seed: int) -> float:
    """The mean relative loss of the best matrix of a rank for `R W_O`, over a few drawn targets.

    Where all components are alike it is known without drawing.
    """
    if np.ptp(inputs.variances) == 0:
        return low_rank_loss(len(inputs.variances), n_out, rank)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(TARGETS):
        target = inputs.root @ rng.standard_normal((len(inputs.variances), n_out))
        values = np.linalg.svd(target, compute_uv=False) ** 2
        shares.append(values[rank:].sum() / values.sum())
    return float(np.mean(shares))


def weighted_loss(
    inputs: Components, maps: Sequence[Float[np.ndarray, "n_in n_out"]], exponent: float
) -> Float[np.ndarray, " draws"]:
    """For each draw what is left of the variance, components by their share of it."""
    weights = inputs.variances / inputs.variances.sum()
    return np.array([weights @ ((1 - H) ** exponent).mean(axis=1) for H in maps])
