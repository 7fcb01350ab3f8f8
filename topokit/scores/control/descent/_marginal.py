"""The marginal form: one number `k_i(v) = sum_j C_ij(v)` for each input and neuron.

Equations (12) to (20) ask of C only how much of it each input has, but for the bound (9) on single
pairs. Where no pair exceeds that, the form gives the same totals as the pairwise one for `1 / n_in`
of its cost. A neuron that keeps its total (11) can always spread `k_i(v)` over pairs within (9).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from topokit.scores.control.descent._propagation import ControlForm


def _allowed(reach: Bool[Array, "*neurons n_in"]) -> Bool[Array, "*neurons n_in"]:
    return reach


def hold_total(
    control: Float[Array, "neurons channels"], room: Float[Array, " neurons"]
) -> Float[Array, "neurons channels"]:
    """Scale control down to a total of at most the room (equation (11))."""
    share = room / jnp.maximum(control.sum(axis=1), 1e-6)
    return control * jnp.minimum(share, 1)[:, None]


def _read(control: Float[Array, "neurons n_in"]) -> Float[Array, "neurons n_in"]:
    return control


marginal = ControlForm(_allowed, hold_total, _read)
