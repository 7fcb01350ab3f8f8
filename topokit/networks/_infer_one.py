"""A model as it is used: one example in, without dropout, and with means that were kept."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, PyTree


def infer_one(model: Any, state: Any, x: Array) -> Array:
    """What a model returns of one example; `state` is None for a model without one."""
    model = eqx.nn.inference_mode(model)
    return model(x) if state is None else model(x, state)[0]


def double_if(model: PyTree) -> type[np.float64] | None:
    """Double precision, for the examples, where a model has it: convolutions mix none."""
    weights = filter(eqx.is_inexact_array, jax.tree.leaves(model))
    return np.float64 if any(weight.dtype == np.float64 for weight in weights) else None
