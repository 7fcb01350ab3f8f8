"""The pairwise form, as the paper has it: C_ij(v) for each ordered pair of inputs and each neuron.

The pairs lie flat in one axis of `n_in^2` channels, so that a neuron is still one row.
"""

from math import isqrt

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from topokit.scores.control.descent._marginal import hold_total
from topokit.scores.control.descent._propagation import ControlForm


def _allowed(reach: Bool[Array, "*neurons n_in"]) -> Bool[Array, "*neurons n_in*n_in"]:
    """Pairs of two different inputs that both reach the neuron."""
    *neurons, n_in = reach.shape
    different = ~jnp.eye(n_in, dtype=bool).ravel()
    both = reach[..., :, None] & reach[..., None, :]
    return both.reshape(*neurons, n_in**2) & jnp.broadcast_to(different, (*neurons, n_in**2))


def _hold(
    control: Float[Array, "neurons channels"], room: Float[Array, " neurons"]
) -> Float[Array, "neurons channels"]:
    """Scale each pair down to `C_ij + C_ji <= 1` (9), then all to the room (11)."""
    pairs = _pairs(control)
    pairs = pairs / jnp.maximum(pairs + pairs.swapaxes(1, 2), 1)
    return hold_total(pairs.reshape(control.shape), room)


def _read(control: Float[Array, "neurons channels"]) -> Float[Array, "neurons n_in"]:
    return _pairs(control).sum(axis=2)


def _pairs(control: Float[Array, "neurons channels"]) -> Float[Array, "neurons n_in n_in"]:
    n_in = isqrt(control.shape[1])
    return control.reshape(-1, n_in, n_in)


pairwise = ControlForm(_allowed, _hold, _read)
