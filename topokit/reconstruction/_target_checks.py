"""Targets at the door: of the right shape, finite, and of a size that a relative loss can bear."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from topokit._limits import check_memory
from topokit.layers import Layers
from topokit.products import Cost
from topokit.reconstruction._objective import total_cost

LIMIT = 2**34
# Bytes for an entry of a target, which several stages copy, and for what a neuron holds of an
# input, forward and back.
ENTRY, HELD = 40, 12


def check_targets(
    layers: Layers, targets: np.ndarray | Array, cost: Cost
) -> Float[np.ndarray, "n_targets n_in n_out"]:
    """Return a stack of matrices that fit the topology, or raise a ValueError that says why not."""
    shape = (layers.n_in, layers.n_out)
    expected = (
        f"targets must have shape {shape} or (n_targets, {shape[0]}, {shape[1]}) to fit the "
        "topology; given"
    )
    try:
        targets = np.asarray(targets)
    except ValueError as error:
        raise ValueError(f"{expected} rows of different lengths") from error
    if not targets.ndim:
        raise ValueError(f"{expected} {targets.item()!r}")
    if targets.ndim not in (2, 3) or targets.shape[-2:] != shape or not targets.size:
        raise ValueError(f"{expected} {targets.shape}")
    check_number(layers, targets.size // (shape[0] * shape[1]))
    if targets.dtype.kind not in "biuf" or not np.isfinite(targets).all():
        raise ValueError("targets must be finite real numbers")
    stack = targets.reshape(-1, *shape).astype(float)
    zero = np.flatnonzero(~stack.any(axis=(1, 2)))
    if zero.size:
        raise ValueError(f"target {zero[0]} is zero: a loss relative to it has no meaning")
    _check_cost(stack, cost)
    return stack


def check_number(layers: Layers, n_targets: int) -> None:
    """Raise `TooLargeError` if so many targets of a topology take too much to be rebuilt."""
    check_memory(
        f"a reconstruction of {n_targets} targets",
        layers.n_in * (ENTRY * n_targets * layers.n_out + HELD * sum(layers.widths)),
        LIMIT,
        "give fewer targets; topokit.predicted_loss tells the loss of larger layers",
    )


def sizes(targets: Float[np.ndarray, "batch n_in n_out"]) -> Float[np.ndarray, " batch"]:
    """Root mean square of the targets' columns: 1 for what Xavier weights produce."""
    return np.sqrt((targets**2).sum(axis=(1, 2)) / targets.shape[2])


def _check_cost(stack: Float[np.ndarray, "n_targets n_in n_out"], cost: Cost) -> None:
    dtype = jnp.result_type(float)
    with np.errstate(over="ignore", under="ignore"):
        whole = np.asarray(_entrywise(cost, jax.device_put(stack.astype(dtype))))
    wrong = np.flatnonzero(~(np.isfinite(whole) & (whole > 0)))
    if wrong.size:
        peak = np.abs(stack[wrong[0]]).max()
        raise ValueError(
            f"target {wrong[0]}, whose largest entry is {peak:.3g}, has a loss of "
            f"{whole[wrong[0]]} in {dtype}, and none can be relative to that; bring the targets "
            "near unit variance"
        )


def _entrywise(cost: Cost, stack: Float[Array, "n_targets n_in n_out"]) -> Array:
    message = (
        "loss must be the cost of one entry's error as a function of an array, such as jnp.square "
        f"or jnp.abs; given {cost!r}"
    )
    if not callable(cost):
        raise ValueError(message)
    try:
        return total_cost(stack, cost)
    except (TypeError, ValueError) as error:
        raise ValueError(message) from error
