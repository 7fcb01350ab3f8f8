"""The predicted loss where inputs are not alike: some vary more, and some with each other.

The loss is then that of the outputs, `E |x (W_O - W_d)|^2 / E |x W_O|^2`. With the principal
components of the inputs as rows (`topokit._inputs`) it is the plain loss of `R W_d` against a
target of independent entries, whose row k has the variance `v_k` of that component. Column o of
`R W_d` lies in the span of the columns of `R` whose inputs reach output o; what of the target lies
across that span is lost, exactly. Within it the target has components of its own, independent and
of variances `v_ko`. The Jacobian of `R W_d` has the columns `(R a_e) b_e^T`, and the projector on
them takes the share `h_ko` of component k: small steps leave `1 - h_ko` of it, exactly, and what
training leaves is predicted to be `(1 - h_ko)^p`, as without inputs. There the components are the
entries themselves, and this is the plain prediction.

A single layer is linear in its weights, and all that it sees it has: an output that has the senders
`S` and lacks the others `U` is left with the trace of `M_UU - M_US M_SS^-1 M_SU`, for the second
moments `M`: what the inputs that it sees do not tell about those that it does not.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from topokit._inputs import Components
from topokit._one_thread import one_thread
from topokit.layers import Layers, scaled_edge_factors, split_by_size
from topokit.scores.freedom._balanced_constants import MODERATE, moderate
from topokit.scores.freedom._leverage import column_basis, unit_rows
from topokit.scores.freedom._low_rank_loss import low_rank_loss
from topokit.scores.freedom._spanning_edges import spanning_edges
from topokit.scores.freedom._weight_scale import draw_to_scale

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


def rank_bound(inputs: Components, n_out: int, rank: int, seed: int) -> float:
    """The mean relative loss of the best matrix of a rank for `R W_O`, over a few drawn targets.

    Where all components are alike it is known without drawing.
    """
    if inputs.alike:
        return low_rank_loss(len(inputs.variances), n_out, rank)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(TARGETS):
        target = inputs.root @ rng.standard_normal((len(inputs.variances), n_out))
        values = np.linalg.svd(target, compute_uv=False) ** 2
        shares.append(values[rank:].sum() / values.sum())
    return float(np.mean(shares))


def cascade_losses(
    layers: Layers, inputs: Components, rank: int, exponent: float, seeds: Iterable[int]
) -> Float[np.ndarray, " draws"]:
    """What is left at each draw of weights; cost that of `leverage`, by a QR factorization."""
    raised = inputs._replace(variances=inputs.variances + LEAST_VARIANCE)
    with one_thread():
        return np.array([_left(layers, raised, rank, exponent, seed) for seed in seeds])


def _left(layers: Layers, inputs: Components, rank: int, exponent: float, seed: int) -> float:
    rng, root, total = np.random.default_rng(seed), inputs.root, inputs.variances.sum()
    keep = spanning_edges(layers)
    a, b, _ = scaled_edge_factors(layers, draw_to_scale(layers, rng), keep)
    reach = a.astype(bool).T.astype(float) @ b.astype(bool).astype(float) > 0
    basis, clear = column_basis(unit_rows(a @ root.T), unit_rows(b), rank)
    if not clear:
        refuse_stretched(layers)
    basis, left = basis.reshape(layers.n_in, layers.n_out, -1), 0.0
    patterns, which = np.unique(reach.T, axis=0, return_inverse=True)
    for number, seen in enumerate(patterns):
        outputs = np.flatnonzero(which.ravel() == number)
        variances, axes = seen_components(root[:, seen], inputs.variances)
        moved = np.einsum("ik,ior->kor", axes, basis[:, outputs])
        shares = np.minimum((moved**2).sum(axis=2), 1.0)
        left += len(outputs) * (total - variances.sum())
        left += (variances @ (1 - shares) ** exponent).sum()
    return float(left / (layers.n_out * total))


def refuse_stretched(layers: Layers) -> None:
    """Refuse constants that let columns differ by less than rounding."""
    if not moderate(layers):
        raise ValueError(
            "inputs mix what constants of this topology stretch by more than floats tell apart; "
            f"bring the constants within 2^-{MODERATE} and 2^{MODERATE}, or leave inputs= out"
        )


def seen_components(
    columns: Float[np.ndarray, "n_in seen"], variances: Float[np.ndarray, " n_in"]
) -> tuple[Float[np.ndarray, " seen"], Float[np.ndarray, "n_in seen"]]:
    """Within the span of what an output sees, the components of the target, and their variances."""
    span = np.linalg.qr(columns)[0]
    values, axes = np.linalg.eigh((span.T * variances) @ span)
    return values, span @ axes
