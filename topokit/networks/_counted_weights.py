"""Which weights a tangent kernel is of: all of a model, or those of its sparse layers alone.

Models that differ in wirings share their dense layers, such as the last one, to the classes. Those
have as many weights whatever the wiring, and their part of the kernel, which depends on how large
signals are when they arrive, hides what wirings differ in.
"""

from typing import Any

import equinox as eqx
import jax

from topokit.networks._factored_layer import FactoredLayer
from topokit.networks._linear import SparseLayer, SparseLinear


def counted_weights(model: Any, *, sparse_only: bool) -> Any:
    """The model with these weights, and None for all else; with all, if no layer is sparse."""
    parts = jax.tree.map(
        lambda part: eqx.filter(part, eqx.is_inexact_array) if _is_sparse(part) else _nothing(part),
        model,
        is_leaf=_has_wiring,
    )
    if sparse_only and jax.tree.leaves(parts):
        return parts
    return eqx.filter(model, eqx.is_inexact_array)


def _nothing(part: Any) -> Any:
    return eqx.filter(part, False)


def _has_wiring(part: Any) -> bool:
    """Whether it is a layer of a topology, or of the factors of a dense one."""
    return isinstance(part, SparseLinear | SparseLayer | FactoredLayer)


def _is_sparse(part: Any) -> bool:
    """Whether it is one, and not a single layer of all pairs, as rules leave small ones dense."""
    if not isinstance(part, SparseLinear) or len(part.layers) != 1:
        return _has_wiring(part)
    (layer,) = part.layers
    return layer.weight.size < layer.wiring.n_in * layer.wiring.n_out
